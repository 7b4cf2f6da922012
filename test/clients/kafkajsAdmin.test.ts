/**
 * kafkajs's admin client, unmodified: each API that it has, against one broker.
 */
import { randomUUID } from "node:crypto"
import { startBroker } from "chronik-effect/testing"
import {
  type AclOperationTypes,
  type AclPermissionTypes,
  type AclResourceTypes,
  type Admin,
  type ConfigResourceTypes,
  Kafka,
  logLevel,
  type ResourcePatternTypes
} from "kafkajs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

let broker: Awaited<ReturnType<typeof startBroker>>
let kafka: Kafka
let admin: Admin

beforeAll(async () => {
  broker = await startBroker({ partitions: 2, config: { "group.initial.rebalance.delay.ms": 0 } })
  kafka = new Kafka({ clientId: "kafkajs-admin", brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
  admin = kafka.admin()
  await admin.connect()
})
afterAll(async () => {
  await admin.disconnect()
  await broker.close()
})

/** A topic of one partition with so many records, a second apart. */
const filled = async (count: number): Promise<string> => {
  const topic = randomUUID()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
  const producer = kafka.producer()
  await producer.connect()
  const messages = Array.from({ length: count }, (_, i) => ({
    value: `v${i}`,
    timestamp: String(1_700_000_000_000 + i * 1000)
  }))
  await producer.send({ topic, messages })
  await producer.disconnect()
  return topic
}

describe("kafkajs admin", () => {
  it("describes the cluster", async () => {
    const cluster = await admin.describeCluster()
    expect(cluster.brokers).toEqual([{ nodeId: 1, host: "127.0.0.1", port: broker.port }])
    expect(cluster.controller).toBe(1)
    expect(cluster.clusterId).toHaveLength(22)
  })

  it("finds first, last and timed offsets of a topic", async () => {
    const topic = await filled(10)
    expect(await admin.fetchTopicOffsets(topic)).toEqual([{ partition: 0, offset: "10", high: "10", low: "0" }])
    expect(await admin.fetchTopicOffsetsByTimestamp(topic, 1_700_000_003_500)).toEqual([{ partition: 0, offset: "4" }])
  })

  it("sets, resets and reads offsets of a group, and deletes the group", async () => {
    const topic = await filled(10)
    const groupId = `g-${topic}`
    const offset = async () => (await admin.fetchOffsets({ groupId, topics: [topic] }))[0]?.partitions[0]?.offset
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "7" }] })
    expect(await offset()).toBe("7")
    await admin.resetOffsets({ groupId, topic, earliest: true })
    expect(["0", "-2"]).toContain(await offset())
    expect((await admin.listGroups()).groups.map((group) => group.groupId)).toContain(groupId)
    expect((await admin.describeGroups([groupId])).groups[0]?.state).toBe("Empty")
    expect(await admin.deleteGroups([groupId])).toEqual([{ groupId, errorCode: 0 }])
    await expect(admin.deleteGroups([groupId])).rejects.toThrow()
  })

  it("refuses to delete a group with a member", async () => {
    const topic = await filled(1)
    const groupId = `g-${topic}`
    const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, maxWaitTimeInMs: 100 })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise<void>((resolve) => void consumer.run({ eachMessage: async () => resolve() }))
    expect((await admin.describeGroups([groupId])).groups[0]).toMatchObject({
      state: "Stable",
      protocolType: "consumer"
    })
    await expect(admin.deleteGroups([groupId])).rejects.toMatchObject({ groups: [{ groupId, errorCode: 68 }] })
    await consumer.disconnect()
    expect(await admin.deleteGroups([groupId])).toEqual([{ groupId, errorCode: 0 }])
  })

  it("deletes records, and no reader sees them again", async () => {
    const topic = await filled(10)
    // kafkajs looks for the leader in what it knows already.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "6" }] })
    expect(await admin.fetchTopicOffsets(topic)).toEqual([{ partition: 0, offset: "10", high: "10", low: "6" }])
    await expect(admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "1000" }] })).rejects.toThrow()
  })

  it("alters and describes configs", async () => {
    const topic = await filled(1)
    const resource = { type: 2 as ConfigResourceTypes, name: topic }
    const value = async (name: string) => {
      const { resources } = await admin.describeConfigs({
        resources: [{ ...resource, configNames: [name] }],
        includeSynonyms: true
      })
      return resources[0]?.configEntries[0]
    }
    expect(await value("retention.ms")).toMatchObject({ configValue: "604800000", isDefault: true })
    const entries = [{ name: "retention.ms", value: "60000" }]
    await admin.alterConfigs({ validateOnly: true, resources: [{ ...resource, configEntries: entries }] })
    expect(await value("retention.ms")).toMatchObject({ configValue: "604800000" })
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: entries }] })
    expect(await value("retention.ms")).toMatchObject({ configValue: "60000", isDefault: false })
    const wrong = [{ name: "no.such.config", value: "1" }]
    await expect(
      admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: wrong }] })
    ).rejects.toThrow()
  })

  it("finds no reassignment to list or to cancel", async () => {
    const topic = await filled(1)
    expect(await admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] })).toEqual({ topics: [] })
    await expect(
      admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition: 0, replicas: [7] }] }] })
    ).rejects.toThrow()
  })

  it("is told that there is no authorizer", async () => {
    const acl = {
      resourceType: 2 as AclResourceTypes,
      resourceName: "t",
      resourcePatternType: 3 as ResourcePatternTypes,
      principal: "User:alice",
      host: "*",
      operation: 3 as AclOperationTypes,
      permissionType: 3 as AclPermissionTypes
    }
    await expect(admin.createAcls({ acl: [acl] })).rejects.toThrow(
      /SECURITY_DISABLED|[Ss]ecurity features are disabled|ACL/
    )
    await expect(admin.describeAcls(acl)).rejects.toThrow()
  })
})
