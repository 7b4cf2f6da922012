/**
 * Seeds over child processes. Jobs are taken from an iterator in order, some at a time; results come as they are ready. A
 * process that dies or does not answer is a finding like any other: its seed failed, and another process goes on.
 */
import { type ChildProcess, fork } from "node:child_process"
import { failed, type Job } from "./Jobs.ts"
import type { Finished, FromWorker, ToWorker } from "./Messages.ts"

export interface HuntOptions {
  readonly world: string
  readonly jobs: Iterator<Job>
  readonly processes: number
  /** Jobs that one process is given at a time. */
  readonly chunk: number
  readonly stopAtFailure: boolean
  /** Real time after which no further chunk is handed out. */
  readonly forMs: number
  /** A seed that takes longer in real time is taken for hung. */
  readonly seedMsMax?: number
  readonly execArgv?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** A process that must have loaded a mutation and has not is an error. */
  readonly planted?: boolean
  readonly onFinished: (finished: Finished) => void
}

const WORKER = new URL("./worker.ts", import.meta.url).pathname
/** A thousand times what a seed takes, or a process to load the world. */
const PATIENCE_MS = 30_000
/** Those that run now, of all hunts of this process. A child in an endless loop does not notice that its parent is gone. */
const children = new Set<ChildProcess>()

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

export const hunt = async (options: HuntOptions): Promise<void> => {
  const endMs = performance.now() + options.forMs
  let stopped = false
  const isOver = (): boolean => stopped || performance.now() >= endMs
  const take = (): ReadonlyArray<Job> => {
    if (isOver()) return []
    const jobs: Array<Job> = []
    while (jobs.length < options.chunk) {
      const next = options.jobs.next()
      if (next.done === true) break
      jobs.push(next.value)
    }
    return jobs
  }
  const done = (finished: Finished): void => {
    if (options.stopAtFailure && !finished.result.ok) stopped = true
    options.onFinished(finished)
  }
  const lanes = Array.from({ length: options.processes }, async () => {
    let jobs = take()
    while (jobs.length > 0) {
      const left = await work(options, jobs, take, done)
      jobs = isOver() ? [] : left.length > 0 ? left : take()
    }
  })
  await Promise.all(lanes)
}

/** One process until it has no more to do or ends; answers the jobs that it took and did not do. */
const work = (
  options: HuntOptions,
  first: ReadonlyArray<Job>,
  take: () => ReadonlyArray<Job>,
  done: (finished: Finished) => void
): Promise<ReadonlyArray<Job>> =>
  new Promise((resolve, reject) => {
    const child = start(options)
    children.add(child)
    // The first of them is under way once the process is ready.
    let jobs = first
    let ready = false
    let cause = "process died"
    let errors = ""
    const hung = (): void => {
      cause = "process hung"
      child.kill("SIGKILL")
    }
    let watchdog = setTimeout(hung, PATIENCE_MS)
    const hand = (): void => void child.send({ jobs, stopAtFailure: options.stopAtFailure } satisfies ToWorker)
    const finished = (message: Finished): void => {
      done(message)
      jobs = options.stopAtFailure && !message.result.ok ? [] : jobs.slice(1)
      if (jobs.length > 0) return
      jobs = take()
      if (jobs.length > 0) hand()
      else child.disconnect()
    }
    child.stderr!.on("data", (bytes: Buffer) => {
      errors = (errors + bytes.toString()).slice(-4_000)
    })
    child.on("message", (message: FromWorker) => {
      clearTimeout(watchdog)
      watchdog = setTimeout(hung, options.seedMsMax ?? PATIENCE_MS)
      if (message._tag === "Finished") finished(message)
      else if (options.planted === true && !message.planted) {
        cause = "mutation is not part of what the world loads"
        child.kill()
      } else {
        ready = true
        hand()
      }
    })
    child.on("error", reject)
    child.on("exit", (code, signal) => {
      children.delete(child)
      clearTimeout(watchdog)
      const [current, ...left] = jobs
      if (current === undefined) return resolve([])
      // Before its first seed it is the tool that is broken, not a run.
      if (!ready) return reject(new Error(`${cause} (${signal ?? code}) before a seed began\n${errors}`))
      done({ _tag: "Finished", result: failed(current.seed, cause, errors), tookMs: 0 })
      resolve(left)
    })
  })

const start = (options: HuntOptions): ChildProcess =>
  fork(WORKER, [options.world], {
    execArgv: [...(options.execArgv ?? [])],
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "ignore", "pipe", "ipc"]
  })
