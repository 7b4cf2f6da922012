/**
 * A peer on the other end of a socket that may misbehave: typed calls in any version through our own codec, raw bytes,
 * silence. What no client library would send, this one does.
 *
 * Every wait ends with an answer or with the end of the connection; nothing here has a timer.
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import { decodeResponse, encodeRequestFrame } from "@chronik-effect/core/protocol/Frame.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"

/** The broker ended the connection before it answered. */
export class ConnectionClosed extends Error {}

interface Waiting {
  readonly resolve: (frame: Buffer) => void
  readonly reject: (error: Error) => void
}

export class Peer implements Disposable {
  clientId: string | null = "badinput"
  /** Completes when the broker has ended the connection. */
  readonly closed: Promise<void>
  isClosed = false
  readonly #socket: Socket
  readonly #waiting: Array<Waiting> = []
  readonly #unclaimed: Array<Buffer> = []
  #received: Array<Buffer> = []
  #receivedBytes = 0
  #correlationId = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on("error", () => {})
    socket.on("data", (chunk: Buffer) => this.#data(chunk))
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.isClosed = true
        for (const { reject } of this.#waiting.splice(0))
          reject(new ConnectionClosed("the broker closed the connection"))
        resolve()
      })
    })
  }

  static async connect(port: number, host = "127.0.0.1"): Promise<Peer> {
    const socket = connect(port, host)
    const peer = new Peer(socket)
    await once(socket, "connect")
    return peer
  }

  /** One request, one answer. Rejects with `ConnectionClosed` when there is none. */
  async call<Req, Res>(api: Api<Req, Res>, version: number, value: Partially<Req>): Promise<Res> {
    const correlationId = this.ask(api, version, value)
    const frame = await this.frame()
    const answer = decodeResponse(api, version, frame, 0, frame.length)
    if (answer.correlationId !== correlationId) throw new Error(`answer ${answer.correlationId} to ${correlationId}`)
    return answer.value
  }

  /** Sends a request; its answer is taken by `frame`. */
  ask<Req>(api: Api<Req, unknown>, version: number, value: Partially<Req>): number {
    const correlationId = ++this.#correlationId
    this.send(Buffer.concat(encodeRequestFrame(api, version, correlationId, this.clientId, value)))
    return correlationId
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Completes when the kernel has taken everything that was sent. */
  flushed(): Promise<void> {
    return new Promise((resolve) => this.#socket.write("", () => resolve()))
  }

  /** The next answer, without its length. */
  frame(): Promise<Buffer> {
    const next = this.#unclaimed.shift()
    if (next !== undefined) return Promise.resolve(next)
    if (this.isClosed) return Promise.reject(new ConnectionClosed("the broker closed the connection"))
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Reads no more: what the broker sends fills the kernel's buffers and then its own. */
  stopReading(): void {
    this.#socket.pause()
  }

  readAgain(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #data(chunk: Buffer): void {
    this.#received.push(chunk)
    this.#receivedBytes += chunk.length
    while (this.#receivedBytes >= 4) {
      if (this.#received[0]!.length < 4) this.#received = [Buffer.concat(this.#received)]
      const length = this.#received[0]!.readInt32BE(0)
      if (this.#receivedBytes < 4 + length) return
      const all = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received)
      const rest = all.subarray(4 + length)
      this.#received = [rest]
      this.#receivedBytes = rest.length
      const frame = all.subarray(4, 4 + length)
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#unclaimed.push(frame)
      else waiting.resolve(frame)
    }
  }
}
