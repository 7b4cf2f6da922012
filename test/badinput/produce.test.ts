import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { DeleteRecordsApi } from "@chronik-effect/core/protocol/messages/21_DeleteRecords.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { compress } from "@chronik-effect/server/io/Compression.ts"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import {
  batchesIn,
  batchOf,
  createTopic,
  deleteTopic,
  fetchOne,
  latestOffset,
  NOW,
  patched,
  produce,
  produceRequest,
  sequenced,
  type Topic,
  utf8
} from "./Requests.ts"

const { Codec } = RecordBatch
const HOUR_MS = 3_600_000

let broker: OpenNode
let peer: Peer
let names = 0

beforeAll(async () => {
  broker = await openNode()
  peer = await Peer.connect(broker.port)
})

afterAll(async () => {
  peer[Symbol.dispose]()
  await broker[Symbol.asyncDispose]()
})

const freshTopic = (configs: Readonly<Record<string, string>> = {}): Promise<Topic> =>
  createTopic(peer, `produce-${++names}`, configs)

const garbage = (bytes: number) => new Uint8Array(bytes).fill(0x5a)
const compressed = (values: ReadonlyArray<string>, codec: RecordBatch.Codec) => batchOf(values, { codec, compress })

/** The rules that the bytes of one batch can break. */
const refusals: ReadonlyArray<{
  readonly name: string
  readonly code: ErrorCode
  readonly records: () => Uint8Array | null
  readonly configs?: Readonly<Record<string, string>>
  readonly version?: number
}> = [
  { name: "a flipped bit in the records", code: ErrorCode.CORRUPT_MESSAGE, records: () => flipped(70) },
  { name: "a flipped bit in the attributes", code: ErrorCode.CORRUPT_MESSAGE, records: () => flipped(30) },
  { name: "a wrong CRC field", code: ErrorCode.CORRUPT_MESSAGE, records: () => flipped(18) },
  {
    name: "more than max.message.bytes",
    code: ErrorCode.MESSAGE_TOO_LARGE,
    records: () => batchOf(["x".repeat(2000)]),
    configs: { "max.message.bytes": "1000" }
  },
  {
    name: "more than the default of max.message.bytes",
    code: ErrorCode.MESSAGE_TOO_LARGE,
    records: () => batchOf(["x".repeat(1_048_588)])
  },
  {
    name: "more than a segment",
    code: ErrorCode.RECORD_LIST_TOO_LARGE,
    records: () => batchOf(["x".repeat(1_100_000)]),
    configs: { "max.message.bytes": "2000000", "segment.bytes": "1048576" }
  },
  {
    name: "a codec that does not exist",
    code: ErrorCode.UNKNOWN_SERVER_ERROR,
    records: () => patched(batchOf(["a"]), (view) => view.setInt16(RecordBatch.ATTRIBUTES_AT, 5))
  },
  {
    name: "zstd before version 7",
    code: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    records: () => compressed(["a"], Codec.ZSTD),
    version: 6
  },
  { name: "magic 0", code: ErrorCode.INVALID_RECORD, records: () => withMagic(0) },
  { name: "magic 1", code: ErrorCode.INVALID_RECORD, records: () => withMagic(1) },
  { name: "magic 3", code: ErrorCode.CORRUPT_MESSAGE, records: () => withMagic(3) },
  { name: "null records", code: ErrorCode.INVALID_RECORD, records: () => null },
  { name: "no bytes of records", code: ErrorCode.INVALID_RECORD, records: () => new Uint8Array(0) },
  { name: "half a header", code: ErrorCode.INVALID_RECORD, records: () => batchOf(["a"]).slice(0, 30) },
  { name: "a cut-off batch", code: ErrorCode.INVALID_RECORD, records: () => batchOf(["abc"]).slice(0, -1) },
  {
    name: "a negative batch length",
    code: ErrorCode.CORRUPT_MESSAGE,
    records: () => patchedRaw((view) => view.setInt32(RecordBatch.BATCH_LENGTH_AT, -1))
  },
  {
    name: "a batch shorter than its own header",
    code: ErrorCode.CORRUPT_MESSAGE,
    records: () => patchedRaw((view) => view.setInt32(RecordBatch.BATCH_LENGTH_AT, 20))
  },
  {
    name: "two batches",
    code: ErrorCode.INVALID_RECORD,
    records: () => Buffer.concat([batchOf(["a"]), batchOf(["b"])])
  },
  {
    name: "a control batch",
    code: ErrorCode.INVALID_RECORD,
    records: () => batchOf(["a"], { control: true, producerId: 1, producerEpoch: 0, baseSequence: 0 })
  },
  { name: "a base offset", code: ErrorCode.INVALID_RECORD, records: () => batchOf(["a"], { baseOffset: 7 }) },
  { name: "a count of 0", code: ErrorCode.INVALID_RECORD, records: () => withCount(0, -1) },
  { name: "a negative count", code: ErrorCode.INVALID_RECORD, records: () => withCount(-5, 0) },
  { name: "a count that is not the last delta + 1", code: ErrorCode.INVALID_RECORD, records: () => withCount(2, 0) },
  { name: "a last delta of 2^31-1", code: ErrorCode.INVALID_RECORD, records: () => withCount(1, 0x7fffffff) },
  { name: "more records announced than there are", code: ErrorCode.INVALID_RECORD, records: () => withCount(2, 1) },
  {
    name: "records that are no records",
    code: ErrorCode.INVALID_RECORD,
    records: () => patched(batchOf(["a"]), (view) => view.setUint32(RecordBatch.RECORDS_AT, 0xabababab))
  },
  {
    name: "a transaction without a transactional id, before any other mistake",
    code: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    records: () => batchOf(["a"], { transactional: true, producerId: 5, producerEpoch: 0, baseSequence: -1 })
  },
  {
    name: "a producer id with a negative sequence",
    code: ErrorCode.INVALID_RECORD,
    records: () => batchOf(["a"], { producerId: 5, producerEpoch: 0, baseSequence: -1 })
  },
  {
    name: "a time of more than an hour ahead",
    code: ErrorCode.INVALID_TIMESTAMP,
    records: () => buildBatch([{ timestamp: NOW + HOUR_MS + 600_000, value: utf8("a") }])
  },
  {
    name: "a time before message.timestamp.before.max.ms",
    code: ErrorCode.INVALID_TIMESTAMP,
    records: () => buildBatch([{ timestamp: NOW - HOUR_MS, value: utf8("a") }]),
    configs: { "message.timestamp.before.max.ms": "60000" }
  },
  {
    name: "the log-append-time bit",
    code: ErrorCode.INVALID_TIMESTAMP,
    records: () => batchOf(["a"], { logAppendTime: NOW })
  },
  {
    name: "the log-append-time bit on a log-append-time topic",
    code: ErrorCode.INVALID_TIMESTAMP,
    records: () => batchOf(["a"], { logAppendTime: NOW }),
    configs: { "message.timestamp.type": "LogAppendTime" }
  },
  {
    name: "compressed bytes that do not decompress, on a compacted topic",
    code: ErrorCode.INVALID_RECORD,
    records: () => batchOf(["a"], { codec: Codec.GZIP, compress: () => garbage(40) }),
    configs: { "cleanup.policy": "compact" }
  },
  {
    name: "compressed bytes that do not decompress, where they are recompressed",
    code: ErrorCode.CORRUPT_MESSAGE,
    records: () => batchOf(["a"], { codec: Codec.ZSTD, compress: () => garbage(40) }),
    configs: { "compression.type": "gzip" }
  },
  { name: "a kilobyte of ones", code: ErrorCode.CORRUPT_MESSAGE, records: () => new Uint8Array(1024).fill(0xff) },
  // An int64 of our hot path is a double: what it cannot hold exactly must not become part of any state.
  {
    name: "a producer id beyond 2^53",
    code: ErrorCode.INVALID_RECORD,
    records: () => patched(sequenced(1, 0), (view) => view.setBigInt64(RecordBatch.PRODUCER_ID_AT, 2n ** 62n))
  },
  {
    name: "a time beyond 2^53 where any time ahead is allowed",
    code: ErrorCode.INVALID_TIMESTAMP,
    records: () => patched(batchOf(["a"]), (view) => view.setBigInt64(RecordBatch.MAX_TIMESTAMP_AT, 2n ** 62n)),
    configs: { "message.timestamp.after.max.ms": "9223372036854775807" }
  },
  {
    name: "a transactional batch in a request without a transactional id",
    code: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    records: () => batchOf(["a"], { transactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 })
  }
]

