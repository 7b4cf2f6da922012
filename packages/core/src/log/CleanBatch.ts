/**
 * What compaction leaves of one record batch.
 *
 * A record stays when no newer one of its key is known and it is no tombstone that has had its time. Records without a key,
 * which a topic may have from before it was compacted, go. What stays keeps its offset, its time and its bytes; the batch
 * keeps base and last offset, leader epoch, codec, and producer id, epoch and sequence, so that nothing moves and a retry is
 * still recognised. Largest timestamp, count and CRC are those of what is left. The last batch of a producer stays even when
 * none of its records does.
 *
 * **Tombstones.** The pass that first sees one below the cleaned end writes the time from which it may go into the batch:
 * `baseTimestamp` with the delete-horizon flag, as in Kafka (KIP-534), so the clock starts when it was cleaned and not when
 * it was written, and survives restarts and copies of the log.
 *
 * **Control batches and batches of transactions stay as they are** and hide no record of another batch: whether they were
 * committed is not known here.
 *
 * Pure: time and codecs are arguments. Bytes come from a disk; a batch that does not parse is an answer, not an error.
 */
import { assert } from "../base/Assert.ts"
import { writeInt16, writeInt32, writeInt64 } from "../base/Bytes.ts"
import { readVarint, readVarlong, type VarintCursor, varlongSize, writeVarint, writeVarlong } from "../base/Varint.ts"
import { CompressionFault, type Compressor, type Decompressor } from "../record/Compression.ts"
import * as RecordBatch from "../record/RecordBatch.ts"
import { openRecords, type RecordReader } from "../record/Records.ts"
import type { OffsetMap } from "./OffsetMap.ts"

export interface CleanRules {
  readonly nowMillis: number
  readonly deleteRetentionMs: number
  /** Newest offsets of the keys of the dirty part. */
  readonly keys: OffsetMap
  /** Batches from here on are not cleaned by this pass. */
  readonly endOffset: number
  /** Whether the batch at `baseOffset` is the last of its producer. */
  readonly isLastOfProducer: (producerId: number, baseOffset: number) => boolean
  readonly decompress: Decompressor
  readonly compress: Compressor
  /** As the topic says; undefined: the codec's own. */
  readonly compressionLevel: (codec: RecordBatch.Codec) => number | undefined
  readonly decompressedBytesMax: number
}

export type CleanedBatch =
  /** As it was. */
  | { readonly _tag: "Kept"; readonly deleteHorizonMillis: number }
  | { readonly _tag: "Rewritten"; readonly bytes: Uint8Array; readonly deleteHorizonMillis: number }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Broken"; readonly problem: string }

/** No tombstone waits for its time. */
export const NO_HORIZON = Number.POSITIVE_INFINITY

const GONE: CleanedBatch = { _tag: "Gone" }
const KEPT: CleanedBatch = { _tag: "Kept", deleteHorizonMillis: NO_HORIZON }

/** A batch that compaction must not look into. */
const isOpaque = (bytes: Uint8Array, pos: number): boolean =>
  RecordBatch.isControl(bytes, pos) || RecordBatch.isTransactional(bytes, pos)

/**
 * Notes the keys of the batch at `pos`. `full`: there was no room for all of them, and the pass ends before this batch.
 * Otherwise a sentence when the batch does not parse.
 */
export const gatherKeys = (
  bytes: Uint8Array,
  pos: number,
  keys: OffsetMap,
  decompress: Decompressor,
  decompressedBytesMax: number
): "gathered" | "full" | { readonly problem: string } => {
  if (isOpaque(bytes, pos) || RecordBatch.recordsCount(bytes, pos) === 0) return "gathered"
  const reader = openRecords(bytes, pos, decompress, decompressedBytesMax)
  if (reader instanceof CompressionFault) return { problem: reader.message }
  while (reader.next()) {
    if (reader.keyLength < 0) continue
    if (!keys.put(reader.bytes, reader.keyStart, reader.keyLength, reader.offset)) return "full"
  }
  return reader.malformed ? { problem: reader.problem } : "gathered"
}

