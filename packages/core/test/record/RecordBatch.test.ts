import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { buildBatch } from "../../src/record/BatchBuilder.ts"
import * as RecordBatch from "../../src/record/RecordBatch.ts"
import clientBatches from "./client-batches.json" with { type: "json" }

const int16 = fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 })
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const int64 = fc.maxSafeInteger()

describe("header", () => {
  it("every field is read from its place, at any position", () => {
    const fields = fc.record({
      baseOffset: int64,
      batchLength: int32,
      leaderEpoch: int32,
      magic: fc.integer({ min: -128, max: 127 }),
      crc: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      attributes: int16,
      lastOffsetDelta: int32,
      baseTimestamp: int64,
      maxTimestamp: int64,
      producerId: int64,
      producerEpoch: int16,
      baseSequence: int32,
      recordsCount: int32
    })
    fc.assert(
      fc.property(fields, fc.nat(20), (header, pos) => {
        const bytes = new Uint8Array(90).fill(0xa5)
        const view = new DataView(bytes.buffer, pos)
        view.setBigInt64(0, BigInt(header.baseOffset))
        view.setInt32(8, header.batchLength)
        view.setInt32(12, header.leaderEpoch)
        view.setInt8(16, header.magic)
        view.setUint32(17, header.crc)
        view.setInt16(21, header.attributes)
        view.setInt32(23, header.lastOffsetDelta)
        view.setBigInt64(27, BigInt(header.baseTimestamp))
        view.setBigInt64(35, BigInt(header.maxTimestamp))
        view.setBigInt64(43, BigInt(header.producerId))
        view.setInt16(51, header.producerEpoch)
        view.setInt32(53, header.baseSequence)
        view.setInt32(57, header.recordsCount)
        expect({
          baseOffset: RecordBatch.baseOffset(bytes, pos),
          batchLength: RecordBatch.batchLength(bytes, pos),
          leaderEpoch: RecordBatch.partitionLeaderEpoch(bytes, pos),
          magic: RecordBatch.magic(bytes, pos),
          crc: RecordBatch.crc(bytes, pos),
          attributes: RecordBatch.attributes(bytes, pos),
          lastOffsetDelta: RecordBatch.lastOffsetDelta(bytes, pos),
          baseTimestamp: RecordBatch.baseTimestamp(bytes, pos),
          maxTimestamp: RecordBatch.maxTimestamp(bytes, pos),
          producerId: RecordBatch.producerId(bytes, pos),
          producerEpoch: RecordBatch.producerEpoch(bytes, pos),
          baseSequence: RecordBatch.baseSequence(bytes, pos),
          recordsCount: RecordBatch.recordsCount(bytes, pos)
        }).toEqual(header)
        expect(RecordBatch.sizeInBytes(bytes, pos)).toBe(header.batchLength + 12)
        expect(RecordBatch.codecId(bytes, pos)).toBe(header.attributes & 7)
        expect(RecordBatch.isLogAppendTime(bytes, pos)).toBe((header.attributes & 8) !== 0)
        expect(RecordBatch.isTransactional(bytes, pos)).toBe((header.attributes & 16) !== 0)
        expect(RecordBatch.isControl(bytes, pos)).toBe((header.attributes & 32) !== 0)
        expect(RecordBatch.hasDeleteHorizon(bytes, pos)).toBe((header.attributes & 64) !== 0)
      })
    )
  })

  it("base offset and leader epoch are set without touching CRC or neighbours", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 50), int32, fc.nat(9), (offset, leaderEpoch, pos) => {
        const batch = buildBatch([{ value: Uint8Array.of(1, 2, 3) }])
        const bytes = new Uint8Array(batch.length + 20).fill(0xa5)
        bytes.set(batch, pos)
        RecordBatch.setBaseOffset(bytes, pos, offset)
        RecordBatch.setPartitionLeaderEpoch(bytes, pos, leaderEpoch)
        expect(RecordBatch.baseOffset(bytes, pos)).toBe(offset)
        expect(RecordBatch.partitionLeaderEpoch(bytes, pos)).toBe(leaderEpoch)
        expect(RecordBatch.verifyCrc(bytes, pos)).toBe(true)
        const rest = [...bytes.subarray(0, pos), ...bytes.subarray(pos + 8, pos + 12), ...bytes.subarray(pos + 16)]
        const before = new Uint8Array(bytes.length).fill(0xa5)
        before.set(batch, pos)
        expect(rest).toEqual([
          ...before.subarray(0, pos),
          ...before.subarray(pos + 8, pos + 12),
          ...before.subarray(pos + 16)
        ])
      })
    )
  })

  it("log append time sets the flag and the time and renews the CRC", () => {
    const batch = buildBatch([{ value: Uint8Array.of(1), timestamp: 5 }], { transactional: true })
    RecordBatch.setLogAppendTime(batch, 0, 1_700_000_000_000)
    expect(RecordBatch.isLogAppendTime(batch, 0)).toBe(true)
    expect(RecordBatch.isTransactional(batch, 0)).toBe(true)
    expect(RecordBatch.maxTimestamp(batch, 0)).toBe(1_700_000_000_000)
    expect(RecordBatch.baseTimestamp(batch, 0)).toBe(5)
    expect(RecordBatch.verifyCrc(batch, 0)).toBe(true)
  })
})

describe("CRC", () => {
  it.each(clientBatches.batches)(
    "of $client, $codec is right, and wrong after any change from byte 21 on",
    ({ batch }) => {
      const bytes = new Uint8Array(Buffer.from(batch, "base64"))
      expect(RecordBatch.sizeInBytes(bytes, 0)).toBe(bytes.length)
      expect(RecordBatch.verifyCrc(bytes, 0)).toBe(true)
      fc.assert(
        fc.property(fc.nat(bytes.length - 22), fc.integer({ min: 1, max: 255 }), (at, change) => {
          bytes[21 + at]! ^= change
          expect(RecordBatch.verifyCrc(bytes, 0)).toBe(false)
          bytes[21 + at]! ^= change
        })
      )
      expect(RecordBatch.verifyCrc(bytes, 0)).toBe(true)
    }
  )

  it("of a batch that is not whole is wrong, not an error", () => {
    const batch = buildBatch([{ value: Uint8Array.of(1, 2, 3) }])
    for (let end = 0; end < batch.length; end++) expect(RecordBatch.verifyCrc(batch.slice(0, end), 0)).toBe(false)
    for (const length of [-1, 0, 48, 2 ** 31 - 1, -(2 ** 31)]) {
      const bytes = Uint8Array.from(batch)
      new DataView(bytes.buffer).setInt32(8, length)
      expect(RecordBatch.verifyCrc(bytes, 0)).toBe(false)
    }
  })
})

describe("sequences", () => {
  it("begin again at 0 after 2^31 - 1", () => {
    expect(RecordBatch.incrementSequence(5, 3)).toBe(8)
    expect(RecordBatch.incrementSequence(0x7fff_ffff, 0)).toBe(0x7fff_ffff)
    expect(RecordBatch.incrementSequence(0x7fff_ffff, 1)).toBe(0)
    expect(RecordBatch.incrementSequence(0x7fff_fffe, 5)).toBe(3)
    const records = [{}, {}, {}]
    const wrapping = buildBatch(records, { producerId: 1, producerEpoch: 0, baseSequence: 0x7fff_fffe })
    expect(RecordBatch.lastSequence(wrapping, 0)).toBe(0)
    expect(RecordBatch.lastSequence(buildBatch(records), 0)).toBe(-1)
  })
})
