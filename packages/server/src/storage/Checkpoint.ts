/**
 * `partitions.checkpoint`: what is known of each partition besides its batches, at one WAL address.
 *
 * Log start, high watermark note and leader epochs are written into the WAL as they change. Before a WAL segment that holds
 * such a frame is recycled a checkpoint taken at or after it must be on disk; one checkpoint serves for all segments before
 * its address, so it is written about once a round of the WAL. Recovery takes it and skips frames below its address.
 *
 * After a clean stop it also holds what else recovery would have to find out (`clean`): files, WAL index and producers, so
 * that the start reads neither directories nor the WAL. That part is used once: the start replaces it.
 *
 * **Shape** one line `chronik-checkpoint 1 <crc-32 of the rest, hex>`, then JSON. Written beside, synced, renamed.
 * A damaged one stops the start: going on without it would bring removed records back and forget epochs.
 */
import { utf8Bytes, utf8Text } from "@chronik-effect/core/base/Bytes.ts"
import { Schema } from "effect"
import { type Disk, readWhole } from "../io/Disk.ts"
import { StorageError } from "./SegmentsContext.ts"

export const CHECKPOINT_FILE = "partitions.checkpoint"
const HEADING = "chronik-checkpoint 1"

const CleanPartition = Schema.Struct({
  logEndOffset: Schema.Number,
  /** A file: base, end, size, largest timestamp, its offset, first timestamp (-2: unknown). */
  files: Schema.Array(Schema.Array(Schema.Number)),
  /** A batch in the WAL: base, end, address, length, largest timestamp; flat. */
  batches: Schema.Array(Schema.Number),
  /** `ProducerState.encode`, base64; "" for none. */
  producers: Schema.String
})

const PartitionEntry = Schema.Struct({
  stream: Schema.Number,
  logStartOffset: Schema.Number,
  highWatermark: Schema.Number,
  /** Where the files ended: the log never ends before. */
  settledOffset: Schema.Number,
  /** epoch, start, epoch, start, … */
  epochs: Schema.Array(Schema.Number),
  clean: Schema.optionalKey(CleanPartition)
})

const CheckpointContent = Schema.Struct({
  /** Everything below is reflected in it. */
  address: Schema.Number,
  clean: Schema.Boolean,
  partitions: Schema.Array(PartitionEntry)
})

export type CleanPartition = typeof CleanPartition.Type
export type PartitionEntry = typeof PartitionEntry.Type
export type CheckpointContent = typeof CheckpointContent.Type

const decode = Schema.decodeUnknownSync(CheckpointContent)

export const encodeCheckpoint = (content: CheckpointContent, crc32: Disk["Service"]["crc32"]): Uint8Array => {
  const body = JSON.stringify(content)
  const crc = crc32(utf8Bytes(body)).toString(16)
  return utf8Bytes(`${HEADING} ${crc}\n${body}`)
}

/** undefined when there is none. Throws `StorageError` when it is damaged, `DiskError` when it cannot be read. */
export const readCheckpoint = (disk: Disk["Service"], directory: string): CheckpointContent | undefined => {
  const path = disk.join(directory, CHECKPOINT_FILE)
  if (!disk.exists(path)) return undefined
  const text = utf8Text(readWhole(disk, path))
  const newline = text.indexOf("\n")
  const body = text.slice(newline + 1)
  if (text.slice(0, newline) !== `${HEADING} ${disk.crc32(utf8Bytes(body)).toString(16)}`) {
    throw new StorageError({
      path,
      reason:
        "the checkpoint is damaged or of another version. Restore the file from a backup or this replica from its peers"
    })
  }
  return decode(JSON.parse(body))
}
