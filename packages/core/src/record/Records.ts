/**
 * Lazy reading of the records inside a batch.
 *
 * A `RecordReader` moves from record to record in place: `next()` parses one, the fields then describe it until the
 * following `next()`. Keys, values and headers are views into the batch (or into the decompressed bytes) and are made only
 * when asked for. Bytes come from clients or disks: a record that does not parse ends the reading with `malformed` set,
 * nothing throws.
 *
 * It deliberately checks shape only: offsets in order, keys present, times in range are rules of `Validation.ts`.
 *
 * ```
 * record = length varint, attributes int8, timestampDelta varlong, offsetDelta varint, key, value, headers
 * key, value = length varint (-1: null), bytes       headers = count varint, { key length varint, key, value }
 * ```
 */
import { utf8Text } from "../base/Bytes.ts"
import { readVarint, readVarlong, type VarintCursor } from "../base/Varint.ts"
import { CompressionFault, type Decompressor } from "./Compression.ts"
import * as RecordBatch from "./RecordBatch.ts"

const VARINT_SHIFT_MAX = 28

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/** One record with everything taken out, for cold paths and tests. */
export interface ReadRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: ReadonlyArray<RecordHeader>
}

export class RecordReader {
  /** Position of the current record among the batch's, from 0; -1 before the first `next()`. */
  index = -1
  attributes = 0
  offsetDelta = 0
  offset = 0
  /** That of the batch when it has log append time. */
  timestamp = 0
  keyStart = 0
  /** -1: null key. */
  keyLength = -1
  valueStart = 0
  /** -1: null value. */
  valueLength = -1
  headersCount = 0
  /** Of the current record, its length field included. */
  sizeInBytes = 0
  /** Set once the bytes do not parse as the promised number of records, with the reason in `problem`. */
  malformed = false
  problem = ""

  readonly bytes: Uint8Array
  /** Where the records begin in `bytes`. */
  readonly recordsStart: number
  private readonly count: number
  private readonly baseOffset: number
  private readonly baseTimestamp: number
  /** NaN: each record has its own time. */
  private readonly appendTime: number
  private readonly cursor: VarintCursor
  private headersStart = 0
  private headersEnd = 0

  /** Reads the records at `bytes[start, end)` that the batch header at `header[pos]` announces. */
  constructor(header: Uint8Array, pos: number, bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.recordsStart = start
    this.cursor = { bytes, pos: start, end }
    this.count = RecordBatch.recordsCount(header, pos)
    this.baseOffset = RecordBatch.baseOffset(header, pos)
    this.baseTimestamp = RecordBatch.baseTimestamp(header, pos)
    this.appendTime = RecordBatch.isLogAppendTime(header, pos) ? RecordBatch.maxTimestamp(header, pos) : Number.NaN
  }

  /** Moves to the next record; false after the last one or when the bytes are malformed. */
  next(): boolean {
    if (this.malformed) return false
    const { cursor } = this
    const index = this.index + 1
    if (index >= this.count) {
      if (cursor.pos !== cursor.end) this.fail(`bytes remain after the ${this.count} records that the header announces`)
      return false
    }
    const start = cursor.pos
    const length = readVarint(cursor)
    const end = cursor.pos + length
    if (!(length >= 0 && end <= cursor.end)) return this.fail(`record ${index} is longer than the bytes that are left`)
    if (!this.parse(end)) return this.fail(`record ${index} does not fill its length of ${length} bytes`)
    this.index = index
    this.sizeInBytes = end - start
    return true
  }

  private parse(end: number): boolean {
    const { bytes, cursor } = this
    if (cursor.pos >= end) return false
    this.attributes = bytes[cursor.pos++]!
    const timestampDelta = readVarlong(cursor)
    const offsetDelta = readVarint(cursor)
    const keyLength = readVarint(cursor)
    const keyStart = cursor.pos
    if (keyLength > 0) cursor.pos += keyLength
    if (!(keyLength >= -1 && cursor.pos < end)) return false
    const valueLength = readVarint(cursor)
    const valueStart = cursor.pos
    if (valueLength > 0) cursor.pos += valueLength
    if (!(valueLength >= -1 && cursor.pos < end)) return false
    const headersCount = readVarint(cursor)
    if (!(headersCount >= 0 && cursor.pos <= end)) return false
    const headersStart = cursor.pos
    // A NaN of the two deltas is also caught here: the cursor then stands before them and the sum does not come out.
    if (!this.skipHeaders(headersCount, end) || cursor.pos !== end) return false
    if (Number.isNaN(timestampDelta) || Number.isNaN(offsetDelta)) return false
    this.offsetDelta = offsetDelta
    this.offset = this.baseOffset + offsetDelta
    this.timestamp = Number.isNaN(this.appendTime) ? this.baseTimestamp + timestampDelta : this.appendTime
    this.keyLength = keyLength < 0 ? -1 : keyLength
    this.keyStart = keyStart
    this.valueLength = valueLength < 0 ? -1 : valueLength
    this.valueStart = valueStart
    this.headersCount = headersCount
    this.headersStart = headersStart
    this.headersEnd = end
    return true
  }

