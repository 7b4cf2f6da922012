/**
 * Who waits for bytes of one partition: readers of all records, who follow the high watermark, and readers of committed
 * ones, who follow the last stable offset.
 *
 * What became readable is counted when a watermark moves, from the index of the batches in the WAL, and only while somebody
 * waits: a partition without readers pays one comparison a commit.
 *
 * Who is woken when is decided in `core/purgatory`; what a woken reader does is its own business.
 */
import type { LogIndex } from "@chronik-effect/core/log/LogIndex.ts"
import { ReadableBytes } from "@chronik-effect/core/purgatory/ByteWait.ts"

/** One end of a log that readers follow. */
class FollowedEnd {
  readonly bytes = new ReadableBytes()
  /** Everything below has been counted. */
  #countedTo = 0

  at(end: number): ReadableBytes {
    // Nobody counted while nobody waited.
    if (this.bytes.waiting === 0) this.#countedTo = end
    return this.bytes
  }

  moved(end: number, index: LogIndex): void {
    if (this.bytes.waiting === 0 || end === this.#countedTo) return
    const from = this.#countedTo
    this.#countedTo = end
    const bytes = bytesBetween(index, from, end)
    if (bytes === undefined) this.bytes.wakeAll()
    else this.bytes.arrived(bytes)
  }
}

export class ParkedReaders {
  readonly #all = new FollowedEnd()
  #committed: FollowedEnd | undefined

  /** Where a reader that has seen all below `end` parks. */
  at(end: number, committedOnly: boolean): ReadableBytes {
    if (!committedOnly) return this.#all.at(end)
    this.#committed ??= new FollowedEnd()
    return this.#committed.at(end)
  }

  /** Readers that wait here now; one that names the partition twice counts twice. */
  get waiting(): number {
    return this.#all.bytes.waiting + (this.#committed?.bytes.waiting ?? 0)
  }

  /** The ends may have moved. */
  moved(highWatermark: number, lastStableOffset: number, index: LogIndex): void {
    this.#all.moved(highWatermark, index)
    this.#committed?.moved(lastStableOffset, index)
  }

  wakeAll(): void {
    this.#all.bytes.wakeAll()
    this.#committed?.bytes.wakeAll()
  }
}

/** Bytes of the batches in `[from, end)`; undefined when they are not all in the index, or the log went back. */
const bytesBetween = (index: LogIndex, from: number, end: number): number | undefined => {
  if (end < from || index.size === 0 || from < index.firstOffset) return undefined
  let bytes = 0
  for (let i = index.indexOf(from); i < index.size && index.endOffsetOf(i) <= end; i++) bytes += index.length(i)
  return bytes
}
