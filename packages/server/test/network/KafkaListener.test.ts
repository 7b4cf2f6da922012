import * as net from "node:net"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { Effect, Exit, Layer } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import { KafkaListener, KafkaPort } from "../../src/network/KafkaListener.ts"
import { RequestHandler } from "../../src/network/RequestHandler.ts"
import { Client, Command, type Rig, requestFrame, ScriptedHandler, startRig, until } from "./Harness.ts"

const MIB = 1024 * 1024

describe.each(["onread", "data"] as const)("the listener whose connections read by %s", (receive) => {
  let rig: Rig
  const start = async (options: Parameters<typeof startRig>[0] = {}) => {
    rig = await startRig({ ...options, receive })
    return rig
  }
  afterEach(async () => {
    await rig.stop()
    await until("all memory comes back", () => !rig.listener.hasReferences() && rig.handler.leasesOut === 0)
    expect(rig.handler.overReleased).toBe(0)
    expect(rig.listener.stats.outputBytes).toBe(0)
    expect(rig.handler.closedIds.length).toBe(rig.listener.stats.connectionsAccepted)
  })

  it("serves 500 connections while 500 others are stuck", async () => {
    const { listener, connect } = await start({ drainMs: 20 })
    const clients: Array<Client> = []
    for (let i = 0; i < 1000; i += 50) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, () => connect()))))
    }
    const halfFrame = requestFrame(1, Command.ANSWER, { payload: new Uint8Array(20_000) }).subarray(0, 9000)
    clients.forEach((client, i) => {
      if (i % 4 === 1) client.send(halfFrame)
      if (i % 4 === 3) client.send(requestFrame(1, Command.HOLD), requestFrame(2, Command.ANSWER))
    })
    const busy = clients.filter((_, i) => i % 2 === 0)
    for (let round = 1; round <= 5; round++) {
      for (const client of busy) client.send(requestFrame(round, Command.ANSWER), requestFrame(round, Command.LEASED))
      await until("all are answered", () => busy.every((client) => client.answers.length === round * 2))
    }
    expect(listener.stats.connectionsOpen).toBe(1000)
    expect(listener.receivedBytesInUse()).toBeLessThanOrEqual(250 * 16 * 1024)
  })

  it("closes only the connection that sends rubbish", async () => {
    const { listener, connect, logged } = await start()
    const good = await connect()
    const valid = requestFrame(1, Command.ANSWER)
    const withLength = (length: number) => {
      const frame = Buffer.from(valid)
      frame.writeInt32BE(length, 0)
      return frame
    }
    const withClientId = (length: number) => {
      const frame = Buffer.from(valid)
      frame.writeInt16BE(length, 12)
      return frame
    }
    const flexible = (tags: ReadonlyArray<number>) =>
      requestFrame(1, Command.ANSWER, { apiKey: 18, apiVersion: 3, tags: new Uint8Array([...tags]) }).subarray(0)
    const rubbish = [
      withLength(-1),
      withLength(0x7fff_ffff),
      withLength(104_857_601),
      withLength(0).subarray(0, 4),
      Buffer.concat([withLength(9).subarray(0, 13)]),
      withClientId(-2),
      withClientId(0x7fff),
      withClientId(11),
      flexible([0xff, 0xff, 0xff, 0xff, 0x0f]),
      flexible([1, 0, 100]),
      flexible([0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
      Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])
    ]
    for (const bytes of rubbish) {
      const client = await connect()
      client.send(bytes)
      await until(`it is closed: ${bytes.toString("hex")}`, () => client.isClosed)
      expect(client.answers).toEqual([])
    }
    good.send(requestFrame(5, Command.ANSWER))
    await until("the good one is served", () => good.answers.length === 1)
    expect(listener.stats.closedMalformed).toBe(rubbish.length)
    await until("some are logged", () => logged.filter((line) => line.includes("was closed")).length > 0)
    expect(logged.length).toBeLessThan(rubbish.length)
  })

  it("survives 2,000 hostile byte strings", async () => {
    const { listener, handler, connect } = await start()
    const random = new Prng(2026)
    const good = await connect()
    const valid = Buffer.concat([
      requestFrame(1, Command.ANSWER, { apiKey: 18, apiVersion: 3, tags: new Uint8Array([1, 2, 1, 7]) }),
      requestFrame(2, Command.RETAIN, { payload: new Uint8Array(300) }),
      requestFrame(3, Command.LEASED, { size: 5000 })
    ])
    const hostile = (): Buffer => {
      const bytes = random.below(3) === 0 ? Buffer.alloc(1 + random.below(200)) : Buffer.from(valid)
      if (bytes.length < valid.length) for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256)
      for (let flips = random.below(8); flips > 0; flips--) {
        const at = random.below(Math.min(bytes.length, 18))
        bytes[at] = random.below(3) === 0 ? random.below(256) : bytes[at]! ^ (1 << random.below(8))
      }
      if (bytes.length < valid.length && bytes.length > 4 && random.below(2) === 0)
        bytes.writeInt32BE(bytes.length - 4, 0)
      return bytes.subarray(0, 1 + random.below(bytes.length))
    }
    for (let batch = 0; batch < 40; batch++) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => connect()))
      for (const client of clients) client.socket.end(hostile())
      good.send(requestFrame(batch, Command.ANSWER))
      await until("they are gone", () => listener.stats.connectionsOpen === 1)
      await until("the good one is served", () => good.answers.length === batch + 1)
      for (const finish of handler.held.splice(0)) finish()
    }
    expect(listener.stats.connectionsAccepted).toBe(2001)
    expect(listener.stats.closedMalformed).toBeGreaterThan(100)
    expect(handler.seen.length).toBeGreaterThan(100)
  })

  it("stops everybody at the node's limit of received bytes, and goes on fairly", async () => {
    const { handler, listener, connect } = await start({ inFlightBytesMax: 8 * MIB })
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect()))
    const payload = new Uint8Array(MIB)
    for (const client of clients) {
      for (let id = 0; id < 4; id++) client.send(requestFrame(id, Command.RETAIN, { payload }))
    }
    await until("the limit is reached", () => listener.stats.pauses > 0)
    let done = 0
    let highest = 0
    while (done < 48) {
      await until("the next is handled", () => handler.held.length > 0)
      highest = Math.max(highest, listener.receivedBytesInUse())
      handler.held.shift()!()
      done++
    }
    await until("all are answered", () => clients.every((client) => client.answers.length === 4))
    // Everybody may have had one read, and one a frame, on the way when the limit was reached.
    expect(highest).toBeLessThanOrEqual(8 * MIB + 12 * 1.25 * MIB)
  })

  it("does not let half-sent frames starve the others", async () => {
    const { listener, connect, logged } = await start({ inFlightBytesMax: 4 * MIB, stuckMs: 40 })
    const large = requestFrame(1, Command.ANSWER, { payload: new Uint8Array(3 * MIB) })
    const halves: Array<Client> = []
    for (let i = 0; i < 4; i++) {
      const client = await connect()
      client.send(large.subarray(0, 2 * MIB))
      halves.push(client)
    }
    await until("the limit is reached", () => listener.stats.connectionsPaused > 0)
    // The first never goes on, the last does.
    halves[3]!.send(large.subarray(2 * MIB))
    const other = await connect()
    other.send(requestFrame(7, Command.ANSWER))
    await until("the small one is served", () => other.answers.length === 1)
    await until("the one that goes on is served", () => halves[3]!.answers.length === 1)
    expect(listener.stats.closedStuck).toBeGreaterThan(0)
    await until("it is logged", () => logged.some((line) => line.includes("does not send")))
  })

  it("closes idle connections, and not those that wait for an answer", async () => {
    const { handler, connect, listener } = await start({ connectionsMaxIdleMs: 60 })
    const [idle, waiting] = [await connect(), await connect()]
    waiting.send(requestFrame(1, Command.HOLD))
    await until("the request is seen", () => handler.seen.length === 1)
    await until("the idle one is closed", () => idle.isClosed)
    expect(listener.stats.closedIdle).toBe(1)
    expect(waiting.isClosed).toBe(false)
    handler.held[0]!()
    await until("it is answered", () => waiting.answers.length === 1)
    await until("then it is idle too", () => waiting.isClosed)
  })

  it("refuses connections beyond the limit", async () => {
    const { listener, connect } = await start({
      connectionLimits: () => ({ connectionsMax: 2, connectionsPerIpMax: 100 })
    })
    const [first] = [await connect(), await connect()]
    const third = await connect()
    await until("the third is closed", () => third.isClosed)
    expect(listener.stats.connectionsRefused).toBe(1)
    first.socket.destroy()
    await until("there is room again", () => listener.stats.connectionsOpen === 1)
    const fourth = await connect()
    fourth.send(requestFrame(1, Command.ANSWER))
    await until("it is served", () => fourth.answers.length === 1)
  })

  it("refuses connections of one address beyond their limit, which may change meanwhile", async () => {
    let connectionsPerIpMax = 1
    const { listener, connect, logged } = await start({
      connectionLimits: () => ({ connectionsMax: 100, connectionsPerIpMax })
    })
    const first = await connect()
    const second = await connect()
    await until("the second is closed", () => second.isClosed)
    await until("it is logged", () => logged.some((line) => line.includes("max.connections.per.ip=1")))
    connectionsPerIpMax = 2
    const third = await connect()
    third.send(requestFrame(1, Command.ANSWER))
    await until("it is served", () => third.answers.length === 1)
    first.socket.destroy()
    third.socket.destroy()
    await until("both are forgotten", () => listener.stats.connectionsOpen === 0)
    connectionsPerIpMax = 1
    const fourth = await connect()
    fourth.send(requestFrame(1, Command.ANSWER))
    await until("it is served", () => fourth.answers.length === 1)
  })

  it("keeps who is not admitted waiting, unserved, until it is told to close", async () => {
    const { handler, listener, connect, stop } = await start({
      connectionLimits: () => ({ connectionsMax: 2, connectionsPerIpMax: 100 })
    })
    const closers: Array<() => void> = []
    handler.admitting = (close) => {
      closers.push(close)
      return closers.length > 2
    }
    const [first, second] = [await connect(), await connect()]
    first.send(requestFrame(1, Command.ANSWER))
    await until("both have come", () => closers.length === 2)
    // They count towards max.connections: a third is refused before it is looked at.
    const third = await connect()
    await until("the third is closed", () => third.isClosed)
    expect([closers.length, first.isClosed, handler.seen.length]).toEqual([2, false, 0])
    expect([listener.stats.connectionsRefused, listener.stats.connectionsOpen]).toEqual([3, 0])
    closers[0]!()
    await until("it is closed", () => first.isClosed)
    expect([first.answers.length, second.isClosed]).toEqual([0, false])
    const fourth = await connect()
    fourth.send(requestFrame(1, Command.ANSWER))
    await until("it is served", () => fourth.answers.length === 1)
    await stop()
    await until("the one that waits is closed", () => second.isClosed)
    closers[1]!()
  })

  it("handles nothing of a muted connection until it is unmuted, and answers what was handed out", async () => {
    const { handler, connect } = await start()
    const [client, other] = [await connect(), await connect()]
    client.send(requestFrame(1, Command.HOLD))
    await until("it is seen", () => handler.seen.length === 1)
    const { connection } = handler.seen[0]!
    connection.mute()
    connection.mute()
    client.send(requestFrame(2, Command.ANSWER), requestFrame(3, Command.ANSWER, { size: 200_000 }))
    other.send(requestFrame(9, Command.ANSWER))
    await until("the other is served", () => other.answers.length === 1)
    handler.held[0]!()
    await until("it is answered", () => client.answers.length === 1)
    expect(handler.seen.map(({ correlationId }) => correlationId)).toEqual([1, 9])
    connection.unmute()
    await until("all are answered", () => client.answers.length === 3)
    expect(client.answers.map(({ correlationId }) => correlationId)).toEqual([1, 2, 3])
    connection.unmute()
  })

  it("stops at the request that mutes, though more came with it", async () => {
    const { handler, connect } = await start()
    const client = await connect()
    client.send(requestFrame(1, Command.HOLD), requestFrame(2, Command.HOLD), requestFrame(3, Command.HOLD))
    const held = handler.held
    await until("they are seen", () => held.length === 3)
    const { connection } = handler.seen[0]!
    const handle = handler.held.push.bind(handler.held)
    handler.held.push = (answer) => {
      connection.mute()
      return handle(answer)
    }
    client.send(requestFrame(4, Command.HOLD), requestFrame(5, Command.HOLD))
    await until("one more is seen", () => held.length === 4)
    for (const answer of held.splice(0)) answer()
    await until("what was handed out is answered", () => client.answers.length === 4)
    connection.unmute()
    await until("the next is seen", () => handler.seen.length === 5)
    for (const answer of held.splice(0)) answer()
    await until("it is answered", () => client.answers.length === 5)
  })

  it("closes a muted connection that is idle: its peer may be gone", async () => {
    const { handler, listener, connect } = await start({ connectionsMaxIdleMs: 40 })
    const client = await connect()
    client.send(requestFrame(1, Command.ANSWER))
    await until("it is answered", () => client.answers.length === 1)
    handler.seen[0]!.connection.mute()
    await until("it is closed", () => client.isClosed)
    expect(listener.stats.closedIdle).toBe(1)
    expect(listener.stats.connectionsPaused).toBe(0)
  })

  it("lets answers in flight leave when it shuts down, then closes", async () => {
    const { handler, listener, connect, stop } = await start()
    const [client, silent] = [await connect(), await connect()]
    client.send(requestFrame(1, Command.HOLD, { size: 300_000 }), requestFrame(2, Command.ANSWER))
    await until("both are seen", () => handler.seen.length === 2)
    const stopped = stop()
    await until("the idle one is ended", () => silent.isClosed)
    client.send(requestFrame(3, Command.ANSWER))
    await expect(Client.connect(listener.port)).rejects.toThrow("ECONNREFUSED")
    handler.held[0]!()
    await stopped
    await until("it is closed", () => client.isClosed)
    expect(client.answers.map((answer) => answer.correlationId)).toEqual([1, 2])
    expect(listener.stats.connectionsOpen).toBe(0)
  })

  it("does not wait for ever for answers when it shuts down", async () => {
    const { handler, connect, stop } = await start({ drainMs: 20 })
    const client = await connect()
    client.send(requestFrame(1, Command.HOLD))
    await until("it is seen", () => handler.seen.length === 1)
    await stop()
    await until("it is closed", () => client.isClosed)
    handler.held[0]!()
    expect(client.answers).toEqual([])
  })

  it("tells the handler where a request comes from", async () => {
    const { handler, connect } = await start()
    const client = await connect()
    client.send(requestFrame(1, Command.ANSWER), requestFrame(2, Command.ANSWER, { clientId: null }))
    await until("both are seen", () => handler.seen.length === 2)
    const { connection, clientId, receivedAtMicros } = handler.seen[0]!
    const { port } = client.socket.address() as net.AddressInfo
    expect([connection.remoteAddress, connection.remotePort, connection.id]).toEqual(["127.0.0.1", port, 1])
    expect(clientId).toBe("test")
    expect(handler.seen[1]!.clientId).toBe(null)
    expect(receivedAtMicros).toBeGreaterThan(0)
  })
})

