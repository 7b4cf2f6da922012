/**
 * kafkajs, unmodified: no flexible versions, its own idea of errors, eager groups.
 */
import { randomUUID } from "node:crypto"
import { startBroker } from "chronik-effect/testing"
import { CompressionTypes, type Consumer, Kafka, logLevel } from "kafkajs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

type Broker = Awaited<ReturnType<typeof startBroker>>

let broker: Broker
let kafka: Kafka

beforeAll(async () => {
  broker = await startBroker({ partitions: 3 })
  kafka = new Kafka({ clientId: "kafkajs-test", brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
})
afterAll(() => broker.close())

const numbered = (n: number) => Array.from({ length: n }, (_, i) => ({ key: `k${i % 7}`, value: `v${i}` }))

/** Starts a consumer and resolves once it has a first assignment. */
const join = async (groupId: string, topic: string, seen: (value: string) => void): Promise<Consumer> => {
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: 6000,
    heartbeatInterval: 200,
    rebalanceTimeout: 5000,
    maxWaitTimeInMs: 200
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.run({ eachMessage: async ({ message }) => seen(message.value?.toString() ?? "") })
  await joined
  return consumer
}

const until = (condition: () => boolean, poke: (check: () => void) => void): Promise<void> =>
  new Promise((resolve) => {
    const check = () => condition() && resolve()
    poke(check)
    check()
  })

describe("kafkajs", () => {
  it("creates, describes and deletes topics", async () => {
    const admin = kafka.admin()
    await admin.connect()
    const topic = randomUUID()
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 5 }] })).toBe(true)
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 5 }] })).toBe(false)
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] })
    expect(metadata.topics[0]?.partitions).toHaveLength(5)
    await admin.createPartitions({ topicPartitions: [{ topic, count: 8 }] })
    expect((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions).toHaveLength(8)
    await admin.deleteTopics({ topics: [topic] })
    expect(await admin.listTopics()).not.toContain(topic)
    await admin.disconnect()
  })

  it.each([
    ["no compression", CompressionTypes.None],
    ["gzip", CompressionTypes.GZIP]
  ])("produces and consumes with %s, idempotent", async (_, compression) => {
    const topic = randomUUID()
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const messages = numbered(500)
    for (let i = 0; i < messages.length; i += 50) {
      await producer.send({ topic, acks: -1, compression, messages: messages.slice(i, i + 50) })
    }
    const values: Array<string> = []
    let check = () => {}
    const consumer = await join(`g-${topic}`, topic, (value) => {
      values.push(value)
      check()
    })
    await until(
      () => values.length >= 500,
      (c) => {
        check = c
      }
    )
    expect(new Set(values)).toEqual(new Set(messages.map((m) => m.value)))
    expect(values).toHaveLength(500)
    await Promise.all([consumer.disconnect(), producer.disconnect()])
  })

  it("shares a topic among members that come and go, from committed offsets on", async () => {
    const topic = randomUUID()
    const producer = kafka.producer()
    await producer.connect()
    const admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 6 }] })
    const seen: Array<string> = []
    let check = () => {}
    const note = (value: string) => {
      seen.push(value)
      check()
    }
    const all = (n: number) =>
      until(
        () => new Set(seen).size >= n,
        (c) => {
          check = c
        }
      )
    const first = await join(`g-${topic}`, topic, note)
    const send = (from: number, n: number) =>
      producer.send({
        topic,
        messages: Array.from({ length: n }, (_, i) => ({ key: String(i), value: `m${from + i}` }))
      })
    await send(0, 100)
    await all(100)
    const second = await join(`g-${topic}`, topic, note)
    await send(100, 100)
    await all(200)
    await first.disconnect()
    await send(200, 100)
    await all(300)
    const described = await admin.describeGroups([`g-${topic}`])
    expect(described.groups[0]?.members.length).toBeGreaterThanOrEqual(1)
    await second.disconnect()
    const offsets = await admin.fetchOffsets({ groupId: `g-${topic}`, topics: [topic] })
    const total = offsets[0]!.partitions.reduce((sum, p) => sum + Math.max(0, Number(p.offset)), 0)
    expect(total).toBe(300)
    await Promise.all([producer.disconnect(), admin.disconnect()])
  }, 60_000)
})
