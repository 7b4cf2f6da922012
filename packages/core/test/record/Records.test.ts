import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../src/base/Bytes.ts"
import { BatchBuilder, buildBatch } from "../../src/record/BatchBuilder.ts"
import { CompressionFault } from "../../src/record/Compression.ts"
import * as RecordBatch from "../../src/record/RecordBatch.ts"
import { openRecords, RecordReader, readAllRecords } from "../../src/record/Records.ts"
import { compress, decompress, recordInput } from "./batches.ts"

const codec = fc.constantFrom(RecordBatch.Codec.NONE, RecordBatch.Codec.SNAPPY, RecordBatch.Codec.LZ4)
const BYTES_MAX = 1 << 20

describe("building and reading", () => {
  it("gives back every record, in any codec, at any place", () => {
    fc.assert(
      fc.property(
        fc.array(recordInput, { minLength: 1, maxLength: 30 }),
        codec,
        fc.nat(2 ** 50),
        fc.nat(9),
        (records, codec, baseOffset, pos) => {
          const batch = buildBatch(records, {
            baseOffset,
            codec,
            compress,
            producerId: 7,
            producerEpoch: 1,
            baseSequence: 3
          })
          const bytes = concatBytes([new Uint8Array(pos).fill(0xff), batch, new Uint8Array(5).fill(0xff)])
          expect(RecordBatch.verifyCrc(bytes, pos)).toBe(true)
          expect(RecordBatch.codecId(bytes, pos)).toBe(codec)
          expect(RecordBatch.recordsCount(bytes, pos)).toBe(records.length)
          expect(RecordBatch.endOffset(bytes, pos)).toBe(baseOffset + records.length)
          expect(RecordBatch.maxTimestamp(bytes, pos)).toBe(Math.max(...records.map((record) => record.timestamp)))
          const read = readAllRecords(bytes, pos, decompress, BYTES_MAX)
          expect(read).toEqual(records.map((record, index) => ({ offset: baseOffset + index, ...record })))
        }
      )
    )
  })

  it("log append time overrides every record's time", () => {
    const batch = buildBatch([{ timestamp: 1 }, { timestamp: 2 }], { logAppendTime: 99 })
    expect(readAllRecords(batch, 0, decompress, BYTES_MAX)?.map((record) => record.timestamp)).toEqual([99, 99])
    expect(RecordBatch.maxTimestamp(batch, 0)).toBe(99)
  })

  it("absent fields are null, and the time of the first record or none", () => {
    const batch = buildBatch([{}, {}])
    const nothing = { timestamp: -1, key: null, value: null, headers: [] }
    expect(readAllRecords(batch, 0, decompress, BYTES_MAX)).toEqual([
      { offset: 0, ...nothing },
      { offset: 1, ...nothing }
    ])
    const timed = buildBatch([{ timestamp: 50 }, {}])
    expect(readAllRecords(timed, 0, decompress, BYTES_MAX)?.[1]?.timestamp).toBe(50)
  })

  it("compaction's gaps and kept last offset survive", () => {
    const builder = new BatchBuilder()
    builder.appendAt(2, { value: Uint8Array.of(1) })
    builder.appendAt(7, { value: Uint8Array.of(2) })
    expect(() => builder.appendAt(7, {})).toThrow("rise")
    const batch = builder.finish({ baseOffset: 100, lastOffset: 109 })
    expect(RecordBatch.recordsCount(batch, 0)).toBe(2)
    expect(RecordBatch.lastOffset(batch, 0)).toBe(109)
    expect(readAllRecords(batch, 0, decompress, BYTES_MAX)?.map((record) => record.offset)).toEqual([102, 107])
    const emptied = new BatchBuilder().finish({ baseOffset: 100, lastOffset: 109 })
    expect(RecordBatch.endOffset(emptied, 0)).toBe(110)
    expect(readAllRecords(emptied, 0, decompress, BYTES_MAX)).toEqual([])
  })

  it("a builder is used again after reset, and its size is that of the plain batch", () => {
    fc.assert(
      fc.property(fc.array(recordInput, { minLength: 1 }), fc.array(recordInput, { minLength: 1 }), (first, second) => {
        const builder = new BatchBuilder()
        for (const record of first) builder.append(record)
        const before = builder.finish()
        expect(before).toEqual(buildBatch(first))
        expect(builder.sizeInBytes).toBe(before.length)
        builder.reset()
        for (const record of second) builder.append(record)
        expect(builder.count).toBe(second.length)
        expect(builder.finish()).toEqual(buildBatch(second))
        expect(before).toEqual(buildBatch(first))
      })
    )
  })
})

