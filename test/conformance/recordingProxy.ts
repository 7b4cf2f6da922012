/**
 * A TCP proxy between a client and a Kafka broker that keeps the frames it passes on: how golden bytes are made.
 *
 * It relays chunks as they come and only looks at them from the side, so a frame that our codec cannot read changes
 * nothing for the two who talk.
 */
import { connect, createServer, type Server, type Socket } from "node:net"
import { apiName } from "@chronik-effect/core/protocol/ApiKeys.ts"

export interface GoldenFrame {
  readonly client: string
  readonly api: string
  readonly key: number
  readonly version: number
  readonly kind: "request" | "response"
  /** Everything behind the length. */
  readonly base64: string
}

/** Calls `frame` with each whole frame of a stream, without its length. */
export const frameSplitter = (frame: (bytes: Buffer) => void): ((chunk: Buffer) => void) => {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      frame(rest.subarray(4, end))
      rest = rest.subarray(end)
    }
  }
}

export class RecordingProxy {
  readonly frames: Array<GoldenFrame> = []
  /** Whose frames the next ones are. */
  client = "unknown"
  private readonly server: Server

  constructor(broker: { readonly host: string; readonly port: number }) {
    this.server = createServer((socket) => this.relay(socket, connect(broker)))
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve))
  }

  close(): void {
    this.server.close()
  }

  private relay(near: Socket, far: Socket): void {
    const asked = new Map<number, { key: number; version: number }>()
    const keep = (kind: GoldenFrame["kind"], key: number, version: number, bytes: Buffer): void => {
      this.frames.push({
        client: this.client,
        api: apiName(key),
        key,
        version,
        kind,
        base64: bytes.toString("base64")
      })
    }
    const requests = frameSplitter((bytes) => {
      const [key, version] = [bytes.readInt16BE(0), bytes.readInt16BE(2)]
      asked.set(bytes.readInt32BE(4), { key, version })
      keep("request", key, version, bytes)
    })
    const responses = frameSplitter((bytes) => {
      const question = asked.get(bytes.readInt32BE(0))
      if (question !== undefined) keep("response", question.key, question.version, bytes)
    })
    near.on("data", (chunk: Buffer) => requests(chunk)).pipe(far)
    far.on("data", (chunk: Buffer) => responses(chunk)).pipe(near)
    near.on("error", () => far.destroy())
    far.on("error", () => near.destroy())
  }
}
