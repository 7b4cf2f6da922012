/**
 * One pass over a log in memory, held against a plain map of the newest records; and the fields of the batches that it leaves.
 */
import { concatBytes } from "@chronik-effect/core/base/Bytes.ts"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import {
  type CleanRules,
  cleanBatch,
  fillerBatch,
  gatherKeys,
  NO_HORIZON
} from "@chronik-effect/core/log/CleanBatch.ts"
import { OffsetMap } from "@chronik-effect/core/log/OffsetMap.ts"
import {
  BatchBuilder,
  type BatchOptions,
  buildBatch,
  type RecordInput
} from "@chronik-effect/core/record/BatchBuilder.ts"
import { CompressionFault, type Compressor, type Decompressor } from "@chronik-effect/core/record/Compression.ts"
import { buildMarkerBatch } from "@chronik-effect/core/record/ControlRecord.ts"
import { lz4Compress, lz4Decompress } from "@chronik-effect/core/record/Lz4.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { type ReadRecord, readAllRecords } from "@chronik-effect/core/record/Records.ts"
import { snappyCompress, snappyDecompress } from "@chronik-effect/core/record/Snappy.ts"
import { describe, expect, it } from "vitest"

const BYTES_MAX = 1 << 20
const decompress: Decompressor = (codec, bytes, max) =>
  codec === 3 ? lz4Decompress(bytes, max) : codec === 2 ? snappyDecompress(bytes, max) : bytes
const compress: Compressor = (codec, bytes) =>
  codec === 3 ? lz4Compress(bytes) : codec === 2 ? snappyCompress(bytes) : bytes

const utf8 = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))
const record = (key: string | null, value: string | null, timestamp = 1_000): RecordInput => ({
  key: key === null ? null : utf8(key),
  value: value === null ? null : utf8(value),
  timestamp,
  headers: [{ key: "h", value: utf8(`${key}/${value}`) }]
})

const rules = (more: Partial<CleanRules> = {}): CleanRules => ({
  nowMillis: 50_000,
  deleteRetentionMs: 10_000,
  keys: new OffsetMap(1 << 20, 1_000, 1),
  endOffset: Number.MAX_SAFE_INTEGER,
  isLastOfProducer: () => false,
  decompress,
  compress,
  compressionLevel: () => undefined,
  decompressedBytesMax: BYTES_MAX,
  ...more
})

const keysOf = (...batches: ReadonlyArray<Uint8Array>): OffsetMap => {
  const keys = new OffsetMap(1 << 20, 10_000, 1)
  for (const batch of batches) expect(gatherKeys(batch, 0, keys, decompress, BYTES_MAX)).toBe("gathered")
  return keys
}

const recordsOf = (batch: Uint8Array): ReadonlyArray<ReadRecord> => {
  expect(RecordBatch.verifyCrc(batch, 0)).toBe(true)
  expect(RecordBatch.sizeInBytes(batch, 0)).toBe(batch.length)
  return readAllRecords(batch, 0, decompress, BYTES_MAX)!
}

const shown = (records: ReadonlyArray<ReadRecord>) =>
  records.map(({ offset, timestamp, key, value, headers }) => [
    offset,
    timestamp,
    text(key),
    text(value),
    headers.map((h) => `${h.key}=${text(h.value)}`).join()
  ])

const batch = (baseOffset: number, records: ReadonlyArray<RecordInput>, options: BatchOptions = {}) =>
  buildBatch(records, { baseOffset, partitionLeaderEpoch: 4, compress, ...options })

const rewritten = (result: ReturnType<typeof cleanBatch>): Uint8Array => {
  if (result._tag !== "Rewritten") throw new Error(`it was ${result._tag}`)
  return result.bytes
}

