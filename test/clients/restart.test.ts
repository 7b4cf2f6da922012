/**
 * Clients that live through a restart and through a kill -9 of the broker: they go on by themselves.
 */
import { Kafka, logLevel } from "kafkajs"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"

let broker: BrokerProcess

beforeEach(async () => {
  broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "warn"])
  await broker.start()
})
afterEach(() => broker.dispose())

describe.each(["SIGTERM", "SIGKILL"] as const)("a broker that ends by %s and comes back", (signal) => {
  it("keeps records, groups and committed offsets", async () => {
    const kafka = new Kafka({
      clientId: "restart",
      brokers: [broker.bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 50 }
    })
    const topic = "outlives"
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const consumer = kafka.consumer({ groupId: "outliving", sessionTimeout: 6000, heartbeatInterval: 300 })
    await consumer.connect()
    await producer.send({ topic, messages: [{ value: "before" }] })
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    const seen: Array<string> = []
    let check = () => {}
    await consumer.run({
      autoCommitThreshold: 1,
      eachMessage: async ({ message }) => {
        seen.push(message.value?.toString() ?? "")
        check()
      }
    })
    const has = (value: string) =>
      new Promise<void>((resolve) => {
        check = () => seen.includes(value) && resolve()
        check()
      })
    await has("before")
    await broker.end(signal)
    await broker.start()
    await producer.send({ topic, messages: [{ value: "after" }] })
    await has("after")
    expect(new Set(seen)).toEqual(new Set(["before", "after"]))
    await Promise.all([consumer.disconnect(), producer.disconnect()])
  }, 60_000)
})