/** The batch at `bytes[pos]`, which must lie whole in `bytes`. */
export const cleanBatch = (bytes: Uint8Array, pos: number, rules: CleanRules): CleanedBatch => {
  if (isOpaque(bytes, pos) || RecordBatch.baseOffset(bytes, pos) >= rules.endOffset) return KEPT
  if (RecordBatch.recordsCount(bytes, pos) === 0) return emptied(bytes, pos, rules)
  const reader = openRecords(bytes, pos, rules.decompress, rules.decompressedBytesMax)
  if (reader instanceof CompressionFault) return { _tag: "Broken", problem: reader.message }
  const left = new Left(reader)
  const horizon = RecordBatch.hasDeleteHorizon(bytes, pos) ? RecordBatch.baseTimestamp(bytes, pos) : NO_HORIZON
  while (reader.next()) left.add(stays(reader, rules, horizon))
  if (reader.malformed) return { _tag: "Broken", problem: reader.problem }
  if (left.count === 0) return emptied(bytes, pos, rules)
  const needsHorizon = left.tombstones > 0 && horizon === NO_HORIZON
  if (left.whole && !needsHorizon) {
    return left.tombstones === 0 ? KEPT : { _tag: "Kept", deleteHorizonMillis: horizon }
  }
  const newHorizon = needsHorizon ? rules.nowMillis + rules.deleteRetentionMs : horizon
  return {
    _tag: "Rewritten",
    bytes: rewritten(bytes, pos, left, needsHorizon ? newHorizon : undefined, rules),
    deleteHorizonMillis: left.tombstones === 0 ? NO_HORIZON : newHorizon
  }
}

const stays = (record: RecordReader, rules: CleanRules, horizon: number): boolean => {
  if (record.keyLength < 0) return false
  if (rules.keys.get(record.bytes, record.keyStart, record.keyLength) > record.offset) return false
  return record.valueLength >= 0 || rules.nowMillis < horizon
}

/** The records of a batch that stay, as stretches of its bytes. */
class Left {
  readonly reader: RecordReader
  /** start, end, start, end, … */
  readonly stretches: Array<number> = []
  count = 0
  tombstones = 0
  maxTimestamp: number = RecordBatch.NO_TIMESTAMP
  /** Nothing goes. */
  whole = true
  /** Records lie one after the other: where the current one begins. */
  #at: number

  constructor(reader: RecordReader) {
    this.reader = reader
    this.#at = reader.recordsStart
  }

