/**
 * A TCP connection that this process opens, as plain callbacks.
 *
 * The chunks handed to `data` are fresh memory of Node's: the receiver owns them. It deliberately knows no frames, no
 * retries and no Effect beyond the connect: what a broken connection means is the caller's matter.
 */
import * as net from "node:net"
import { concatBytes } from "@chronik-effect/core/base/Bytes.ts"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

export class ConnectFailed extends Data.TaggedError("ConnectFailed")<{
  readonly host: string
  readonly port: number
  /** Code of the operating system (`ECONNREFUSED`), or `timeout`. */
  readonly code: string
}> {
  override get message(): string {
    return `No connection to ${this.host}:${this.port}: ${reasonOf(this.code)}`
  }
}

const reasonOf = (code: string): string => {
  switch (code) {
    case "ECONNREFUSED":
      return "nothing listens there."
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the name cannot be resolved."
    case "timeout":
    case "ETIMEDOUT":
      return "no answer in time."
    default:
      return `${code}.`
  }
}

export interface ClientSocketHandlers {
  readonly data: (bytes: Uint8Array) => void
  /** Once, when the connection is over for whatever reason; `reason` is a sentence fragment. */
  readonly closed: (reason: string) => void
}

export interface ClientSocket {
  /** Sends the parts as one write. They must not change until the kernel has them. */
  readonly write: (parts: ReadonlyArray<Uint8Array>) => void
  /** Bytes that wait in this process because the peer does not read. */
  readonly bufferedBytes: () => number
  readonly close: () => void
}

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

/** Opens a connection. The handlers are not called before this effect has completed. */
export const connectSocket = (
  options: ConnectOptions,
  handlers: ClientSocketHandlers
): Effect.Effect<ClientSocket, ConnectFailed> =>
  Effect.callback((resume) => {
    const { host, port, timeoutMs } = options
    const socket = net.connect({ host, port, noDelay: true })
    const fail = (code: string) => {
      socket.destroy()
      resume(Effect.fail(new ConnectFailed({ host, port, code })))
    }
    socket.setTimeout(timeoutMs, () => fail("timeout"))
    socket.once("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message))
    socket.once("connect", () => {
      socket.removeAllListeners("error")
      socket.setTimeout(0)
      resume(Effect.succeed(attach(socket, handlers)))
    })
    return Effect.sync(() => socket.destroy())
  })

/** Below it one copy costs less than the kernel's walk over several pieces. */
const JOINED_BYTES_MAX = 16 * 1024

const attach = (socket: net.Socket, handlers: ClientSocketHandlers): ClientSocket => {
  let reason = "the peer closed it"
  socket.on("error", (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message
  })
  socket.on("close", () => handlers.closed(reason))
  socket.on("data", handlers.data)
  return {
    write: (parts) => {
      if (socket.destroyed) return
      let bytes = 0
      for (const part of parts) bytes += part.length
      if (parts.length === 1 || bytes <= JOINED_BYTES_MAX) {
        socket.write(parts.length === 1 ? parts[0]! : concatBytes(parts))
        return
      }
      socket.cork()
      for (const part of parts) socket.write(part)
      socket.uncork()
    },
    bufferedBytes: () => socket.writableLength,
    close: () => {
      reason = "it was closed here"
      socket.destroy()
    }
  }
}
