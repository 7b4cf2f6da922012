/**
 * Searches by timestamp, accurate to the record.
 *
 * The largest timestamps of files and batches and the time index say which batch can hold the answer; that batch is read,
 * decompressed if need be, and its records are walked. Runs on the event loop's thread: at most an index interval of headers
 * and one batch are read, but for a file whose time index was lost.
 */
import { CompressionFault } from "@chronik-effect/core/record/Compression.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { openRecords, type RecordReader } from "@chronik-effect/core/record/Records.ts"
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
      if (file.baseOffset >= endOffset) break
      const whole = file.baseOffset >= store.logStartOffset && file.endOffset <= endOffset
      largest = Math.max(largest, whole ? file.largestTimestamp().timestamp : largestWithin(store, file, endOffset))
    }
    const { index } = store
    for (let i = 0; i < index.size && index.endOffsetOf(i) <= endOffset; i++) {
      const whole = index.baseOffset(i) >= store.logStartOffset
      largest = Math.max(largest, whole ? index.maxTimestamp(i) : largestInWal(store, i))
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

/** Of the records between the log start and `endOffset`. */
const largestWithin = (store: PartitionStore, file: SegmentFile, endOffset: number): number => {
  const { logStartOffset } = store
  let largest = -1
  file.scan({ position: 0, baseOffset: file.baseOffset, lastOffset: -1 }, (bytes, pos, position, size) => {
    if (RecordBatch.endOffset(bytes, pos) > endOffset) return false
    if (RecordBatch.endOffset(bytes, pos) <= logStartOffset) return true
    const whole = RecordBatch.baseOffset(bytes, pos) >= logStartOffset
    const own = whole
      ? RecordBatch.maxTimestamp(bytes, pos)
      : readBatch(store, file, position, size, (batch) => largestInBatch(store, batch))
    largest = Math.max(largest, own)
    return true
  })
  return largest
}

const largestInWal = (store: PartitionStore, i: number): number => {
  const buffer = store.context.buffers.lease(BUFFER_BYTES)
  try {
    return largestInBatch(store, walBatch(store, i, buffer.bytes))
  } finally {
    buffer.release()
  }
}

/** Of the records at or after the log start, of a batch that begins before it. */
const largestInBatch = (store: PartitionStore, batch: Uint8Array): number => {
  let largest = -1
  walkBatch(store, batch, (record) => {
    if (record.offset >= store.logStartOffset) largest = Math.max(largest, record.timestamp)
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
  let hit: TimestampedOffset | undefined
  walkBatch(store, batch, (record) => {
    if (record.timestamp < timestamp || record.offset < store.logStartOffset) return true
    const leaderEpoch = RecordBatch.partitionLeaderEpoch(batch, 0)
    hit = { offset: record.offset, timestamp: record.timestamp, leaderEpoch }
    return false
  })
  return hit
}

/** Visits the records until `visit` has enough. */
const walkBatch = (store: PartitionStore, batch: Uint8Array, visit: (record: RecordReader) => boolean): void => {
  const reader = openRecords(batch, 0, store.context.decompress, DECOMPRESSED_BYTES_MAX)
  const broken = (problem: string) =>
    new StorageError({
      path: store.segments.directory,
      reason: `the records of the batch at offset ${RecordBatch.baseOffset(batch, 0)} cannot be read: ${problem}`
    })
  if (reader instanceof CompressionFault) throw broken(reader.message)
  while (reader.next()) if (!visit(reader)) return
  if (reader.malformed) throw broken(reader.problem)
}
