/**
 * A listener on a real loopback port with a handler that does what each request's body says, and raw clients.
 *
 * Body of a scripted request: command u8, size u32, then payload. The answer's body is the payload's CRC-32C (u32) followed
 * by zeros up to `size` bytes.
 */
import * as net from "node:net"
import { crc32c } from "@chronik-effect/core/base/Crc32c.ts"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import { KafkaListener, type KafkaListenerOptions } from "../../src/network/KafkaListener.ts"
import { type Connection, type Lease, type Request, RequestHandler } from "../../src/network/RequestHandler.ts"

export const Command = { ANSWER: 0, HOLD: 1, NOTHING: 2, THROW: 3, CLOSE: 4, RETAIN: 5, LEASED: 6 } as const

export class ScriptedHandler {
  /** Answers that wait to be given. */
  readonly held: Array<() => void> = []
  readonly seen: Array<Request> = []
  readonly closedIds: Array<number> = []
  /** Decides about connections that come; all may by default. */
  admitting: ((close: () => void) => boolean) | undefined
  leasesOut = 0
  overReleased = 0

  readonly handle = (request: Request): void => {
    this.seen.push(request)
    switch (request.bytes[request.start]) {
      case Command.HOLD: {
        // Its bytes are gone after this call: what the answer needs is read now.
        const script = read(request)
        this.held.push(() => this.answer(request, script, false))
        return
      }
      case Command.NOTHING:
        request.respondNothing()
        return
      case Command.THROW:
        throw new Error("scripted failure")
      case Command.CLOSE:
        request.close("scripted close")
        return
      case Command.RETAIN:
        request.retain()
        this.held.push(() => {
          this.answer(request, read(request), true)
          request.release()
        })
        return
      default:
        this.answer(request, read(request), request.bytes[request.start] === Command.LEASED)
    }
  }

  readonly admit = (_remoteAddress: string, close: () => void): boolean => this.admitting?.(close) ?? true

  readonly closed = (connection: Connection): void => {
    this.closedIds.push(connection.id)
  }

  private answer(request: Request, { size, crc }: Script, leased: boolean): void {
    const frame = new Uint8Array(8 + size)
    const view = new DataView(frame.buffer)
    view.setInt32(0, 4 + size)
    view.setInt32(4, request.correlationId)
    view.setUint32(8, crc)
    if (!leased) {
      request.respond([frame])
      // Without a lease the memory may be reused at once: whoever still reads it sends this.
      frame.fill(0xee)
      return
    }
    request.respond([frame.subarray(0, 12), frame.subarray(12)], [this.lease(frame)])
  }

  private lease(frame: Uint8Array): Lease {
    this.leasesOut++
    let released = false
    return {
      release: () => {
        if (released) this.overReleased++
        released = true
        this.leasesOut--
        frame.fill(0xdd)
      }
    }
  }
}

/** A flipped bit in a request must not ask for gigabytes. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024

interface Script {
  readonly size: number
  readonly crc: number
}

function read({ bytes, start, end }: Request): Script {
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(start + 1)
  return { size: Math.min(Math.max(4, size), ANSWER_BYTES_MAX), crc: crc32c(bytes, start + 5, end) }
}

export interface Rig {
  readonly listener: typeof KafkaListener.Service
  readonly handler: ScriptedHandler
  readonly connect: () => Promise<Client>
  readonly logged: ReadonlyArray<string>
  /** Closes the listener's scope and waits for it. */
  readonly stop: () => Promise<void>
}

export async function startRig(options: KafkaListenerOptions & { receive?: "onread" | "data" } = {}): Promise<Rig> {
  const handler = new ScriptedHandler()
  const logged: Array<string> = []
  const scope = Scope.makeUnsafe()
  const layer = KafkaListener.layer({ host: "127.0.0.1", port: 0, ...options }).pipe(
    Layer.provide(Layer.succeed(RequestHandler, handler)),
    Layer.provide(Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))]))
  )
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const listener = await Effect.runPromise(Effect.provide(KafkaListener, context))
  const clients: Array<Client> = []
  return {
    listener,
    handler,
    logged,
    connect: async () => {
      const client = await Client.connect(listener.port)
      clients.push(client)
      return client
    },
    stop: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      for (const client of clients) client.socket.destroy()
    }
  }
}

/** What a client got back. */
export interface Answer {
  readonly correlationId: number
  readonly crc: number
  readonly size: number
}

export class Client {
  readonly socket: net.Socket
  readonly answers: Array<Answer> = []
  isClosed = false
  private rest: Buffer = Buffer.alloc(0)

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on("data", (chunk: Buffer) => this.feed(chunk))
    socket.on("error", () => {})
    socket.on("close", () => {
      this.isClosed = true
    })
  }

  static connect(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: "127.0.0.1", noDelay: true })
      socket.once("error", reject)
      socket.once("connect", () => {
        socket.removeListener("error", reject)
        resolve(new Client(socket))
      })
    })
  }

  send(...frames: ReadonlyArray<Uint8Array>): void {
    this.socket.write(Buffer.concat(frames))
  }

  private feed(chunk: Buffer): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    while (bytes.length >= 4) {
      const length = bytes.readInt32BE(0)
      if (bytes.length < 4 + length) break
      for (const filler of bytes.subarray(12, 4 + length))
        if (filler !== 0) throw new Error("an answer was overwritten")
      this.answers.push({ correlationId: bytes.readInt32BE(4), crc: bytes.readUInt32BE(8), size: length - 4 })
      bytes = bytes.subarray(4 + length)
    }
    this.rest = Buffer.from(bytes)
  }
}

/** An unknown API by default: the floor below the handler must not care. */
export interface FrameOptions {
  readonly apiKey?: number
  readonly apiVersion?: number
  readonly clientId?: string | null
  readonly tags?: Uint8Array
  readonly size?: number
  readonly payload?: Uint8Array
}

export function requestFrame(correlationId: number, command: number, options: FrameOptions = {}): Buffer {
  const { apiKey = 999, apiVersion = 0, clientId = "test", tags = new Uint8Array(0), size = 4 } = options
  const payload = options.payload ?? new Uint8Array([correlationId & 0xff])
  const id = Buffer.from(clientId ?? "")
  const head = Buffer.alloc(14)
  head.writeInt16BE(apiKey, 4)
  head.writeInt16BE(apiVersion, 6)
  head.writeInt32BE(correlationId, 8)
  head.writeInt16BE(clientId === null ? -1 : id.length, 12)
  const body = Buffer.alloc(5)
  body[0] = command
  body.writeUInt32BE(size, 1)
  const frame = Buffer.concat([head, id, tags, body, payload])
  frame.writeInt32BE(frame.length - 4, 0)
  return frame
}

export const crcOf = (payload: Uint8Array): number => crc32c(payload, 0, payload.length)

/** Waits until the condition holds, looking again each time the event loop has turned. */
export async function until(what: string, condition: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`timed out: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