const flipped = (at: number) => {
  const batch = batchOf(["some value"])
  batch[at]! ^= 1
  return batch
}
const patchedRaw = (patch: (view: DataView) => void) => {
  const batch = batchOf(["a"])
  patch(new DataView(batch.buffer))
  return batch
}
const withMagic = (magic: number) => patchedRaw((view) => view.setInt8(RecordBatch.MAGIC_AT, magic))
const withCount = (count: number, lastDelta: number) =>
  patched(batchOf(["a"]), (view) => {
    view.setInt32(RecordBatch.RECORDS_COUNT_AT, count)
    view.setInt32(RecordBatch.LAST_OFFSET_DELTA_AT, lastDelta)
  })

describe("a batch that breaks a rule", () => {
  test.each(refusals)("$name", async ({ code, records, configs, version }) => {
    const topic = await freshTopic(configs)
    const answer = await produce(peer, topic, records(), version === undefined ? {} : { version })
    expect(answer.errorCode).toBe(code)
    expect(answer).toMatchObject({ baseOffset: -1, logAppendTimeMs: -1 })
    expect(await latestOffset(peer, topic)).toBe(0)
    expect(batchesIn(await fetchOne(peer, topic))).toEqual([])
  })

  test("is refused alone: its neighbours in the request are stored", async () => {
    const topic = await createTopic(peer, `produce-${++names}`, {}, 3)
    const answer = await peer.call(ProduceApi, 12, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [
        {
          name: topic.name,
          partitionData: [
            { index: 0, records: batchOf(["a"]) },
            { index: 1, records: flipped(70) },
            { index: 2, records: batchOf(["c"]) },
            { index: 3, records: batchOf(["d"]) }
          ]
        }
      ]
    })
    expect(answer.responses[0]!.partitionResponses.map((p) => [p.index, p.errorCode, p.baseOffset])).toEqual([
      [0, ErrorCode.NONE, 0],
      [1, ErrorCode.CORRUPT_MESSAGE, -1],
      [2, ErrorCode.NONE, 0],
      [3, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1]
    ])
    expect(await latestOffset(peer, topic, 1)).toBe(0)
    expect(await latestOffset(peer, topic, 2)).toBe(1)
  })

  test("a null key on a compacted topic is named by its index", async () => {
    const topic = await freshTopic({ "cleanup.policy": "compact" })
    const records = buildBatch([
      { timestamp: NOW, key: utf8("k"), value: utf8("a") },
      { timestamp: NOW, key: null, value: utf8("b") }
    ])
    const answer = await produce(peer, topic, records, { version: 8 })
    expect(answer.errorCode).toBe(ErrorCode.INVALID_RECORD)
    expect(answer.recordErrors.map((e) => e.batchIndex)).toEqual([1])
    expect(answer.errorMessage).toContain("key")
    expect((await produce(peer, topic, records, { version: 7 })).errorCode).toBe(ErrorCode.INVALID_RECORD)
    expect(await latestOffset(peer, topic)).toBe(0)
  })
})

