/**
 * librdkafka's sources and its test runner, from the npm package that bundles them, built once in the cache.
 */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { jars } from "../java/Jars.ts"
import { folder, installed, must } from "../Programs.ts"
import type { Context } from "../Suite.ts"
import { LIBRDKAFKA_VERSION } from "./AllowList.ts"

/** The package whose `deps/librdkafka` is LIBRDKAFKA_VERSION. */
export const PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
const BUILD_MS_MAX = 30 * 60_000

export const testsFolder = (cache: string): string =>
  join(cache, "librdkafka", "package", "deps", "librdkafka", "tests")

/** Builds what is missing. Resolves with what the machine lacks. */
export const buildLibrdkafka = async (context: Context): Promise<string | undefined> => {
  const tests = testsFolder(context.cache)
  if (existsSync(join(tests, "test-runner"))) return undefined
  const lacking = ["gcc", "g++", "make", "python3", "npm", "tar"].filter((tool) => !installed(tool, "--version"))
  if (lacking.length > 0) return `librdkafka is built from its sources, and ${lacking.join(", ")} is missing.`
  context.say(`  building librdkafka ${LIBRDKAFKA_VERSION} and its tests (once, some minutes)`)
  const home = folder(context.cache, "librdkafka")
  const packed = (await must("npm", ["pack", PACKAGE, "--silent"], { cwd: home, timeoutMs: 300_000 })).trim()
  await must("tar", ["xzf", packed], { cwd: home })
  const sources = join(tests, "..")
  await must("./configure", ["--disable-curl"], { cwd: sources, timeoutMs: 300_000 })
  await must("nice", ["make", "-j2", "libs"], { cwd: sources, timeoutMs: BUILD_MS_MAX })
  await must("nice", ["make", "-j2", "-C", "tests", "build"], { cwd: sources, timeoutMs: BUILD_MS_MAX })
  return undefined
}

/** The library and its headers in a folder of the cache, for a client that is linked with them. Resolves with the folder. */
export const installLibrdkafka = async (context: Context): Promise<string> => {
  const installed = folder(context.cache, "librdkafka", "installed")
  const sources = join(testsFolder(context.cache), "..")
  for (const part of ["src", "src-cpp"])
    await must("make", ["-C", part, "install", `DESTDIR=${installed}`], { cwd: sources })
  return join(installed, "usr", "local")
}

const SCRIPTS: Readonly<Record<string, string>> = {
  "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
  "kafka-configs.sh": "kafka.admin.ConfigCommand",
  "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
  "kafka-run-class.sh": ""
}

/**
 * Some tests call the scripts of a Kafka distribution, found in KAFKA_PATH: here they are, on top of the Java tools' jars.
 * Resolves with undefined where there is no Java; then those tests cannot run.
 */
export const kafkaScripts = async (context: Context): Promise<string | undefined> => {
  const classpath = await jars(context, "4.3.1")
  if (classpath.missing !== undefined) return undefined
  const home = join(context.cache, "librdkafka", "kafka")
  const bin = folder(home, "bin")
  for (const [name, main] of Object.entries(SCRIPTS)) {
    const script = `#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "\${CLASSPATH:-.}:${classpath.path}" ${main} "$@"\n`
    writeFileSync(join(bin, name), script, { mode: 0o755 })
  }
  return home
}