  /** Takes or leaves the current record. */
  add(stays: boolean): void {
    const { reader, stretches } = this
    const start = this.#at
    this.#at = start + reader.sizeInBytes
    if (!stays) {
      this.whole = false
      return
    }
    if (stretches.at(-1) === start) stretches[stretches.length - 1] = this.#at
    else stretches.push(start, this.#at)
    this.count++
    if (reader.valueLength < 0) this.tombstones++
    if (reader.timestamp > this.maxTimestamp) this.maxTimestamp = reader.timestamp
  }
}

/** Without records a batch is of use only for the sequence of its producer. */
const emptied = (bytes: Uint8Array, pos: number, rules: CleanRules): CleanedBatch => {
  const producerId = RecordBatch.producerId(bytes, pos)
  const isLast = producerId >= 0 && rules.isLastOfProducer(producerId, RecordBatch.baseOffset(bytes, pos))
  if (!isLast) return GONE
  if (RecordBatch.recordsCount(bytes, pos) === 0) return KEPT
  const empty = bytes.slice(pos, pos + RecordBatch.HEADER_BYTES)
  writeHeader(empty, 0, RecordBatch.NO_TIMESTAMP, RecordBatch.NO_TIMESTAMP)
  // Also without its codec: nothing is no compressed form of nothing.
  const attributes = RecordBatch.attributes(bytes, pos) & RecordBatch.LOG_APPEND_TIME_FLAG
  writeInt16(empty, RecordBatch.ATTRIBUTES_AT, attributes)
  RecordBatch.updateCrc(empty, 0)
  return { _tag: "Rewritten", bytes: empty, deleteHorizonMillis: NO_HORIZON }
}

/** Length, count and times of a batch whose records have changed. */
const writeHeader = (batch: Uint8Array, count: number, baseTimestamp: number, maxTimestamp: number): void => {
  writeInt32(batch, RecordBatch.BATCH_LENGTH_AT, batch.length - RecordBatch.LOG_OVERHEAD)
  writeInt64(batch, RecordBatch.BASE_TIMESTAMP_AT, baseTimestamp)
  writeInt64(batch, RecordBatch.MAX_TIMESTAMP_AT, maxTimestamp)
  writeInt32(batch, RecordBatch.RECORDS_COUNT_AT, count)
}

const rewritten = (
  bytes: Uint8Array,
  pos: number,
  left: Left,
  horizon: number | undefined,
  rules: CleanRules
): Uint8Array => {
  const codec = RecordBatch.codecId(bytes, pos) as RecordBatch.Codec
  const baseTimestamp = RecordBatch.baseTimestamp(bytes, pos)
  const plain = horizon === undefined ? joined(left) : rebased(left, baseTimestamp - horizon)
  const records = rules.compress(codec, plain, rules.compressionLevel(codec))
  const batch = new Uint8Array(RecordBatch.HEADER_BYTES + records.length)
  batch.set(bytes.subarray(pos, pos + RecordBatch.HEADER_BYTES))
  batch.set(records, RecordBatch.HEADER_BYTES)
  writeHeader(batch, left.count, horizon ?? baseTimestamp, left.maxTimestamp)
  if (horizon !== undefined) {
    writeInt16(batch, RecordBatch.ATTRIBUTES_AT, RecordBatch.attributes(bytes, pos) | RecordBatch.DELETE_HORIZON_FLAG)
  }
  RecordBatch.updateCrc(batch, 0)
  return batch
}

const joined = ({ reader, stretches }: Left): Uint8Array => {
  let length = 0
  for (let i = 0; i < stretches.length; i += 2) length += stretches[i + 1]! - stretches[i]!
  const plain = new Uint8Array(length)
  let at = 0
  for (let i = 0; i < stretches.length; i += 2) {
    plain.set(reader.bytes.subarray(stretches[i]!, stretches[i + 1]!), at)
    at += stretches[i + 1]! - stretches[i]!
  }
  return plain
}

const LENGTH_BYTES_MAX = 5
const VARLONG_BYTES_MAX = 10

/** The same records with `shift` added to each timestamp's distance from the batch's base. */
const rebased = ({ reader, stretches, count }: Left, shift: number): Uint8Array => {
  let length = count * (LENGTH_BYTES_MAX + VARLONG_BYTES_MAX)
  for (let i = 0; i < stretches.length; i += 2) length += stretches[i + 1]! - stretches[i]!
  const plain = new Uint8Array(length)
  let at = 0
  for (let i = 0; i < stretches.length; i += 2) {
    const cursor: VarintCursor = { bytes: reader.bytes, pos: stretches[i]!, end: stretches[i + 1]! }
    while (cursor.pos < cursor.end) {
      const end = readVarint(cursor) + cursor.pos
      const attributesAt = cursor.pos++
      const delta = readVarlong(cursor) + shift
      at = writeVarint(plain, at, 1 + varlongSize(delta) + end - cursor.pos)
      plain[at++] = reader.bytes[attributesAt]!
      at = writeVarlong(plain, at, delta)
      plain.set(reader.bytes.subarray(cursor.pos, end), at)
      at += end - cursor.pos
      cursor.pos = end
    }
  }
  return plain.subarray(0, at)
}

/**
 * A batch without records and without a producer for the offsets [baseOffset, endOffset) of batches that are gone, so that
 * the batches of a log follow each other without gaps, cleaned or not: it is what makes a flipped bit in a base offset, which
 * no CRC covers, visible. 61 bytes; clients know batches without records from Kafka's own compaction.
 */
export const fillerBatch = (baseOffset: number, endOffset: number, leaderEpoch: number): Uint8Array => {
  assert(endOffset > baseOffset && endOffset - baseOffset <= 0x7fff_ffff, "a filler stands for one offset at least")
  const batch = new Uint8Array(RecordBatch.HEADER_BYTES)
  RecordBatch.setBaseOffset(batch, 0, baseOffset)
  RecordBatch.setPartitionLeaderEpoch(batch, 0, leaderEpoch)
  batch[RecordBatch.MAGIC_AT] = RecordBatch.MAGIC
  writeInt32(batch, RecordBatch.LAST_OFFSET_DELTA_AT, endOffset - baseOffset - 1)
  writeInt64(batch, RecordBatch.PRODUCER_ID_AT, RecordBatch.NO_PRODUCER_ID)
  writeInt16(batch, RecordBatch.PRODUCER_EPOCH_AT, RecordBatch.NO_PRODUCER_EPOCH)
  writeInt32(batch, RecordBatch.BASE_SEQUENCE_AT, RecordBatch.NO_SEQUENCE)
  writeHeader(batch, 0, RecordBatch.NO_TIMESTAMP, RecordBatch.NO_TIMESTAMP)
  RecordBatch.updateCrc(batch, 0)
  return batch
}
