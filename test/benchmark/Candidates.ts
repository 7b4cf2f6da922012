/**
 * The servers that are compared, each started in a folder of its own and stopped by what started it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdirSync, openSync, readFileSync } from "node:fs"
import * as net from "node:net"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { createTopic, LATEST, listOffset } from "@chronik-effect/server/client/kafka/Admin.ts"
import { makeKafkaClient, retrying } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import * as Effect from "effect/Effect"
import { PATHS, processorMs, residentMb } from "./Machine.ts"

export interface Candidate {
  readonly name: string
  readonly port: number
  /** Milliseconds from the start of the process to its first answer; undefined where it means nothing. */
  readonly startMs: number | undefined
  readonly residentMb: () => number | undefined
  readonly processorMs: () => number | undefined
  readonly stop: () => Promise<void>
}

export const TOPICS = {
  /** 64 partitions whose old segments are deleted while the benchmark runs. */
  bench: "bench",
  /** The same, and Kafka fsyncs each append. */
  sync: "sync",
  fetch: "fetch",
  endToEnd: "e2e",
  one: "bench-1",
  thousand: "bench-1000"
} as const

const BENCH_CONFIGS = new Map([
  ["retention.bytes", "16000000"],
  ["segment.bytes", "67108864"],
  ["retention.ms", "-1"]
])
export const FETCH_PARTITIONS = 16

const START_MS_MAX = 60_000

/** ApiVersions v0 as bytes: the smallest question that only a Kafka server answers. */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

/** Asks until there is an answer. `alive` ends the asking when the process is gone. */
export async function firstAnswer(port: number, alive: () => boolean): Promise<void> {
  const endMs = performance.now() + START_MS_MAX
  while (alive() && performance.now() < endMs) {
    const answered = await new Promise<boolean>((settle) => {
      const socket = net.connect(port, "127.0.0.1", () => socket.write(QUESTION))
      const done = (yes: boolean) => {
        socket.destroy()
        settle(yes)
      }
      socket.once("data", () => done(true))
      socket.once("error", () => done(false))
    })
    if (answered) return
    // A pause, because a busy asker takes a core from the one who starts.
    await pause(1)
  }
  throw new Error(`Nothing answers on port ${port}.`)
}

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((settle) => child.once("exit", () => settle()))

/** A Node program in `folder`, with its output in a file there. */
function spawnNode(folder: string, args: ReadonlyArray<string>, env: Record<string, string>): ChildProcess {
  mkdirSync(folder, { recursive: true })
  const log = openSync(join(folder, "log"), "a")
  return spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ["ignore", log, log] })
}

const stopping = (child: ChildProcess) => async (): Promise<void> => {
  child.kill("SIGTERM")
  await exited(child)
}

const costsOf = ({ pid }: ChildProcess) => ({
  residentMb: () => residentMb(pid!),
  processorMs: () => processorMs(pid!)
})

async function up(
  name: string,
  folder: string,
  port: number,
  args: ReadonlyArray<string>,
  env: Record<string, string>
) {
  const beganMs = performance.now()
  const child = spawnNode(folder, args, env)
  try {
    await firstAnswer(port, () => child.exitCode === null)
  } catch (error) {
    child.kill("SIGKILL")
    throw new Error(`${name} does not start: ${readFileSync(join(folder, "log"), "utf8").slice(-500)}`, {
      cause: error
    })
  }
  const startMs = performance.now() - beganMs
  return { name, port, startMs, ...costsOf(child), stop: stopping(child) }
}

const serveArgs = (folder: string, port: number): ReadonlyArray<string> => [
  "serve",
  "--kafka-port",
  String(port),
  "--data-dir",
  join(folder, "data"),
  "--set",
  "log.retention.check.interval.ms=1000",
  "--log-level",
  "warn"
]

/** Ours, from its bundle: that of this checkout, or of another one. */
export const startOurs = (folder: string, port: number, name = "ours", bundle = PATHS.bundle): Promise<Candidate> =>
  up(name, folder, port, [bundle, ...serveArgs(folder, port)], {
    NODE_COMPILE_CACHE: join(folder, "..", "compile-cache")
  })

