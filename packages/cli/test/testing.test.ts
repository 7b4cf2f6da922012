import { mkdtemp, rm } from "node:fs/promises"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Admin from "@chronik-effect/server/client/kafka/Admin.ts"
import { readPartition } from "@chronik-effect/server/client/kafka/Fetch.ts"
import { type KafkaClient, makeKafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { makeProducer } from "@chronik-effect/server/client/kafka/Produce.ts"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { type Broker, startBroker } from "../src/testing.ts"

const using = <A>(broker: Broker, use: (client: KafkaClient) => Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(Effect.flatMap(makeKafkaClient({ bootstrap: broker.bootstrap, timeoutMs: 5_000 }), use))
  )

const produce = (client: KafkaClient, texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const producer = yield* makeProducer(client, { idempotent: true })
    const records = texts.map((text) => ({ value: Buffer.from(text), timestamp: 1 }))
    return yield* producer.send("t", 0, records)
  })

const consume = (client: KafkaClient) =>
  Effect.gen(function* () {
    const end = yield* Admin.listOffset(client, "t", 0, Admin.LATEST)
    const records = yield* readPartition(client, "t", 0, 0, end)
    return records.map((record) => Buffer.from(record.value!).toString())
  })

const accepts = (port: number): Promise<boolean> =>
  new Promise((settle) => {
    const socket = net.connect(port, "127.0.0.1", () => {
      socket.destroy()
      settle(true)
    })
    socket.on("error", () => settle(false))
  })

describe("startBroker", () => {
  it("serves when awaited, with the partitions and configs asked for", async () => {
    await using broker = await startBroker({ partitions: 3, config: { "log.retention.ms": 60_000 } })
    const seen = await using(broker, (client) =>
      Effect.gen(function* () {
        yield* Admin.createTopic(client, { name: "t" })
        yield* produce(client, ["a", "b"])
        const partitions = (yield* client.topic("t")).partitions.length
        const retention = (yield* Admin.topicConfigs(client, "t")).find((config) => config.name === "retention.ms")
        return { partitions, retention: retention?.value, records: yield* consume(client) }
      })
    )
    expect(seen).toEqual({ partitions: 3, retention: "60000", records: ["a", "b"] })
  })

  it("runs several at once, each on its own", async () => {
    const brokers = await Promise.all([startBroker(), startBroker(), startBroker()])
    try {
      expect(new Set(brokers.map((broker) => broker.port)).size).toBe(3)
      for (const [i, broker] of brokers.entries()) {
        await using(broker, (client) =>
          Effect.andThen(Admin.createTopic(client, { name: "t" }), produce(client, [`${i}`]))
        )
      }
      const read = await Promise.all(brokers.map((broker) => using(broker, consume)))
      expect(read).toEqual([["0"], ["1"], ["2"]])
    } finally {
      await Promise.all(brokers.map((broker) => broker.close()))
    }
  })

  it("leaves nothing behind when closed, however often", async () => {
    // Of this process: sockets, files and timers; what the test runner itself keeps is in it before and after.
    const held = () =>
      process
        .getActiveResourcesInfo()
        .filter((name) => name !== "Immediate")
        .sort()
    // By turns of the loop: `expect.poll` waits by a timer of its own, which it would then find.
    const until = async (isSo: (names: ReadonlyArray<string>) => boolean) => {
      for (const deadline = performance.now() + 10_000; !isSo(held()) && performance.now() < deadline; ) {
        await new Promise((resume) => setImmediate(resume))
      }
    }
    await (await startBroker()).close()
    await until((names) => !names.some((name) => /^TCP|Timeout/.test(name)))
    const before = held()
    for (let i = 0; i < 5; i++) {
      const broker = await startBroker()
      expect(await accepts(broker.port)).toBe(true)
      await Promise.all([broker.close(), broker.close()])
      expect(await accepts(broker.port)).toBe(false)
    }
    await until((names) => names.join() === before.join())
    expect(held()).toEqual(before)
  })

  it("keeps what was acknowledged in its directory", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "chronik-testing-"))
    try {
      {
        await using first = await startBroker({ dataDir })
        await using(first, (client) =>
          Effect.andThen(Admin.createTopic(client, { name: "t" }), produce(client, ["kept"]))
        )
      }
      await using second = await startBroker({ dataDir })
      expect(await using(second, consume)).toEqual(["kept"])
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })

  it("rejects with a sentence", async () => {
    await using broker = await startBroker()
    await expect(startBroker({ port: broker.port })).rejects.toThrow(`Port ${broker.port} on 127.0.0.1 is in use`)
    await expect(startBroker({ config: { "log.retenton.ms": 1 } })).rejects.toThrow('Did you mean "log.retention.ms"?')
  })

  it("starts within 50 ms in a warm process", async () => {
    const times: Array<number> = []
    for (let i = 0; i < 10; i++) {
      await using broker = await startBroker()
      times.push(broker.readyMs)
    }
    // The best of ten: what the code costs, not what the machine was doing meanwhile.
    expect(Math.min(...times)).toBeLessThan(50)
  })
})