  private skipHeaders(count: number, end: number): boolean {
    const { cursor } = this
    for (let i = 0; i < count; i++) {
      const keyLength = readVarint(cursor)
      if (!(keyLength >= 0)) return false
      cursor.pos += keyLength
      const valueLength = readVarint(cursor)
      if (!(valueLength >= -1)) return false
      if (valueLength > 0) cursor.pos += valueLength
      if (cursor.pos > end) return false
    }
    return true
  }

  /** A view, valid as long as the batch's bytes. */
  key(): Uint8Array | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyStart, this.keyStart + this.keyLength)
  }

  /** A view, valid as long as the batch's bytes. */
  value(): Uint8Array | null {
    return this.valueLength < 0 ? null : this.bytes.subarray(this.valueStart, this.valueStart + this.valueLength)
  }

  headers(): ReadonlyArray<RecordHeader> {
    const headers: Array<RecordHeader> = []
    const cursor: VarintCursor = { bytes: this.bytes, pos: this.headersStart, end: this.headersEnd }
    for (let i = 0; i < this.headersCount; i++) {
      const keyLength = readVarint(cursor)
      const keyStart = cursor.pos
      cursor.pos += keyLength
      const valueLength = readVarint(cursor)
      const valueStart = cursor.pos
      if (valueLength > 0) cursor.pos += valueLength
      headers.push({
        key: utf8Text(this.bytes, keyStart, keyStart + keyLength),
        value: valueLength < 0 ? null : this.bytes.subarray(valueStart, valueStart + valueLength)
      })
    }
    return headers
  }

  private fail(problem: string): false {
    this.malformed = true
    this.problem = problem
    return false
  }
}

/**
 * Whether `count` records, by their lengths alone, fill `bytes[start, end)` exactly. One varint a record is read, where the
 * CRC reads every byte and `RecordReader` every field: cheap enough for every batch.
 */
export function recordsFill(bytes: Uint8Array, start: number, end: number, count: number): boolean {
  let at = start
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++]!
    let zigzag = byte & 0x7f
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (shift > VARINT_SHIFT_MAX) return false
      byte = bytes[at++]!
      zigzag |= (byte & 0x7f) << shift
    }
    // An odd one is negative. Behind `end` anything may have been read, so that is looked at after each record.
    if ((zigzag & 1) !== 0) return false
    at += zigzag >>> 1
    if (at > end) return false
  }
  return at === end
}

/**
 * A reader over the records of the batch at `bytes[pos]`, which must lie whole in `bytes` (its CRC may be unchecked).
 * Compressed records are decompressed at once, to `decompressedBytesMax` at most.
 */
export function openRecords(
  bytes: Uint8Array,
  pos: number,
  decompress: Decompressor,
  decompressedBytesMax: number
): RecordReader | CompressionFault {
  const start = pos + RecordBatch.RECORDS_AT
  const end = pos + RecordBatch.sizeInBytes(bytes, pos)
  const codec = RecordBatch.codecId(bytes, pos)
  if (codec === RecordBatch.Codec.NONE) return new RecordReader(bytes, pos, bytes, start, end)
  if (!RecordBatch.isCodec(codec)) return new CompressionFault("corrupt", `Compression codec ${codec} does not exist.`)
  const records = decompress(codec, bytes.subarray(start, end), decompressedBytesMax)
  if (records instanceof CompressionFault) return records
  return new RecordReader(bytes, pos, records, 0, records.length)
}

/** All records of one batch as objects; undefined when it is broken. For cold paths and tests. */
export function readAllRecords(
  bytes: Uint8Array,
  pos: number,
  decompress: Decompressor,
  decompressedBytesMax: number
): ReadonlyArray<ReadRecord> | undefined {
  const reader = openRecords(bytes, pos, decompress, decompressedBytesMax)
  if (reader instanceof CompressionFault) return undefined
  const records: Array<ReadRecord> = []
  while (reader.next()) {
    const { offset, timestamp } = reader
    records.push({ offset, timestamp, key: reader.key(), value: reader.value(), headers: reader.headers() })
  }
  return reader.malformed ? undefined : records
}
