/**
 * The log of one participant as it stands in memory: what it holds, not what is durable (that is `Persistence`).
 *
 * ```
 *   snapshot.index      cacheFirst               appliedIndex   commitIndex      lastIndex
 *   ──────┤ on disk only    │ cached for peers behind │  to apply   │  uncommitted   │
 * ```
 * Entries above `appliedIndex` are always cached; below, as many as `cacheBytesMax` allows. Terms of entries that left the cache
 * are kept as runs (one for each term), so that `termAt` answers for everything above the newest snapshot.
 *
 * It knows no peers, roles or disks, and decides nothing: it holds and asserts.
 */
import { assert } from "../base/Assert.ts"
import { ByteMarks } from "./ByteMarks.ts"
import type { Configuration, Entry, Snapshot } from "./Entry.ts"

/** What an entry costs beside its payload, so that empty ones are bounded too. */
export const ENTRY_OVERHEAD_BYTES = 32

export const entryBytes = (entry: Entry): number => entry.payload.length + ENTRY_OVERHEAD_BYTES

/** The newest snapshot that is durable here, without its payload. */
export interface SnapshotPoint {
  readonly index: number
  readonly term: number
  readonly configuration: Configuration
  readonly totalBytes: number
}

export class RaftLog {
  #snapshot: SnapshotPoint
  /** Slot 0 holds `#slotFirst`; slots below `#cacheFirst` are empty and reclaimed in bulk. */
  #slots: Array<Entry | undefined> = []
  #slotFirst: number
  #cacheFirst: number
  #lastIndex: number
  #lastTerm: number
  /** Where each term begins, ascending; the first run begins at `#floor`, the lowest index whose term is known. */
  #runFirsts: Array<number>
  #runTerms: Array<number>
  #floor: number
  #commitIndex: number
  #appliedIndex = 0
  #cacheBytes = 0
  // Running totals of bytes: differences say how much lies between two of the indexes.
  #appendedBytes = 0
  #committedBytes = 0
  #appliedBytes = 0
  #snapshotBytes = 0
  readonly #marks = new ByteMarks()

  constructor(snapshot: SnapshotPoint) {
    this.#snapshot = snapshot
    this.#slotFirst = snapshot.index + 1
    this.#cacheFirst = snapshot.index + 1
    this.#lastIndex = snapshot.index
    this.#lastTerm = snapshot.term
    this.#commitIndex = snapshot.index
    this.#floor = snapshot.index
    this.#runFirsts = [snapshot.index]
    this.#runTerms = [snapshot.term]
  }

  get snapshot(): SnapshotPoint {
    return this.#snapshot
  }
  /** First index that can be sent to a peer or applied; `lastIndex + 1` when nothing is cached. */
  get cacheFirst(): number {
    return this.#cacheFirst
  }
  get lastIndex(): number {
    return this.#lastIndex
  }
  get lastTerm(): number {
    return this.#lastTerm
  }
  /** Never falls. Invariant: commitIndex <= lastIndex. */
  get commitIndex(): number {
    return this.#commitIndex
  }
  /** What the state machine has confirmed. Invariant: appliedIndex <= commitIndex. */
  get appliedIndex(): number {
    return this.#appliedIndex
  }
  get cacheBytes(): number {
    return this.#cacheBytes
  }
  get uncommittedBytes(): number {
    return this.#appendedBytes - this.#committedBytes
  }
  get unappliedBytes(): number {
    return this.#committedBytes - this.#appliedBytes
  }
  /** Coarse, see `ByteMarks`. */
  get bytesSinceSnapshot(): number {
    return this.#appendedBytes - this.#snapshotBytes
  }

  /** Undefined: below what is known, or beyond the end. */
  termAt(index: number): number | undefined {
    if (index > this.#lastIndex || index < this.#floor) return undefined
    return this.#runTerms[this.#runOf(index)]!
  }

  entryAt(index: number): Entry | undefined {
    return index < this.#cacheFirst || index > this.#lastIndex ? undefined : this.#slots[index - this.#slotFirst]
  }

  /** Whether a peer that holds everything below `next` can be served from here. */
  reaches(next: number): boolean {
    return next - 1 >= this.#floor && next >= this.#cacheFirst && next <= this.#lastIndex + 1
  }

  /** Raft section 5.4.1: the later last term wins, then the longer log. */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.#lastTerm || (lastTerm === this.#lastTerm && lastIndex >= this.#lastIndex)
  }

