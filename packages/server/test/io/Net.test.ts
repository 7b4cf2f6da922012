import * as net from "node:net"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { type Listening, listen, type NetSocket } from "../../src/io/Net.ts"
import { until } from "../network/Harness.ts"

const withPort = (receive: "onread" | "data", body: (listening: Listening) => Promise<void>) =>
  listen({ host: "127.0.0.1", port: 0, receive }).pipe(
    Effect.flatMap((listening) => Effect.promise(() => body(listening))),
    Effect.scoped,
    Effect.runPromise
  )

/** Reads everything into `memory`, and writes what it read back when told so. */
class Reader {
  readonly memory = new Uint8Array(1000)
  readonly socket: NetSocket
  have = 0
  takes = true
  ended = 0
  closed = 0

  constructor(socket: NetSocket) {
    this.socket = socket
    socket.start({
      target: () => this.memory.subarray(this.have),
      onRead: (count) => {
        this.have += count
        return this.takes
      },
      onEnd: () => {
        this.ended++
        socket.destroy()
      },
      onClose: () => {
        this.closed++
      }
    })
  }
}

describe.each(["onread", "data"] as const)("sockets that read by %s", (receive) => {
  it("read into the given memory, pause and go on without losing a byte", () =>
    withPort(receive, async (listening) => {
      const readers: Array<Reader> = []
      listening.accept((socket) => readers.push(new Reader(socket)), expect.unreachable)
      const client = net.connect(listening.port, "127.0.0.1")
      const sent = new Uint8Array(999).map((_, i) => i * 7)
      client.write(sent.subarray(0, 300))
      await until("the first bytes come", () => readers[0]?.have === 300)
      const reader = readers[0]!
      reader.takes = false
      client.write(sent.subarray(300, 301))
      await until("one more comes", () => reader.have === 301)
      reader.takes = true
      client.write(sent.subarray(301, 600))
      let answered = ""
      client.on("data", (chunk) => {
        answered += String(chunk)
      })
      reader.socket.write(Buffer.from("paused"))
      await until("the answer comes", () => answered === "paused")
      expect(reader.have).toBe(301)
      reader.socket.resumeReading()
      await until("the rest comes", () => reader.have === 600)
      reader.socket.pauseReading()
      reader.socket.resumeReading()
      client.end(sent.subarray(600))
      await until("the end comes", () => reader.closed === 1)
      expect(reader.ended).toBe(1)
      expect(reader.memory.subarray(0, 999)).toEqual(sent)
    }))

  it("tell once all that was written has been taken by the kernel", () =>
    withPort(receive, async (listening) => {
      const readers: Array<Reader> = []
      listening.accept((socket) => readers.push(new Reader(socket)), expect.unreachable)
      const client = net.connect(listening.port, "127.0.0.1")
      client.pause()
      await until("it is accepted", () => readers.length === 1)
      const { socket } = readers[0]!
      const bytes = 20_000_000
      socket.writeAll([Buffer.alloc(bytes / 2, 1), Buffer.alloc(bytes / 2, 2)])
      expect(socket.unsentBytes).toBeGreaterThan(0)
      let sent = 0
      let received = 0
      socket.whenSent(() => {
        sent++
      })
      client.on("data", (chunk) => {
        received += chunk.length
      })
      expect(sent).toBe(0)
      client.resume()
      await until("all is received", () => received === bytes && sent === 1)
      expect(socket.unsentBytes).toBe(0)
      client.resetAndDestroy()
      await until("the reset is seen", () => readers[0]!.closed === 1)
    }))
})

it("says what to do when an address cannot be bound", async () => {
  const failure = (options: { host: string; port: number }) =>
    Effect.runPromise(Effect.flip(Effect.scoped(listen(options))))
  expect(await failure({ host: "192.0.2.1", port: 0 })).toMatchObject({
    _tag: "ListenError",
    code: "EADDRNOTAVAIL",
    message: expect.stringContaining("Listen on 0.0.0.0")
  })
  expect((await failure({ host: "no-such-host.invalid", port: 0 })).message).toMatch(/no-such-host/)
})

it("closes its port with its scope", async () => {
  let port = 0
  await withPort("onread", async (listening) => {
    port = listening.port
  })
  const client = net.connect(port, "127.0.0.1")
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => client.once("error", resolve))
  expect(error.code).toBe("ECONNREFUSED")
})