it("hands out the connections that came between binding and accepting", async () => {
  const handler = new ScriptedHandler()
  await Effect.gen(function* () {
    const port = yield* KafkaPort
    const early = yield* Effect.promise(() => Client.connect(port.port))
    early.send(requestFrame(1, Command.ANSWER))
    yield* Effect.gen(function* () {
      yield* KafkaListener
      yield* Effect.promise(() => until("it is served", () => early.answers.length === 1))
    }).pipe(Effect.provide(KafkaListener.layerOnPort()), Effect.provideService(RequestHandler, handler))
    early.socket.destroy()
  }).pipe(Effect.provide(KafkaPort.layer({ host: "127.0.0.1", port: 0 })), Effect.runPromise)
  expect(handler.seen.length).toBe(1)
})

it("fails to start on a port that is taken, and says by whom", async () => {
  const taken = net.createServer()
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
  const { port } = taken.address() as net.AddressInfo
  const exit = await KafkaListener.layer({ host: "127.0.0.1", port }).pipe(
    Layer.provide(Layer.succeed(RequestHandler, new ScriptedHandler())),
    Layer.build,
    Effect.scoped,
    Effect.flip,
    Effect.runPromiseExit
  )
  taken.close()
  expect(Exit.isSuccess(exit) && exit.value.code).toBe("EADDRINUSE")
  expect(Exit.isSuccess(exit) && exit.value.message).toContain(`127.0.0.1:${port}`)
  if (process.platform === "linux") {
    expect(Exit.isSuccess(exit) && exit.value.message).toContain(`process ${process.pid}`)
  }
})
