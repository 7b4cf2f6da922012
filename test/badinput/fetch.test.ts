/**
 * Fetch, as consumers of all ages and as an enemy send it: sizes, waiting, sessions, epochs, and what wakes whom.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { FetchApi, type FetchRequest, type FetchResponse } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { OffsetForLeaderEpochApi } from "@chronik-effect/core/protocol/messages/23_OffsetForLeaderEpoch.ts"
import { CreatePartitionsApi } from "@chronik-effect/core/protocol/messages/37_CreatePartitions.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { type Broker, startBroker } from "chronik-effect/testing"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { Peer } from "./Peer.ts"
import {
  batchesIn,
  batchOf,
  createTopic,
  deleteTopic,
  type FetchOptions,
  fetchOne,
  fetchRequest,
  int64,
  latestOffset,
  produce,
  type Topic
} from "./Requests.ts"

let broker: Broker
let peer: Peer
let names = 0
const NO_WAIT_LIMIT_MS = 25_000

beforeAll(async () => {
  broker = await startBroker()
  peer = await Peer.connect(broker.port)
})

afterAll(async () => {
  peer[Symbol.dispose]()
  await broker.close()
})

const freshTopic = (partitions = 1): Promise<Topic> => createTopic(peer, `fetch-${++names}`, {}, partitions)

/** A topic with batches of these numbers of records, whose values are as long as given. */
const filledTopic = async (batches: ReadonlyArray<number>, valueBytes = 10): Promise<Topic> => {
  const topic = await freshTopic()
  for (const records of batches) {
    const values = Array.from({ length: records }, () => "v".repeat(valueBytes))
    expect((await produce(peer, topic, batchOf(values))).errorCode).toBe(ErrorCode.NONE)
  }
  return topic
}

const baseOffsets = (answer: Parameters<typeof batchesIn>[0]) =>
  batchesIn(answer).map((batch) => RecordBatch.baseOffset(batch, 0))

