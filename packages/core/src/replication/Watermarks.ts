/**
 * The four offsets that describe one partition's log to its readers, with the order that must hold between them:
 *
 * ```
 * logStartOffset <= lastStableOffset <= highWatermark <= logEndOffset
 * ```
 *
 * This object is their only owner. Each has one setter, and each setter asserts the order on entry and on exit, so fetch,
 * list-offsets and produce can never see two truths. It knows nothing of bytes, quorums or waiters.
 *
 * All offsets are exclusive ends, but for `logStartOffset`, which is the first offset that may be read.
 */
import { assert } from "../base/Assert.ts"

export class Watermarks {
  #logStartOffset: number
  #lastStableOffset: number
  #highWatermark: number
  #logEndOffset: number
  /** First offset of the oldest open transaction, or -1. */
  #firstUnstableOffset = -1

  constructor(logStartOffset: number, highWatermark: number, logEndOffset: number) {
    this.#logStartOffset = logStartOffset
    this.#highWatermark = highWatermark
    this.#lastStableOffset = highWatermark
    this.#logEndOffset = logEndOffset
    this.#check()
  }

  /** First readable offset. Moves by retention and DeleteRecords, never beyond `highWatermark`. */
  get logStartOffset(): number {
    return this.#logStartOffset
  }
  /** Readers at `read_committed` stop here. Equals `highWatermark` while no transaction is open. */
  get lastStableOffset(): number {
    return this.#lastStableOffset
  }
  /** Everything below is held durably by a quorum. Never falls within a process lifetime, but for `truncatedUncleanly` and `reset`. */
  get highWatermark(): number {
    return this.#highWatermark
  }
  /** The offset that the next record gets. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  /** The log grew by an append: offsets are dense, so an append starts where the last one ended. */
  appended(baseOffset: number, endOffset: number): void {
    assert(baseOffset === this.#logEndOffset, "an append must start at the log end offset")
    assert(endOffset > baseOffset && Number.isSafeInteger(endOffset), "an append must hold at least one offset")
    this.#logEndOffset = endOffset
  }

  /** The log was cut: only above the high watermark. */
  truncated(endOffset: number): void {
    assert(endOffset >= this.#highWatermark, "a truncation must not cut below the high watermark")
    assert(endOffset <= this.#logEndOffset, "a truncation must not extend the log")
    this.#logEndOffset = endOffset
    if (this.#firstUnstableOffset >= endOffset) this.#firstUnstableOffset = -1
  }

  /**
   * The log was cut across the marker of an unclean election: the high watermark falls with it. The one exception to "never
   * falls" (replication rule 21); the caller has asserted that there is such a marker.
   */
  truncatedUncleanly(endOffset: number): void {
    assert(endOffset >= this.#logStartOffset, "a log that is cut before its start is reset")
    if (this.#highWatermark > endOffset) {
      this.#highWatermark = endOffset
      this.#lastStableOffset = Math.min(this.#lastStableOffset, endOffset)
    }
    this.truncated(endOffset)
    this.#check()
  }

  /** The whole log was dropped and begins anew, empty, at `offset` (replication rule 7); below its high watermark only uncleanly. */
  reset(offset: number, unclean: boolean): void {
    assert(unclean || offset >= this.#highWatermark, "a reset must not fall below the high watermark")
    this.#logStartOffset = offset
    this.#lastStableOffset = offset
    this.#highWatermark = offset
    this.#logEndOffset = offset
    this.#firstUnstableOffset = -1
    this.#check()
  }

  /** A quorum holds everything below `offset`. Returns whether the high watermark moved; a late, lower value is no news. */
  committed(offset: number): boolean {
    assert(offset <= this.#logEndOffset, "the high watermark must not pass the log end offset")
    if (offset <= this.#highWatermark) return false
    this.#highWatermark = offset
    this.#settleStable()
    return true
  }

  /** The oldest open transaction changed; -1 when none is open. */
  unstableFrom(offset: number): void {
    assert(offset === -1 || offset <= this.#logEndOffset, "a transaction must start inside the log")
    this.#firstUnstableOffset = offset
    this.#settleStable()
  }

  /** Records below `offset` are gone. Returns whether the log start moved. */
  startsAt(offset: number): boolean {
    if (offset <= this.#logStartOffset) return false
    assert(offset <= this.#highWatermark, "the log start offset must not pass the high watermark")
    this.#logStartOffset = offset
    if (this.#lastStableOffset < offset) this.#lastStableOffset = offset
    this.#check()
    return true
  }

  #settleStable(): void {
    const open = this.#firstUnstableOffset
    const stable = open === -1 ? this.#highWatermark : Math.min(open, this.#highWatermark)
    this.#lastStableOffset = Math.max(stable, this.#logStartOffset)
    this.#check()
  }

  #check(): void {
    assert(
      this.#logStartOffset <= this.#lastStableOffset &&
        this.#lastStableOffset <= this.#highWatermark &&
        this.#highWatermark <= this.#logEndOffset,
      "log start <= last stable <= high watermark <= log end must hold"
    )
  }
}
