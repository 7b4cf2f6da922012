/**
 * Builds record batches: for the coordinators' own logs, for markers, for compaction, for clients and tests.
 *
 * Records go into one growing array owned by the builder, `finish` copies them out once (compressed if asked) behind a
 * header with a right CRC. A builder can be used again after `reset`, which keeps its array.
 *
 * It deliberately does not split: the caller watches `sizeInBytes` against its limit.
 */
import { assert } from "../base/Assert.ts"
import { utf8Bytes, writeInt16, writeInt32, writeInt64 } from "../base/Bytes.ts"
import { varintSize, varlongSize, writeVarint, writeVarlong } from "../base/Varint.ts"
import type { Compressor } from "./Compression.ts"
import * as RecordBatch from "./RecordBatch.ts"
import type { RecordHeader } from "./Records.ts"

export interface RecordInput {
  /** Milliseconds; absent: that of the batch's first record, or -1 (none). */
  readonly timestamp?: number
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: ReadonlyArray<RecordHeader>
}

export interface BatchOptions {
  /** Default 0, as in a produce request. */
  readonly baseOffset?: number
  /** Default -1: the leader fills it in. */
  readonly partitionLeaderEpoch?: number
  readonly codec?: RecordBatch.Codec
  /** Needed when `codec` is not NONE. */
  readonly compress?: Compressor
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly control?: boolean
  /** Gives the whole batch this time and sets the log-append-time flag. */
  readonly logAppendTime?: number
  /** Sets the delete-horizon flag; the time itself then stands in baseTimestamp, so it must be given to the constructor. */
  readonly deleteHorizon?: boolean
  /** For compaction: the batch keeps its old last offset although its last records are gone. */
  readonly lastOffset?: number
}

const RESERVED_BYTES_FIRST = 1024
const NO_HEADERS: ReadonlyArray<RecordHeader> = []

export class BatchBuilder {
  private bytes = new Uint8Array(RESERVED_BYTES_FIRST)
  private pos = RecordBatch.RECORDS_AT
  private recordsCount = 0
  private lastOffsetDelta = -1
  private baseTimestamp: number | undefined
  private maxTimestamp = RecordBatch.NO_TIMESTAMP

  /** `baseTimestamp` other than the first record's is only of use for a delete horizon or for compaction. */
  constructor(baseTimestamp?: number) {
    this.baseTimestamp = baseTimestamp
  }

  get count(): number {
    return this.recordsCount
  }

  /** Of the batch if it were finished now without compression. */
  get sizeInBytes(): number {
    return this.pos
  }

  reset(baseTimestamp?: number): void {
    this.pos = RecordBatch.RECORDS_AT
    this.recordsCount = 0
    this.lastOffsetDelta = -1
    this.baseTimestamp = baseTimestamp
    this.maxTimestamp = RecordBatch.NO_TIMESTAMP
  }

  /** Appends with the next offset. Key, value and headers are copied. */
  append(record: RecordInput): void {
    this.appendAt(this.lastOffsetDelta + 1, record)
  }

  /** Appends at `offsetDelta` from the batch's base offset: compaction leaves gaps. */
  appendAt(offsetDelta: number, record: RecordInput): void {
    assert(offsetDelta > this.lastOffsetDelta && offsetDelta <= 0x7fff_ffff, "record offsets rise within a batch")
    const timestamp = record.timestamp ?? this.baseTimestamp ?? RecordBatch.NO_TIMESTAMP
    this.baseTimestamp ??= timestamp
    const timestampDelta = timestamp - this.baseTimestamp
    const key = record.key ?? null
    const value = record.value ?? null
    const headers = record.headers ?? NO_HEADERS
    const headerKeys = headers.map((header) => utf8Bytes(header.key))
    let length = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + fieldSize(key) + fieldSize(value)
    length += varintSize(headers.length)
    for (let i = 0; i < headers.length; i++) length += fieldSize(headerKeys[i]!) + fieldSize(headers[i]!.value)

    const end = this.pos + varintSize(length) + length
    this.reserve(end)
    const { bytes } = this
    let pos = writeVarint(bytes, this.pos, length)
    bytes[pos++] = 0
    pos = writeVarlong(bytes, pos, timestampDelta)
    pos = writeVarint(bytes, pos, offsetDelta)
    pos = writeField(bytes, pos, key)
    pos = writeField(bytes, pos, value)
    pos = writeVarint(bytes, pos, headers.length)
    for (let i = 0; i < headers.length; i++) {
      pos = writeField(bytes, pos, headerKeys[i]!)
      pos = writeField(bytes, pos, headers[i]!.value)
    }
    assert(pos === end, "a record is as long as its length field says")
    this.pos = end
    this.recordsCount++
    this.lastOffsetDelta = offsetDelta
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp
  }