test("a transactional batch with a transactional id: there is no transaction that it could belong to", async () => {
  const topic = await freshTopic()
  const batch = batchOf(["a"], { transactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 })
  const request = { ...produceRequest(topic, batch), transactionalId: "t" }
  const { responses } = await peer.call(ProduceApi, 9, request)
  expect(responses[0]!.partitionResponses[0]!.errorCode).toBe(ErrorCode.INVALID_TXN_STATE)
  expect(await latestOffset(peer, topic)).toBe(0)
  // The id alone is no transaction.
  const plain = await peer.call(ProduceApi, 9, { ...produceRequest(topic, batchOf(["a"])), transactionalId: "t" })
  expect(plain.responses[0]!.partitionResponses[0]!.errorCode).toBe(ErrorCode.NONE)
})

test("a refusal tells the log start where Kafka looks at the log before it refuses", async () => {
  const topic = await freshTopic()
  for (let i = 0; i < 3; i++) await produce(peer, topic, batchOf(["a"]))
  await peer.call(DeleteRecordsApi, 2, {
    topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, offset: 2 }] }],
    timeoutMs: 10_000
  })
  const told = async (records: Uint8Array | null, options = {}) => {
    const { errorCode, logStartOffset } = await produce(peer, topic, records, options)
    return [errorCode, logStartOffset]
  }
  expect(await told(batchOf(["a"]))).toEqual([ErrorCode.NONE, 2])
  expect(await told(patched(batchOf(["a"]), (view) => view.setBigInt64(0, 5n)))).toEqual([ErrorCode.INVALID_RECORD, 2])
  expect(await told(sequenced(1, -1))).toEqual([ErrorCode.INVALID_RECORD, 2])
  for (const records of [null, new Uint8Array(0), withMagic(1), Buffer.concat([batchOf(["a"]), batchOf(["b"])])]) {
    expect(await told(records)).toEqual([ErrorCode.INVALID_RECORD, -1])
  }
  expect(await told(flipped(70))).toEqual([ErrorCode.CORRUPT_MESSAGE, -1])
  const zstd = compressed(["a"], Codec.ZSTD)
  expect(await told(zstd, { version: 6 })).toEqual([ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, -1])
})

