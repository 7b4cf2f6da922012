/**
 * Apache Kafka's clients and command line tools: jars from CHRONIK_KAFKA_JARS/<version>, or fetched once with Maven.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder, installed, must } from "../Programs.ts"
import type { Context } from "../Suite.ts"

export type KafkaVersion = "3.9.2" | "4.3.1"

/** `path` is a class path of single files, in one order: an archive of loaded classes is of use with the same path only. */
export type Jars = { readonly path: string; readonly missing?: undefined } | { readonly missing: string }

const classPath = (directory: string): string =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".jar"))
    .sort()
    .map((name) => join(directory, name))
    .join(":")

const dependency = (group: string, artifact: string, version: string): string =>
  `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`

const pom = (version: KafkaVersion): string =>
  `<project><modelVersion>4.0.0</modelVersion><groupId>conformance</groupId><artifactId>kafka</artifactId>` +
  `<version>1</version><dependencies>${dependency("org.apache.kafka", "kafka_2.13", version)}` +
  `${dependency("org.apache.kafka", "kafka-tools", version)}` +
  `${dependency("org.slf4j", "slf4j-simple", "1.7.36")}</dependencies></project>\n`

/** A class path of all of them, or what is missing. */
export const jars = async (context: Context, version: KafkaVersion): Promise<Jars> => {
  if (!installed("java", "-version")) return { missing: "Java is not installed (Debian package openjdk-17-jdk)." }
  const given = process.env.CHRONIK_KAFKA_JARS
  if (given !== undefined) {
    const path = join(given, version)
    return existsSync(path) ? { path: classPath(path) } : { missing: `CHRONIK_KAFKA_JARS has no folder ${version}.` }
  }
  const home = folder(context.cache, "java", version)
  const path = join(home, "jars")
  const done = join(home, "complete")
  if (existsSync(done)) return { path: classPath(path) }
  if (!installed("mvn", "--version")) {
    return { missing: `Maven is not installed (Debian package maven), and CHRONIK_KAFKA_JARS names no folder of jars.` }
  }
  context.say(`  fetching Apache Kafka ${version}`)
  writeFileSync(join(home, "pom.xml"), pom(version))
  const args = ["-q", "dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${path}`]
  await must("mvn", args, { cwd: home, timeoutMs: 600_000 })
  writeFileSync(done, "")
  return { path: classPath(path) }
}