  /**
   * The largest index <= `index` whose term is <= `term`: what a mismatch is answered with, and how the answer is used.
   * Undefined when it lies below what is known here.
   */
  lastAtMost(index: number, term: number): number | undefined {
    let at = Math.min(index, this.#lastIndex)
    while (at >= this.#floor) {
      const run = this.#runOf(at)
      if (this.#runTerms[run]! <= term) return at
      at = this.#runFirsts[run]! - 1
    }
    return undefined
  }

  append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, "an entry must follow the last one")
    assert(entry.term >= this.#lastTerm, "terms must not fall along a log")
    if (entry.term !== this.#lastTerm) {
      this.#runFirsts.push(entry.index)
      this.#runTerms.push(entry.term)
      this.#lastTerm = entry.term
    }
    const bytes = entryBytes(entry)
    this.#slots.push(entry)
    this.#lastIndex = entry.index
    this.#cacheBytes += bytes
    this.#appendedBytes += bytes
    this.#marks.note(entry.index, this.#appendedBytes)
  }

  /** Cuts `index` and everything after it. */
  truncateFrom(index: number): void {
    assert(index > this.#commitIndex, "a committed entry must never be cut")
    assert(index <= this.#lastIndex && index >= this.#cacheFirst, "a cut must lie inside the log")
    for (let at = this.#lastIndex; at >= index; at--) {
      const bytes = entryBytes(this.#slots.pop()!)
      this.#cacheBytes -= bytes
      this.#appendedBytes -= bytes
    }
    while (this.#runFirsts.length > 1 && this.#runFirsts[this.#runFirsts.length - 1]! >= index) {
      this.#runFirsts.pop()
      this.#runTerms.pop()
    }
    this.#marks.cutFrom(index)
    this.#lastIndex = index - 1
    this.#lastTerm = this.#runTerms[this.#runTerms.length - 1]!
  }

  commitTo(index: number): void {
    assert(index >= this.#commitIndex, "the commit index must never fall")
    assert(index <= this.#lastIndex, "the commit index must not pass the end of the log")
    for (let at = this.#commitIndex + 1; at <= index; at++) this.#committedBytes += entryBytes(this.entryAt(at)!)
    this.#commitIndex = index
  }

  appliedTo(index: number): void {
    assert(index <= this.#commitIndex, "only what is committed may be applied")
    // What was applied before a snapshot from the leader replaced the log has left the totals with it.
    for (let at = Math.max(this.#appliedIndex, this.#snapshot.index) + 1; at <= index; at++) {
      this.#appliedBytes += entryBytes(this.entryAt(at)!)
    }
    this.#appliedIndex = index
  }

  /** Drops applied entries from the cache, oldest first, until `bytesMax` fit. */
  evict(bytesMax: number): void {
    while (this.#cacheBytes > bytesMax && this.#cacheFirst <= this.#appliedIndex) {
      const slot = this.#cacheFirst - this.#slotFirst
      this.#cacheBytes -= entryBytes(this.#slots[slot]!)
      this.#slots[slot] = undefined
      this.#cacheFirst++
    }
    this.#reclaim()
    this.#raiseFloor()
  }

  /** A newer snapshot of this log is durable. Cached entries stay for peers that are a little behind. */
  compacted(snapshot: SnapshotPoint): void {
    assert(snapshot.index > this.#snapshot.index, "a snapshot must be newer than the one before")
    assert(snapshot.index <= this.#appliedIndex, "a snapshot must not hold what is not applied")
    assert(this.termAt(snapshot.index) === snapshot.term, "a snapshot must carry the term of its last entry")
    this.#snapshot = snapshot
    this.#snapshotBytes = this.#marks.takeUpTo(snapshot.index, this.#snapshotBytes)
    this.#raiseFloor()
  }

  /** The whole log is replaced by a snapshot from the leader. */
  replacedBy(snapshot: Snapshot): void {
    assert(snapshot.index > this.#commitIndex, "a snapshot must not take back what is committed")
    this.#snapshot = { ...snapshot, totalBytes: snapshot.payload.length }
    this.#slots = []
    this.#slotFirst = snapshot.index + 1
    this.#cacheFirst = snapshot.index + 1
    this.#cacheBytes = 0
    this.#lastIndex = snapshot.index
    this.#lastTerm = snapshot.term
    this.#runFirsts = [snapshot.index]
    this.#runTerms = [snapshot.term]
    this.#floor = snapshot.index
    this.#commitIndex = snapshot.index
    this.#committedBytes = this.#appendedBytes
    this.#appliedBytes = this.#appendedBytes
    this.#snapshotBytes = this.#appendedBytes
    this.#marks.cutFrom(0)
  }

  #runOf(index: number): number {
    let low = 0
    let high = this.#runFirsts.length - 1
    if (this.#runFirsts[high]! <= index) return high
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#runFirsts[middle]! <= index) low = middle
      else high = middle - 1
    }
    return low
  }

  #reclaim(): void {
    const empty = this.#cacheFirst - this.#slotFirst
    if (empty === this.#slots.length) this.#slots.length = 0
    else if (empty < 1024 || empty < this.#slots.length / 2) return
    else this.#slots.splice(0, empty)
    this.#slotFirst = this.#cacheFirst
  }

  /** Terms are needed above the snapshot (votes, commits) and above the cache's start (the entry before the first sent). */
  #raiseFloor(): void {
    const floor = Math.min(this.#snapshot.index, this.#cacheFirst - 1)
    if (floor <= this.#floor) return
    const run = this.#runOf(floor)
    if (run > 0) {
      this.#runFirsts.splice(0, run)
      this.#runTerms.splice(0, run)
    }
    this.#runFirsts[0] = floor
    this.#floor = floor
  }
}