describe("cleanBatch", () => {
  it("drops what is superseded, in its own batch or a later one, and leaves the rest where it is", () => {
    for (const codec of [0, 2, 3] as const) {
      const first = batch(10, [record("a", "1", 7), record("b", "1", 9), record("a", "2", 8), record("c", "1", 3)], {
        codec
      })
      const second = batch(20, [record("c", "2")])
      const left = rewritten(cleanBatch(first, 0, rules({ keys: keysOf(first, second) })))
      expect(shown(recordsOf(left))).toEqual([
        [11, 9, "b", "1", "h=b/1"],
        [12, 8, "a", "2", "h=a/2"]
      ])
      expect(RecordBatch.baseOffset(left, 0)).toBe(10)
      expect(RecordBatch.lastOffset(left, 0)).toBe(13)
      expect(RecordBatch.recordsCount(left, 0)).toBe(2)
      expect(RecordBatch.maxTimestamp(left, 0)).toBe(9)
      expect(RecordBatch.codecId(left, 0)).toBe(codec)
      expect(RecordBatch.partitionLeaderEpoch(left, 0)).toBe(4)
    }
  })

  it("keeps a batch as it is when all of it stays, and nothing of one of which nothing stays", () => {
    const old = batch(0, [record("a", "1"), record("b", "1")])
    const newer = batch(2, [record("a", "2"), record("b", "2")])
    const keys = keysOf(old, newer)
    expect(cleanBatch(newer, 0, rules({ keys }))).toEqual({ _tag: "Kept", deleteHorizonMillis: NO_HORIZON })
    expect(cleanBatch(old, 0, rules({ keys }))).toEqual({ _tag: "Gone" })
  })

  it("drops records without a key", () => {
    const mixed = batch(0, [record(null, "1"), record("", "2"), record(null, "3")])
    const left = recordsOf(rewritten(cleanBatch(mixed, 0, rules({ keys: keysOf(mixed) }))))
    expect(left.map((r) => [r.offset, text(r.key)])).toEqual([[1, ""]])
  })

  it("keeps the numbers of a producer, and its last batch also when nothing of it stays", () => {
    const numbers = { producerId: 77, producerEpoch: 3, baseSequence: 40 }
    const mine = batch(0, [record("a", "1"), record("b", "1")], { ...numbers, codec: 3 })
    const partly = rewritten(cleanBatch(mine, 0, rules({ keys: keysOf(mine, batch(2, [record("a", "2")])) })))
    const keys = keysOf(mine, batch(2, [record("a", "2"), record("b", "2")]))
    const empty = rewritten(
      cleanBatch(mine, 0, rules({ keys, isLastOfProducer: (id, base) => id === 77 && base === 0 }))
    )
    for (const left of [partly, empty]) {
      expect(RecordBatch.producerId(left, 0)).toBe(77)
      expect(RecordBatch.producerEpoch(left, 0)).toBe(3)
      expect(RecordBatch.baseSequence(left, 0)).toBe(40)
      expect(RecordBatch.lastSequence(left, 0)).toBe(41)
      expect(RecordBatch.endOffset(left, 0)).toBe(2)
    }
    expect(recordsOf(empty)).toEqual([])
    expect(empty.length).toBe(RecordBatch.HEADER_BYTES)
    expect(RecordBatch.maxTimestamp(empty, 0)).toBe(-1)
    // In the next pass: kept while it is the last one, gone afterwards.
    expect(cleanBatch(empty, 0, rules({ isLastOfProducer: () => true }))._tag).toBe("Kept")
    expect(cleanBatch(empty, 0, rules())._tag).toBe("Gone")
  })

  it("gives a tombstone delete.retention.ms from its first cleaning, and takes it then, not before", () => {
    for (const codec of [0, 3] as const) {
      const old = batch(5, [record("a", null, 1_000), record("b", "1", 1_234)], { codec })
      const keys = keysOf(old)
      const first = cleanBatch(old, 0, rules({ keys }))
      const marked = rewritten(first)
      expect(first).toMatchObject({ deleteHorizonMillis: 60_000 })
      expect(RecordBatch.hasDeleteHorizon(marked, 0)).toBe(true)
      expect(RecordBatch.baseTimestamp(marked, 0)).toBe(60_000)
      expect(RecordBatch.maxTimestamp(marked, 0)).toBe(1_234)
      expect(shown(recordsOf(marked))).toEqual(shown(recordsOf(old)))
      const early = cleanBatch(marked, 0, rules({ nowMillis: 59_999 }))
      expect(early).toEqual({ _tag: "Kept", deleteHorizonMillis: 60_000 })
      const late = cleanBatch(marked, 0, rules({ nowMillis: 60_000 }))
      expect(late).toMatchObject({ deleteHorizonMillis: NO_HORIZON })
      expect(shown(recordsOf(rewritten(late)))).toEqual([[6, 1_234, "b", "1", "h=b/1"]])
    }
  })

  it("takes a superseded tombstone at once", () => {
    const old = batch(0, [record("a", null)])
    expect(cleanBatch(old, 0, rules({ keys: keysOf(old, batch(1, [record("a", "2")])) }))).toEqual({ _tag: "Gone" })
  })

  it("touches nothing at or beyond the end of the pass", () => {
    const late = batch(10, [record("a", null), record("a", "1")])
    expect(cleanBatch(late, 0, rules({ keys: keysOf(late), endOffset: 10 }))._tag).toBe("Kept")
  })

  it("keeps markers and transactions as they are, and they hide nothing", () => {
    const marker = buildMarkerBatch({
      producerId: 5,
      producerEpoch: 0,
      committed: true,
      coordinatorEpoch: 1,
      timestamp: 1
    })
    const inTransaction = batch(1, [record("a", "2")], {
      transactional: true,
      producerId: 5,
      producerEpoch: 0,
      baseSequence: 0
    })
    const plain = batch(0, [record("a", "1")])
    const keys = keysOf(plain, inTransaction, marker)
    for (const one of [marker, inTransaction, plain]) expect(cleanBatch(one, 0, rules({ keys }))._tag).toBe("Kept")
  })

  it("gives every record of a log-append-time batch the batch's time", () => {
    const stamped = batch(0, [record("a", "1"), record("b", null), record("a", "2")], { logAppendTime: 9_000 })
    const left = rewritten(cleanBatch(stamped, 0, rules({ keys: keysOf(stamped) })))
    expect(recordsOf(left).map((r) => [r.offset, r.timestamp])).toEqual([
      [1, 9_000],
      [2, 9_000]
    ])
    expect(RecordBatch.isLogAppendTime(left, 0)).toBe(true)
  })

  it("answers that a batch does not parse, and does not throw", () => {
    const broken = batch(0, [record("a", "1"), record("b", "1")])
    broken[RecordBatch.RECORDS_AT] = 0x7e
    RecordBatch.updateCrc(broken, 0)
    expect(cleanBatch(broken, 0, rules())._tag).toBe("Broken")
    expect(gatherKeys(broken, 0, new OffsetMap(4_096, 9, 1), decompress, BYTES_MAX)).toHaveProperty("problem")
    const torn = batch(0, [record("a", "1".repeat(200))], { codec: 3 })
    torn.fill(0xff, RecordBatch.RECORDS_AT)
    expect(lz4Decompress(torn.subarray(RecordBatch.RECORDS_AT), BYTES_MAX)).toBeInstanceOf(CompressionFault)
    expect(cleanBatch(torn, 0, rules())._tag).toBe("Broken")
    expect(gatherKeys(torn, 0, new OffsetMap(4_096, 9, 1), decompress, BYTES_MAX)).toHaveProperty("problem")
  })

  it("says when the keys do not fit", () => {
    const many = batch(
      0,
      Array.from({ length: 500 }, (_, i) => record(`key-${i}`, "v"))
    )
    expect(gatherKeys(many, 0, new OffsetMap(2_048, 1_000, 1), decompress, BYTES_MAX)).toBe("full")
  })
})

