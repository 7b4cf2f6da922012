/**
 * One segment of a partition on disk, in Kafka's format: `<base offset, 20 digits>.log` with the record batches one after
 * the other, and its sparse `.index` and `.timeindex`.
 *
 * Only the `.log` is ever fsynced. What lies beyond `size` is not part of the log: it was written by a settle that has not
 * been confirmed. Indexes only say where a search begins; every batch that a search lands on is checked against what the
 * index promised, and a broken or missing index is rebuilt from the `.log`.
 *
 * Batches follow each other without gaps: that makes a flipped bit in the part of a header that no CRC covers visible.
 */
import { OffsetIndex } from "@chronik-effect/core/log/OffsetIndex.ts"
import { TimeIndex } from "@chronik-effect/core/log/TimeIndex.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { DiskError, readWhole } from "../io/Disk.ts"
import { StorageError, type StoreContext } from "./SegmentsContext.ts"

export const LOG_SUFFIX = ".log"
export const INDEX_SUFFIX = ".index"
export const TIME_INDEX_SUFFIX = ".timeindex"
const SCAN_BYTES = 64 * 1024

export const segmentName = (baseOffset: number): string => String(baseOffset).padStart(20, "0")

/** Where a scan may begin, and what it must find there: the batch's base offset, or its last one, or -1 for either. */
export interface Landing {
  readonly position: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** Called per batch with a buffer that holds at least its header at `pos`. False ends the scan. */
export type HeaderVisitor = (bytes: Uint8Array, pos: number, position: number, size: number) => boolean

export class SegmentFile {
  readonly context: StoreContext
  /** Path without suffix. */
  readonly path: string
  readonly baseOffset: number
  endOffset: number
  /** Bytes of the `.log` that belong to the log. */
  size: number
  /** Of the first batch: decides with `segment.ms`. undefined: not yet known. */
  firstTimestamp: number | undefined
  /** Bytes since the last index entry, while this is the active file. */
  bytesSinceIndex = 0
  /** `context.settledBytes` after the last append: how recent its end is. */
  settledMark = -1
  /** A settle appends to it: its indexes are ahead of what is saved. */
  isBeingWritten = false
  /** Takes no more batches: the cleaner has it in hand, or has made it. */
  closed = false
  /** When the first of its cleaned tombstones may go; Infinity: there is none. undefined: not known since the start. */
  deleteHorizonMillis: number | undefined
  /** Raised when it was cut: what an asynchronous read brings from before is void. */
  version = 0
  /** [verifiedFrom, verifiedTo) had right CRCs since it was settled. */
  verifiedFrom = 0
  verifiedTo = 0

  #logPath: string
  #readers = 0
  #unread: (() => void) | undefined
  #largest: { timestamp: number; offset: number } | undefined
  #index: OffsetIndex | undefined
  #time: TimeIndex | undefined
  #indexSaved = 0
  #timeSaved = 0
  /** Where the last read ended: sequential readers need no index. */
  #cursorOffset = -1
  #cursorPosition = 0

  constructor(context: StoreContext, path: string, baseOffset: number, endOffset: number, size: number) {
    this.context = context
    this.path = path
    this.#logPath = path + LOG_SUFFIX
    this.baseOffset = baseOffset
    this.endOffset = endOffset
    this.size = size
  }

