/**
 * What this machine has of what the comparison needs. What is missing is a sentence in the report, never a failure.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import * as os from "node:os"
import { join } from "node:path"

const REPOSITORY = join(import.meta.dirname, "../..")
const SHARED = join(REPOSITORY, "../shared")

export const PATHS = {
  repository: REPOSITORY,
  bundle: join(REPOSITORY, "packages/cli/dist/main.js"),
  launcher: join(REPOSITORY, "packages/cli/bin/chronik-effect.js"),
  floorServer: join(SHARED, "floor/server.mjs"),
  floorFetch: join(SHARED, "floor/fetch.mjs"),
  loadGenerator: join(SHARED, "floor/lg.c"),
  fetchGenerator: join(SHARED, "floor/fg.c"),
  kafkaPeer: join(SHARED, "kafka-peer/peer"),
  results: join(REPOSITORY, "docs/bench")
}

export interface Generators {
  readonly produce: string
  readonly fetch: string
}

export interface Machine {
  readonly bundle: boolean
  readonly floor: boolean
  readonly kafka: boolean
  readonly compiler: boolean
  /** Why a candidate or a row is left out. */
  readonly missing: ReadonlyArray<string>
  readonly facts: Readonly<Record<string, string | number>>
}

const runs = (command: string, ...args: ReadonlyArray<string>): boolean => {
  try {
    execFileSync(command, args, { stdio: "ignore" })
    return true
  } catch {
    // Not installed, or it does not run: the same thing for a comparison.
    return false
  }
}

export function examine(): Machine {
  const missing: Array<string> = []
  const need = (there: boolean, sentence: string): boolean => {
    if (!there) missing.push(sentence)
    return there
  }
  const bundle = need(existsSync(PATHS.bundle), "The bundle is missing, so ours is left out: run `npm run build`.")
  const sources = need(
    existsSync(PATHS.loadGenerator) && existsSync(PATHS.fetchGenerator),
    `The load generators are missing, so there is nothing to measure with: ${PATHS.loadGenerator}.`
  )
  const compiler =
    need(runs("gcc", "--version"), "gcc is missing, so the load generators cannot be built.") &&
    need(process.arch === "x64", "The load generators are written for x86-64, and this machine is none.") &&
    sources
  const floor = need(existsSync(PATHS.floorServer), `The floor is missing, so it is left out: ${PATHS.floorServer}.`)
  const peer = need(existsSync(PATHS.kafkaPeer), `Apache Kafka is left out: ${PATHS.kafkaPeer} is missing.`)
  const java = peer && need(runs("java", "-version"), "Apache Kafka is left out: there is no Java.")
  const maven = java && need(runs("mvn", "-v"), "Apache Kafka is left out: there is no Maven to fetch it with.")
  const kafka = maven && need(runs("kcat", "-V"), "Apache Kafka is left out: kcat is needed to see when it answers.")
  return { bundle, floor, kafka, compiler, missing, facts: facts() }
}

function facts(): Machine["facts"] {
  const [cpu] = os.cpus()
  return {
    cpu: cpu?.model ?? "unknown",
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    loadAverage: os.loadavg()[0]!,
    commit: commit()
  }
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: REPOSITORY, encoding: "utf8" }).trim()
  } catch {
    // A copy without its history: the figures are then nobody's.
    return "unknown"
  }
}

/** Builds the generators into `folder`. */
export function compileGenerators(folder: string): Generators {
  const build = (source: string, name: string): string => {
    const target = join(folder, name)
    execFileSync("gcc", ["-O2", "-march=native", "-o", target, source, "-lm"], { stdio: ["ignore", "ignore", "pipe"] })
    return target
  }
  return { produce: build(PATHS.loadGenerator, "lg"), fetch: build(PATHS.fetchGenerator, "fg") }
}

/** Processor time that a process has used, in milliseconds; undefined where the kernel does not say. */
export function processorMs(pid: number): number | undefined {
  try {
    // Behind the name in brackets, which may hold spaces: fields 14 and 15, in ticks of 10 ms.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    // No procfs, or the process is gone.
    return undefined
  }
}

/** Resident memory of a process in MB; undefined where the kernel does not say. */
export function residentMb(pid: number): number | undefined {
  try {
    const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
    return match === null ? undefined : Math.round(Number(match[1]) / 1_024)
  } catch {
    // No procfs, or the process is gone.
    return undefined
  }
}