describe("what one fetch gets", () => {
  test("in every version: the records, the watermarks, no session", async () => {
    const topic = await filledTopic([1, 2])
    for (let version = 4; version <= 18; version++) {
      const answer = await peer.call(FetchApi, version, fetchRequest([topic]))
      expect(answer).toMatchObject({ errorCode: 0, sessionId: 0 })
      const { topic: name, topicId, partitions } = answer.responses[0]!
      expect(version >= 13 ? topicId : name).toBe(version >= 13 ? topic.topicId : topic.name)
      expect(partitions[0]).toMatchObject({
        errorCode: 0,
        highWatermark: 3,
        lastStableOffset: 3,
        abortedTransactions: null
      })
      expect(partitions[0]!.logStartOffset).toBe(version >= 5 ? 0 : -1)
      expect(baseOffsets(partitions[0]!)).toEqual([0, 1])
    }
  })

  test("read_committed: the same records and an empty list of aborted transactions", async () => {
    const topic = await filledTopic([2])
    const answer = await fetchOne(peer, topic, { isolationLevel: 1 })
    expect(answer).toMatchObject({ errorCode: 0, abortedTransactions: [] })
    expect(baseOffsets(answer)).toEqual([0])
  })

  test("an offset inside a batch returns the whole batch", async () => {
    const topic = await filledTopic([5, 5, 5])
    expect(baseOffsets(await fetchOne(peer, topic, { offset: 7 }))).toEqual([5, 10])
    expect(baseOffsets(await fetchOne(peer, topic, { offset: 14 }))).toEqual([10])
    expect(await fetchOne(peer, topic, { offset: 15 })).toMatchObject({ errorCode: 0, highWatermark: 15 })
    expect(baseOffsets(await fetchOne(peer, topic, { offset: 15 }))).toEqual([])
  })

  test("offsets out of range", async () => {
    const topic = await filledTopic([5])
    for (const offset of [6, -1, -2, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      expect(await fetchOne(peer, topic, { offset })).toMatchObject({
        errorCode: ErrorCode.OFFSET_OUT_OF_RANGE,
        highWatermark: -1,
        logStartOffset: -1
      })
    }
    for (const offset of [2n ** 63n - 1n, -(2n ** 63n)]) {
      const answer = await fetchOne(peer, topic, { offset: int64(offset) })
      expect(answer.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE)
    }
  })

  test("unknown topics, partitions and topic ids", async () => {
    const topic = await freshTopic()
    const unknown = { name: "nobody", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" }
    const code = async (of: Topic, options: FetchOptions) => (await fetchOne(peer, of, options)).errorCode
    expect(await code(unknown, { version: 12 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await code(unknown, { version: 13 })).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
    expect(await code({ ...unknown, topicId: ZERO_UUID }, { version: 13 })).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
    expect(await code(topic, { version: 12, partition: 1 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await code(topic, { version: 17, partition: 1 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await code(topic, { version: 17, partition: -1 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })

  test("leader epochs: an older one is fenced, a newer one unknown, none skips the check", async () => {
    const topic = await filledTopic([1])
    const code = async (currentLeaderEpoch: number) => (await fetchOne(peer, topic, { currentLeaderEpoch })).errorCode
    expect(await code(-1)).toBe(ErrorCode.NONE)
    expect(await code(0)).toBe(ErrorCode.NONE)
    expect(await code(1)).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH)
    expect(await code(0x7fffffff)).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH)
    // Below the current epoch 0 there is only "none", and in a fetch Kafka takes any negative number for it.
    expect(await code(-2)).toBe(ErrorCode.NONE)
  })

  test("the epoch of the last fetched record: a known one serves, one that has not begun cannot be ours", async () => {
    const topic = await filledTopic([3])
    const answer = await fetchOne(peer, topic, { lastFetchedEpoch: 0, offset: 2 })
    expect(answer).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: -1, endOffset: -1 } })
    expect(baseOffsets(answer)).toEqual([0])
    for (const lastFetchedEpoch of [1, 5, 0x7fffffff]) {
      const unknown = await fetchOne(peer, topic, { lastFetchedEpoch, offset: 2 })
      expect(unknown.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE)
      expect(baseOffsets(unknown)).toEqual([])
    }
    // Beyond the end it is told where that is; without the epoch, only that it is out of range.
    const beyond = await fetchOne(peer, topic, { lastFetchedEpoch: 0, offset: 4 })
    expect(beyond).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: 0, endOffset: 3 } })
    expect((await fetchOne(peer, topic, { offset: 4 })).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE)
    // At the end of an empty log, and below every epoch, there is nothing to diverge from.
    const empty = await freshTopic()
    expect(await fetchOne(peer, empty, { lastFetchedEpoch: 0 })).toMatchObject({ errorCode: 0 })
    expect(await fetchOne(peer, empty, { lastFetchedEpoch: -5 })).toMatchObject({ errorCode: 0 })
  })
})

test("after an unsafe crash: a new leader epoch, old ones are fenced, and where the logs part is told", async () => {
  const node = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "error", "--unsafe-no-fsync"])
  try {
    await node.start()
    using before = await Peer.connect(node.port)
    const topic = await createTopic(before, "epochs")
    await produce(before, topic, batchOf(["a", "b", "c"]))
    await node.end("SIGKILL")
    await node.start()
    using after = await Peer.connect(node.port)
    const kept = await latestOffset(after, topic)
    expect((await produce(after, topic, batchOf(["d", "e"]))).baseOffset).toBe(kept)
    expect((await fetchOne(after, topic, { currentLeaderEpoch: 0 })).errorCode).toBe(ErrorCode.FENCED_LEADER_EPOCH)
    expect((await fetchOne(after, topic, { currentLeaderEpoch: 2 })).errorCode).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH)
    const current = await fetchOne(after, topic, { currentLeaderEpoch: 1, lastFetchedEpoch: 1, offset: kept })
    expect(current).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: -1 } })
    expect(batchesIn(current).map((batch) => RecordBatch.partitionLeaderEpoch(batch, 0))).toEqual([1])
    // Somebody who read on in epoch 0 beyond where it ended.
    const parted = await fetchOne(after, topic, { lastFetchedEpoch: 0, offset: kept + 1 })
    expect(parted).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: 0, endOffset: kept } })
    expect(batchesIn(parted)).toEqual([])
    const ends = await after.call(OffsetForLeaderEpochApi, 4, {
      replicaId: -1,
      topics: [
        {
          topic: topic.name,
          partitions: [0, 1, 2].map((leaderEpoch) => ({ partition: 0, leaderEpoch, currentLeaderEpoch: -1 }))
        }
      ]
    })
    const answers = ends.topics[0]!.partitions.map((p) => [p.errorCode, p.leaderEpoch, p.endOffset])
    expect(answers).toEqual([
      [0, 0, kept],
      [0, 1, kept + 2],
      [0, -1, -1]
    ])
  } finally {
    await node.dispose()
  }
})