  get logPath(): string {
    return this.#logPath
  }
  get paths(): ReadonlyArray<string> {
    return [this.#logPath, ...this.indexPaths]
  }
  get indexPaths(): ReadonlyArray<string> {
    return [this.path + INDEX_SUFFIX, this.path + TIME_INDEX_SUFFIX]
  }

  /** The `.log` has another name now: a cleaned file before it has taken the place of the old ones, or one of those. */
  movedTo(logPath: string): void {
    this.context.handles.close(this.#logPath)
    this.#logPath = logPath
  }

  /** Somebody reads from it across suspensions: it stays on the disk until `release`. */
  retain(): void {
    this.#readers++
  }

  release(): void {
    if (--this.#readers > 0 || this.#unread === undefined) return
    this.#unread()
    this.#unread = undefined
  }

  /** Runs `then` once nobody reads from it any more: now, or at the last `release`. At most one. */
  whenUnread(then: () => void): void {
    if (this.#readers === 0) then()
    else this.#unread = then
  }

  /** Whether the bytes from `position` on were settled so recently that they are in the page cache. */
  isWarm(position: number): boolean {
    if (this.settledMark < 0) return false
    return this.context.settledBytes - this.settledMark + (this.size - position) <= this.context.warmBytes
  }

  isVerified(from: number, to: number): boolean {
    return from >= this.verifiedFrom && to <= this.verifiedTo && this.isWarm(from)
  }

  verified(from: number, to: number): void {
    if (from <= this.verifiedTo && to >= this.verifiedFrom) {
      this.verifiedFrom = Math.min(from, this.verifiedFrom)
      this.verifiedTo = Math.max(to, this.verifiedTo)
    } else if (to - from > this.verifiedTo - this.verifiedFrom) {
      this.verifiedFrom = from
      this.verifiedTo = to
    }
  }

  readEndedAt(offset: number, position: number): void {
    this.#cursorOffset = offset
    this.#cursorPosition = position
  }

  /** Where to begin in search of `offset`, at most about `index.interval.bytes` before it. */
  landing(offset: number): Landing {
    if (offset === this.#cursorOffset) return { position: this.#cursorPosition, baseOffset: offset, lastOffset: -1 }
    const index = this.offsetIndex()
    const entry = index.entryBefore(offset)
    if (entry < 0) return { position: 0, baseOffset: this.baseOffset, lastOffset: -1 }
    return { position: index.position(entry), baseOffset: -1, lastOffset: index.lastOffset(entry) }
  }

  offsetIndex(): OffsetIndex {
    if (this.#index === undefined) this.#loadIndexes()
    this.context.indexes.used(this)
    return this.#index!
  }

  timeIndex(): TimeIndex {
    if (this.#time === undefined) this.#loadIndexes()
    return this.#time!
  }

  /** The largest timestamp and the last offset of the first batch that has it. */
  largestTimestamp(): { readonly timestamp: number; readonly offset: number } {
    if (this.#largest !== undefined) return this.#largest
    const time = this.timeIndex()
    // The last entry is the truth of everything up to its offset; what follows it is scanned.
    const known =
      time.size === 0 ? undefined : { timestamp: time.timestamp(time.size - 1), offset: time.offset(time.size - 1) }
    let largest = known ?? { timestamp: -1, offset: this.baseOffset }
    this.scan(known === undefined ? this.landing(this.baseOffset) : this.landing(known.offset), (bytes, pos) => {
      const timestamp = RecordBatch.maxTimestamp(bytes, pos)
      if (timestamp > largest.timestamp) largest = { timestamp, offset: RecordBatch.lastOffset(bytes, pos) }
      return true
    })
    this.#largest = largest
    return largest
  }

  /** -1 when the first batch has none. */
  firstBatchTimestamp(): number {
    if (this.firstTimestamp === undefined) {
      this.scan({ position: 0, baseOffset: this.baseOffset, lastOffset: -1 }, (bytes, pos) => {
        this.firstTimestamp = RecordBatch.maxTimestamp(bytes, pos)
        return false
      })
    }
    return this.firstTimestamp ?? -1
  }

  setLargestTimestamp(timestamp: number, offset: number): void {
    this.#largest = { timestamp, offset }
  }

  /** Base, end, size, largest timestamp and its offset, first timestamp; -2 for a timestamp that is not known. */
  toCheckpoint(): ReadonlyArray<number> {
    const { timestamp, offset } = this.#largest ?? { timestamp: -2, offset: -2 }
    return [this.baseOffset, this.endOffset, this.size, timestamp, offset, this.firstTimestamp ?? -2]
  }

  /** Gives the memory of the indexes back; they are loaded again when needed. False: not now. */
  unloadIndexes(): boolean {
    if (this.isBeingWritten) return false
    this.#index = undefined
    this.#time = undefined
    return true
  }

  get indexBytes(): number {
    return (this.#index?.bytes.length ?? 0) + (this.#time?.bytes.length ?? 0)
  }

  /** A new file has empty indexes; nothing is read. */
  beginIndexes(): void {
    this.#index = new OffsetIndex(this.baseOffset)
    this.#time = new TimeIndex(this.baseOffset)
    this.#indexSaved = this.#timeSaved = 0
  }

  /** Writes what was added to the indexes since the last time. Not synced: they can be rebuilt. */
  saveIndexes(): void {
    if (this.#index === undefined || this.#time === undefined) return
    this.#indexSaved = this.#save(INDEX_SUFFIX, this.#index.bytes, this.#indexSaved)
    this.#timeSaved = this.#save(TIME_INDEX_SUFFIX, this.#time.bytes, this.#timeSaved)
  }

  /** Only what lies before `size` and `endOffset` counts from now on, as far as memory is concerned. */
  cutIndexes(): void {
    const index = this.offsetIndex()
    const time = this.timeIndex()
    index.truncateTo(this.size)
    time.truncateTo(this.endOffset)
    this.#indexSaved = Math.min(this.#indexSaved, index.bytes.length)
    this.#timeSaved = Math.min(this.#timeSaved, time.bytes.length)
    this.verifiedTo = Math.min(this.verifiedTo, this.size)
    this.verifiedFrom = Math.min(this.verifiedFrom, this.verifiedTo)
    this.#cursorOffset = -1
    this.#largest = undefined
  }

  /**
   * Visits batch headers from `landing` to the end; returns the position where it stopped: `size`, or the first place that
   * holds no batch continuing the log.
   */
  scan(landing: Landing, visit: HeaderVisitor, endPosition = this.size): number {
    const buffer = this.context.buffers.lease(SCAN_BYTES)
    try {
      const file = this.context.handles.get(this.logPath)
      let position = landing.position
      let expected = landing.baseOffset
      while (position + RecordBatch.HEADER_BYTES <= endPosition) {
        const read = file.read(buffer.bytes, 0, Math.min(SCAN_BYTES, endPosition - position), position)
        let pos = 0
        while (pos + RecordBatch.HEADER_BYTES <= read) {
          const size = batchSizeAt(buffer.bytes, pos, expected, endPosition - position - pos)
          if (size === 0) return position + pos
          const { lastOffset } = landing
          if (expected < 0 && RecordBatch.lastOffset(buffer.bytes, pos) !== lastOffset) return position + pos
          expected = RecordBatch.endOffset(buffer.bytes, pos)
          if (!visit(buffer.bytes, pos, position + pos, size)) return position + pos
          pos += size
        }
        if (pos === 0) return position
        position += pos
      }
      return position
    } catch (error) {
      throw storageError(this.logPath, error)
    } finally {
      buffer.release()
    }
  }

  /** Position of the batch that contains `offset`, and its base; throws `StorageError` when it cannot be found. */
  locate(offset: number): { readonly position: number; readonly baseOffset: number; readonly size: number } {
    let found: { position: number; baseOffset: number; size: number } | undefined
    this.scan(this.landing(offset), (bytes, pos, position, size) => {
      if (RecordBatch.endOffset(bytes, pos) <= offset) return true
      found = { position, baseOffset: RecordBatch.baseOffset(bytes, pos), size }
      return false
    })
    if (found === undefined || found.baseOffset > offset) {
      throw this.damaged(`offset ${offset} should be in this file but no batch holds it`)
    }
    return found
  }

  damaged(what: string): StorageError {
    return new StorageError({ path: this.logPath, reason: `${what}. The file is damaged; restore this replica` })
  }

  #loadIndexes(): void {
    try {
      const { disk } = this.context
      const load = (suffix: string) =>
        disk.exists(this.path + suffix) ? readWhole(disk, this.path + suffix) : new Uint8Array(0)
      const index = OffsetIndex.sanitized(this.baseOffset, load(INDEX_SUFFIX), this.size)
      const time = TimeIndex.sanitized(this.baseOffset, load(TIME_INDEX_SUFFIX), this.endOffset)
      this.#index = index
      this.#time = time
      if (!this.#isPlausible(index)) this.beginIndexes()
      this.#indexSaved = this.#index.bytes.length
      this.#timeSaved = this.#time.bytes.length
      this.#completeIndexes(this.#index, this.#time)
    } catch (error) {
      throw storageError(this.path, error)
    }
  }

  /** Whether the batch that the last entry names is there. */
  #isPlausible(index: OffsetIndex): boolean {
    if (index.size === 0) return true
    const last = index.size - 1
    const landing: Landing = { position: index.position(last), baseOffset: -1, lastOffset: index.lastOffset(last) }
    let found = false
    this.scan(landing, () => {
      found = true
      return false
    })
    return found
  }

  /** Adds the entries for the end of the log that the files on disk lack: they are not synced with it. */
  #completeIndexes(index: OffsetIndex, time: TimeIndex): void {
    const last = index.size - 1
    let since = 0
    let largest = { timestamp: -1, offset: -1 }
    const landing: Landing =
      last < 0
        ? { position: 0, baseOffset: this.baseOffset, lastOffset: -1 }
        : { position: index.position(last), baseOffset: -1, lastOffset: index.lastOffset(last) }
    this.scan(landing, (bytes, pos, position, size) => {
      const lastOffset = RecordBatch.lastOffset(bytes, pos)
      const timestamp = RecordBatch.maxTimestamp(bytes, pos)
      if (timestamp > largest.timestamp) largest = { timestamp, offset: lastOffset }
      if (since > INDEX_INTERVAL_BYTES && position !== landing.position) {
        index.append(lastOffset, position)
        time.maybeAppend(largest.timestamp, largest.offset)
        since = 0
      }
      since += size
      return true
    })
    this.bytesSinceIndex = since
  }

  #save(suffix: string, bytes: Uint8Array, saved: number): number {
    const path = this.path + suffix
    const file = this.context.handles.get(path, saved === 0)
    // A cut may have left a longer file.
    if (saved > 0 && file.size() > saved) file.truncate(saved)
    if (bytes.length > saved) file.write(bytes, saved, bytes.length - saved, saved)
    // Indexes are written once a settle and read once: their descriptors are not worth a place.
    this.context.handles.close(path)
    return bytes.length
  }
}

export const INDEX_INTERVAL_BYTES = 4096

/** Size of the batch at `pos` if it can be one and continues the log at `expected` (-1: anywhere); 0 otherwise. */
export const batchSizeAt = (bytes: Uint8Array, pos: number, expected: number, available: number): number => {
  const size = RecordBatch.sizeInBytes(bytes, pos)
  if (size < RecordBatch.HEADER_BYTES || size > available || RecordBatch.magic(bytes, pos) !== RecordBatch.MAGIC)
    return 0
  if (RecordBatch.lastOffsetDelta(bytes, pos) < 0) return 0
  return expected >= 0 && RecordBatch.baseOffset(bytes, pos) !== expected ? 0 : size
}

/** A `StorageError` for whatever stopped work on `path`; defects stay what they are. */
export const storageError = (path: string, error: unknown): unknown =>
  error instanceof DiskError ? new StorageError({ path, reason: error.message }) : error
