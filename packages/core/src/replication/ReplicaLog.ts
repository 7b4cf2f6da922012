/**
 * What a replica knows of its own log: markers, watermarks, promise, and which writes are durable. Never a batch.
 *
 * Each method that changes the log emits the write in the same step, so that the order of writes is the order of changes. Who
 * may change it, and when, is the leader's and the follower's business; this object asserts what must hold whoever asks:
 *
 * - every marker is of an epoch <= the promise, and a promise never falls (rule 9);
 * - the log is cut only at places that it holds, and below its high watermark only uncleanly (rules 2 and 21);
 * - the note of a high watermark comes after the data that it covers (rule 3).
 */
import { assert } from "../base/Assert.ts"
import type { RecoveredReplica } from "./Assignment.ts"
import type { Batch, Marker } from "./Frame.ts"
import { Markers } from "./Markers.ts"
import type { ReplicaWrite } from "./Output.ts"
import { comparePoints, type Point } from "./Point.ts"
import { Watermarks } from "./Watermarks.ts"
import { type PromiseAnswer, WriteSequence } from "./WriteSequence.ts"

/** Takes a write that has just been numbered. */
export type WriteSink<D> = (sequence: number, write: ReplicaWrite<D>) => void

export class ReplicaLog<D> {
  readonly markers: Markers
  readonly watermarks: Watermarks
  readonly writes: WriteSequence
  readonly #sink: WriteSink<D>
  readonly #noteOffsets: number
  #promised: number
  #notedHighWatermark: number

  constructor(recovered: RecoveredReplica, noteOffsets: number, sink: WriteSink<D>) {
    this.markers = new Markers(recovered.markers)
    this.watermarks = new Watermarks(recovered.logStartOffset, recovered.highWatermark, recovered.logEndOffset)
    assert(this.markers.first.offset <= recovered.logStartOffset, "the first marker must be in force at the log start")
    this.#sink = sink
    this.#noteOffsets = noteOffsets
    // A log that came without its promise (another tool's files) has promised what it holds.
    this.#promised = Math.max(recovered.promised, this.markers.latestEpoch)
    this.#notedHighWatermark = recovered.highWatermark
    this.writes = new WriteSequence(this.end)
  }

  /** The newest epoch promised: enqueued, maybe not durable. It binds from the moment that it is enqueued (rule 9). */
  get promised(): number {
    return this.#promised
  }
  /** Where the log ends: the newest marker's epoch and the log end offset. */
  get end(): Point {
    return { epoch: this.markers.latestEpoch, offset: this.watermarks.logEndOffset }
  }
  /** Where the log begins: the epoch that is in force at the log start. */
  get start(): Point {
    return { epoch: this.markers.first.epoch, offset: this.watermarks.logStartOffset }
  }

  contains(point: Point): boolean {
    return point.offset >= this.watermarks.logStartOffset && this.markers.contains(point, this.watermarks.logEndOffset)
  }

  /** Promises `epoch`. Returns the sequence of the write; `answered`: somebody waits for the position (rule 10). */
  promise(epoch: number, answered: boolean): number {
    assert(epoch > this.#promised, "a promise must be newer than the one that is held")
    this.#promised = epoch
    const position = this.end
    const answer: PromiseAnswer | undefined = answered ? { epoch, position } : undefined
    return this.#write({ _tag: "Promise", epoch }, answer)
  }

  appendMarker(marker: Marker): void {
    assert(
      marker.epoch <= this.#promised,
      "a marker must not be newer than the promise: nothing would forbid older frames"
    )
    assert(marker.offset === this.watermarks.logEndOffset, "a marker must begin at the log end")
    this.markers.append(marker)
    this.#write({ _tag: "Marker", marker }, undefined)
  }

  /** The leader's own append: the shell writes the batch in the same serial section, it only needs the number. */
  appendOwn(count: number): number {
    const base = this.watermarks.logEndOffset
    this.watermarks.appended(base, base + count)
    return this.writes.enqueue(this.end, undefined)
  }

  /** Batches of the epoch that is in force, from another replica's log; `endOffset` is where the log then ends. */
  appendBatches(batches: ReadonlyArray<Batch<D>>, endOffset: number): void {
    this.watermarks.appended(this.watermarks.logEndOffset, endOffset)
    this.#write({ _tag: "Batches", batches }, undefined)
  }

  /** Settled files that continue the log up to `end` (rule 7: they bring their markers, cut to their end). */
  appendBulk(markers: ReadonlyArray<Marker>, batches: ReadonlyArray<Batch<D>>, end: Point): void {
    for (const marker of markers) {
      assert(marker.epoch <= this.#promised, "a marker must not be newer than the promise")
      assert(
        marker.offset >= this.watermarks.logEndOffset && marker.offset <= end.offset,
        "a transfer's markers must lie inside"
      )
      this.markers.append(marker)
    }
    assert(this.markers.latestEpoch === end.epoch, "a transfer must end in the epoch of its last marker")
    if (end.offset > this.watermarks.logEndOffset) this.watermarks.appended(this.watermarks.logEndOffset, end.offset)
    this.#write({ _tag: "Bulk", markers, batches, end }, undefined)
  }

  /** Cuts everything behind `to`, markers at it that are not its own included (rule 2). */
  truncate(to: Point, unclean: boolean): void {
    assert(this.contains(to), "a log must be cut at a place that it holds")
    assert(comparePoints(to, this.end) < 0, "a cut must remove something")
    assert(unclean || to.offset >= this.watermarks.highWatermark, "what is committed must not be cut (rule 21)")
    this.markers.cutTo(to)
    if (unclean) this.watermarks.truncatedUncleanly(to.offset)
    else this.watermarks.truncated(to.offset)
    this.writes.cut(to)
    this.#highWatermarkFell()
    this.#write({ _tag: "Truncate", to }, undefined)
  }

  /**
   * Drops the whole log, which then begins at `to` (rule 7). `unclean`: it may fall below the high watermark; `uncleanBefore`: an
   * unclean epoch lies at or before `to`.
   */
  reset(to: Point, unclean: boolean, uncleanBefore: boolean, state: Uint8Array | undefined): void {
    this.watermarks.reset(to.offset, unclean)
    this.markers.reset(to, uncleanBefore)
    this.writes.drop()
    this.#highWatermarkFell()
    this.#write({ _tag: "Reset", to, state }, undefined)
  }

  /** Everything below `offset` is committed. Returns whether that is news. Noted in the WAL now and then (rule 3). */
  committed(offset: number): boolean {
    if (!this.watermarks.committed(offset)) return false
    if (offset - this.#notedHighWatermark >= this.#noteOffsets) {
      this.#notedHighWatermark = offset
      this.#write({ _tag: "HighWatermark", offset }, undefined)
    }
    return true
  }

  /** Records below `offset` are gone; the shell has written so. */
  startAt(offset: number): void {
    if (this.watermarks.startsAt(offset)) this.markers.startAt(offset)
  }

  #highWatermarkFell(): void {
    this.#notedHighWatermark = Math.min(this.#notedHighWatermark, this.watermarks.highWatermark)
  }

  #write(write: ReplicaWrite<D>, promise: PromiseAnswer | undefined): number {
    const sequence = this.writes.enqueue(this.end, promise)
    this.#sink(sequence, write)
    return sequence
  }
}
