/**
 * Header of a record batch, format 2: read and patched in place.
 *
 * Functions over (bytes, position of the batch); nothing is allocated, lengths are the caller's business (`Validation.ts`
 * for bytes from outside). Records are never looked at here (`Records.ts`), batches are built by `BatchBuilder.ts`.
 *
 * Layout, big endian:
 * ```
 *  0 baseOffset int64            23 lastOffsetDelta int32     51 producerEpoch int16
 *  8 batchLength int32           27 baseTimestamp int64       53 baseSequence int32
 * 12 partitionLeaderEpoch int32  35 maxTimestamp int64        57 recordsCount int32
 * 16 magic int8 = 2              43 producerId int64          61 records
 * 17 crc uint32                  attributes: 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
 * 21 attributes int16
 * ```
 * `batchLength` counts what follows it. The CRC-32C covers byte 21 to the end, so `baseOffset` and `partitionLeaderEpoch`
 * can be set by the broker without touching it; every other setter leaves the CRC stale until `updateCrc`.
 */
import {
  readInt8,
  readInt16,
  readInt32,
  readInt64,
  readUint32,
  writeInt16,
  writeInt32,
  writeInt64
} from "../base/Bytes.ts"
import { crc32c } from "../base/Crc32c.ts"

export const MAGIC = 2
export const HEADER_BYTES = 61
/** baseOffset and batchLength: the part that `batchLength` does not count. */
export const LOG_OVERHEAD = 12
/** Where the CRC begins. */
export const CRC_START = 21

export const BASE_OFFSET_AT = 0
export const BATCH_LENGTH_AT = 8
export const PARTITION_LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
export const ATTRIBUTES_AT = 21
export const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
export const MAX_TIMESTAMP_AT = 35
export const PRODUCER_ID_AT = 43
export const PRODUCER_EPOCH_AT = 51
export const BASE_SEQUENCE_AT = 53
export const RECORDS_COUNT_AT = 57
export const RECORDS_AT = HEADER_BYTES

export const Codec = { NONE: 0, GZIP: 1, SNAPPY: 2, LZ4: 3, ZSTD: 4 } as const
export type Codec = (typeof Codec)[keyof typeof Codec]

export const CODEC_MASK = 0x07
export const LOG_APPEND_TIME_FLAG = 0x08
export const TRANSACTIONAL_FLAG = 0x10
export const CONTROL_FLAG = 0x20
export const DELETE_HORIZON_FLAG = 0x40

export const NO_PRODUCER_ID = -1
export const NO_PRODUCER_EPOCH = -1
export const NO_SEQUENCE = -1
export const NO_TIMESTAMP = -1
export const NO_LEADER_EPOCH = -1

/** Names as in `compression.type`, indexed by codec id. */
export const CODEC_NAMES = ["none", "gzip", "snappy", "lz4", "zstd"] as const

export function isCodec(id: number): id is Codec {
  return id >= Codec.NONE && id <= Codec.ZSTD
}

export function baseOffset(bytes: Uint8Array, pos: number): number {
  return readInt64(bytes, pos + BASE_OFFSET_AT)
}

export function batchLength(bytes: Uint8Array, pos: number): number {
  return readInt32(bytes, pos + BATCH_LENGTH_AT)
}

/** Of the whole batch, header included. */
export function sizeInBytes(bytes: Uint8Array, pos: number): number {
  return LOG_OVERHEAD + readInt32(bytes, pos + BATCH_LENGTH_AT)
}

export function partitionLeaderEpoch(bytes: Uint8Array, pos: number): number {
  return readInt32(bytes, pos + PARTITION_LEADER_EPOCH_AT)
}

export function magic(bytes: Uint8Array, pos: number): number {
  return readInt8(bytes, pos + MAGIC_AT)
}

/** As stored, unsigned. */
export function crc(bytes: Uint8Array, pos: number): number {
  return readUint32(bytes, pos + CRC_AT)
}

export function attributes(bytes: Uint8Array, pos: number): number {
  return readInt16(bytes, pos + ATTRIBUTES_AT)
}

/** 0-7; `isCodec` tells whether it is one we know. */
export function codecId(bytes: Uint8Array, pos: number): number {
  return bytes[pos + ATTRIBUTES_AT + 1]! & CODEC_MASK
}

export function isLogAppendTime(bytes: Uint8Array, pos: number): boolean {
  return (bytes[pos + ATTRIBUTES_AT + 1]! & LOG_APPEND_TIME_FLAG) !== 0
}

