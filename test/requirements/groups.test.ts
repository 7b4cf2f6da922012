/**
 * Groups as their users see them: the first record comes at once, and members of both protocols share a group while its
 * processes are replaced one by one.
 */
import { ListGroupsApi } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { Kafka, logLevel } from "kafkajs"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { ConsumerClient } from "../badinput/ConsumerClient.ts"
import { findCoordinator } from "../badinput/GroupClient.ts"
import { type OpenNode, openNode } from "../badinput/OpenNode.ts"
import { Peer } from "../badinput/Peer.ts"
import { createTopic } from "../badinput/Requests.ts"
import { firstRecord, prepare, type Target } from "../benchmark/GroupLoads.ts"

/** Kafka waits for so long before it lets the first member of a group begin. */
const INITIAL_DELAY_MS_OF_KAFKA = 3_000
const IN_TIME = { timeout: 30_000, interval: 50 }

let node: OpenNode
let target: Target

beforeAll(async () => {
  node = await openNode({
    "group.consumer.min.assignment.interval.ms": "0",
    "group.consumer.assignment.interval.ms": "0"
  })
  target = { host: "127.0.0.1", port: node.port, pid: undefined }
  await prepare(target)
})
afterAll(() => node[Symbol.asyncDispose]())

test.each(["kafkajs", "platformatic", "platformatic, consumer protocol"] as const)(
  "the first record after subscribe: %s with its default settings",
  async (client) => {
    const [tookMs] = await firstRecord(target, client, 1)
    expect(tookMs).toBeLessThan(INITIAL_DELAY_MS_OF_KAFKA)
  }
)

test("a group changes to the consumer protocol and back while it consumes", async () => {
  using peer = await Peer.connect(node.port)
  await findCoordinator(peer)
  const topic = "migrating"
  const groupId = "migrating-group"
  await createTopic(peer, topic, {}, 4)
  const typeOf = async () => {
    const { groups } = await peer.call(ListGroupsApi, 5, {})
    return groups.find((group) => group.groupId === groupId)?.groupType
  }
  const kafka = new Kafka({ brokers: [`127.0.0.1:${node.port}`], logLevel: logLevel.NOTHING })
  const producer = kafka.producer()
  await producer.connect()
  const produceToAll = () =>
    producer.send({ topic, messages: [0, 1, 2, 3].map((partition) => ({ partition, value: "a record" })) })
  const classic = kafka.consumer({ groupId, heartbeatInterval: 100 })
  const seen = new Set<number>()
  await classic.connect()
  await classic.subscribe({ topic, fromBeginning: true })
  await classic.run({ eachMessage: async ({ partition }) => void seen.add(partition) })
  await produceToAll()
  await vi.waitFor(() => expect([...seen].sort()).toEqual([0, 1, 2, 3]), IN_TIME)
  expect(await typeOf()).toBe("classic")

  const modern = await ConsumerClient.open(node.port, groupId, "modern", [topic])
  await modern.join()
  await vi.waitFor(async () => {
    await modern.beat()
    expect(modern.partitions.length).toBe(2)
  }, IN_TIME)
  expect(await typeOf()).toBe("consumer")
  const theirs = modern.partitions.map((name) => Number(name.at(-1)))
  const ours = [0, 1, 2, 3].filter((partition) => !theirs.includes(partition))
  seen.clear()
  await produceToAll()
  await vi.waitFor(async () => {
    await modern.beat()
    expect([...seen].sort()).toEqual(ours)
  }, IN_TIME)

  await modern.beat({ memberEpoch: -1, topicPartitions: null })
  modern[Symbol.dispose]()
  seen.clear()
  await vi.waitFor(async () => {
    await produceToAll()
    expect([...seen].sort()).toEqual([0, 1, 2, 3])
  }, IN_TIME)
  expect(await typeOf()).toBe("classic")
  await producer.disconnect()
  await classic.disconnect()
  expect(node.errors).toEqual([])
}, 60_000)
