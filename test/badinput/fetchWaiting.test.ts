/**
 * Fetches that wait: for bytes over several partitions, for time, for news of another kind; and what they cost meanwhile.
 *
 * That nobody looks at a parked fetch without need is counted where a look ends: at reads of a partition's log.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { DeleteRecordsApi } from "@chronik-effect/core/protocol/messages/21_DeleteRecords.ts"
import { Partition } from "@chronik-effect/server/replication/Partition.ts"
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest"
import { expectNothingLeft, type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import {
  batchesIn,
  batchOf,
  createTopic,
  deleteTopic,
  type FetchOptions,
  fetchOne,
  fetchRequest,
  produce,
  type Topic
} from "./Requests.ts"

let broker: OpenNode
let peer: Peer
let names = 0
const opened: Array<Peer> = []
const INT_MAX = 0x7fffffff
const INT_MIN = -(2 ** 31)
/** Longer than any test may take: a fetch that is answered before was woken. */
const LONG_MS = 100_000

beforeAll(async () => {
  broker = await openNode()
  peer = await Peer.connect(broker.port)
})
afterEach(() => {
  for (const each of opened.splice(0)) each[Symbol.dispose]()
  vi.restoreAllMocks()
})
afterAll(async () => {
  peer[Symbol.dispose]()
  await expectNothingLeft(broker, 0)
  await broker[Symbol.asyncDispose]()
})

const connect = async (): Promise<Peer> => {
  const connected = await Peer.connect(broker.port)
  opened.push(connected)
  return connected
}
const freshTopic = (): Promise<Topic> => createTopic(peer, `waiting-${++names}`)
const put = async (topic: Topic, bytes: number): Promise<void> => {
  expect((await produce(peer, topic, batchOf(["v".repeat(bytes)]))).errorCode).toBe(0)
}
/** Answered in its turn: all that came before it has been looked at by then. */
const looked = (of: Peer) => of.call(MetadataApi, 12, { topics: [] })
const counts = (answer: {
  readonly responses: ReadonlyArray<{ readonly partitions: ReadonlyArray<{ records: Uint8Array | null }> }>
}) => answer.responses.map(({ partitions }) => batchesIn(partitions[0]!).length)
/** Batches of the answer and how long it took. */
const timed = async (topic: Topic, options: FetchOptions): Promise<readonly [number, number]> => {
  const started = performance.now()
  const answer = await fetchOne(peer, topic, options)
  return [batchesIn(answer).length, performance.now() - started]
}

describe("min.bytes", () => {
  test("bytes of all partitions count together, whatever comes where", async () => {
    const topics = [await freshTopic(), await freshTopic(), await freshTopic()]
    for (const isolationLevel of [0, 1]) {
      const offset = isolationLevel * 2
      const waiter = await connect()
      const request = fetchRequest(topics, { minBytes: 5000, maxWaitMs: LONG_MS, isolationLevel, offset })
      let answered = false
      const waiting = waiter.call(FetchApi, 12, request).finally(() => {
        answered = true
      })
      for (const i of [0, 2, 0, 2]) await put(topics[i]!, 1000)
      await looked(peer)
      expect(answered).toBe(false)
      await put(topics[1]!, 1000)
      expect(counts(await waiting)).toEqual([2, 1, 2])
      await put(topics[1]!, 1000)
    }
  })

  test("in a session, of which the request names nothing", async () => {
    const topics = [await freshTopic(), await freshTopic()]
    const waiter = await connect()
    const { sessionId } = await waiter.call(FetchApi, 12, fetchRequest(topics, { sessionEpoch: 0 }))
    const more = { sessionId, sessionEpoch: 1, minBytes: 2000, maxWaitMs: LONG_MS }
    const waiting = waiter.call(FetchApi, 12, fetchRequest([], more))
    await put(topics[0]!, 1000)
    await put(topics[1]!, 1000)
    expect(counts(await waiting)).toEqual([1, 1])
  })

  test("more than max.bytes is max.bytes; what a limit cuts at a whole batch counts as the limit", async () => {
    const topic = await freshTopic()
    for (let i = 0; i < 3; i++) await put(topic, 1000)
    for (const limits of [
      { minBytes: 1500, maxBytes: 1500 },
      { minBytes: INT_MAX, maxBytes: 1500 },
      { minBytes: 1500, partitionMaxBytes: 1500 }
    ]) {
      const [batches, tookMs] = await timed(topic, { ...limits, maxWaitMs: LONG_MS })
      expect([limits, batches, tookMs < LONG_MS / 2]).toEqual([limits, 1, true])
    }
  })

  test("what cannot come within the partitions' limits waits for its time", async () => {
    const topic = await freshTopic()
    for (let i = 0; i < 3; i++) await put(topic, 1000)
    const [batches, tookMs] = await timed(topic, { minBytes: 2500, partitionMaxBytes: 1500, maxWaitMs: 200 })
    expect(batches).toBe(1)
    expect(tookMs).toBeGreaterThan(195)
    const [all, tookMsToo] = await timed(topic, { minBytes: INT_MAX, maxBytes: INT_MAX, maxWaitMs: 200 })
    expect(all).toBe(3)
    expect(tookMsToo).toBeGreaterThan(195)
  })
})