describe("fillerBatch", () => {
  it("is a batch that a reader walks over", () => {
    const filler = fillerBatch(100, 250, 7)
    expect(recordsOf(filler)).toEqual([])
    expect([RecordBatch.baseOffset(filler, 0), RecordBatch.endOffset(filler, 0)]).toEqual([100, 250])
    expect(RecordBatch.partitionLeaderEpoch(filler, 0)).toBe(7)
    expect(RecordBatch.producerId(filler, 0)).toBe(-1)
    expect(cleanBatch(filler, 0, rules())._tag).toBe("Gone")
  })
})

/** Cleans a whole log: what a server does with files, without the files. */
const cleanLog = (log: ReadonlyArray<Uint8Array>, more: Partial<CleanRules>): Array<Uint8Array> => {
  const left: Array<Uint8Array> = []
  for (const one of log) {
    const result = cleanBatch(one, 0, rules({ keys: keysOf(...log), ...more }))
    if (result._tag === "Kept") left.push(one)
    else if (result._tag === "Rewritten") left.push(result.bytes)
    else expect(result._tag).toBe("Gone")
  }
  return left
}

describe("a log of random batches", () => {
  it("holds the newest record of each key after any number of passes, each where it was", () => {
    for (let seed = 1; seed <= 25; seed++) {
      const random = new Prng(seed)
      const newest = new Map<string, string>()
      const deleted = new Map<string, string>()
      let log: Array<Uint8Array> = []
      let offset = 0
      let now = 1_000
      for (let round = 0; round < 6; round++) {
        for (let i = random.between(1, 12); i > 0; i--) {
          const builder = new BatchBuilder()
          const base = offset
          for (let j = random.between(1, 6); j > 0; j--) {
            const key = `k${random.below(12)}`
            const value = random.chance(0.2) ? null : `v${offset}`
            const input = record(key, value, now + random.below(100))
            builder.append(input)
            const facts = JSON.stringify([offset, input.timestamp, key, value, `h=${key}/${value}`])
            newest.delete(key)
            deleted.delete(key)
            ;(value === null ? deleted : newest).set(key, facts)
            offset++
          }
          log.push(builder.finish({ baseOffset: base, codec: random.pick([0, 2, 3] as const), compress }))
        }
        now += 1_000
        log = cleanLog(log, { nowMillis: now, deleteRetentionMs: 2_500 })
        const found = log.flatMap((one) => shown(recordsOf(one)).map((r) => JSON.stringify(r)))
        const values = found.filter((one) => JSON.parse(one)[3] !== null)
        expect(values.sort()).toEqual([...newest.values()].sort())
        // Every tombstone that is left is the newest word on its key.
        for (const one of found) if (JSON.parse(one)[3] === null) expect([...deleted.values()]).toContain(one)
        // Offsets rise, and batches do not overlap.
        let end = 0
        for (const one of log) {
          expect(RecordBatch.baseOffset(one, 0)).toBeGreaterThanOrEqual(end)
          end = RecordBatch.endOffset(one, 0)
        }
      }
      log = cleanLog(log, { nowMillis: now + 2_500, deleteRetentionMs: 2_500 })
      const bytes = concatBytes(log)
      expect(bytes.length).toBe(log.reduce((sum, one) => sum + one.length, 0))
      expect(log.flatMap((one) => recordsOf(one)).filter((r) => r.value === null)).toEqual([])
    }
  })
})
