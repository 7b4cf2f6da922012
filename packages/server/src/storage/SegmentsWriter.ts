/**
 * Appends batches of one partition to its segment files, for one settle.
 *
 * What it writes lies beyond the files' `size` and is invisible until `confirm`, which the settler calls after `unsynced`
 * was synced; `discard` leaves the log as it was. Bytes are gathered into one large write. A file is rolled by size
 * (`segment.bytes`), by time (`segment.ms` between the first and the newest timestamp), by a full index, and when an offset
 * would no longer fit 31 bits; as Kafka does.
 */
import type { TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import { OFFSET_ENTRY_BYTES } from "@chronik-effect/core/log/OffsetIndex.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import type { DiskError } from "../io/Disk.ts"
import { SegmentFile, segmentName } from "./SegmentFile.ts"
import type { Segments } from "./Segments.ts"

const RELATIVE_OFFSET_MAX = 2_147_483_647

/** What a file will be when confirmed. */
interface Pending {
  readonly file: SegmentFile
  readonly created: boolean
  /** Bytes written or gathered. */
  size: number
  endOffset: number
  largest: number
  largestOffset: number
  /** The offset index has no room for a further entry. */
  indexFull: boolean
  readonly bytesSinceIndexBefore: number
}

export class SegmentsWriter {
  readonly #segments: Segments
  readonly #settings: TopicSettings
  /** Gathers until it is full; owned by the settler, shared by all writers one after the other. */
  readonly #gather: Uint8Array
  #gathered = 0
  readonly #pending: Array<Pending> = []
  /** Bytes added. */
  bytes = 0
  /** The partition's directory was made: its parent must be synced. */
  directoryMade = false

  constructor(segments: Segments, settings: TopicSettings, gather: Uint8Array) {
    this.#segments = segments
    this.#settings = settings
    this.#gather = gather
  }

  /** Files to sync before `confirm`. */
  get files(): ReadonlyArray<SegmentFile> {
    return this.#pending.map((pending) => pending.file)
  }
  get filesCreated(): boolean {
    return this.#pending.some((pending) => pending.created)
  }

  /** Adds the batch `bytes[pos, pos + size)`. Returns whether it wrote to a file (a good moment to yield). */
  add(bytes: Uint8Array, pos: number, size: number): boolean {
    const timestamp = RecordBatch.maxTimestamp(bytes, pos)
    let pending = this.#pending.at(-1) ?? this.#adopt()
    let wrote = false
    if (pending === undefined || this.#mustRoll(pending, bytes, pos, size, timestamp)) {
      this.flush()
      if (pending !== undefined) this.#finish(pending)
      pending = this.#create(RecordBatch.baseOffset(bytes, pos))
    }
    if (this.#gathered + size > this.#gather.length) wrote = this.flush()
    const { file } = pending
    const position = pending.size
    if (file.firstTimestamp === undefined) file.firstTimestamp = timestamp
    this.#indexBatch(pending, bytes, pos, position, size, timestamp)
    pending.size += size
    pending.endOffset = RecordBatch.endOffset(bytes, pos)
    this.bytes += size
    if (size > this.#gather.length) {
      this.#write(file, bytes, pos, size, position)
      return true
    }
    this.#gather.set(pos === 0 && size === bytes.length ? bytes : bytes.subarray(pos, pos + size), this.#gathered)
    this.#gathered += size
    return wrote
  }

  /** Whether a batch of `size` bytes fits behind what was gathered; a larger one than all room is written by itself. */
  hasRoom(size: number): boolean {
    return this.#gathered === 0 || this.#gathered + size <= this.#gather.length
  }

  /**
   * Takes what was gathered: the write of it in the thread pool, to be started at once, or undefined when there is nothing.
   * Until `done` nothing may be added, and the gathered bytes are the disk's.
   */
  takeGathered(): ((done: (error: DiskError | undefined) => void) => void) | undefined {
    const pending = this.#pending.at(-1)
    if (pending === undefined || this.#gathered === 0) return undefined
    const { handles } = this.#segments.context
    const path = pending.file.logPath
    const length = this.#gathered
    const position = pending.size - length
    const handle = handles.pin(path)
    this.#gathered = 0
    return (done) =>
      handle.writeLater(this.#gather, 0, length, position, (error) => {
        handles.unpin(path, handle)
        done(error)
      })
  }

  /** Writes what was gathered. */
  flush(): boolean {
    const pending = this.#pending.at(-1)
    if (pending === undefined || this.#gathered === 0) return false
    this.#write(pending.file, this.#gather, 0, this.#gathered, pending.size - this.#gathered)
    this.#gathered = 0
    return true
  }

  /** Everything written is durable: it is part of the log from now on. */
  confirm(): void {
    const { context } = this.#segments
    context.settledBytes += this.bytes
    for (const pending of this.#pending) {
      const { file } = pending
      file.saveIndexes()
      file.isBeingWritten = false
      // Bytes that came from the ring or were checked on their way are right in the page cache.
      file.verified(file.size, pending.size)
      file.size = pending.size
      file.endOffset = pending.endOffset
      file.settledMark = context.settledBytes
      file.setLargestTimestamp(pending.largest, pending.largestOffset)
      if (pending.created) this.#segments.add(file)
    }
  }

  /** Nothing of it counts. What lies on disk beyond the log is cut. */
  discard(): void {
    const { handles, disk } = this.#segments.context
    for (const { file, created, bytesSinceIndexBefore } of this.#pending) {
      file.isBeingWritten = false
      if (created) {
        for (const path of file.paths) {
          handles.close(path)
          disk.remove(path)
        }
        continue
      }
      file.bytesSinceIndex = bytesSinceIndexBefore
      if (!this.#segments.files.includes(file)) continue
      file.cutIndexes()
      handles.get(file.logPath).truncate(file.size)
      this.#segments.unsynced.add(file)
    }
    this.#gathered = 0
    this.#pending.length = 0
  }

  #adopt(): Pending | undefined {
    const file = this.#segments.files.at(-1)
    if (file === undefined || file.closed) return undefined
    const { timestamp, offset } = file.largestTimestamp()
    file.offsetIndex()
    file.firstBatchTimestamp()
    return this.#push({
      file,
      created: false,
      size: file.size,
      endOffset: file.endOffset,
      largest: timestamp,
      largestOffset: offset,
      indexFull: this.#isFull(file),
      bytesSinceIndexBefore: file.bytesSinceIndex
    })
  }

  #create(baseOffset: number): Pending {
    const { context, directory } = this.#segments
    if (!this.#segments.directoryExists) {
      context.disk.makeDirectory(directory)
      this.directoryMade = true
    }
    const path = context.disk.join(directory, segmentName(baseOffset))
    const file = new SegmentFile(context, path, baseOffset, baseOffset, 0)
    context.handles.get(file.logPath, true)
    file.beginIndexes()
    return this.#push({
      file,
      created: true,
      size: 0,
      endOffset: baseOffset,
      largest: -1,
      largestOffset: baseOffset,
      indexFull: this.#isFull(file),
      bytesSinceIndexBefore: 0
    })
  }

  #push(pending: Pending): Pending {
    pending.file.isBeingWritten = true
    this.#pending.push(pending)
    return pending
  }

  #mustRoll(pending: Pending, bytes: Uint8Array, pos: number, size: number, timestamp: number): boolean {
    // After lost data: the file's own batches stay adjacent, and the gap stays one.
    if (RecordBatch.baseOffset(bytes, pos) !== pending.endOffset) return true
    if (pending.size === 0) return false
    const { segmentBytes, segmentMs } = this.#settings
    const { file } = pending
    if (pending.size + size > segmentBytes) return true
    if (RecordBatch.lastOffset(bytes, pos) - file.baseOffset > RELATIVE_OFFSET_MAX) return true
    if (pending.indexFull) return true
    const first = file.firstTimestamp ?? -1
    return first >= 0 && timestamp >= 0 && timestamp - first > segmentMs
  }

  #isFull(file: SegmentFile): boolean {
    return (file.offsetIndex().size + 1) * OFFSET_ENTRY_BYTES > this.#settings.segmentIndexBytes
  }

  /** The file takes no more: its last time index entry names its largest timestamp, as in Kafka. */
  #finish(pending: Pending): void {
    pending.file.timeIndex().maybeAppend(pending.largest, pending.largestOffset)
  }

  #indexBatch(p: Pending, bytes: Uint8Array, pos: number, position: number, size: number, timestamp: number): void {
    const { file } = p
    const lastOffset = RecordBatch.lastOffset(bytes, pos)
    if (timestamp > p.largest) {
      p.largest = timestamp
      p.largestOffset = lastOffset
    }
    if (file.bytesSinceIndex > this.#settings.indexIntervalBytes) {
      file.offsetIndex().append(lastOffset, position)
      file.timeIndex().maybeAppend(p.largest, p.largestOffset)
      file.bytesSinceIndex = 0
      p.indexFull = this.#isFull(file)
    }
    file.bytesSinceIndex += size
  }

  #write(file: SegmentFile, bytes: Uint8Array, start: number, length: number, position: number): void {
    this.#segments.context.handles.get(file.logPath).write(bytes, start, length, position)
  }
}