export function isTransactional(bytes: Uint8Array, pos: number): boolean {
  return (bytes[pos + ATTRIBUTES_AT + 1]! & TRANSACTIONAL_FLAG) !== 0
}

export function isControl(bytes: Uint8Array, pos: number): boolean {
  return (bytes[pos + ATTRIBUTES_AT + 1]! & CONTROL_FLAG) !== 0
}

/** When set, `baseTimestamp` is the time from which a compacted tombstone or marker may be removed. */
export function hasDeleteHorizon(bytes: Uint8Array, pos: number): boolean {
  return (bytes[pos + ATTRIBUTES_AT + 1]! & DELETE_HORIZON_FLAG) !== 0
}

export function lastOffsetDelta(bytes: Uint8Array, pos: number): number {
  return readInt32(bytes, pos + LAST_OFFSET_DELTA_AT)
}

/** Inclusive. */
export function lastOffset(bytes: Uint8Array, pos: number): number {
  return baseOffset(bytes, pos) + lastOffsetDelta(bytes, pos)
}

/** Exclusive: the offset after the batch, also when compaction took its last records. */
export function endOffset(bytes: Uint8Array, pos: number): number {
  return lastOffset(bytes, pos) + 1
}

export function baseTimestamp(bytes: Uint8Array, pos: number): number {
  return readInt64(bytes, pos + BASE_TIMESTAMP_AT)
}

export function maxTimestamp(bytes: Uint8Array, pos: number): number {
  return readInt64(bytes, pos + MAX_TIMESTAMP_AT)
}

export function producerId(bytes: Uint8Array, pos: number): number {
  return readInt64(bytes, pos + PRODUCER_ID_AT)
}

export function producerEpoch(bytes: Uint8Array, pos: number): number {
  return readInt16(bytes, pos + PRODUCER_EPOCH_AT)
}

export function baseSequence(bytes: Uint8Array, pos: number): number {
  return readInt32(bytes, pos + BASE_SEQUENCE_AT)
}

/** Sequence numbers run from 0 to 2^31 - 1 and then begin again at 0. */
export function incrementSequence(sequence: number, by: number): number {
  const next = sequence + by
  return next > 0x7fff_ffff ? next - 0x8000_0000 : next
}

/** Inclusive; -1 for a batch without sequence. */
export function lastSequence(bytes: Uint8Array, pos: number): number {
  const base = baseSequence(bytes, pos)
  return base === NO_SEQUENCE ? NO_SEQUENCE : incrementSequence(base, lastOffsetDelta(bytes, pos))
}

export function recordsCount(bytes: Uint8Array, pos: number): number {
  return readInt32(bytes, pos + RECORDS_COUNT_AT)
}

/** Outside the CRC. */
export function setBaseOffset(bytes: Uint8Array, pos: number, offset: number): void {
  writeInt64(bytes, pos + BASE_OFFSET_AT, offset)
}

/** Outside the CRC. */
export function setPartitionLeaderEpoch(bytes: Uint8Array, pos: number, leaderEpoch: number): void {
  writeInt32(bytes, pos + PARTITION_LEADER_EPOCH_AT, leaderEpoch)
}

/** Sets the time of a batch in a topic with `message.timestamp.type=LogAppendTime`, and its new CRC. */
export function setLogAppendTime(bytes: Uint8Array, pos: number, timestamp: number): void {
  writeInt16(bytes, pos + ATTRIBUTES_AT, attributes(bytes, pos) | LOG_APPEND_TIME_FLAG)
  writeInt64(bytes, pos + MAX_TIMESTAMP_AT, timestamp)
  updateCrc(bytes, pos)
}

export function updateCrc(bytes: Uint8Array, pos: number): void {
  writeInt32(bytes, pos + CRC_AT, computeCrc(bytes, pos))
}

export function computeCrc(bytes: Uint8Array, pos: number): number {
  return crc32c(bytes, pos + CRC_START, pos + sizeInBytes(bytes, pos))
}

/** Whether the stored CRC is that of the bytes. False, never an error, when the batch does not lie whole in `bytes`. */
export function verifyCrc(bytes: Uint8Array, pos: number): boolean {
  const end = pos + sizeInBytes(bytes, pos)
  return end >= pos + HEADER_BYTES && end <= bytes.length && crc32c(bytes, pos + CRC_START, end) === crc(bytes, pos)
}
