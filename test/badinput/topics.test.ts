/**
 * Topics, partitions and configs that cannot be: the code of each rule, and nothing made where one is broken.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { CreateTopicsApi, type CreateTopicsRequest } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { DescribeConfigsApi } from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { CreatePartitionsApi } from "@chronik-effect/core/protocol/messages/37_CreatePartitions.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { batchOf, createTopic, produce } from "./Requests.ts"

let node: OpenNode
let peer: Peer
let names = 0

beforeAll(async () => {
  node = await openNode({ "auto.create.topics.enable": "true" })
})
beforeEach(async () => {
  peer?.[Symbol.dispose]()
  peer = await Peer.connect(node.port)
})
afterAll(async () => {
  peer[Symbol.dispose]()
  expect(node.errors).toEqual([])
  await node[Symbol.asyncDispose]()
})

const fresh = () => `topic-${++names}`
type NewTopic = NonNullable<Partially<CreateTopicsRequest>["topics"]>[number]

const create = async (topics: ReadonlyArray<NewTopic>, more: Partially<CreateTopicsRequest> = {}) => {
  const filled = topics.map((topic) => ({
    numPartitions: 1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...topic
  }))
  const answer = await peer.call(CreateTopicsApi, 7, { topics: filled, timeoutMs: 10_000, ...more })
  return answer.topics
}
const codeOf = async (topic: NewTopic, more?: Partially<CreateTopicsRequest>) =>
  (await create([topic], more))[0]!.errorCode

const existing = async (): Promise<ReadonlyArray<string | null>> =>
  (await peer.call(MetadataApi, 12, { topics: null })).topics.map(({ name }) => name)

const withConfig = (name: string, value: string | null): NewTopic => ({ name: fresh(), configs: [{ name, value }] })
const assigned = (...brokers: ReadonlyArray<ReadonlyArray<number>>): NewTopic => ({
  name: fresh(),
  numPartitions: -1,
  assignments: brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }))
})

describe("CreateTopics", () => {
  const refused: ReadonlyArray<readonly [string, ErrorCode, () => NewTopic]> = [
    ["an empty name", ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "" })],
    ['the name "."', ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "." })],
    ['the name ".."', ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: ".." })],
    ["a name of 250 characters", ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "n".repeat(250) })],
    ["a path", ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "../../etc/passwd" })],
    ["a space", ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "a b" })],
    ["a zero byte", ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "a\0b" })],
    ["an umlaut", ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "ä" })],
    ["a line break at the end", ErrorCode.INVALID_TOPIC_EXCEPTION, () => ({ name: "a\n" })],
    ["0 partitions", ErrorCode.INVALID_PARTITIONS, () => ({ name: fresh(), numPartitions: 0 })],
    ["-2 partitions", ErrorCode.INVALID_PARTITIONS, () => ({ name: fresh(), numPartitions: -2 })],
    [
      "a replication factor of 0",
      ErrorCode.INVALID_REPLICATION_FACTOR,
      () => ({ name: fresh(), replicationFactor: 0 })
    ],
    [
      "a replication factor of -2",
      ErrorCode.INVALID_REPLICATION_FACTOR,
      () => ({ name: fresh(), replicationFactor: -2 })
    ],
    [
      "more replicas than brokers",
      ErrorCode.INVALID_REPLICATION_FACTOR,
      () => ({ name: fresh(), replicationFactor: 2 })
    ],
    ["assignments and a count", ErrorCode.INVALID_REQUEST, () => ({ ...assigned([1]), numPartitions: 1 })],
    ["assignments and a factor", ErrorCode.INVALID_REQUEST, () => ({ ...assigned([1]), replicationFactor: 1 })],
    ["an unknown broker", ErrorCode.INVALID_REPLICA_ASSIGNMENT, () => assigned([9])],
    ["a broker twice", ErrorCode.INVALID_REPLICA_ASSIGNMENT, () => assigned([1, 1])],
    ["no broker", ErrorCode.INVALID_REPLICA_ASSIGNMENT, () => assigned([])],
    [
      "a gap in the partitions",
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      () => ({ name: fresh(), numPartitions: -1, assignments: [{ partitionIndex: 1, brokerIds: [1] }] })
    ],
    ["an unknown config", ErrorCode.INVALID_CONFIG, () => withConfig("no.such.config", "1")],
    ["a null config", ErrorCode.INVALID_CONFIG, () => withConfig("retention.ms", null)],
    ["a config that is no number", ErrorCode.INVALID_CONFIG, () => withConfig("retention.ms", "soon")],
    ["a number too large", ErrorCode.INVALID_CONFIG, () => withConfig("retention.ms", "99999999999999999999")],
    ["retention.ms below -1", ErrorCode.INVALID_CONFIG, () => withConfig("retention.ms", "-2")],
    ["segment.bytes below 1 MiB", ErrorCode.INVALID_CONFIG, () => withConfig("segment.bytes", "1048575")],
    ["an unknown cleanup policy", ErrorCode.INVALID_CONFIG, () => withConfig("cleanup.policy", "burn")],
    ["an unknown compression", ErrorCode.INVALID_CONFIG, () => withConfig("compression.type", "rar")],
    ["an unknown timestamp type", ErrorCode.INVALID_CONFIG, () => withConfig("message.timestamp.type", "Never")],
    ["min.insync.replicas 0", ErrorCode.INVALID_CONFIG, () => withConfig("min.insync.replicas", "0")],
    ["max.message.bytes below 0", ErrorCode.INVALID_CONFIG, () => withConfig("max.message.bytes", "-1")]
  ]
  test.each(refused)("%s", async (_, code, topic) => {
    const asked = topic()
    expect(await codeOf(asked)).toBe(code)
    expect(await existing()).not.toContain(asked.name)
  })

  test("the longest name, all characters, and what looks like nonsense but is allowed", async () => {
    for (const name of ["n".repeat(249), "aZ09._-", "...", "-", "_"])
      expect(await codeOf({ name })).toBe(ErrorCode.NONE)
    expect((await produce(peer, { name: "n".repeat(249), topicId: "" }, batchOf(["a"]))).errorCode).toBe(0)
  })

  test("an excessive number of partitions is refused and costs nothing", async () => {
    const started = performance.now()
    for (const numPartitions of [2 ** 31 - 1, 100_000_000]) {
      const [topic] = await create([{ name: fresh(), numPartitions }])
      expect(topic!.errorCode).not.toBe(ErrorCode.NONE)
    }
    expect(performance.now() - started).toBeLessThan(2000)
    expect((await peer.call(MetadataApi, 12, { topics: [] })).brokers).toHaveLength(1)
  })

  test("names that differ by '.' and '_' only collide", async () => {
    const name = fresh()
    expect(await codeOf({ name: `${name}.a_b` })).toBe(ErrorCode.NONE)
    expect(await codeOf({ name: `${name}_a.b` })).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    expect(await codeOf({ name: `${name}.a_b` })).toBe(ErrorCode.TOPIC_ALREADY_EXISTS)
  })

  test("two that collide in one request", async () => {
    const name = fresh()
    const codes = (await create([{ name: `${name}.x` }, { name: `${name}_x` }])).map((t) => t.errorCode)
    expect(codes.filter((code) => code === ErrorCode.NONE)).toHaveLength(1)
  })

  test("a name twice in one request is refused once, its neighbours are made", async () => {
    const [twice, once] = [fresh(), fresh()]
    const answer = await create([{ name: twice }, { name: once }, { name: twice }])
    expect(answer.map((t) => [t.name, t.errorCode]).sort()).toEqual(
      [
        [once, ErrorCode.NONE],
        [twice, ErrorCode.INVALID_REQUEST]
      ].sort()
    )
    expect(await existing()).not.toContain(twice)
  })

  test("validateOnly makes nothing, and finds what is wrong", async () => {
    const name = fresh()
    expect(await codeOf({ name }, { validateOnly: true })).toBe(ErrorCode.NONE)
    expect(await codeOf({ name, numPartitions: 0 }, { validateOnly: true })).toBe(ErrorCode.INVALID_PARTITIONS)
    expect(await existing()).not.toContain(name)
    expect(await codeOf({ name })).toBe(ErrorCode.NONE)
  })

  test("many at once for the same name: exactly one wins", async () => {
    const name = fresh()
    const peers = await Promise.all(Array.from({ length: 20 }, () => Peer.connect(node.port)))
    const asked = { topics: [{ name, numPartitions: 1, replicationFactor: 1 }], timeoutMs: 10_000 }
    const answers = await Promise.all(peers.map((each) => each.call(CreateTopicsApi, 7, asked)))
    const codes = answers.map((answer) => answer.topics[0]!.errorCode)
    expect(codes.filter((code) => code === ErrorCode.NONE)).toHaveLength(1)
    expect(codes.filter((code) => code === ErrorCode.TOPIC_ALREADY_EXISTS)).toHaveLength(19)
    for (const each of peers) each[Symbol.dispose]()
  })
})

describe("Metadata with auto-creation", () => {
  const named = async (name: string, more = {}) =>
    (await peer.call(MetadataApi, 9, { topics: [{ name }], allowAutoTopicCreation: true, ...more })).topics[0]!
      .errorCode

  test("makes what may be, and nothing of what may not", async () => {
    for (const name of ["", ".", "..", "a b", "../x", "n".repeat(250), "a\0"]) {
      expect(await named(name)).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    }
    const name = fresh()
    expect(await named(name, { allowAutoTopicCreation: false })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await existing()).not.toContain(name)
    const first = await named(name)
    expect([ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE]).toContain(first)
    expect(await named(name)).toBe(ErrorCode.NONE)
  })

  test("an unknown topic id", async () => {
    const answer = await peer.call(MetadataApi, 12, { topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAQ", name: null }] })
    expect(answer.topics[0]).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null })
  })
})

describe("DeleteTopics", () => {
  const remove = async (name: string | null, topicId = ZERO_UUID) =>
    (await peer.call(DeleteTopicsApi, 6, { topics: [{ name, topicId }], timeoutMs: 10_000 })).responses[0]!.errorCode

  test("what names nothing, or too much", async () => {
    const topic = await createTopic(peer, fresh())
    expect(await remove("no-such-topic")).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await remove(null, "AAAAAAAAAAAAAAAAAAAAAQ")).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
    expect(await remove(topic.name, topic.topicId)).toBe(ErrorCode.INVALID_REQUEST)
    expect(await remove(null)).toBe(ErrorCode.INVALID_REQUEST)
    expect(await existing()).toContain(topic.name)
    expect(await remove(null, topic.topicId)).toBe(ErrorCode.NONE)
    expect(await remove(null, topic.topicId)).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
  })
})

describe("CreatePartitions", () => {
  const grow = async (name: string, count: number, assignments: Array<{ brokerIds: Array<number> }> | null = null) =>
    (await peer.call(CreatePartitionsApi, 3, { topics: [{ name, count, assignments }], timeoutMs: 10_000 })).results[0]!
      .errorCode

  test("counts and assignments that cannot be", async () => {
    const { name } = await createTopic(peer, fresh(), {}, 3)
    expect(await grow(name, 3)).toBe(ErrorCode.INVALID_PARTITIONS)
    expect(await grow(name, 2)).toBe(ErrorCode.INVALID_PARTITIONS)
    expect(await grow(name, 0)).toBe(ErrorCode.INVALID_PARTITIONS)
    expect(await grow(name, -1)).toBe(ErrorCode.INVALID_PARTITIONS)
    expect(await grow("no-such-topic", 5)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await grow(name, 5, [{ brokerIds: [1] }])).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    expect(await grow(name, 4, [{ brokerIds: [8] }])).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    expect(await grow(name, 2 ** 31 - 1)).toBe(ErrorCode.POLICY_VIOLATION)
    expect(await grow(name, 4, [{ brokerIds: [1] }])).toBe(ErrorCode.NONE)
    expect((await produce(peer, { name, topicId: "" }, batchOf(["a"]), { partition: 3 })).errorCode).toBe(0)
  })
})

test("CreatePartitions of more than 10,000 in one request makes none", async () => {
  const topics = [await createTopic(peer, fresh()), await createTopic(peer, fresh())]
  const asked = topics.map(({ name }) => ({ name, count: 5_002, assignments: null }))
  const answer = await peer.call(CreatePartitionsApi, 3, { topics: asked, timeoutMs: 10_000 })
  expect(answer.results.map((r) => r.errorCode)).toEqual([ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION])
  const { topics: seen } = await peer.call(MetadataApi, 12, { topics: topics.map(({ name }) => ({ name })) })
  expect(seen.map((topic) => topic.partitions.length)).toEqual([1, 1])
})

describe("configs", () => {
  const alter = async (
    resourceName: string,
    configs: ReadonlyArray<readonly [name: string, operation: number, value: string | null]>,
    resourceType = 2
  ) => {
    const resources = [
      {
        resourceType,
        resourceName,
        configs: configs.map(([name, configOperation, value]) => ({ name, configOperation, value }))
      }
    ]
    return (await peer.call(IncrementalAlterConfigsApi, 1, { resources })).responses[0]!.errorCode
  }
  const SET = 0
  const DELETE = 1
  const APPEND = 2
  const value = async (resourceName: string, name: string) => {
    const resources = [{ resourceType: 2, resourceName, configurationKeys: [name] }]
    return (await peer.call(DescribeConfigsApi, 4, { resources })).results[0]!.configs[0]!.value
  }

  test("alterations that cannot be, all or nothing", async () => {
    const { name } = await createTopic(peer, fresh())
    expect(await alter("no-such-topic", [["retention.ms", SET, "1"]])).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await alter(name, [["no.such", SET, "1"]])).toBe(ErrorCode.INVALID_CONFIG)
    expect(await alter(name, [["retention.ms", SET, "x"]])).toBe(ErrorCode.INVALID_CONFIG)
    expect(await alter(name, [["retention.ms", SET, null]])).toBe(ErrorCode.INVALID_REQUEST)
    expect(await alter(name, [["retention.ms", APPEND, "1"]])).toBe(ErrorCode.INVALID_CONFIG)
    expect(await alter(name, [["retention.ms", 9, "1"]])).toBe(ErrorCode.INVALID_REQUEST)
    expect(
      await alter(name, [
        ["retention.ms", SET, "1000"],
        ["retention.ms", DELETE, null]
      ])
    ).toBe(ErrorCode.INVALID_REQUEST)
    const before = await value(name, "retention.ms")
    expect(
      await alter(name, [
        ["retention.ms", SET, "1000"],
        ["segment.bytes", SET, "5"]
      ])
    ).toBe(ErrorCode.INVALID_CONFIG)
    expect(await value(name, "retention.ms")).toBe(before)
    expect(await alter(name, [["retention.ms", SET, "1000"]])).toBe(ErrorCode.NONE)
    expect(await value(name, "retention.ms")).toBe("1000")
  })

  test("resources that cannot be", async () => {
    const describe_ = async (resourceType: number, resourceName: string) =>
      (await peer.call(DescribeConfigsApi, 4, { resources: [{ resourceType, resourceName, configurationKeys: null }] }))
        .results[0]!.errorCode
    expect(await describe_(2, "no-such-topic")).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await describe_(4, "77")).toBe(ErrorCode.INVALID_REQUEST)
    expect(await describe_(4, "one")).toBe(ErrorCode.INVALID_REQUEST)
    expect(await describe_(99, "x")).toBe(ErrorCode.INVALID_REQUEST)
  })
})
