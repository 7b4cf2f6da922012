/**
 * Connections to one broker that carry whatever bytes they are given, and give back whatever bytes come.
 *
 * An answer is a frame without its length, `"closed"` when the broker ended the connection instead, or `"silent"` when it
 * did neither within the deadline; the connection is of no use after that.
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { FrameAssembler } from "@chronik-effect/server/client/kafka/FrameAssembler.ts"

export type Answer = Uint8Array | "closed" | "silent"

const FRAME_BYTES_MAX = 200 * 1024 * 1024
const ANSWER_MS_MAX = 15_000

export class Wire {
  isClosed = false
  readonly #socket: Socket
  readonly #waiting: Array<(answer: Answer) => void> = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    const assembler = new FrameAssembler(FRAME_BYTES_MAX, (bytes, start, end) => {
      this.#waiting.shift()?.(bytes.slice(start, end))
    })
    socket.on("data", (chunk: Buffer) => assembler.push(chunk))
    // What follows an error is a close.
    socket.on("error", () => {})
    socket.on("close", () => {
      this.isClosed = true
      for (const settle of this.#waiting.splice(0)) settle("closed")
    })
  }

  static async connect(host: string, port: number): Promise<Wire> {
    const socket = connect(port, host)
    const connected = once(socket, "connect")
    const wire = new Wire(socket)
    await connected
    return wire
  }

  /** Sends a frame and takes the next answer. */
  ask(frame: Uint8Array): Promise<Answer> {
    if (this.isClosed) return Promise.resolve("closed")
    const answer = new Promise<Answer>((resolve) => {
      const deadline = setTimeout(() => {
        resolve("silent")
        this.close()
      }, ANSWER_MS_MAX)
      this.#waiting.push((given) => {
        clearTimeout(deadline)
        resolve(given)
      })
    })
    this.#socket.write(frame)
    return answer
  }

  /** Sends what gets no answer. */
  send(frame: Uint8Array): void {
    if (!this.isClosed) this.#socket.write(frame)
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** One broker: named connections, made on first use and again after the broker has closed one. */
export class Side {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly #wires = new Map<string, Promise<Wire>>()

  constructor(name: string, host: string, port: number) {
    this.name = name
    this.host = host
    this.port = port
  }

  async wire(name: string): Promise<Wire> {
    const known = await this.#wires.get(name)
    if (known !== undefined && !known.isClosed) return known
    const made = Wire.connect(this.host, this.port)
    this.#wires.set(name, made)
    return made
  }

  async drop(name: string): Promise<void> {
    const known = this.#wires.get(name)
    this.#wires.delete(name)
    if (known !== undefined) (await known).close()
  }

  async close(): Promise<void> {
    for (const name of [...this.#wires.keys()]) await this.drop(name)
  }
}
