/**
 * A broker of a few lines for the client's tests: it answers what the test's handler says, in the order of the requests.
 */
import * as net from "node:net"
import { decodeRequest, encodeResponseFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"

export interface Asked {
  readonly apiKey: number
  readonly apiVersion: number
  readonly value: unknown
  readonly socket: net.Socket
  readonly reply: (value: object) => void
}

export interface FakeBroker {
  readonly port: number
  readonly asked: ReadonlyArray<Asked>
  readonly connections: () => number
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** `offered`: what ApiVersions answers. `handle` may answer later, or never. */
export async function startFakeBroker(
  offered: ReadonlyArray<{ api: { readonly key: number }; minVersion: number; maxVersion: number }>,
  handle: (asked: Asked) => void
): Promise<FakeBroker> {
  const asked: Array<Asked> = []
  const sockets = new Set<net.Socket>()
  let connections = 0
  const answer = (socket: net.Socket, frame: Buffer) => {
    const { header, api, value } = decodeRequest(frame, 4, frame.length)
    const { apiKey, apiVersion, correlationId } = header
    const reply = (response: object) => {
      socket.write(Buffer.concat(encodeResponseFrame(api, apiVersion, correlationId, response)))
    }
    const entry = { apiKey, apiVersion, value, socket, reply }
    if (apiKey === ApiVersionsApi.key) {
      const apiKeys = offered.map(({ api: { key }, minVersion, maxVersion }) => ({
        apiKey: key,
        minVersion,
        maxVersion
      }))
      reply({ apiKeys })
      return
    }
    asked.push(entry)
    handle(entry)
  }
  const server = net.createServer({ noDelay: true }, (socket) => {
    connections++
    sockets.add(socket)
    let bytes = Buffer.alloc(0)
    socket.on("error", () => {})
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk as Buffer])
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const size = 4 + bytes.readInt32BE(0)
        const frame = bytes.subarray(0, size)
        bytes = bytes.subarray(size)
        answer(socket, frame)
      }
    })
  })
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
  return {
    port: (server.address() as net.AddressInfo).port,
    asked,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    }
  }
}
