/**
 * What administers logs: records deleted by offset, the data directory and the producers of partitions, and every code that
 * they can answer with.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { DeleteRecordsApi } from "@chronik-effect/core/protocol/messages/21_DeleteRecords.ts"
import { DescribeLogDirsApi } from "@chronik-effect/core/protocol/messages/35_DescribeLogDirs.ts"
import { DescribeProducersApi } from "@chronik-effect/core/protocol/messages/61_DescribeProducers.ts"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { batchOf, createTopic, fetchOne, NOW, produce, type Topic } from "./Requests.ts"

let node: OpenNode
let peer: Peer
let names = 0

beforeAll(async () => {
  node = await openNode()
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

const fresh = () => `log-${++names}`

/** A topic of one partition with `records` records, a batch each. */
const filled = async (records: number, configs: Readonly<Record<string, string>> = {}): Promise<Topic> => {
  const topic = await createTopic(peer, fresh(), configs)
  for (let i = 0; i < records; i++) expect((await produce(peer, topic, batchOf([`v${i}`]))).errorCode).toBe(0)
  return topic
}

const deleteRecords = async (name: string, offset: number, partitionIndex = 0, version = 2) => {
  const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
  const answer = await peer.call(DeleteRecordsApi, version, { topics, timeoutMs: 10_000 })
  const { lowWatermark, errorCode } = answer.topics[0]!.partitions[0]!
  return [errorCode, lowWatermark]
}

const earliest = async (name: string) => {
  const topics = [{ name, partitions: [{ partitionIndex: 0, timestamp: -2 }] }]
  return (await peer.call(ListOffsetsApi, 8, { replicaId: -1, topics })).topics[0]!.partitions[0]!.offset
}

describe("DeleteRecords", () => {
  test("moves the log start, in every version", async () => {
    const topic = await filled(5)
    for (const version of [0, 1, 2]) {
      expect(await deleteRecords(topic.name, version + 1, 0, version)).toEqual([ErrorCode.NONE, version + 1])
      expect(await earliest(topic.name)).toBe(version + 1)
    }
    expect((await fetchOne(peer, topic, { offset: 2 })).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE)
    const kept = await fetchOne(peer, topic, { offset: 3 })
    expect([kept.errorCode, kept.logStartOffset, kept.highWatermark]).toEqual([0, 3, 5])
  })

  test("takes -1 for the high watermark, and appends go on behind it", async () => {
    const topic = await filled(4)
    expect(await deleteRecords(topic.name, -1)).toEqual([ErrorCode.NONE, 4])
    expect(await earliest(topic.name)).toBe(4)
    expect((await produce(peer, topic, batchOf(["next"]))).baseOffset).toBe(4)
  })

  test("keeps what producers have sent in mind: a deleted batch that comes again is not stored again", async () => {
    const topic = await createTopic(peer, fresh())
    const batch = (baseSequence: number) => batchOf(["v"], { producerId: 77, producerEpoch: 0, baseSequence })
    expect((await produce(peer, topic, batch(0))).errorCode).toBe(0)
    expect(await deleteRecords(topic.name, -1)).toEqual([ErrorCode.NONE, 1])
    expect(await produce(peer, topic, batch(0))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect((await produce(peer, topic, batch(2))).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(await produce(peer, topic, batch(1))).toMatchObject({ errorCode: 0, baseOffset: 1 })
  })

  test("at or below the log start changes nothing", async () => {
    const topic = await filled(3)
    await deleteRecords(topic.name, 2)
    expect(await deleteRecords(topic.name, 1)).toEqual([ErrorCode.NONE, 2])
    expect(await deleteRecords(topic.name, 2)).toEqual([ErrorCode.NONE, 2])
  })

  test("in the middle of a batch hides its first records only", async () => {
    const topic = await createTopic(peer, fresh())
    await produce(peer, topic, batchOf(["a", "b", "c"]))
    expect(await deleteRecords(topic.name, 1)).toEqual([ErrorCode.NONE, 1])
    expect(await earliest(topic.name)).toBe(1)
    expect((await fetchOne(peer, topic, { offset: 0 })).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE)
    expect((await fetchOne(peer, topic, { offset: 1 })).errorCode).toBe(ErrorCode.NONE)
  })

  test("keeps the sequences of producers whose records are gone", async () => {
    const topic = await createTopic(peer, fresh())
    const numbers = { producerId: 900, producerEpoch: 0 }
    const first = batchOf(["a", "b"], { ...numbers, baseSequence: 0 })
    expect((await produce(peer, topic, first)).baseOffset).toBe(0)
    await deleteRecords(topic.name, -1)
    expect(await produce(peer, topic, first)).toMatchObject({ errorCode: 0, baseOffset: 0 })
    const gap = await produce(peer, topic, batchOf(["c"], { ...numbers, baseSequence: 3 }))
    expect(gap.errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect((await produce(peer, topic, batchOf(["c"], { ...numbers, baseSequence: 2 }))).baseOffset).toBe(2)
  })

  test("answers a partition once, by the last word on it", async () => {
    const { name } = await filled(4)
    const topics = [
      { name, partitions: [{ partitionIndex: 0, offset: 99 }] },
      {
        name,
        partitions: [
          { partitionIndex: 0, offset: 3 },
          { partitionIndex: 0, offset: 2 }
        ]
      }
    ]
    const answer = await peer.call(DeleteRecordsApi, 2, { topics, timeoutMs: 0 })
    expect(answer.topics).toEqual([{ name, partitions: [{ partitionIndex: 0, lowWatermark: 2, errorCode: 0 }] }])
  })

  test("beyond the high watermark, or below -1, is OFFSET_OUT_OF_RANGE", async () => {
    const { name } = await filled(2)
    expect(await deleteRecords(name, 3)).toEqual([ErrorCode.OFFSET_OUT_OF_RANGE, -1])
    expect(await deleteRecords(name, -2)).toEqual([ErrorCode.OFFSET_OUT_OF_RANGE, -1])
    expect(await earliest(name)).toBe(0)
  })

  test("an unknown topic or partition is UNKNOWN_TOPIC_OR_PARTITION", async () => {
    const { name } = await filled(1)
    expect(await deleteRecords("nowhere", 0)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1])
    expect(await deleteRecords(name, 0, 7)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1])
    expect(await deleteRecords(name, 0, -1)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1])
  })

  test("a topic that only compacts is POLICY_VIOLATION; one that also deletes is not", async () => {
    const compact = await filled(2, { "cleanup.policy": "compact" })
    expect(await deleteRecords(compact.name, 1)).toEqual([ErrorCode.POLICY_VIOLATION, -1])
    const both = await filled(2, { "cleanup.policy": "compact,delete" })
    expect(await deleteRecords(both.name, 1)).toEqual([ErrorCode.NONE, 1])
  })

  test("a topic of the broker's own is INVALID_TOPIC_EXCEPTION", async () => {
    await peer.call(FindCoordinatorApi, 3, { key: "a-group", keyType: 0 })
    const answer = await peer.call(MetadataApi, 12, { topics: null })
    expect(answer.topics.map(({ name }) => name)).toContain("__consumer_offsets")
    expect(await deleteRecords("__consumer_offsets", 0)).toEqual([ErrorCode.INVALID_TOPIC_EXCEPTION, -1])
  })
})

