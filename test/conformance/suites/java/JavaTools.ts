/**
 * Apache Kafka's own command line tools against our broker, each call a Java process of its own.
 *
 * Some classes moved between 3.9 and 4.x; callers use the newer name.
 */
import { existsSync } from "node:fs"
import { account, background, type Finished, must, type Running, type RunOptions, run } from "../Programs.ts"
import type { KafkaVersion } from "./Jars.ts"

/** A small heap and the first compiler only: these programs live for a second. */
const JVM = [
  ...[
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-Xshare:auto",
    "-Xlog:cds=off",
    "-Xlog:cds+dynamic=off"
  ],
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
]

/** Where 3.9 has a class that 4.x moved into `org.apache.kafka.tools`. */
const OLD_HOMES: Readonly<Record<string, string>> = {
  "org.apache.kafka.tools.ConsoleProducer": "kafka.tools.ConsoleProducer",
  "org.apache.kafka.tools.AclCommand": "kafka.admin.AclCommand",
  "org.apache.kafka.tools.BrokerApiVersionsCommand": "kafka.admin.BrokerApiVersionsCommand",
  "org.apache.kafka.tools.DumpLogSegments": "kafka.tools.DumpLogSegments"
}

const TOOL_MS_MAX = 120_000

const label = (tool: string, args: ReadonlyArray<string>): string => `${tool.split(".").at(-1)} ${args.join(" ")}`

export class JavaTools {
  readonly version: KafkaVersion
  readonly bootstrap: string
  readonly #classpath: string
  readonly #archive: string

  /** `archive`: where the classes of a first run are kept, so that later ones start in half the time. */
  constructor(version: KafkaVersion, classpath: string, bootstrap: string, archive: string) {
    this.version = version
    this.#classpath = classpath
    this.bootstrap = bootstrap
    this.#archive = archive
  }

  get modern(): boolean {
    return this.version.startsWith("4.")
  }

  /** Runs a tool as it is, and gives all that it wrote; for calls that are expected to fail. */
  attempt(tool: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Finished> {
    return run("java", this.#arguments(tool, args), { timeoutMs: TOOL_MS_MAX, label: label(tool, args), ...options })
  }

  /** Runs a tool that must succeed, and gives its standard output. */
  run(tool: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<string> {
    return must("java", this.#arguments(tool, args), { timeoutMs: TOOL_MS_MAX, label: label(tool, args), ...options })
  }

  /** The same with `--bootstrap-server` before the arguments. */
  admin(tool: string, ...args: ReadonlyArray<string>): Promise<string> {
    return this.run(tool, ["--bootstrap-server", this.bootstrap, ...args])
  }

  /** A tool that goes on until it is ended, in the foreground of nobody. */
  start(tool: string, args: ReadonlyArray<string>): Running {
    return background("java", this.#arguments(tool, args))
  }

  /** A tool that must refuse, with a sentence that matches; its exit code is not looked at, since some refuse with 0. */
  async refuses(expected: RegExp, tool: string, ...args: ReadonlyArray<string>): Promise<void> {
    const finished = await this.attempt(tool, ["--bootstrap-server", this.bootstrap, ...args])
    if (!expected.test(`${finished.stdout}\n${finished.stderr}`)) {
      throw new Error(`expected ${expected}, but ${account(finished)}`)
    }
  }

  /** Values in lines through the console producer. */
  async produce(topic: string, lines: ReadonlyArray<string>, ...args: ReadonlyArray<string>): Promise<void> {
    await this.run(
      "org.apache.kafka.tools.ConsoleProducer",
      ["--bootstrap-server", this.bootstrap, "--topic", topic, ...args],
      { input: `${lines.join("\n")}\n` }
    )
  }

  #arguments(tool: string, args: ReadonlyArray<string>): ReadonlyArray<string> {
    const main = this.modern ? tool : (OLD_HOMES[tool] ?? tool)
    const archive = `-XX:${existsSync(this.#archive) ? "SharedArchiveFile" : "ArchiveClassesAtExit"}=${this.#archive}`
    return [...JVM, archive, "-cp", this.#classpath, main, ...args]
  }
}

/** Rows of a tool's table as cells, its header first. */
export const rows = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((cells) => cells.length > 1)

/** Cells of one column by the header's name, for the rows that hold `key`. */
export const column = (text: string, name: string, ...key: ReadonlyArray<string>): ReadonlyArray<string> => {
  const all = rows(text)
  const header = all.find((cells) => cells.includes(name))
  if (header === undefined) throw new Error(`no column ${name} in:\n${text}`)
  const at = header.indexOf(name)
  return all.filter((cells) => key.every((part) => cells.includes(part)) && cells !== header).map((cells) => cells[at]!)
}