describe("sizes", () => {
  test("the first batch comes whole, however small the limits", async () => {
    const topic = await filledTopic([1, 1], 5000)
    for (const limits of [{ maxBytes: 1 }, { partitionMaxBytes: 1 }, { maxBytes: 0, partitionMaxBytes: 0 }]) {
      expect(baseOffsets(await fetchOne(peer, topic, limits))).toEqual([0])
    }
    expect(baseOffsets(await fetchOne(peer, topic, { offset: 1, maxBytes: 1 }))).toEqual([1])
  })

  test("negative limits neither break nor flood", async () => {
    const topic = await filledTopic([1, 1], 5000)
    for (const limits of [
      { maxBytes: -1 },
      { partitionMaxBytes: -5 },
      { maxBytes: -(2 ** 31), partitionMaxBytes: -(2 ** 31) }
    ]) {
      expect(baseOffsets(await fetchOne(peer, topic, limits)).length).toBeLessThanOrEqual(1)
    }
  })

  test("batches are cut off at a whole one", async () => {
    const topic = await filledTopic([1, 1, 1, 1], 1000)
    expect(baseOffsets(await fetchOne(peer, topic, { partitionMaxBytes: 2500 }))).toEqual([0, 1])
    expect(baseOffsets(await fetchOne(peer, topic, { maxBytes: 3500 }))).toEqual([0, 1, 2])
  })

  test("max.bytes is spent on the partitions in the order of the request", async () => {
    const topics = await Promise.all([
      filledTopic([]),
      filledTopic([1, 1], 1000),
      filledTopic([1, 1], 1000),
      filledTopic([1], 10)
    ])
    const got = async (order: ReadonlyArray<number>, maxBytes: number) => {
      const request = fetchRequest(
        order.map((i) => topics[i]!),
        { maxBytes }
      )
      const { responses } = await peer.call(FetchApi, 12, request)
      return Object.fromEntries(
        responses.map((r) => [topics.findIndex(({ name }) => name === r.topic), batchesIn(r.partitions[0]!).length])
      )
    }
    expect(await got([0, 1, 2, 3], 10)).toEqual({ 0: 0, 1: 1, 2: 0, 3: 0 })
    expect(await got([2, 1, 3, 0], 10)).toEqual({ 2: 1, 1: 0, 3: 0, 0: 0 })
    expect(await got([1, 2, 3], 3300)).toEqual({ 1: 2, 2: 1, 3: 1 })
    expect(await got([1, 2, 3], 1 << 20)).toEqual({ 1: 2, 2: 2, 3: 1 })
  })

  test("the same partition named twice, and thousands of them", async () => {
    const topic = await filledTopic([1])
    const request = fetchRequest(Array.from({ length: 5000 }, () => topic))
    const { responses } = await peer.call(FetchApi, 12, request)
    expect(responses.flatMap((r) => r.partitions).every((p) => p.errorCode === ErrorCode.NONE)).toBe(true)
  })
})