describe("extremes", () => {
  test("max.wait: nothing and less do not wait; the greatest is no timer that fires at once", async () => {
    const topic = await freshTopic()
    for (const maxWaitMs of [0, -1, INT_MIN]) expect((await timed(topic, { maxWaitMs }))[0]).toBe(0)
    const waiter = await connect()
    const waiting = fetchOne(waiter, topic, { maxWaitMs: INT_MAX })
    // Deadlines of others come and go meanwhile.
    expect((await timed(topic, { maxWaitMs: 50 }))[1]).toBeGreaterThan(45)
    await put(topic, 10)
    expect(batchesIn(await waiting)).toHaveLength(1)
  })

  test("max.bytes of nothing and less: no wait, and still one batch; the greatest: all", async () => {
    const topic = await freshTopic()
    for (const maxBytes of [0, -1, INT_MIN]) {
      expect(await timed(topic, { maxBytes, maxWaitMs: LONG_MS })).toEqual([0, expect.any(Number)])
    }
    await put(topic, 1000)
    await put(topic, 1000)
    for (const [maxBytes, expected] of [
      [0, 1],
      [-1, 1],
      [INT_MIN, 1],
      [INT_MAX, 2]
    ] as const) {
      expect((await timed(topic, { maxBytes, partitionMaxBytes: INT_MAX, maxWaitMs: LONG_MS }))[0]).toBe(expected)
    }
  })

  test("a partition that may give nothing gives its first batch when it comes", async () => {
    for (const partitionMaxBytes of [0, -1]) {
      const topic = await freshTopic()
      const waiter = await connect()
      const waiting = fetchOne(waiter, topic, { partitionMaxBytes, maxWaitMs: LONG_MS })
      await put(topic, 1000)
      expect(batchesIn(await waiting)).toHaveLength(1)
    }
  })

  test("an isolation level that there is not", async () => {
    const topic = await freshTopic()
    const answer = await peer.call(FetchApi, 12, fetchRequest([topic], { isolationLevel: 7, maxWaitMs: LONG_MS }))
    expect(answer.errorCode).toBe(ErrorCode.UNKNOWN_SERVER_ERROR)
  })
})

describe("news of another kind", () => {
  test("records deleted under a parked fetch: out of range", async () => {
    for (const isolationLevel of [0, 1]) {
      const topic = await freshTopic()
      await put(topic, 10)
      const waiter = await connect()
      const waiting = fetchOne(waiter, topic, { minBytes: 1 << 20, maxWaitMs: LONG_MS, isolationLevel })
      await looked(peer)
      await peer.call(DeleteRecordsApi, 2, {
        topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, offset: -1 }] }],
        timeoutMs: 10_000
      })
      expect((await waiting).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE)
    }
  })

  test("one of many partitions is deleted: the fetch is answered with what the others have", async () => {
    const [kept, gone] = [await freshTopic(), await freshTopic()]
    await put(kept, 100)
    const waiter = await connect()
    const waiting = waiter.call(FetchApi, 12, fetchRequest([kept, gone], { minBytes: 5000, maxWaitMs: LONG_MS }))
    await looked(peer)
    await deleteTopic(peer, gone)
    const { responses } = await waiting
    expect(responses.map(({ partitions }) => partitions[0]!.errorCode)).toEqual([
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    ])
    expect(batchesIn(responses[0]!.partitions[0]!)).toHaveLength(1)
  })
})

describe("the price of waiting", () => {
  const parkedAt = ({ name }: Topic): number => broker.partitions.find(name, 0)!.parkedReaders
  const parkMany = async (topics: ReadonlyArray<Topic>, each: number, options: FetchOptions): Promise<Peer> => {
    const waiter = await connect()
    for (const topic of topics) {
      for (let i = 0; i < each; i++) waiter.ask(FetchApi, 12, fetchRequest([topic], { maxWaitMs: LONG_MS, ...options }))
    }
    await waiter.flushed()
    return waiter
  }

  test("an append looks at no fetch that it does not satisfy: a thousand that miss bytes, thousands elsewhere", async () => {
    const busy = await freshTopic()
    const idle = await Promise.all([freshTopic(), freshTopic(), freshTopic()])
    const read = vi.spyOn(Partition.prototype, "read")
    const waiters = [
      await parkMany([busy], 1000, { minBytes: 100_000 }),
      await parkMany(idle, 300, {}),
      await parkMany(idle, 300, { isolationLevel: 1 })
    ]
    for (const waiter of waiters) await waiter.flushed()
    // Who asks at once is behind them on the loop; what has not been read from their sockets yet has not parked.
    await vi.waitFor(() => expect(parkedAt(busy) + parkedAt(idle[0]!) + parkedAt(idle[2]!)).toBe(1000 + 600 + 600))
    expect(read).not.toHaveBeenCalled()
    for (let i = 0; i < 90; i++) await put(busy, 1000)
    expect(read).not.toHaveBeenCalled()
    for (let i = 0; i < 10; i++) await put(busy, 1000)
    for (let i = 0; i < 1000; i++) await waiters[0]!.frame()
    expect(read.mock.calls.length).toBe(1000)
    expect(parkedAt(idle[0]!)).toBe(600)
  })

  test("ten thousand parked fetches over many connections go with their connections", async () => {
    const topics = await Promise.all(Array.from({ length: 10 }, freshTopic))
    const waiters = await Promise.all(Array.from({ length: 100 }, () => parkMany(topics, 10, {})))
    await vi.waitFor(() => expect(topics.reduce((sum, topic) => sum + parkedAt(topic), 0)).toBe(10_000), {
      timeout: 20_000
    })
    for (const waiter of waiters.slice(50)) waiter.reset()
    await vi.waitFor(() => expect(topics.reduce((sum, topic) => sum + parkedAt(topic), 0)).toBe(5_000), {
      timeout: 20_000
    })
    for (const topic of topics) await put(topic, 10)
    for (const waiter of waiters.slice(0, 50)) for (let i = 0; i < 100; i++) await waiter.frame()
    expect(topics.map(parkedAt)).toEqual(topics.map(() => 0))
  })
})