const logDirs = async (
  topics: ReadonlyArray<{ topic: string; partitions: ReadonlyArray<number> }> | null,
  version = 4
) => await peer.call(DescribeLogDirsApi, version, { topics: topics as never })

describe("DescribeLogDirs", () => {
  test("shows one directory with the sizes of all partitions, in every version", async () => {
    const topic = await filled(3)
    for (const version of [1, 2, 3, 4, 5]) {
      const { errorCode, results } = await logDirs(null, version)
      expect([errorCode, results.length, results[0]!.errorCode]).toEqual([0, 1, 0])
      const mine = results[0]!.topics.find(({ name }) => name === topic.name)!
      const size = 3 * batchOf(["v0"]).length
      expect(mine.partitions).toEqual([{ partitionIndex: 0, partitionSize: size, offsetLag: 0, isFutureKey: false }])
    }
  })

  test("shows the partitions that are asked for, and leaves out what is not here", async () => {
    const topic = await createTopic(peer, fresh(), {}, 3)
    const { results } = await logDirs([
      { topic: topic.name, partitions: [2, 0, 9, 2] },
      { topic: "nowhere", partitions: [0] }
    ])
    expect(results[0]!.topics.map(({ name }) => name)).toEqual([topic.name])
    expect(results[0]!.topics[0]!.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([2, 0])
    expect((await logDirs([])).results[0]!.topics).toEqual([])
  })
})

const producersOf = async (name: string, partition = 0) => {
  const answer = await peer.call(DescribeProducersApi, 0, { topics: [{ name, partitionIndexes: [partition] }] })
  return answer.topics[0]!.partitions[0]!
}

describe("DescribeProducers", () => {
  test("shows epoch and last sequence of every producer", async () => {
    const topic = await createTopic(peer, fresh())
    await produce(peer, topic, batchOf(["a", "b"], { producerId: 41, producerEpoch: 3, baseSequence: 0 }))
    await produce(peer, topic, batchOf(["c"], { producerId: 41, producerEpoch: 3, baseSequence: 2 }))
    await produce(peer, topic, batchOf(["d"], { producerId: 42, producerEpoch: 0, baseSequence: 9 }))
    const { errorCode, errorMessage, activeProducers } = await producersOf(topic.name)
    expect([errorCode, errorMessage]).toEqual([0, null])
    const nothing = { coordinatorEpoch: -1, currentTxnStartOffset: -1 }
    expect(activeProducers).toMatchObject([
      { producerId: 41, producerEpoch: 3, lastSequence: 2, ...nothing },
      { producerId: 42, producerEpoch: 0, lastSequence: 9, ...nothing }
    ])
    for (const { lastTimestamp } of activeProducers) expect(lastTimestamp).toBeGreaterThanOrEqual(NOW)
  })

  test("shows none where nobody numbers", async () => {
    expect((await producersOf((await filled(1)).name)).activeProducers).toEqual([])
  })

  test("an unknown topic or partition is UNKNOWN_TOPIC_OR_PARTITION", async () => {
    const { name } = await filled(1)
    expect((await producersOf("nowhere")).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect((await producersOf(name, 4)).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })

  test("an impossible name is INVALID_TOPIC_EXCEPTION", async () => {
    expect((await producersOf("a b")).errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    expect((await producersOf("")).errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
  })
})