describe("waiting", () => {
  test("a fetch at the end parks and is woken by a commit", async () => {
    const topic = await filledTopic([1])
    using waiter = await Peer.connect(broker.port)
    const started = performance.now()
    const waiting = fetchOne(waiter, topic, { offset: 1, maxWaitMs: NO_WAIT_LIMIT_MS })
    await produce(peer, topic, batchOf(["news"]))
    expect(baseOffsets(await waiting)).toEqual([1])
    expect(performance.now() - started).toBeLessThan(NO_WAIT_LIMIT_MS / 2)
  })

  test("min.bytes holds until enough has come; the wait ends with what there is", async () => {
    const topic = await freshTopic()
    using waiter = await Peer.connect(broker.port)
    const waiting = fetchOne(waiter, topic, { minBytes: 3000, maxWaitMs: NO_WAIT_LIMIT_MS })
    for (let i = 0; i < 3; i++) await produce(peer, topic, batchOf(["m".repeat(1000)]))
    expect(baseOffsets(await waiting)).toEqual([0, 1, 2])

    const started = performance.now()
    const short = await fetchOne(waiter, topic, { minBytes: 1 << 20, maxWaitMs: 150 })
    expect(baseOffsets(short)).toEqual([0, 1, 2])
    expect(performance.now() - started).toBeGreaterThanOrEqual(145)
  })

  test("no wait, no bytes asked for, no partitions, or an error: answered at once", async () => {
    const topic = await freshTopic()
    const forever = { maxWaitMs: 0x7fffffff, minBytes: 1 << 20 }
    expect((await fetchOne(peer, topic, { ...forever, maxWaitMs: -1 })).errorCode).toBe(0)
    expect((await fetchOne(peer, topic, { ...forever, minBytes: 0 })).errorCode).toBe(0)
    expect((await fetchOne(peer, topic, { ...forever, minBytes: -9 })).errorCode).toBe(0)
    expect((await peer.call(FetchApi, 12, fetchRequest([], forever))).responses).toEqual([])
    const request = fetchRequest([topic, { name: "nobody", topicId: ZERO_UUID }], forever)
    expect((await peer.call(FetchApi, 12, request)).responses).toHaveLength(2)
  })

  test("a deletion wakes a parked fetch with an error", async () => {
    for (const version of [12, 17]) {
      const topic = await freshTopic()
      using waiter = await Peer.connect(broker.port)
      const waiting = fetchOne(waiter, topic, { version, maxWaitMs: NO_WAIT_LIMIT_MS })
      // Answered only after the fetch before it on another partition of the same connection is under way.
      await fetchOne(peer, topic)
      await deleteTopic(peer, topic)
      const expected = version >= 13 ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      expect((await waiting).errorCode).toBe(expected)
    }
  })

  test("a parked fetch holds back the answers behind it, and nothing of another connection", async () => {
    const topic = await freshTopic()
    using waiter = await Peer.connect(broker.port)
    const order: Array<string> = []
    const parked = fetchOne(waiter, topic, { maxWaitMs: NO_WAIT_LIMIT_MS }).then(() => order.push("parked"))
    // Of another partition: this answer is ready at once and must wait for its turn.
    const behind = fetchOne(waiter, topic, { partition: 7 }).then(() => order.push("behind"))
    await fetchOne(peer, topic)
    order.push("elsewhere")
    await produce(peer, topic, batchOf(["x"]))
    await Promise.all([parked, behind])
    expect(order).toEqual(["elsewhere", "parked", "behind"])
  })

  test("thousands of parked fetches whose connections go leave nothing behind", async () => {
    const topic = await freshTopic()
    for (let round = 0; round < 5; round++) {
      using waiter = await Peer.connect(broker.port)
      for (let i = 0; i < 500; i++) waiter.ask(FetchApi, 12, fetchRequest([topic], { maxWaitMs: 1_000_000 }))
      await waiter.flushed()
      waiter.reset()
      await waiter.closed
    }
    const started = performance.now()
    await produce(peer, topic, batchOf(["x"]))
    expect(baseOffsets(await fetchOne(peer, topic))).toEqual([0])
    expect(performance.now() - started).toBeLessThan(1000)
  })
})

