/**
 * One process a data directory, by a lock that dies with the process.
 *
 * The lock is a listening local socket whose name is made of the directory's device and inode, so that two paths to one
 * directory meet. On Linux it is an abstract socket, on Windows a pipe: both vanish with their process. Elsewhere it is a
 * socket file in the temporary directory; a file that nobody answers on is left over from a dead process and is taken over.
 * The holder answers a connection with its pid, which the refusal then names.
 *
 * It deliberately writes nothing into the data directory. Two containers that share a volume but not a network namespace do
 * not see each other's abstract sockets: that is for their orchestrator to prevent.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { Data, Effect, type Scope } from "effect"

export class DirectoryLocked extends Data.TaggedError("DirectoryLocked")<{
  readonly directory: string
  readonly pid: number | undefined
}> {
  override get message() {
    const holder = this.pid === undefined ? "another process" : `process ${this.pid}`
    return `The data directory ${this.directory} is in use by ${holder}. Stop it, or give this node a directory of its own.`
  }
}

/** The lock itself could not be made: neither held nor free can be said. */
export class LockImpossible extends Data.TaggedError("LockImpossible")<{
  readonly directory: string
  readonly reason: string
}> {
  override get message() {
    return `The data directory ${this.directory} cannot be locked: ${this.reason}.`
  }
}

const ANSWER_WITHIN_MS = 500
const ATTEMPTS_MAX = 20
const ATTEMPT_AGAIN_AFTER = "50 millis"

/** `vanishes` with its process, or a `file` that a dead process leaves behind. */
export interface LockAddress {
  readonly kind: "vanishes" | "file"
  readonly name: string
}

/** Exclusive until the scope closes or the process dies. The directory must exist. */
export const lockDirectory = (directory: string): Effect.Effect<void, DirectoryLocked | LockImpossible, Scope.Scope> =>
  Effect.flatMap(addressOf(directory), (address) => lockAt(directory, address))

/** The same at an address of the caller's choice. */
export const lockAt = (
  directory: string,
  address: LockAddress
): Effect.Effect<void, DirectoryLocked | LockImpossible, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(acquire(directory, address), (server) => close(server)))

const acquire = Effect.fnUntraced(function* (directory: string, address: LockAddress) {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const server = yield* listen(directory, address)
    if (server !== undefined) return server
    const holder = yield* ask(address.name)
    if (holder.alive) return yield* new DirectoryLocked({ directory, pid: holder.pid })
    if (address.kind === "file" && !(yield* clearStale(address.name))) yield* Effect.sleep(ATTEMPT_AGAIN_AFTER)
  }
  const reason = `nobody answers at ${address.name}, nor can it be taken over; remove it by hand, with its .takeover`
  return yield* new LockImpossible({ directory, reason })
})

const addressOf = (directory: string): Effect.Effect<LockAddress, LockImpossible> =>
  Effect.try({
    try: (): LockAddress => {
      const { dev, ino } = fs.statSync(directory, { bigint: true })
      const name = `chronik-effect-${dev}-${ino}`
      if (process.platform === "linux") return { kind: "vanishes", name: `\0${name}` }
      if (process.platform === "win32") return { kind: "vanishes", name: `\\\\.\\pipe\\${name}` }
      return { kind: "file", name: path.join(os.tmpdir(), `${name}.sock`) }
    },
    catch: (cause) => new LockImpossible({ directory, reason: reasonOf(cause) })
  })

/** undefined when the name is taken. */
const listen = (directory: string, address: LockAddress): Effect.Effect<net.Server | undefined, LockImpossible> =>
  Effect.callback((resume) => {
    const server = net.createServer((socket) => {
      // Whoever asks may hang up at any time; the answer is a courtesy.
      socket.on("error", () => socket.destroy())
      socket.end(`${process.pid}\n`)
    })
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EADDRINUSE") resume(Effect.succeed(undefined))
      else resume(Effect.fail(new LockImpossible({ directory, reason: reasonOf(cause) })))
    })
    server.listen(address.name, () => {
      server.unref()
      resume(Effect.succeed(server))
    })
  })

const close = (server: net.Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void))
  })

interface Holder {
  readonly alive: boolean
  readonly pid: number | undefined
}

/** Dead is only who refuses the connection or is gone: a holder that does not answer in time has a busy loop. */
const ask = (name: string): Effect.Effect<Holder> =>
  Effect.callback<Holder>((resume) => {
    const socket = net.connect(name)
    let text = ""
    const end = (alive: boolean) => {
      socket.destroy()
      const pid = Number.parseInt(text, 10)
      resume(Effect.succeed({ alive, pid: Number.isSafeInteger(pid) ? pid : undefined }))
    }
    socket.setTimeout(ANSWER_WITHIN_MS, () => end(true))
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1")
    })
    socket.on("end", () => end(true))
    socket.on("error", (cause) => end(codeOf(cause) !== "ECONNREFUSED" && codeOf(cause) !== "ENOENT"))
  })

/**
 * Removes a socket file that nobody listens on. Only who made the takeover directory may, after asking again: else a file
 * that another process has just made anew could be removed under it. False when another process is at it.
 */
const clearStale = (name: string): Effect.Effect<boolean> =>
  Effect.acquireUseRelease(
    Effect.sync(() => unless("EEXIST", () => fs.mkdirSync(`${name}.takeover`))),
    Effect.fnUntraced(function* (mine: boolean) {
      if (!mine) return false
      const holder = yield* ask(name)
      if (!holder.alive) unless("ENOENT", () => fs.unlinkSync(name))
      return true
    }),
    (mine) => Effect.sync(() => (mine ? fs.rmdirSync(`${name}.takeover`) : undefined))
  )

/** False when the change failed for that one reason: another process was quicker. */
const unless = (code: string, change: () => void): boolean => {
  try {
    change()
    return true
  } catch (cause) {
    if (codeOf(cause) === code) return false
    throw cause
  }
}

const codeOf = (cause: unknown) => (cause instanceof Error && "code" in cause ? cause.code : undefined)

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))
