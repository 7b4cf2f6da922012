/**
 * Writes one cleaned file: the batches that are left of a few neighbouring segment files, under its name of before the swap.
 *
 * Offsets of batches that are gone are covered by fillers (`core/log/CleanBatch`), so that the file holds every offset from
 * its base to its end and its last batch ends where the last one of the old files did. Indexes are built along the way and
 * kept in memory until the swap: on disk their names still belong to the old file.
 */
import type { TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import { fillerBatch } from "@chronik-effect/core/log/CleanBatch.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { Effect } from "effect"
import { DiskError, type DiskFile } from "../io/Disk.ts"
import { SegmentFile, segmentName } from "./SegmentFile.ts"
import { cleanedPath } from "./SegmentSwap.ts"
import type { Segments } from "./Segments.ts"

/** Positions in a file are 31 bits, in its index and in Kafka. */
const FILE_BYTES_MAX = 2_147_483_647

/** Synced piece by piece: neither a stop nor the log's own syncs should have to wait for a gigabyte. */
const SYNC_BYTES = 32 * 1024 * 1024

export class CleanedFile {
  readonly file: SegmentFile
  readonly #segments: Segments
  readonly #indexIntervalBytes: number
  readonly #gather: Uint8Array
  readonly #handle: DiskFile
  readonly #path: string
  readonly #endOffset: number
  #gathered = 0
  #unsyncedBytes = 0
  #size = 0
  /** Everything below is in the file. */
  #nextOffset: number
  /** Leader epoch of the first batch that is gone since the last one that stayed. */
  #goneEpoch = RecordBatch.NO_LEADER_EPOCH
  #hasGone = false
  #largest: number = RecordBatch.NO_TIMESTAMP
  #largestOffset: number

  /** Throws `DiskError`. `gather` is used until the file is finished. */
  constructor(
    segments: Segments,
    baseOffset: number,
    endOffset: number,
    { indexIntervalBytes }: TopicSettings,
    gather: Uint8Array
  ) {
    const { context, directory } = segments
    this.#segments = segments
    this.#indexIntervalBytes = indexIntervalBytes
    this.#gather = gather
    this.#endOffset = endOffset
    this.#nextOffset = this.#largestOffset = baseOffset
    const path = context.disk.join(directory, segmentName(baseOffset))
    this.file = new SegmentFile(context, path, baseOffset, endOffset, 0)
    this.file.movedTo(cleanedPath(segments, baseOffset, endOffset))
    this.file.closed = true
    this.file.isBeingWritten = true
    this.file.deleteHorizonMillis = Number.POSITIVE_INFINITY
    this.file.beginIndexes()
    this.#path = this.file.logPath
    context.handles.get(this.#path, true)
    this.#handle = context.handles.pin(this.#path)
  }

  get size(): number {
    return this.#size
  }

  /** Whether a batch of `size` bytes, and a filler before it, find room behind what was gathered. */
  hasRoom(size: number): boolean {
    return this.#gathered === 0 || this.#gathered + size + RecordBatch.HEADER_BYTES <= this.#gather.length
  }

  /** Whether the file can still take a batch of `size` bytes and a filler on each side. */
  hasPositions(size: number): boolean {
    return this.#size + size + 2 * RecordBatch.HEADER_BYTES <= FILE_BYTES_MAX
  }

  /** The batch at `pos` of an old file is not in the new one. */
  gone(bytes: Uint8Array, pos: number): void {
    if (this.#hasGone) return
    this.#hasGone = true
    this.#goneEpoch = RecordBatch.partitionLeaderEpoch(bytes, pos)
  }

  /** Appends the batch `bytes[pos, pos + size)`. */
  add(bytes: Uint8Array, pos: number, size: number): void {
    this.#fillTo(RecordBatch.baseOffset(bytes, pos))
    this.#append(bytes, pos, size)
  }

  readonly #sync: Effect.Effect<void, DiskError> = Effect.suspend(() => {
    this.#unsyncedBytes = 0
    return Effect.callback<void, DiskError>((resume) =>
      this.#handle.datasync((error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
    )
  }).pipe(Effect.uninterruptible)

  /** Writes what was gathered. `add` only afterwards. */
  readonly flush: Effect.Effect<void, DiskError> = Effect.suspend(() => {
    const length = this.#gathered
    if (length === 0) return Effect.void
    this.#gathered = 0
    this.#unsyncedBytes += length
    const position = this.#size - length
    return Effect.callback<void, DiskError>((resume) =>
      this.#handle.writeLater(this.#gather, 0, length, position, (error) =>
        resume(error === undefined ? Effect.void : Effect.fail(error))
      )
    )
  }).pipe(
    Effect.uninterruptible,
    Effect.andThen(Effect.suspend(() => (this.#unsyncedBytes >= SYNC_BYTES ? this.#sync : Effect.void)))
  )

  /** All batches are in. The file is complete and synced afterwards; the caller swaps it in or calls `discard`. */
  readonly finish: Effect.Effect<void, DiskError> = Effect.suspend(() => {
    this.#fillTo(this.#endOffset)
    const { file } = this
    file.size = this.#size
    file.firstTimestamp ??= RecordBatch.NO_TIMESTAMP
    file.timeIndex().maybeAppend(this.#largest, this.#largestOffset)
    file.setLargestTimestamp(this.#largest, this.#largestOffset)
    return Effect.andThen(this.flush, this.#sync)
  })

  /** To be called once, whatever became of it. */
  release(): void {
    this.#segments.context.handles.unpin(this.#path, this.#handle)
  }

  /** The log goes on without it. A file that cannot be removed now goes at the next start. */
  discard(): void {
    const { context } = this.#segments
    context.indexes.forget(this.file)
    context.handles.close(this.#path)
    try {
      context.disk.remove(this.#path)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      context.report(`What is left of a cleaning stays until the next start. ${error.message}`)
    }
  }

  #fillTo(offset: number): void {
    if (offset > this.#nextOffset) {
      const filler = fillerBatch(this.#nextOffset, offset, this.#goneEpoch)
      this.#append(filler, 0, filler.length)
    }
    this.#hasGone = false
  }

  #append(bytes: Uint8Array, pos: number, size: number): void {
    this.#indexBatch(bytes, pos, size)
    const position = this.#size
    this.#size += size
    this.#nextOffset = RecordBatch.endOffset(bytes, pos)
    if (size > this.#gather.length) {
      // Only where nothing is gathered: the caller has asked for room.
      this.#handle.write(bytes, pos, size, position)
      return
    }
    this.#gather.set(bytes.subarray(pos, pos + size), this.#gathered)
    this.#gathered += size
  }

  #indexBatch(bytes: Uint8Array, pos: number, size: number): void {
    const { file } = this
    const timestamp = RecordBatch.maxTimestamp(bytes, pos)
    const lastOffset = RecordBatch.lastOffset(bytes, pos)
    if (timestamp >= 0) file.firstTimestamp ??= timestamp
    if (timestamp > this.#largest) {
      this.#largest = timestamp
      this.#largestOffset = lastOffset
    }
    if (file.bytesSinceIndex > this.#indexIntervalBytes) {
      file.offsetIndex().append(lastOffset, this.#size)
      file.timeIndex().maybeAppend(this.#largest, this.#largestOffset)
      file.bytesSinceIndex = 0
    }
    file.bytesSinceIndex += size
  }
}
