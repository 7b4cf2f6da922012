/**
 * The log of one partition as bytes: where each offset lies, whether in the WAL or in segment files, and how to read it.
 *
 * Two tiers, disjoint by offset: segment files below `segments.endOffset`, the WAL (through `index`) from there to the log
 * end. The commit ring is no tier of its own, only the fast way to read the WAL. The settler moves batches from the WAL to
 * files; `read` never sees a batch in both or in none.
 *
 * A plain class: appending, reading and cutting are synchronous calls on the node's one thread; only what probably needs the
 * disk (`cold`) and the search by timestamp are effects. High watermark and last stable offset belong to `Partition`; this
 * class only knows where bytes begin and end. It writes no batch itself: `Partition` copies it into the ring and says so.
 *
 * **Bytes** slices of a `Read` are views of the ring or of pooled buffers: unchanged until its leases are released.
 * **Memory** an idle partition costs a few hundred bytes; 24 bytes a batch in the WAL, and nothing for data in files.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { readInt32 } from "@chronik-effect/core/base/Bytes.ts"
import type { TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import type { EpochEnd, LeaderEpochs } from "@chronik-effect/core/log/LeaderEpochs.ts"
import {
  MARKER_FRAME_BYTES,
  OFFSET_FRAME_BYTES,
  writeMarkerFrame,
  writeOffsetFrame
} from "@chronik-effect/core/log/LogFrames.ts"
import { LogIndex } from "@chronik-effect/core/log/LogIndex.ts"
import type { ProducerState } from "@chronik-effect/core/log/ProducerState.ts"
import { PARTITION_LEADER_EPOCH_AT } from "@chronik-effect/core/record/RecordBatch.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import type { Effect } from "effect"
import { type ColdRead, Read, readCold, readInto, replayProducers } from "./PartitionStoreRead.ts"
import { maxTimestampOf, offsetForTimestamp, type TimestampedOffset } from "./PartitionStoreTime.ts"
import type { Segments } from "./Segments.ts"
import type { StorageError, StoreContext } from "./SegmentsContext.ts"

export type { Lease } from "../io/Slabs.ts"
export { type ColdRead, Read } from "./PartitionStoreRead.ts"
export type { TimestampedOffset } from "./PartitionStoreTime.ts"
export { StorageError } from "./SegmentsContext.ts"

/** What retention must ask and tell: provided by `Partition`. Without it the whole log may go, and nobody is told. */
export interface StoreOwner {
  /** Retention never removes anything at or beyond it. */
  readonly highWatermark: () => number
  /** Compaction touches nothing at or beyond it. */
  readonly lastStableOffset: () => number
  /** Moves the log start where everybody looks for it; calls `PartitionStore.startAt`. */
  readonly startAt: (offset: number) => void
}

export interface PartitionIdentity {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly stream: number
  /** Read at each use, so that a changed config counts at once. */
  readonly settings: () => TopicSettings
}

export class PartitionStore {
  readonly stream: number
  readonly identity: PartitionIdentity
  readonly producers: ProducerState
  readonly epochs: LeaderEpochs
  /** Internal to storage: the WAL part and the files. */
  readonly index = new LogIndex()
  readonly segments: Segments
  readonly context: StoreContext
  owner: StoreOwner | undefined
  /** Raised whenever something other than an append changes the log: a settle that began before it is void. */
  version = 0
  /** Highest offset known to be committed when last noted in the WAL; after a start, what was recovered. */
  notedHighWatermark = 0
  deleted = false
  /** Below it every key stands once. Known to be so at least: a crash may have forgotten the last pass. */
  cleanedOffset = 0
  /** When the first tombstone below `cleanedOffset` may go; Infinity: there is none. */
  deleteHorizonMillis = Number.POSITIVE_INFINITY

  #checkpointedOffset = 0
  #logStartOffset: number
  #logEndOffset: number
  /** WAL segment of the newest frame: the settler is told once a segment. */
  #walSegment = -1
  /** The log start moved but the WAL had no room to note it; `noteLogStart` is tried again by retention. */
  #logStartUnnoted = false

