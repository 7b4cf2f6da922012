/**
 * @platformatic/kafka, unmodified: the newest versions that a Node client speaks, topic ids, fetch sessions.
 */
import { randomUUID } from "node:crypto"
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka"
import { startBroker } from "chronik-effect/testing"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

let broker: Awaited<ReturnType<typeof startBroker>>

beforeAll(async () => {
  broker = await startBroker({ partitions: 3 })
})
afterAll(() => broker.close())

const base = () => ({ clientId: "platformatic-test", bootstrapBrokers: [broker.bootstrap] })

const consumed = async (topic: string, count: number): Promise<ReadonlyArray<string>> => {
  const consumer = new Consumer({ ...base(), groupId: `g-${topic}`, deserializers: stringDeserializers })
  const stream = await consumer.consume({
    topics: [topic],
    mode: "earliest",
    maxWaitTime: 200,
    sessionTimeout: 6000,
    heartbeatInterval: 500
  })
  const values: Array<string> = []
  for await (const message of stream) {
    values.push(message.value)
    await message.commit()
    if (values.length === count) break
  }
  await stream.close()
  await consumer.close(true)
  return values
}

describe("@platformatic/kafka", () => {
  it("creates and deletes topics", async () => {
    const admin = new Admin(base())
    const topic = randomUUID()
    const created = await admin.createTopics({ topics: [topic], partitions: 4, replicas: 1 })
    expect(created.map((t) => [t.name, t.partitions])).toEqual([[topic, 4]])
    expect(await admin.listTopics()).toContain(topic)
    await admin.deleteTopics({ topics: [topic] })
    expect(await admin.listTopics()).not.toContain(topic)
    await admin.close()
  })

  it.each(["none", "gzip", "snappy", "lz4", "zstd"] as const)("round-trips records with %s", async (compression) => {
    const topic = randomUUID()
    const producer = new Producer({
      ...base(),
      idempotent: true,
      serializers: stringSerializers,
      autocreateTopics: true
    })
    const sent = Array.from({ length: 60 }, (_, i) => `value ${i} ${"x".repeat(i * 10)}`)
    for (let i = 0; i < sent.length; i += 20) {
      await producer.send({
        messages: sent.slice(i, i + 20).map((value, j) => ({ topic, key: `k${j}`, value, headers: { n: String(j) } })),
        compression
      })
    }
    expect(new Set(await consumed(topic, sent.length))).toEqual(new Set(sent))
    await producer.close()
  })
})
