import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { afterEach, describe, expect, it } from "vitest"
import { type Client, Command, crcOf, type Rig, requestFrame, startRig, until } from "./Harness.ts"

const KIB = 1024
const MIB = 1024 * KIB
/** What stands before the payload in a frame of the client `test`. */
const HEAD_BYTES = 14 + 4 + 5

/** Nothing may be left behind by any test: no memory, no lease, no counted byte. */
async function settled({ listener, handler }: Rig): Promise<void> {
  await until("all memory comes back", () => !listener.hasReferences() && handler.leasesOut === 0)
  expect(handler.overReleased).toBe(0)
  expect(listener.stats.outputBytes).toBe(0)
  expect(listener.stats.connectionsPaused).toBe(0)
}

const correlationIds = (client: Client) => client.answers.map((answer) => answer.correlationId)

describe.each(["onread", "data"] as const)("a connection that reads by %s", (receive) => {
  let rig: Rig
  const start = async (options: Parameters<typeof startRig>[0] = {}) => {
    rig = await startRig({ ...options, receive })
    return rig
  }
  afterEach(async () => {
    await rig.stop()
    await settled(rig)
    expect(rig.listener.stats.connectionsOpen).toBe(0)
    expect(rig.handler.closedIds.length).toBe(rig.listener.stats.connectionsAccepted)
  })

  it("sends answers in the order of the requests, whatever the order they are given in", async () => {
    const { handler, connect } = await start()
    const client = await connect()
    const random = new Prng(7)
    const commands = [Command.ANSWER, Command.HOLD, Command.NOTHING, Command.RETAIN, Command.LEASED]
    const frames: Array<Buffer> = []
    const expected: Array<number> = []
    for (let id = 0; id < 600; id++) {
      const command = commands[random.below(commands.length)]!
      const size = [4, 60, 4096, 70 * KIB][random.below(4)]!
      frames.push(requestFrame(id, command, { size, payload: new Uint8Array(random.below(900)).fill(id) }))
      if (command !== Command.NOTHING) expected.push(id)
    }
    client.send(...frames)
    await until("all requests are seen", () => handler.seen.length === 600)
    while (handler.held.length > 0) {
      handler.held.splice(random.below(handler.held.length), 1)[0]!()
      if (random.below(10) === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until("all answers are here", () => client.answers.length === expected.length)
    expect(correlationIds(client)).toEqual(expected)
    for (const answer of client.answers) {
      expect(answer.crc).toBe(crcOf(frames[answer.correlationId]!.subarray(HEAD_BYTES)))
    }
  })

  it("decodes frames that are split at any byte", async () => {
    const { listener, connect } = await start()
    const client = await connect()
    const frames = [
      requestFrame(1, Command.ANSWER, { clientId: null }),
      requestFrame(2, Command.ANSWER, { payload: new Uint8Array(40).fill(3) }),
      requestFrame(3, Command.ANSWER, { apiKey: 18, apiVersion: 3, tags: new Uint8Array([1, 5, 2, 9, 9]) })
    ]
    const stream = Buffer.concat(frames)
    let received = 0
    const sendAndWait = async (bytes: Uint8Array) => {
      client.socket.write(bytes)
      received += bytes.length
      await until("the bytes arrive", () => listener.stats.bytesIn === received)
    }
    for (let split = 1; split < stream.length; split++) {
      await sendAndWait(stream.subarray(0, split))
      await sendAndWait(stream.subarray(split))
    }
    for (let i = 0; i < stream.length; i++) await sendAndWait(stream.subarray(i, i + 1))
    await until("all answers are here", () => client.answers.length === stream.length * 3)
    const payloads = frames.map((frame, i) => crcOf(frame.subarray(frame.length - [1, 40, 1][i]!)))
    client.answers.forEach((answer, i) => {
      expect(answer).toEqual({ correlationId: 1 + (i % 3), crc: payloads[i % 3], size: 4 })
    })
  })

  it("assembles frames of every size, read in pieces of every size", async () => {
    const { connect } = await start()
    const client = await connect()
    const random = new Prng(11)
    const sizes = [0, 1, 900, 16 * KIB, 65_500, 65_536, 200 * KIB, 256 * KIB, 300 * KIB, MIB, MIB + 100 * KIB, 5 * MIB]
    const payloads = [...sizes, ...sizes.map(() => random.below(400 * KIB))].map((size, i) => {
      const payload = new Uint8Array(size)
      for (let at = 0; at < size; at += 97) payload[at] = at + i
      return payload
    })
    const stream = Buffer.concat(payloads.map((payload, id) => requestFrame(id, Command.ANSWER, { payload })))
    for (let at = 0; at < stream.length; ) {
      const end = Math.min(stream.length, at + 1 + random.below([10, 5000, 100_000, 3 * MIB][random.below(4)]!))
      await new Promise((resolve) => client.socket.write(stream.subarray(at, end), resolve))
      at = end
    }
    await until("all answers are here", () => client.answers.length === payloads.length)
    expect(client.answers.map((answer) => answer.crc)).toEqual(payloads.map(crcOf))
  })

  it("keeps the bytes of a retained request while others come and go", async () => {
    const { handler, connect } = await start()
    const client = await connect()
    const payloads = Array.from({ length: 200 }, (_, i) => new Uint8Array(3000 + i).fill(i))
    client.send(...payloads.map((payload, id) => requestFrame(id, Command.RETAIN, { payload })))
    await until("all requests are seen", () => handler.held.length === payloads.length)
    const other = await connect()
    for (let i = 0; i < 20; i++) other.send(requestFrame(i, Command.ANSWER, { payload: new Uint8Array(100 * KIB) }))
    await until("the others are answered", () => other.answers.length === 20)
    for (const finish of handler.held) finish()
    await until("all answers are here", () => client.answers.length === payloads.length)
    expect(client.answers.map((answer) => answer.crc)).toEqual(payloads.map(crcOf))
  })

  it("reads no more than the allowed number of unanswered requests", async () => {
    const { handler, listener, connect } = await start({ requestsInFlightMax: 4 })
    const client = await connect()
    const payload = new Uint8Array(300 * KIB)
    client.send(
      ...Array.from({ length: 50 }, (_, id) => requestFrame(id, Command.HOLD, id % 7 === 5 ? { payload } : {}))
    )
    for (let answered = 0; answered < 50; answered++) {
      await until("the next request is seen", () => handler.seen.length >= Math.min(50, answered + 4))
      expect(handler.seen.length - answered).toBeLessThanOrEqual(4)
      handler.seen.at(answered)!.respond([answerFrame(answered)])
    }
    await until("all answers are here", () => client.answers.length === 50)
    expect(correlationIds(client)).toEqual(Array.from({ length: 50 }, (_, id) => id))
    expect(listener.stats.pauses).toBeGreaterThan(0)
  })

  it("stops reading from a peer that does not read, and holds its leases until it does", async () => {
    const { handler, listener, connect } = await start({ outputBytesMax: 4 * MIB })
    const slow = await connect()
    slow.socket.pause()
    slow.send(...Array.from({ length: 100 }, (_, id) => requestFrame(id, Command.LEASED, { size: MIB })))
    await until("it is paused", () => listener.stats.connectionsPaused === 1)
    const other = await connect()
    for (let id = 0; id < 50; id++) {
      other.send(requestFrame(id, Command.ANSWER))
      await until("the other is answered", () => other.answers.length === id + 1)
    }
    expect(listener.stats.outputBytes).toBeLessThanOrEqual(5 * MIB + KIB)
    expect(handler.leasesOut).toBeGreaterThan(0)
    expect(handler.seen.length).toBeLessThan(100)
    slow.socket.resume()
    await until("all answers are here", () => slow.answers.length === 100)
    expect(correlationIds(slow)).toEqual(Array.from({ length: 100 }, (_, id) => id))
  })

  it("bounds what a stuck peer's small answers take", async () => {
    const { listener, connect } = await start({ outputBytesMax: 6 * MIB, requestsInFlightMax: 1_000_000 })
    const slow = await connect()
    slow.socket.pause()
    const request = Buffer.concat(
      Array.from({ length: 1000 }, (_, id) => requestFrame(id, Command.ANSWER, { size: 1000 }))
    )
    const sent = 40
    for (let i = 0; i < sent; i++) slow.socket.write(request)
    await until("it is paused", () => listener.stats.connectionsPaused === 1)
    expect(listener.stats.outputBytes).toBeLessThanOrEqual(6 * MIB + 2 * KIB)
    slow.socket.resume()
    await until("all answers are here", () => slow.answers.length === sent * 1000)
    expect(correlationIds(slow)).toEqual(Array.from({ length: sent * 1000 }, (_, i) => i % 1000))
  })

  it("closes the longest-stuck peers when all together hold too much", async () => {
    const { listener, connect, logged } = await start({ outputBytesMax: 16 * MIB, outputBytesTotalMax: 24 * MIB })
    const stuck: Array<Client> = []
    for (let i = 0; i < 4; i++) {
      const client = await connect()
      client.socket.pause()
      client.send(...Array.from({ length: 40 }, (_, id) => requestFrame(id, Command.LEASED, { size: MIB })))
      stuck.push(client)
      await until("its answers pile up", () => listener.stats.outputBytes > 8 * MIB || listener.stats.closedStuck > 0)
    }
    await until("one is closed", () => listener.stats.closedStuck >= 1)
    await until("the bound holds", () => listener.stats.outputBytes <= 24 * MIB)
    await until("it is logged", () => logged.some((line) => line.includes("does not read")))
    const other = await connect()
    other.send(requestFrame(1, Command.ANSWER))
    await until("others are served", () => other.answers.length === 1)
  })

  it("drops what was in the works when a peer goes away", async () => {
    const { handler, listener, connect } = await start()
    const client = await connect()
    client.send(
      requestFrame(1, Command.HOLD),
      requestFrame(2, Command.RETAIN),
      requestFrame(3, Command.LEASED, { size: MIB })
    )
    client.send(requestFrame(4, Command.ANSWER, { payload: new Uint8Array(2 * MIB) }).subarray(0, MIB))
    await until("the requests are seen", () => handler.seen.length === 3 && listener.receivedBytesInUse() > 0)
    client.socket.resetAndDestroy()
    await until("it is closed", () => handler.closedIds.length === 1)
    expect(handler.leasesOut).toBe(0)
    for (const finish of handler.held) finish()
    expect(listener.stats.connectionsOpen).toBe(0)
  })

  it("closes the one connection whose handling fails, or that the handler closes", async () => {
    const { handler, listener, connect, logged } = await start()
    const [failing, refused, other] = [await connect(), await connect(), await connect()]
    failing!.send(requestFrame(1, Command.THROW), requestFrame(2, Command.ANSWER))
    refused!.send(requestFrame(1, Command.CLOSE))
    await until("both are closed", () => failing!.isClosed && refused!.isClosed)
    other!.send(requestFrame(9, Command.ANSWER))
    await until("the third is served", () => other!.answers.length === 1)
    expect(failing!.answers).toEqual([])
    expect(handler.seen.length).toBe(3)
    expect(listener.stats.closedFailed).toBe(1)
    await until("it is logged", () => logged.some((line) => line.includes("scripted failure")))
  })

  it("answers each request once", async () => {
    const { handler, connect } = await start()
    const client = await connect()
    client.send(requestFrame(1, Command.HOLD))
    await until("it is seen", () => handler.held.length === 1)
    const request = handler.seen[0]!
    request.respond([answerFrame(1)])
    expect(() => request.respond([answerFrame(1)])).toThrow("answered exactly once")
    expect(() => request.release()).toThrow("once for each retain")
    await until("it is answered", () => client.answers.length === 1)
  })
})

function answerFrame(correlationId: number): Uint8Array {
  const frame = Buffer.alloc(12)
  frame.writeInt32BE(8, 0)
  frame.writeInt32BE(correlationId, 4)
  return frame
}
