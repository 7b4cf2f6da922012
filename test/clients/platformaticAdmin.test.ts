/**
 * @platformatic/kafka's admin client, unmodified: its newest versions of each administrative API, and the group protocol of
 * KIP-848.
 */
import { randomUUID } from "node:crypto"
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka"
import { startBroker } from "chronik-effect/testing"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

let broker: Awaited<ReturnType<typeof startBroker>>
let admin: Admin

const base = () => ({ clientId: "platformatic-admin", bootstrapBrokers: [broker.bootstrap] })

beforeAll(async () => {
  broker = await startBroker({ partitions: 2, config: { "group.initial.rebalance.delay.ms": 0 } })
  admin = new Admin(base())
})
afterAll(async () => {
  await admin.close()
  await broker.close()
})

const produce = async (topic: string, values: ReadonlyArray<string>): Promise<void> => {
  const producer = new Producer({ ...base(), serializers: stringSerializers })
  await producer.send({ messages: values.map((value) => ({ topic, value, partition: 0 })) })
  await producer.close()
}

const filled = async (count: number): Promise<string> => {
  const topic = randomUUID()
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 })
  await produce(
    topic,
    Array.from({ length: count }, (_, i) => `v${i}`)
  )
  return topic
}

const TOPIC = 2
const configOf = async (topic: string, name: string) => {
  const [described] = await admin.describeConfigs({
    resources: [{ resourceType: TOPIC, resourceName: topic, configurationKeys: [name] }]
  })
  return described?.configs[0]?.value
}

describe("@platformatic/kafka admin", () => {
  it("adds partitions", async () => {
    const topic = await filled(1)
    await admin.createPartitions({
      topics: [{ name: topic, count: 4, assignments: [1, 1, 1].map((id) => ({ brokerIds: [id] })) }]
    })
    const offsets = await admin.listOffsets({
      topics: [{ name: topic, partitions: [{ partitionIndex: 3, timestamp: -1n }] }]
    })
    expect(offsets[0]?.partitions[0]).toMatchObject({ partitionIndex: 3, offset: 0n })
  })

  it("alters configs as a whole and one by one", async () => {
    const topic = await filled(1)
    const resource = { resourceType: TOPIC, resourceName: topic } as const
    await admin.alterConfigs({ resources: [{ ...resource, configs: [{ name: "retention.ms", value: "60000" }] }] })
    expect(await configOf(topic, "retention.ms")).toBe("60000")
    await admin.incrementalAlterConfigs({
      resources: [{ ...resource, configs: [{ name: "cleanup.policy", configOperation: 2, value: "compact" }] }]
    })
    expect(await configOf(topic, "cleanup.policy")).toBe("delete,compact")
    expect(await configOf(topic, "retention.ms")).toBe("60000")
  })

  it("lists offsets and deletes records", async () => {
    const topic = await filled(8)
    const first = async () => {
      const listed = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -2n }] }]
      })
      return listed[0]?.partitions[0]?.offset
    }
    expect(await first()).toBe(0n)
    const deleted = await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 5n }] }] })
    expect(deleted[0]?.partitions).toEqual([{ partition: 0, lowWatermark: 5n }])
    expect(await first()).toBe(5n)
  })

  it("alters, lists and deletes offsets of a group, and deletes the group", async () => {
    const topic = await filled(5)
    const groupId = `g-${topic}`
    await admin.alterConsumerGroupOffsets({
      groupId,
      topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 3n }] }]
    })
    const [listed] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
    expect(listed?.topics[0]?.partitions[0]).toMatchObject({ partitionIndex: 0, committedOffset: 3n })
    expect((await admin.listGroups()).get(groupId)).toMatchObject({ id: groupId, groupType: "classic" })
    await admin.deleteConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionIndexes: [0] }] })
    await admin.alterConsumerGroupOffsets({
      groupId,
      topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 1n }] }]
    })
    await admin.deleteGroups({ groups: [groupId] })
    expect((await admin.listGroups()).has(groupId)).toBe(false)
  })

  it("describes log directories and quotas", async () => {
    const topic = await filled(5)
    const [described] = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] })
    expect(described?.results[0]?.topics[0]).toMatchObject({ name: topic, partitions: [{ partitionIndex: 0 }] })
    const entity = [{ entityType: "client-id", entityName: topic }] as const
    await admin.alterClientQuotas({
      entries: [{ entities: [...entity], ops: [{ key: "producer_byte_rate", value: 4096, remove: false }] }]
    })
    const quotas = await admin.describeClientQuotas({
      components: [{ entityType: "client-id", matchType: 0, match: topic }]
    })
    expect(quotas[0]?.values).toEqual([{ key: "producer_byte_rate", value: 4096 }])
  })

  it("consumes in a group of the consumer protocol, and goes on where it left off", async () => {
    const topic = await filled(4)
    const read = async (count: number) => {
      const consumer = new Consumer({
        ...base(),
        groupId: `g-${topic}`,
        groupProtocol: "consumer",
        deserializers: stringDeserializers
      })
      const stream = await consumer.consume({
        topics: [topic],
        mode: "committed",
        fallbackMode: "earliest",
        maxWaitTime: 200
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
    expect(await read(4)).toEqual(["v0", "v1", "v2", "v3"])
    expect((await admin.listGroups({ types: ["consumer"] })).get(`g-${topic}`)).toMatchObject({ groupType: "consumer" })
    await produce(topic, ["later"])
    expect(await read(1)).toEqual(["later"])
  })
})
