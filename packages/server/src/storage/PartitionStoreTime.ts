/**
 * Searches by timestamp, accurate to the record.
 *
 * The largest timestamps of files and batches and the time index say which batch can hold the answer; that batch is read,
 * decompressed if need be, and its records are walked. Runs on the event loop's thread: at most an index interval of headers
 * and one batch are read, but for a file whose time index was lost.
 */
import { CompressionFault } from "@chronik-effect/core/record/Compression.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { openRecords } from "@chronik-effect/core/record/Records.ts"
import { Effect } from "effect"
import type { PartitionStore } from "./PartitionStore.ts"
import { walBatch } from "./PartitionStoreRead.ts"
import { type SegmentFile, storageError } from "./SegmentFile.ts"
import { BUFFER_BYTES } from "./SegmentFileBuffers.ts"
import { StorageError } from "./SegmentsContext.ts"

export interface TimestampedOffset {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** What the records of one batch may unpack to. */
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

export const offsetForTimestamp = (
  store: PartitionStore,
  timestamp: number,
  endOffset: number
): Effect.Effect<TimestampedOffset | undefined, StorageError> =>
  attempt(store, () => {
    const hit = search(store, timestamp, endOffset)
    return hit !== undefined && hit.offset < endOffset ? hit : undefined
  })

export const maxTimestampOf = (
  store: PartitionStore,
  endOffset: number
): Effect.Effect<TimestampedOffset | undefined, StorageError> =>
  attempt(store, () => {
    let largest = -1
    for (const file of store.segments.files) {
      if (file.endOffset <= endOffset) largest = Math.max(largest, file.largestTimestamp().timestamp)
      else if (file.baseOffset < endOffset) largest = Math.max(largest, largestBelow(file, endOffset))
    }
    const { index } = store
    for (let i = 0; i < index.size && index.endOffsetOf(i) <= endOffset; i++) {
      largest = Math.max(largest, index.maxTimestamp(i))
    }
    return largest < 0 ? undefined : search(store, largest, endOffset)
  })

const attempt = <A>(store: PartitionStore, run: () => A): Effect.Effect<A, StorageError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      const cause = storageError(store.segments.directory, error)
      return cause instanceof StorageError ? Effect.fail(cause) : Effect.die(error)
    }
  })

const largestBelow = (file: SegmentFile, endOffset: number): number => {
  let largest = -1
  file.scan({ position: 0, baseOffset: file.baseOffset, lastOffset: -1 }, (bytes, pos) => {
    if (RecordBatch.endOffset(bytes, pos) > endOffset) return false
    largest = Math.max(largest, RecordBatch.maxTimestamp(bytes, pos))
    return true
  })
  return largest
}

/** The first record at or after the log start with at least that timestamp, in a batch that begins below `endOffset`. */
const search = (store: PartitionStore, timestamp: number, endOffset: number): TimestampedOffset | undefined => {
  for (const file of store.segments.files) {
    if (file.baseOffset >= endOffset) return undefined
    if (file.largestTimestamp().timestamp < timestamp) continue
    const hit = searchFile(store, file, timestamp, endOffset)
    if (hit !== undefined) return hit
  }
  const { index } = store
  const buffer = store.context.buffers.lease(BUFFER_BYTES)
  try {
    for (let i = 0; i < index.size && index.baseOffset(i) < endOffset; i++) {
      if (index.maxTimestamp(i) < timestamp) continue
      const hit = searchBatch(store, walBatch(store, i, buffer.bytes), timestamp)
      if (hit !== undefined) return hit
    }
  } finally {
    buffer.release()
  }
  return undefined
}

const searchFile = (
  store: PartitionStore,
  file: SegmentFile,
  timestamp: number,
  endOffset: number
): TimestampedOffset | undefined => {
  let hit: TimestampedOffset | undefined
  file.scan(file.landing(file.timeIndex().offsetBefore(timestamp)), (bytes, pos, position, size) => {
    if (RecordBatch.baseOffset(bytes, pos) >= endOffset) return false
    if (RecordBatch.maxTimestamp(bytes, pos) < timestamp) return true
    hit = readBatch(store, file, position, size, (batch) => searchBatch(store, batch, timestamp))
    return hit === undefined
  })
  return hit
}

const readBatch = <A>(
  store: PartitionStore,
  file: SegmentFile,
  position: number,
  size: number,
  use: (batch: Uint8Array) => A
): A => {
  const buffer = store.context.buffers.lease(size)
  try {
    const length = store.context.handles.get(file.logPath).read(buffer.bytes, 0, size, position)
    const batch = buffer.bytes.subarray(0, size)
    if (length < size || !RecordBatch.verifyCrc(batch, 0)) {
      throw file.damaged(`the batch at position ${position} has a wrong checksum`)
    }
    return use(batch)
  } finally {
    buffer.release()
  }
}

const searchBatch = (store: PartitionStore, batch: Uint8Array, timestamp: number): TimestampedOffset | undefined => {
  const reader = openRecords(batch, 0, store.context.decompress, DECOMPRESSED_BYTES_MAX)
  const broken = (problem: string) =>
    new StorageError({
      path: store.segments.directory,
      reason: `the records of the batch at offset ${RecordBatch.baseOffset(batch, 0)} cannot be read: ${problem}`
    })
  if (reader instanceof CompressionFault) throw broken(reader.message)
  while (reader.next()) {
    if (reader.timestamp < timestamp || reader.offset < store.logStartOffset) continue
    const leaderEpoch = RecordBatch.partitionLeaderEpoch(batch, 0)
    return { offset: reader.offset, timestamp: reader.timestamp, leaderEpoch }
  }
  if (reader.malformed) throw broken(reader.problem)
  return undefined
}