describe("broken records", () => {
  const records = [
    { timestamp: 10, key: Uint8Array.of(1), value: Uint8Array.of(2, 3), headers: [{ key: "h", value: null }] },
    { timestamp: 11, key: null, value: Uint8Array.of(4) }
  ]
  const batch = buildBatch(records)
  const readerOver = (count: number, bytes: Uint8Array) => {
    const header = Uint8Array.from(batch)
    new DataView(header.buffer).setInt32(RecordBatch.RECORDS_COUNT_AT, count)
    const reader = new RecordReader(header, 0, bytes, 0, bytes.length)
    let read = 0
    while (reader.next()) read++
    return { read, reader }
  }
  const body = batch.subarray(RecordBatch.RECORDS_AT)

  it("cut off anywhere, or with a byte too many, are malformed", () => {
    expect(readerOver(2, body).reader.malformed).toBe(false)
    for (let end = 0; end < body.length; end++) expect(readerOver(2, body.subarray(0, end)).reader.malformed).toBe(true)
    expect(readerOver(2, concatBytes([body, Uint8Array.of(0)])).reader.problem).toContain("bytes remain")
  })

  it("of another number than announced are malformed", () => {
    expect(readerOver(1, body)).toMatchObject({ read: 1, reader: { malformed: true } })
    expect(readerOver(3, body)).toMatchObject({ read: 2, reader: { malformed: true } })
    expect(readerOver(-1, body)).toMatchObject({ read: 0, reader: { malformed: true } })
  })

  it("a record whose fields do not fill its length is malformed", () => {
    for (const change of [-2, 2]) {
      const bytes = Uint8Array.from(body)
      bytes[0]! += change
      expect(readerOver(2, bytes).reader.malformed).toBe(true)
    }
  })

  it("any change of any byte never throws and never reads outside", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(body.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const bytes = Uint8Array.from(body)
        for (const [at, value] of changes) bytes[at] = value
        const reader = new RecordReader(batch, 0, bytes, 0, bytes.length)
        while (reader.next()) {
          expect(reader.keyLength).toBe(reader.key()?.length ?? -1)
          expect(reader.valueLength).toBe(reader.value()?.length ?? -1)
          expect(reader.headers()).toHaveLength(reader.headersCount)
        }
      }),
      { numRuns: 3000 }
    )
  })

  it("an announced million of headers in a few bytes ends at once", () => {
    const bytes = Uint8Array.of(18, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff)
    expect(readerOver(1, bytes).reader.malformed).toBe(true)
  })

  it("an unknown codec and undecodable bytes are faults by value", () => {
    const unknown = Uint8Array.from(batch)
    unknown[RecordBatch.ATTRIBUTES_AT + 1] = 6
    expect(openRecords(unknown, 0, decompress, BYTES_MAX)).toBeInstanceOf(CompressionFault)
    const lying = Uint8Array.from(batch)
    lying[RecordBatch.ATTRIBUTES_AT + 1] = RecordBatch.Codec.LZ4
    expect(openRecords(lying, 0, decompress, BYTES_MAX)).toMatchObject({ kind: "corrupt" })
    expect(readAllRecords(lying, 0, decompress, BYTES_MAX)).toBeUndefined()
  })
})
