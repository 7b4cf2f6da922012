/**
 * Running other people's programs: each with a deadline, its output kept, its process group ended with it.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdirSync } from "node:fs"
import { join } from "node:path"

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Default one minute. */
  readonly timeoutMs?: number
  /** What the program is called in messages, when its arguments say too much. */
  readonly label?: string
  /** Ends the program with SIGTERM as soon as its output holds this; for tools that never end by themselves. */
  readonly until?: RegExp
}

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
  readonly command: string
}

/** Groups of programs that run now. They go with this process, however it ends. */
const live = new Set<number>()
process.on("exit", () => {
  for (const pid of live) endGroup(pid, "SIGKILL")
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))

/** Signals a program and all that it started. */
const endGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

/** A program in a group of its own. */
const launch = (command: string, args: ReadonlyArray<string>, options: SpawnOptions = {}): ChildProcess => {
  const child = spawn(command, args, { ...options, detached: true })
  const { pid } = child
  if (pid !== undefined) {
    live.add(pid)
    child.once("close", () => live.delete(pid))
  }
  return child
}

const OUTPUT_BYTES_MAX = 32 * 1024 * 1024

/** A program that the machine has. */
export const installed = (command: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).error === undefined

/** A folder of the cache, made when it is missing. */
export const folder = (...parts: ReadonlyArray<string>): string => {
  const path = join(...parts)
  mkdirSync(path, { recursive: true })
  return path
}

export const run = async (
  command: string,
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Promise<Finished> => {
  const spawning: SpawnOptions = { env: { ...process.env, ...options.env } }
  if (options.cwd !== undefined) spawning.cwd = options.cwd
  const child = launch(command, args, spawning)
  const output = { stdout: "", stderr: "" }
  let timedOut = false
  let stopped = false
  const end = (signal: NodeJS.Signals) => {
    if (child.pid !== undefined && child.exitCode === null) endGroup(child.pid, signal)
  }
  const collect = (name: "stdout" | "stderr") => (text: Buffer) => {
    if (output[name].length < OUTPUT_BYTES_MAX) output[name] += text
    if (!stopped && options.until !== undefined && options.until.test(output[name])) {
      stopped = true
      end("SIGTERM")
    }
  }
  child.stdout?.on("data", collect("stdout"))
  child.stderr?.on("data", collect("stderr"))
  child.stdin?.on("error", () => {}) // A program may end before it has read all of its input; its exit code tells.
  child.stdin?.end(options.input ?? "")
  const timer = setTimeout(() => {
    timedOut = true
    end("SIGKILL")
  }, options.timeoutMs ?? 60_000)
  try {
    const [code] = await once(child, "close")
    return { code: code as number | null, ...output, timedOut, command: options.label ?? [command, ...args].join(" ") }
  } finally {
    clearTimeout(timer)
  }
}

export interface Running {
  /** Resolves with everything written so far as soon as it matches; rejects when the program ends before or time is up. */
  readonly says: (expected: RegExp, timeoutMs?: number) => Promise<string>
  /** Ends it with a signal and resolves with everything it wrote. */
  readonly end: (signal?: NodeJS.Signals) => Promise<string>
}

/** Starts a program that goes on until it is ended. */
export const background = (command: string, args: ReadonlyArray<string>): Running => {
  const child = launch(command, args)
  let output = ""
  const lookers = new Set<() => void>()
  const look = () => {
    for (const looker of [...lookers]) looker()
  }
  const hear = (text: Buffer) => {
    output += text
    look()
  }
  child.stdout?.on("data", hear)
  child.stderr?.on("data", hear)
  const closed = once(child, "close")
  closed.then(look, look)
  return {
    says: (expected, timeoutMs = 60_000) =>
      new Promise((resolve, reject) => {
        const settle = (finish: () => void) => {
          lookers.delete(looker)
          clearTimeout(timer)
          finish()
        }
        const failed = (why: string) =>
          settle(() =>
            reject(new Error(`\`${[command, ...args].join(" ").slice(0, 300)}\` ${why} ${expected}:\n${tail(output)}`))
          )
        const looker = () => {
          if (expected.test(output)) settle(() => resolve(output))
          else if (child.exitCode !== null || child.signalCode !== null) failed("ended without saying")
        }
        const timer = setTimeout(() => failed("did not say in time"), timeoutMs)
        lookers.add(looker)
        looker()
      }),
    end: async (signal = "SIGTERM") => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) endGroup(child.pid, signal)
      await closed
      return output
    }
  }
}

const tail = (text: string): string => text.trim().split("\n").slice(-12).join("\n")

/** What went wrong, with the last lines that the program wrote. */
export const account = (finished: Finished): string => {
  const how = finished.timedOut ? "did not end in time" : `ended with ${finished.code}`
  const written = `${finished.stdout}\n${finished.stderr}`
  const complaint = written.split("\n").find((line) => /error|exception|fail/i.test(line)) ?? ""
  return `\`${finished.command.slice(0, 200)}\` ${how}: ${complaint.trim()}\n${tail(finished.stdout)}\n${tail(finished.stderr)}`.trim()
}

/** Runs a program that must end with 0, and gives its standard output. */
export const must = async (command: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<string> => {
  const finished = await run(command, args, options)
  if (finished.timedOut || finished.code !== 0) throw new Error(account(finished))
  return finished.stdout
}