describe("what a produce names", () => {
  test("acks outside of -1, 0 and 1", async () => {
    const topic = await freshTopic()
    for (const acks of [2, -2, 127, -32768]) {
      expect(await produce(peer, topic, batchOf(["a"]), { acks })).toMatchObject({
        errorCode: ErrorCode.INVALID_REQUIRED_ACKS,
        baseOffset: -1
      })
    }
    expect(await latestOffset(peer, topic)).toBe(0)
  })

  test("unknown topics, partitions and topic ids", async () => {
    const topic = await freshTopic()
    const code = async (...args: Parameters<typeof produce>) => (await produce(...args)).errorCode
    const batch = batchOf(["a"])
    const unknown = { name: "no-such-topic", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" }
    expect(await code(peer, unknown, batch)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await code(peer, topic, batch, { partition: 1 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await code(peer, topic, batch, { partition: -1 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(await code(peer, unknown, batch, { version: 13 })).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
    expect(await code(peer, { ...unknown, topicId: ZERO_UUID }, batch, { version: 13 })).toBe(
      ErrorCode.UNKNOWN_TOPIC_ID
    )
    expect(await code(peer, topic, batch, { version: 13, partition: 9 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })

  test("the broker's own topics", async () => {
    await peer.call(FindCoordinatorApi, 4, { keyType: 0, coordinatorKeys: ["g"] })
    const offsets = { name: "__consumer_offsets", topicId: ZERO_UUID }
    expect((await produce(peer, offsets, batchOf(["a"]))).errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
  })

  test("every version stores and answers", async () => {
    const topic = await freshTopic()
    for (let version = 3; version <= 13; version++) {
      const answer = await produce(peer, topic, batchOf([`v${version}`]), { version })
      expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: version - 3, logAppendTimeMs: -1 })
      if (version >= 5) expect(answer.logStartOffset).toBe(0)
    }
    expect(batchesIn(await fetchOne(peer, topic))).toHaveLength(11)
  })

  test("no topics, no partitions: an empty answer", async () => {
    const topic = await freshTopic()
    expect((await peer.call(ProduceApi, 9, { acks: -1, timeoutMs: 1 })).responses).toEqual([])
    const none = await peer.call(ProduceApi, 9, { acks: 1, timeoutMs: 1, topicData: [{ name: topic.name }] })
    expect(none.responses[0]!.partitionResponses).toEqual([])
  })
})

describe("acks=0", () => {
  test("has no answer and stores", async () => {
    const topic = await freshTopic()
    peer.ask(ProduceApi, 9, produceRequest(topic, batchOf(["a"]), { acks: 0 }))
    expect((await produce(peer, topic, batchOf(["b"]))).baseOffset).toBe(1)
  })

  const idempotent = { producerId: 90, producerEpoch: 0 }
  test.each([
    ["a corrupt batch", () => flipped(70)],
    ["an unknown partition", () => batchOf(["a"])],
    ["a gap in the sequence", () => batchOf(["a"], { ...idempotent, baseSequence: 5 })]
  ])("a failure closes the connection: %s", async (what, records) => {
    const topic = await freshTopic()
    await produce(peer, topic, batchOf(["first"], { ...idempotent, baseSequence: 0 }))
    using other = await Peer.connect(broker.port)
    const partition = what.includes("partition") ? 3 : 0
    other.ask(ProduceApi, 9, produceRequest(topic, records(), { acks: 0, partition }))
    await other.closed
    expect(await latestOffset(peer, topic)).toBe(1)
  })
})

describe("min.insync.replicas", () => {
  test("above the number of replicas asks for all of them, as with Kafka 4", async () => {
    const topic = await freshTopic({ "min.insync.replicas": "2" })
    for (const acks of [-1, 1]) expect((await produce(peer, topic, batchOf(["a"]), { acks })).errorCode).toBe(0)
    expect(await latestOffset(peer, topic)).toBe(2)
  })

  test("below it: acks=all is refused before anything is stored, other values are not", async () => {
    const topic = await freshTopic({ "min.insync.replicas": "2" })
    // As if another replica had fallen behind: a node on its own has none.
    broker.partitions.find(topic.name, 0)!.replicas = 2
    const answer = await produce(peer, topic, batchOf(["a"]))
    expect(answer).toMatchObject({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS, baseOffset: -1, logStartOffset: 0 })
    expect(await latestOffset(peer, topic)).toBe(0)
    expect((await produce(peer, topic, batchOf(["a"]), { acks: 1 })).errorCode).toBe(ErrorCode.NONE)
    peer.ask(ProduceApi, 9, produceRequest(topic, batchOf(["b"]), { acks: 0 }))
    expect((await produce(peer, topic, batchOf(["c"]), { acks: 1 })).errorCode).toBe(ErrorCode.NONE)
    expect(await latestOffset(peer, topic)).toBe(3)
  })
})

test("a topic that is deleted under its producer", async () => {
  const topic = await freshTopic()
  expect((await produce(peer, topic, batchOf(["a"]), { version: 13 })).errorCode).toBe(ErrorCode.NONE)
  using other = await Peer.connect(broker.port)
  const requests = 200
  for (let i = 0; i < requests; i++) other.ask(ProduceApi, 13, produceRequest(topic, batchOf([`${i}`])))
  await deleteTopic(peer, topic)
  for (let i = 0; i < requests; i++) await other.frame()
  expect((await produce(other, topic, batchOf(["z"]), { version: 13 })).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
  const again = await createTopic(peer, topic.name)
  expect(again.topicId).not.toBe(topic.topicId)
  expect((await produce(other, again, batchOf(["new"]), { version: 13 })).baseOffset).toBe(0)
})