/** The floor for produce. It answers Produce alone, so it is up when it listens. */
export async function startFloor(folder: string, port: number): Promise<Candidate> {
  const child = spawnNode(folder, [PATHS.floorServer], { PORT: String(port) })
  await listens(port, child, folder)
  return { name: "floor", port, startMs: undefined, ...costsOf(child), stop: stopping(child) }
}

/** The floor for fetch: `how` is tail (memory) or read (page cache). */
export async function startFetchFloor(folder: string, port: number, how: "tail" | "read"): Promise<Candidate> {
  const env = { PORT: String(port), HOW: how, PARTS: String(FETCH_PARTITIONS), MB: "64" }
  const child = spawnNode(folder, [PATHS.floorFetch], env)
  await listens(port, child, folder)
  return {
    name: `floor-${how}`,
    port,
    startMs: undefined,
    ...costsOf(child),
    stop: stopping(child)
  }
}

async function listens(port: number, child: ChildProcess, folder: string): Promise<void> {
  const endMs = performance.now() + START_MS_MAX
  while (performance.now() < endMs && child.exitCode === null) {
    const open = await new Promise<boolean>((settle) => {
      const socket = net.connect(port, "127.0.0.1", () => {
        socket.destroy()
        settle(true)
      })
      socket.once("error", () => settle(false))
    })
    if (open) return
    await pause(1)
  }
  child.kill("SIGKILL")
  throw new Error(`The floor does not start: ${readFileSync(join(folder, "log"), "utf8").slice(-500)}`)
}

/** Apache Kafka, by the script of its own. */
export async function startKafka(folder: string, port: number): Promise<Candidate> {
  mkdirSync(folder, { recursive: true })
  const peer = (...args: ReadonlyArray<string>): string =>
    execFileSync(PATHS.kafkaPeer, args, { encoding: "utf8", env: { ...process.env, PORT: String(port) } })
  const retention = [
    "log.retention.check.interval.ms=1000",
    "log.segment.delete.delay.ms=500",
    "log.initial.task.delay.ms=1000"
  ]
  const said = peer("up", folder, "1", ...retention)
  const after = /after (\d+) ms/.exec(said)
  const pid = Number(peer("pids", folder).trim())
  return {
    name: "kafka",
    port,
    startMs: after === null ? undefined : Number(after[1]),
    residentMb: () => Number(peer("rss", folder).trim()),
    processorMs: () => processorMs(pid),
    stop: async () => {
      peer("down", folder)
    }
  }
}

/** Makes the topics of all rows; Kafka has one more, whose appends are fsynced. */
export const prepareTopics = (candidate: Candidate): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const client = yield* makeKafkaClient({ bootstrap: `127.0.0.1:${candidate.port}` })
        // Made, and then asked until each partition answers: Kafka says "created" before they all serve.
        const make = (name: string, partitions: number, configs: ReadonlyMap<string, string> = new Map()) =>
          Effect.gen(function* () {
            yield* retrying(client.timeoutMs, () =>
              createTopic(client, { name, partitions, replicationFactor: 1, configs })
            )
            const each = Array.from({ length: partitions }, (_, partition) => partition)
            yield* Effect.forEach(each, (partition) => listOffset(client, name, partition, LATEST), {
              concurrency: 16,
              discard: true
            })
          })
        yield* make(TOPICS.bench, 64, BENCH_CONFIGS)
        yield* make(TOPICS.one, 1, BENCH_CONFIGS)
        yield* make(TOPICS.thousand, 1_000, BENCH_CONFIGS)
        yield* make(TOPICS.fetch, FETCH_PARTITIONS)
        yield* make(TOPICS.endToEnd, 1)
        if (candidate.name === "kafka") {
          yield* make(TOPICS.sync, 64, new Map([...BENCH_CONFIGS, ["flush.messages", "1"]]))
        }
      })
    )
  )
