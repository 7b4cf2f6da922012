import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concatBytes, utf8Bytes, writeInt32, writeInt64 } from "../../src/base/Bytes.ts"
import { ErrorCode, errorName } from "../../src/model/ErrorCode.ts"
import { BatchBuilder, buildBatch, type RecordInput } from "../../src/record/BatchBuilder.ts"
import { buildMarkerBatch } from "../../src/record/ControlRecord.ts"
import * as RecordBatch from "../../src/record/RecordBatch.ts"
import { type BatchRules, makeRejection, RECORD_ERRORS_MAX, validateProduceBatch } from "../../src/record/Validation.ts"
import { compress, NOW, recordInput, rules } from "./batches.ts"

const { Codec } = RecordBatch

const record = (key: string | null, timestamp = NOW): RecordInput => ({
  key: key === null ? null : utf8Bytes(key),
  value: utf8Bytes("value"),
  timestamp
})
const good = buildBatch([record("a"), record("b"), record("c")])
const lz4 = buildBatch([record("a"), record("b"), record("c")], { codec: Codec.LZ4, compress })

/** `batch` after a change, with a right CRC again. */
const changed = (batch: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array => {
  const bytes = damaged(batch, change)
  RecordBatch.updateCrc(bytes, 0)
  return bytes
}
const damaged = (batch: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array => {
  const bytes = Uint8Array.from(batch)
  change(bytes)
  return bytes
}
const withAttributes = (batch: Uint8Array, attributes: number) =>
  changed(batch, (bytes) => {
    bytes[RecordBatch.ATTRIBUTES_AT + 1] = attributes
  })
const withCount = (batch: Uint8Array, count: number, lastOffsetDelta: number) =>
  changed(batch, (bytes) => {
    writeInt32(bytes, RecordBatch.RECORDS_COUNT_AT, count)
    writeInt32(bytes, RecordBatch.LAST_OFFSET_DELTA_AT, lastOffsetDelta)
  })
const withLength = (batch: Uint8Array, length: number) =>
  damaged(batch, (bytes) => writeInt32(bytes, RecordBatch.BATCH_LENGTH_AT, length))

const check = (bytes: Uint8Array, changes: Partial<BatchRules> = {}) => {
  const rejection = makeRejection()
  const code = validateProduceBatch(bytes, 0, bytes.length, { ...rules, ...changes }, rejection)
  expect(code === ErrorCode.NONE, rejection.message).toBe(rejection.message === "")
  return { code: errorName(code), message: rejection.message, recordErrors: rejection.recordErrors }
}
const baseOffset5 = changed(good, (bytes) => writeInt64(bytes, 0, 5))
const compacted = { compacted: true }
const append = { timestampType: "LogAppendTime" } as const

type Case = readonly [name: string, bytes: Uint8Array, code: keyof typeof ErrorCode, changes?: Partial<BatchRules>]
const answers = (cases: ReadonlyArray<Case>) => {
  for (const [name, bytes, code, changes] of cases) it(name, () => expect(check(bytes, changes).code).toBe(code))
}

describe("codes, as Kafka 4.3.1 gave them for the same bytes", () => {
  const magic = (value: number) =>
    damaged(good, (bytes) => {
      bytes[RecordBatch.MAGIC_AT] = value
    })
  const sequenced = (producerId: number, producerEpoch: number, baseSequence: number) =>
    buildBatch([record("a")], { producerId, producerEpoch, baseSequence })
  const longMaxTime = changed(buildBatch([record("a", 0)]), (bytes) => {
    for (const at of [RecordBatch.BASE_TIMESTAMP_AT, RecordBatch.MAX_TIMESTAMP_AT]) {
      bytes.fill(0xff, at, at + 8)
      bytes[at] = 0x7f
    }
  })
  const future = [record("a"), record("b", NOW + 3_600_001)]

  answers([
    ["a plain batch", good, "NONE"],
    ["nothing", new Uint8Array(0), "INVALID_RECORD"],
    ["less than a length", good.subarray(0, 10), "INVALID_RECORD"],
    ["a cut-off batch", good.subarray(0, good.length - 1), "INVALID_RECORD"],
    ["two batches", concatBytes([good, good]), "INVALID_RECORD"],
    ["a few bytes after it", concatBytes([good, new Uint8Array(5)]), "NONE"],
    ["half a batch after it", concatBytes([good, good.subarray(0, 70)]), "NONE"],
    ["bytes after it that are no batch", concatBytes([good, new Uint8Array(40)]), "CORRUPT_MESSAGE"],
    ["magic 0", magic(0), "INVALID_RECORD"],
    ["magic 1", magic(1), "INVALID_RECORD"],
    ["magic 3", magic(3), "CORRUPT_MESSAGE"],
    ["magic -1", magic(255), "CORRUPT_MESSAGE"],
    ["length 13", withLength(good, 13), "CORRUPT_MESSAGE"],
    ["length -5", withLength(good, -5), "CORRUPT_MESSAGE"],
    ["shorter than a header", withLength(good, 48).subarray(0, 60), "CORRUPT_MESSAGE"],
    ["zstd in Produce 6", withAttributes(good, Codec.ZSTD), "UNSUPPORTED_COMPRESSION_TYPE", { apiVersion: 6 }],
    ["zstd in Produce 7", withAttributes(good, Codec.ZSTD), "NONE", { apiVersion: 7 }],
    ["a base offset", baseOffset5, "INVALID_RECORD"],
    ["a wrong CRC", damaged(good, (bytes) => bytes.fill(9, good.length - 1)), "CORRUPT_MESSAGE"],
    ["codec 5", withAttributes(good, 5), "UNKNOWN_SERVER_ERROR"],
    ["codec 7", withAttributes(good, 7), "UNKNOWN_SERVER_ERROR"],
    ["count 0", withCount(good, 0, 2), "INVALID_RECORD"],
    ["count and delta of nothing", withCount(good, 0, -1), "INVALID_RECORD"],
    ["count -1", withCount(good, -1, -2), "INVALID_RECORD"],
    ["count 2 of 3", withCount(good, 2, 2), "INVALID_RECORD"],
    ["last offset delta -1", withCount(good, 3, -1), "INVALID_RECORD"],
    ["a control batch", withAttributes(good, RecordBatch.CONTROL_FLAG), "INVALID_RECORD"],
    ["a producer id without sequence", sequenced(77, 0, -1), "INVALID_RECORD"],
    ["no producer id but a sequence (kafkajs)", sequenced(-1, 0, 0), "NONE"],
    ["the delete horizon bit", withAttributes(good, RecordBatch.DELETE_HORIZON_FLAG), "NONE"],
    ["a time in the future", buildBatch(future), "INVALID_TIMESTAMP"],
    ["a time in the future, compressed", buildBatch(future, { codec: Codec.LZ4, compress }), "INVALID_TIMESTAMP"],
    ["the last time that is allowed", buildBatch([record("a", NOW + 3_600_000)]), "NONE"],
    ["no time", buildBatch([record("a", -1)]), "NONE"],
    ["a negative time", buildBatch([record("a", -5)]), "NONE"],
    ["the largest time there is", longMaxTime, "INVALID_TIMESTAMP"],
    ["a future time on a log-append-time topic", buildBatch(future), "NONE", append],
    ["log append time set by the producer", withAttributes(good, 8), "INVALID_TIMESTAMP", append],
    ["an old time without limit", buildBatch([record("a", 1)]), "NONE"],
    ["an old time", buildBatch([record("a", NOW - 1001)]), "INVALID_TIMESTAMP", { timestampBeforeMaxMs: 1000 }],
    ["a time just in limit", buildBatch([record("a", NOW - 1000)]), "NONE", { timestampBeforeMaxMs: 1000 }],
    ["a null key", buildBatch([record(null)]), "NONE"],
    ["a null key on a compacted topic", buildBatch([record(null)]), "INVALID_RECORD", compacted],
    ["compressed and compacted", lz4, "NONE", compacted],
    ["2 compressed records of 3", withCount(lz4, 2, 1), "INVALID_RECORD", compacted],
    ["4 compressed records of 3", withCount(lz4, 4, 3), "INVALID_RECORD", compacted],
    ["garbage for records", changed(good, (bytes) => bytes.fill(0x7f, 61)), "INVALID_RECORD", compacted],
    ["zeros for records", changed(good, (bytes) => bytes.fill(0, 61)), "INVALID_RECORD", compacted],
    ["as large as allowed", good, "NONE", { maxMessageBytes: good.length }],
    ["too large", good, "MESSAGE_TOO_LARGE", { maxMessageBytes: good.length - 1 }],
    ["larger than a segment", good, "RECORD_LIST_TOO_LARGE", { segmentBytes: good.length - 1 }]
  ])
})

describe("codes of ours alone", () => {
  answers([
    ["producer's log append time on a create-time topic", withAttributes(good, 8), "INVALID_TIMESTAMP"],
    [
      "a future maxTimestamp over timely records",
      changed(good, (b) => writeInt64(b, 35, NOW * 2)),
      "INVALID_TIMESTAMP"
    ],
    [
      "a producer id without epoch",
      buildBatch([record("a")], { producerId: 77, producerEpoch: -1, baseSequence: 0 }),
      "INVALID_PRODUCER_EPOCH"
    ],
    [
      "that and a time that is far ahead",
      changed(buildBatch([record("a")], { producerId: 77, producerEpoch: -1, baseSequence: 0 }), (b) =>
        writeInt64(b, 35, NOW * 2)
      ),
      "INVALID_TIMESTAMP"
    ],
    ["undecodable bytes", withAttributes(good, Codec.LZ4), "INVALID_RECORD", compacted],
    ["garbage for records", changed(good, (bytes) => bytes.fill(0x7f, 61)), "INVALID_RECORD"],
    ["lengths that never end", changed(good, (bytes) => bytes.fill(0xff, 61)), "INVALID_RECORD"],
    ["lengths of nothing", changed(good, (bytes) => bytes.fill(0, 61)), "INVALID_RECORD"],
    ["2 records of 3", withCount(good, 2, 1), "INVALID_RECORD"],
    ["4 records of 3", withCount(good, 4, 3), "INVALID_RECORD"],
    ["a first record that is one byte longer", changed(good, (bytes) => (bytes[61]! += 2)), "INVALID_RECORD"],
    ["a negative length", changed(good, (bytes) => (bytes[61]! += 1)), "INVALID_RECORD"],
    ["2 compressed records of 3, which nobody looks into", withCount(lz4, 2, 1), "NONE"],
    ["a length of 20", withLength(good, 20).subarray(0, 32), "CORRUPT_MESSAGE"],
    [
      "a marker",
      buildMarkerBatch({ producerId: 1, producerEpoch: 0, committed: true, coordinatorEpoch: 0, timestamp: NOW }),
      "INVALID_RECORD"
    ]
  ])
})

describe("order: of two faults the earlier rule answers", () => {
  answers([
    [
      "a codec before size until Produce 6",
      withAttributes(good, 5),
      "UNKNOWN_SERVER_ERROR",
      { apiVersion: 6, maxMessageBytes: 1 }
    ],
    ["size before a codec from Produce 7 on", withAttributes(good, 5), "MESSAGE_TOO_LARGE", { maxMessageBytes: 1 }],
    ["two batches before size", concatBytes([good, good]), "INVALID_RECORD", { maxMessageBytes: 1 }],
    ["base offset before CRC", damaged(good, (bytes) => bytes.fill(1, 0, 8)), "INVALID_RECORD"],
    ["size before CRC", damaged(good, (bytes) => bytes.fill(9, 70)), "MESSAGE_TOO_LARGE", { maxMessageBytes: 1 }],
    ["CRC before count", damaged(good, (bytes) => bytes.fill(9, 57)), "CORRUPT_MESSAGE"],
    ["count before control", withAttributes(withCount(good, 2, 2), 32 | 8), "INVALID_RECORD"],
    [
      "a record's time over another's key",
      buildBatch([record(null), record("a", NOW * 2)]),
      "INVALID_TIMESTAMP",
      compacted
    ],
    [
      "a record's time over a later one's key",
      buildBatch([record("a", NOW - 2000), record(null)]),
      "INVALID_TIMESTAMP",
      { compacted: true, timestampBeforeMaxMs: 1000 }
    ],
    ["base offset over a header cut short", withLength(baseOffset5, 48).subarray(0, 60), "INVALID_RECORD"]
  ])
})

describe("record errors", () => {
  it("name each record without a key", () => {
    const { recordErrors } = check(buildBatch([record("a"), record(null), record("b"), record(null)]), compacted)
    expect(recordErrors.map((error) => error.batchIndex)).toEqual([1, 3])
    expect(recordErrors[0]?.message).toContain("without key")
  })

  it("name each untimely record on the plain path too", () => {
    const { recordErrors, message } = check(buildBatch([record("a"), record("b", NOW * 2)]))
    expect(message).toBe("One or more records have been rejected due to invalid timestamp")
    expect(recordErrors).toEqual([
      {
        batchIndex: 1,
        message: `Timestamp ${NOW * 2} of message with offset 1 is out of range. The timestamp should be within [${NOW - Number.MAX_SAFE_INTEGER}, ${NOW + 3_600_000}]`
      }
    ])
  })

  it("are bounded", () => {
    const { recordErrors, message } = check(buildBatch(new Array<RecordInput>(3000).fill(record(null))), compacted)
    expect(recordErrors).toHaveLength(RECORD_ERRORS_MAX)
    expect(message).toContain("3000 record errors")
  })

  it("are for offsets and inner codecs where records are walked", () => {
    const builder = new BatchBuilder()
    builder.append(record("a"))
    builder.appendAt(5, record("b"))
    const sparse = changed(builder.finish(), (bytes) => writeInt32(bytes, RecordBatch.LAST_OFFSET_DELTA_AT, 1))
    expect(check(sparse).code).toBe("NONE")
    expect(check(sparse, { walkRecords: true })).toMatchObject({
      code: "INVALID_RECORD",
      recordErrors: [{ batchIndex: 1 }]
    })
    const inner = new BatchBuilder()
    inner.append(record("a"))
    const nested = inner.finish({
      codec: Codec.LZ4,
      compress: (codec, bytes) => {
        const marked = Uint8Array.from(bytes)
        marked[1] = 1
        return compress(codec, marked)
      }
    })
    expect(check(nested, { walkRecords: true }).code).toBe("INVALID_RECORD")
  })

  it("a bomb is answered as too large", () => {
    const bomb = buildBatch([{ key: utf8Bytes("k"), value: new Uint8Array(1_000_000) }], { codec: Codec.LZ4, compress })
    expect(bomb.length).toBeLessThan(10_000)
    expect(check(bomb, { ...compacted, decompressedBytesMax: 500_000 }).code).toBe("MESSAGE_TOO_LARGE")
  })
})

describe("any bytes", () => {
  const anyRules = fc.record({ compacted: fc.boolean(), walkRecords: fc.boolean(), apiVersion: fc.nat(13) })

  it("valid batches pass, whatever their records", () => {
    fc.assert(
      fc.property(
        fc.array(recordInput, { minLength: 1 }),
        fc.constantFrom(Codec.NONE, Codec.LZ4, Codec.SNAPPY),
        (records, codec) => {
          const timely = records.map((record) => ({ ...record, timestamp: Math.min(record.timestamp, NOW) }))
          expect(check(buildBatch(timely, { codec, compress }), { walkRecords: true }).code).toBe("NONE")
        }
      )
    )
  })

  it("random ones never throw and never pass", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), anyRules, (bytes, changes) => {
        expect(check(bytes, changes).code).not.toBe("NONE")
      })
    )
  })

  it("a valid batch with changed bytes and a mended CRC never throws; cut off it never passes", () => {
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
    fc.assert(
      fc.property(
        fc.constantFrom(good, lz4),
        fc.array(change, { maxLength: 4 }),
        fc.nat(good.length),
        anyRules,
        (batch, changes, cut, some) => {
          const bytes = damaged(batch, (copy) => {
            for (const [at, value] of changes) if (at !== RecordBatch.BATCH_LENGTH_AT) copy[at] = value
          })
          if (RecordBatch.sizeInBytes(bytes, 0) === bytes.length) RecordBatch.updateCrc(bytes, 0)
          check(bytes, some)
          const end = cut % batch.length
          expect(check(batch.subarray(0, end), some).code).not.toBe("NONE")
        }
      ),
      { numRuns: 3000 }
    )
  })

  it("the batch's place in a larger array does not matter", () => {
    const around = concatBytes([new Uint8Array(13).fill(0xee), good, new Uint8Array(100).fill(0xee)])
    expect(validateProduceBatch(around, 13, 13 + good.length, rules)).toBe(ErrorCode.NONE)
    expect(validateProduceBatch(around, 13, 12 + good.length, rules)).toBe(ErrorCode.INVALID_RECORD)
    expect(validateProduceBatch(around, 12, 12 + good.length, rules)).not.toBe(ErrorCode.NONE)
  })
})