  /** A fresh array with the whole batch; the builder keeps its records until `reset`. */
  finish(options: BatchOptions = {}): Uint8Array {
    const codec = options.codec ?? RecordBatch.Codec.NONE
    let records: Uint8Array = this.bytes.subarray(RecordBatch.RECORDS_AT, this.pos)
    if (codec !== RecordBatch.Codec.NONE) {
      assert(options.compress !== undefined, "a compressed batch needs a compressor")
      records = options.compress(codec, records)
    }
    const batch = new Uint8Array(RecordBatch.RECORDS_AT + records.length)
    batch.set(records, RecordBatch.RECORDS_AT)
    this.writeHeader(batch, codec, options)
    RecordBatch.updateCrc(batch, 0)
    return batch
  }

  private writeHeader(batch: Uint8Array, codec: number, options: BatchOptions): void {
    const baseOffset = options.baseOffset ?? 0
    const lastOffsetDelta = options.lastOffset === undefined ? this.lastOffsetDelta : options.lastOffset - baseOffset
    assert(lastOffsetDelta >= this.lastOffsetDelta && lastOffsetDelta >= 0, "a batch ends at or after its last record")
    assert(options.control !== true || codec === RecordBatch.Codec.NONE, "control batches are not compressed")
    const attributes =
      codec |
      (options.logAppendTime === undefined ? 0 : RecordBatch.LOG_APPEND_TIME_FLAG) |
      (options.transactional === true ? RecordBatch.TRANSACTIONAL_FLAG : 0) |
      (options.control === true ? RecordBatch.CONTROL_FLAG : 0) |
      (options.deleteHorizon === true ? RecordBatch.DELETE_HORIZON_FLAG : 0)
    writeInt64(batch, RecordBatch.BASE_OFFSET_AT, baseOffset)
    writeInt32(batch, RecordBatch.BATCH_LENGTH_AT, batch.length - RecordBatch.LOG_OVERHEAD)
    writeInt32(
      batch,
      RecordBatch.PARTITION_LEADER_EPOCH_AT,
      options.partitionLeaderEpoch ?? RecordBatch.NO_LEADER_EPOCH
    )
    batch[RecordBatch.MAGIC_AT] = RecordBatch.MAGIC
    writeInt16(batch, RecordBatch.ATTRIBUTES_AT, attributes)
    writeInt32(batch, RecordBatch.LAST_OFFSET_DELTA_AT, lastOffsetDelta)
    writeInt64(batch, RecordBatch.BASE_TIMESTAMP_AT, this.baseTimestamp ?? RecordBatch.NO_TIMESTAMP)
    writeInt64(batch, RecordBatch.MAX_TIMESTAMP_AT, options.logAppendTime ?? this.maxTimestamp)
    writeInt64(batch, RecordBatch.PRODUCER_ID_AT, options.producerId ?? RecordBatch.NO_PRODUCER_ID)
    writeInt16(batch, RecordBatch.PRODUCER_EPOCH_AT, options.producerEpoch ?? RecordBatch.NO_PRODUCER_EPOCH)
    writeInt32(batch, RecordBatch.BASE_SEQUENCE_AT, options.baseSequence ?? RecordBatch.NO_SEQUENCE)
    writeInt32(batch, RecordBatch.RECORDS_COUNT_AT, this.recordsCount)
  }

  private reserve(end: number): void {
    if (end <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(end, 2 * this.bytes.length))
    grown.set(this.bytes.subarray(0, this.pos))
    this.bytes = grown
  }
}

/** One batch of `records` with consecutive offsets. */
export function buildBatch(records: ReadonlyArray<RecordInput>, options: BatchOptions = {}): Uint8Array {
  const builder = new BatchBuilder()
  for (const record of records) builder.append(record)
  return builder.finish(options)
}

function fieldSize(field: Uint8Array | null): number {
  return field === null ? 1 : varintSize(field.length) + field.length
}

function writeField(bytes: Uint8Array, pos: number, field: Uint8Array | null): number {
  if (field === null) return writeVarint(bytes, pos, -1)
  const start = writeVarint(bytes, pos, field.length)
  bytes.set(field, start)
  return start + field.length
}