  constructor(
    identity: PartitionIdentity,
    context: StoreContext,
    segments: Segments,
    recovered: {
      readonly logStartOffset: number
      readonly logEndOffset: number
      readonly highWatermark: number
      readonly producers: ProducerState
      readonly epochs: LeaderEpochs
    }
  ) {
    this.identity = identity
    this.stream = identity.stream
    this.context = context
    this.segments = segments
    this.#logStartOffset = recovered.logStartOffset
    this.#logEndOffset = recovered.logEndOffset
    this.notedHighWatermark = recovered.highWatermark
    this.producers = recovered.producers
    this.epochs = recovered.epochs
  }

  /** Below it a start believes the files and does not look into the WAL: what is there may be replaced. */
  get checkpointedOffset(): number {
    return this.#checkpointedOffset
  }
  checkpointed(offset: number): void {
    this.#checkpointedOffset = Math.max(this.#checkpointedOffset, offset)
  }

  get logStartOffset(): number {
    return this.#logStartOffset
  }
  get logEndOffset(): number {
    return this.#logEndOffset
  }
  /** Bytes of batches in files and WAL: DescribeLogDirs. */
  get sizeBytes(): number {
    let bytes = this.segments.bytes
    for (let i = 0; i < this.index.size; i++) bytes += this.index.length(i)
    return bytes
  }

