/**
 * Records fields, compared and translated.
 *
 * A fetched records field is compared batch by batch: header fields as numbers, records as bytes after decompression, the CRC
 * by whether it is right. A piece of a batch at the end is left out: clients drop it, and where Kafka cuts is where its
 * files happen to end a read.
 */

import { CompressionFault } from "@chronik-effect/core/record/Compression.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { decompress } from "@chronik-effect/server/io/Compression.ts"
import type { Symbols } from "./Symbols.ts"

const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024

export interface BatchView {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly magic: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordsCount: number
  readonly crcIsRight: boolean
  /** Decompressed, as hexadecimal text. */
  readonly records: string
}

const recordsOf = (bytes: Uint8Array, at: number, size: number): string => {
  const stored = bytes.subarray(at + RecordBatch.RECORDS_AT, at + size)
  const codec = RecordBatch.codecId(bytes, at)
  if (!RecordBatch.isCodec(codec)) return Buffer.from(stored).toString("hex")
  const plain = decompress(codec, stored, DECOMPRESSED_BYTES_MAX)
  return plain instanceof CompressionFault ? `undecodable ${plain.kind}` : Buffer.from(plain).toString("hex")
}

const viewAt = (bytes: Uint8Array, at: number): BatchView => ({
  baseOffset: RecordBatch.baseOffset(bytes, at),
  leaderEpoch: RecordBatch.partitionLeaderEpoch(bytes, at),
  magic: RecordBatch.magic(bytes, at),
  attributes: RecordBatch.attributes(bytes, at),
  lastOffsetDelta: RecordBatch.lastOffsetDelta(bytes, at),
  baseTimestamp: RecordBatch.baseTimestamp(bytes, at),
  maxTimestamp: RecordBatch.maxTimestamp(bytes, at),
  producerId: RecordBatch.producerId(bytes, at),
  producerEpoch: RecordBatch.producerEpoch(bytes, at),
  baseSequence: RecordBatch.baseSequence(bytes, at),
  recordsCount: RecordBatch.recordsCount(bytes, at),
  crcIsRight: RecordBatch.verifyCrc(bytes, at),
  records: recordsOf(bytes, at, RecordBatch.sizeInBytes(bytes, at))
})

/** The whole batches in a records field. */
export const batchesOf = (bytes: Uint8Array): ReadonlyArray<BatchView> => {
  const views: Array<BatchView> = []
  for (let at = 0; bytes.length - at >= RecordBatch.HEADER_BYTES; ) {
    const size = RecordBatch.sizeInBytes(bytes, at)
    if (size < RecordBatch.HEADER_BYTES || at + size > bytes.length) break
    views.push(viewAt(bytes, at))
    at += size
  }
  return views
}

/** The batch with our producer id for Kafka's. A CRC that was right stays right, a wrong one stays wrong. */
export const translateBatch = (symbols: Symbols, bytes: Uint8Array): Uint8Array => {
  if (bytes.length < RecordBatch.HEADER_BYTES) return bytes
  const producerId = RecordBatch.producerId(bytes, 0)
  const ours = symbols.toOurs("producer", producerId)
  if (ours === producerId) return bytes
  const translated = bytes.slice()
  const right = RecordBatch.verifyCrc(bytes, 0)
  new DataView(translated.buffer).setBigInt64(RecordBatch.PRODUCER_ID_AT, BigInt(ours))
  if (right) RecordBatch.updateCrc(translated, 0)
  return translated
}