describe("incremental sessions", () => {
  type Asked = NonNullable<Partially<FetchRequest>["topics"]>
  const one = (topic: Topic, offset: number, partition = 0): Asked[number] => ({
    topic: topic.name,
    topicId: topic.topicId,
    partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 1 << 20 }]
  })
  const ask = (
    sessionId: number,
    sessionEpoch: number,
    topics: Asked,
    more: Partially<FetchRequest> = {},
    version = 12
  ): Promise<FetchResponse> =>
    peer.call(FetchApi, version, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      sessionId,
      sessionEpoch,
      topics,
      ...more
    })
  const named = (answer: FetchResponse) =>
    answer.responses.flatMap((r) =>
      r.partitions.map((p) => [r.topic, p.partitionIndex, p.errorCode, batchesIn(p).length])
    )

  test("only news is told, and it is told once", async () => {
    const a = await filledTopic([1])
    const b = await filledTopic([1])
    const first = await ask(0, 0, [one(a, 0), one(b, 0)])
    expect(first.errorCode).toBe(0)
    expect(first.sessionId).toBeGreaterThan(0)
    expect(named(first)).toEqual([
      [a.name, 0, 0, 1],
      [b.name, 0, 0, 1]
    ])
    const { sessionId } = first
    expect(named(await ask(sessionId, 1, [one(a, 1), one(b, 1)]))).toEqual([])
    await produce(peer, b, batchOf(["news"]))
    expect(named(await ask(sessionId, 2, []))).toEqual([[b.name, 0, 0, 1]])
    // Not told where the next fetch begins, the broker serves the same again: it is still below the watermark.
    expect(named(await ask(sessionId, 3, []))).toEqual([[b.name, 0, 0, 1]])
    expect(named(await ask(sessionId, 4, [one(b, 2)]))).toEqual([])
    await ask(sessionId, -1, [])
    expect((await ask(sessionId, 5, [])).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
  })

  test("an error is told until it ends, and then its end", async () => {
    const topic = await filledTopic([1])
    const { sessionId } = await ask(0, 0, [one(topic, 0), one(topic, 0, 1)])
    expect(named(await ask(sessionId, 1, [one(topic, 1)]))).toEqual([[topic.name, 1, 3, 0]])
    expect(named(await ask(sessionId, 2, []))).toEqual([[topic.name, 1, 3, 0]])
    await peer.call(CreatePartitionsApi, 3, {
      topics: [{ name: topic.name, count: 2, assignments: null }],
      timeoutMs: 10_000
    })
    expect(named(await ask(sessionId, 3, []))).toEqual([[topic.name, 1, 0, 0]])
    expect(named(await ask(sessionId, 4, []))).toEqual([])
  })

  test("forgotten partitions, replaced partitions, the last one forgotten", async () => {
    const a = await filledTopic([1])
    const b = await filledTopic([1])
    const { sessionId } = await ask(0, 0, [one(a, 0), one(b, 0)])
    const forget = (topic: Topic) => ({
      forgottenTopicsData: [{ topic: topic.name, topicId: topic.topicId, partitions: [0] }]
    })
    expect(named(await ask(sessionId, 1, [], forget(a)))).toEqual([[b.name, 0, 0, 1]])
    expect(named(await ask(sessionId, 2, [one(a, 0)], forget(b)))).toEqual([[a.name, 0, 0, 1]])
    // Named and forgotten at once is forgotten, and a session without partitions is none.
    expect((await ask(sessionId, 3, [one(a, 0)], forget(a))).sessionId).toBe(0)
    expect((await ask(sessionId, 4, [])).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
  })

  test("wrong epochs and unknown sessions", async () => {
    const topic = await filledTopic([1])
    const { sessionId } = await ask(0, 0, [one(topic, 0)])
    expect((await ask(sessionId, 2, [])).errorCode).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
    expect((await ask(sessionId, -2, [])).errorCode).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
    expect((await ask(sessionId, 1, [])).errorCode).toBe(0)
    expect((await ask(sessionId, 1, [])).errorCode).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
    expect((await ask(sessionId === 5 ? 6 : 5, 1, [])).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    expect((await ask(-7, 3, [])).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    expect((await ask(0, 1, [])).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    // A full fetch with the old id replaces the session.
    const replaced = await ask(sessionId, 0, [one(topic, 0)])
    expect(replaced.sessionId).toBeGreaterThan(0)
    expect((await ask(replaced.sessionId, 1, [])).errorCode).toBe(0)
  })

  test("names and ids are not mixed in a session", async () => {
    const topic = await filledTopic([1])
    const byName = await ask(0, 0, [one(topic, 0)], {}, 12)
    expect((await ask(byName.sessionId, 1, [], {}, 13)).errorCode).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
    const byId = await ask(0, 0, [one(topic, 0)], {}, 17)
    expect((await ask(byId.sessionId, 1, [], {}, 12)).errorCode).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
    expect((await ask(byId.sessionId, 1, [], {}, 17)).errorCode).toBe(0)
  })

  test("a deleted topic turns into an error inside the session", async () => {
    const topic = await filledTopic([1])
    const { sessionId } = await ask(0, 0, [one(topic, 1)], {}, 17)
    await deleteTopic(peer, topic)
    const after = await ask(sessionId, 1, [], {}, 17)
    expect(after.responses[0]!.partitions[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
  })

  test("a session parks and wakes by a commit of any of its partitions", async () => {
    const a = await filledTopic([1])
    const b = await filledTopic([1])
    const { sessionId } = await ask(0, 0, [one(a, 1), one(b, 1)])
    using producer = await Peer.connect(broker.port)
    const waiting = ask(sessionId, 1, [], { maxWaitMs: NO_WAIT_LIMIT_MS })
    await produce(producer, b, batchOf(["x"]))
    expect(named(await waiting)).toEqual([[b.name, 0, 0, 1]])
  })

  test("more sessions than slots: the rest goes on without one", async () => {
    await using small = await startBroker({ config: { "max.incremental.fetch.session.cache.slots": 3 } })
    using client = await Peer.connect(small.port)
    const topic = await createTopic(client, "slots")
    const ids: Array<number> = []
    for (let i = 0; i < 6; i++) {
      const answer = await client.call(FetchApi, 12, fetchRequest([topic], { sessionEpoch: 0 }))
      expect(answer.errorCode).toBe(0)
      ids.push(answer.sessionId)
    }
    expect(ids.filter((id) => id > 0)).toHaveLength(3)
    expect(new Set(ids.filter((id) => id > 0)).size).toBe(3)
    await client.call(FetchApi, 12, { sessionId: ids[0]!, sessionEpoch: -1, maxWaitMs: 0 })
    expect((await client.call(FetchApi, 12, fetchRequest([topic], { sessionEpoch: 0 }))).sessionId).toBeGreaterThan(0)
  })
})