  /**
   * A batch frame was reserved at `address` and its bytes are in the ring, base offset and leader epoch patched.
   *
   * **Gotchas** `baseOffset` must be the log end: asserted, for a hole could never be filled again.
   */
  indexed(baseOffset: number, endOffset: number, address: number, length: number, maxTimestamp: number): void {
    assert(baseOffset === this.#logEndOffset && endOffset > baseOffset, "a batch must continue the log where it ends")
    const { wal } = this.context
    const epoch = readInt32(wal.chunkAt(address), wal.placeAt(address) + PARTITION_LEADER_EPOCH_AT)
    if (epoch > this.epochs.latestEpoch) {
      this.epochs.assign(epoch, baseOffset)
      // Batches carried forward later would come too late to tell of it: a checkpoint must.
      this.context.controlWritten(address)
    }
    this.touch(address)
    this.index.append(baseOffset, endOffset, address, length, maxTimestamp)
    this.#logEndOffset = endOffset
  }

  /**
   * Whole batches from the one that contains `offset`, all ending at or below `endOffset`, at most `maxBytes` in sum; with
   * `minOneBatch` the first one however large. Empty when there is nothing or `offset` lies outside the log.
   *
   * **Errors** throws `StorageError` when the disk refuses or a batch on it is damaged: wrong data is never returned.
   * **Gotchas** with `cold` set there are no slices yet: `readCold` gets them.
   */
  read(offset: number, endOffset: number, maxBytes: number, minOneBatch: boolean): Read {
    const read = new Read(offset)
    const limit = Math.min(endOffset, this.#logEndOffset)
    if (offset < this.#logStartOffset || offset >= limit) return read
    readInto(this, read, limit, maxBytes, minOneBatch)
    return read
  }

  /** The batches that a `Read` promised, by way of the thread pool. The result has slices and leases, and is never cold. */
  readCold(plan: ColdRead): Effect.Effect<Read, StorageError> {
    return readCold(this, plan)
  }

  /** First record with a timestamp at or after `timestamp` and below `endOffset`; undefined when there is none. */
  offsetForTimestamp(timestamp: number, endOffset: number): Effect.Effect<TimestampedOffset | undefined, StorageError> {
    return offsetForTimestamp(this, timestamp, endOffset)
  }

  /** The record with the largest timestamp below `endOffset` (the first of several); undefined for an empty log. */
  maxTimestamp(endOffset: number): Effect.Effect<TimestampedOffset | undefined, StorageError> {
    return maxTimestampOf(this, endOffset)
  }

  /** Answer of OffsetForLeaderEpoch. */
  endOffsetForEpoch(leaderEpoch: number): EpochEnd {
    return this.epochs.endOffsetFor(leaderEpoch, this.#logEndOffset)
  }

  /** Epoch of the record at `offset`, -1 when unknown. */
  leaderEpochAt(offset: number): number {
    return this.epochs.epochAt(offset)
  }

  /** This node begins to lead in `epoch`: the marker goes into the WAL. False: no room, wait and try again. */
  beginEpoch(epoch: number): boolean {
    if (epoch <= this.epochs.latestEpoch) return true
    const address = this.#control(FrameKind.Marker, MARKER_FRAME_BYTES)
    if (address < 0) return false
    const { wal } = this.context
    writeMarkerFrame(wal.chunkAt(address), wal.placeAt(address), epoch, this.#logEndOffset)
    this.epochs.assign(epoch, this.#logEndOffset)
    return true
  }

  /** Notes in the WAL that everything below `offset` is committed. False: no room, it may be left out. */
  noteHighWatermark(offset: number): boolean {
    if (offset <= this.notedHighWatermark) return true
    if (!this.#offsetFrame(FrameKind.HighWatermark, offset)) return false
    this.notedHighWatermark = offset
    return true
  }

  /**
   * Cuts everything at or beyond `offset`; a batch that contains it goes whole, so the log may end before `offset`.
   *
   * **Gotchas** false: the WAL had no room for the note and nothing was changed; wait for room and call again.
   * **Errors** throws `StorageError` when the place of the cut cannot be read in a segment file.
   */
  truncateTo(offset: number): boolean {
    if (offset >= this.#logEndOffset) return true
    const inWal = this.index.size > 0 && offset >= this.index.firstOffset
    const kept = inWal ? this.index.indexOf(offset) : 0
    const cut = inWal ? this.index.baseOffset(kept) : this.segments.batchStart(offset)
    const end = Math.max(cut, this.#logStartOffset)
    const address = this.#control(FrameKind.Truncate, OFFSET_FRAME_BYTES)
    if (address < 0) return false
    const { wal } = this.context
    writeOffsetFrame(wal.chunkAt(address), wal.placeAt(address), cut)
    this.version++
    this.index.keepFirst(kept)
    this.segments.truncateTo(cut)
    this.#logEndOffset = end
    this.notedHighWatermark = Math.min(this.notedHighWatermark, end)
    this.epochs.truncateTo(end)
    this.cleanedOffset = Math.min(this.cleanedOffset, end)
    this.#checkpointedOffset = Math.min(this.#checkpointedOffset, end)
    // A producer that lost all of its remembered batches has older ones only in the log.
    if (!this.producers.truncateTo(end)) replayProducers(this)
    return true
  }

  /**
   * The log now starts at `offset`: whole files below it go. Beyond the log end the log is reset and begins there empty. What
   * is known of producers outlives their records: one that sends a deleted batch again must not append it twice.
   */
  startAt(offset: number): void {
    if (offset <= this.#logStartOffset) return
    this.#logStartOffset = offset
    this.version++
    this.epochs.startAt(offset)
    this.segments.removeBelow(offset)
    // At the log end everything goes but the producers' sequences: they expire by time only.
    if (offset > this.#logEndOffset) {
      this.index.clear()
      // The records that were skipped over are not known, nor what they made of their producers.
      if (offset > this.#logEndOffset) this.producers.clear()
      this.#logEndOffset = offset
    } else this.index.dropFirst(this.index.indexOf(offset))
    this.#logStartUnnoted = true
    this.noteLogStart()
  }

  /** The topic is gone: nothing is readable, and a settle or a read under way ends. */
  markDeleted(): void {
    this.deleted = true
    this.version++
    this.index.clear()
    for (const file of this.segments.files) file.version++
    this.#logStartOffset = this.#logEndOffset
  }

  /** Writes a log start into the WAL that found no room before. False: there is still none. */
  noteLogStart(): boolean {
    if (this.#logStartUnnoted && this.#offsetFrame(FrameKind.LogStart, this.#logStartOffset)) {
      this.#logStartUnnoted = false
    }
    return !this.#logStartUnnoted
  }

  /** Internal: tells the settler that a frame of this partition lies in the segment of `address`. */
  touch(address: number): void {
    const segment = Math.floor(address / this.context.wal.segmentBytes)
    if (segment === this.#walSegment) return
    this.#walSegment = segment
    this.context.touched(segment, this)
  }

  #offsetFrame(kind: number, offset: number): boolean {
    const address = this.#control(kind, OFFSET_FRAME_BYTES)
    if (address < 0) return false
    const { wal } = this.context
    writeOffsetFrame(wal.chunkAt(address), wal.placeAt(address), offset)
    return true
  }

  #control(kind: number, length: number): number {
    const address = this.context.wal.reserve(kind, this.stream, length, 0)
    if (address < 0) return -1
    this.touch(address)
    this.context.controlWritten(address)
    return address
  }
}
