/**
 * Kafka's sparse time index (`.timeindex`): 12 bytes an entry, timestamp i64 and (offset - base offset of the file) i32,
 * both rising. An entry says: no record up to and including that offset is newer than that timestamp.
 *
 * Holds the file's image. Not fsynced, so `sanitized` keeps only what could be true; and it only says where a scan may
 * begin, so a missing entry costs time, never a wrong answer.
 */
import { readInt32, readInt64, writeInt32, writeInt64 } from "../base/Bytes.ts"

export const TIME_ENTRY_BYTES = 12

export class TimeIndex {
  readonly baseOffset: number
  #bytes: Uint8Array
  #length: number

  constructor(baseOffset: number, bytes: Uint8Array = new Uint8Array(0)) {
    this.baseOffset = baseOffset
    this.#bytes = bytes
    this.#length = bytes.length - (bytes.length % TIME_ENTRY_BYTES)
  }

  get size(): number {
    return this.#length / TIME_ENTRY_BYTES
  }
  /** The file's content. A view: valid until the next `maybeAppend`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
  timestamp(i: number): number {
    return readInt64(this.#bytes, i * TIME_ENTRY_BYTES)
  }
  offset(i: number): number {
    return this.baseOffset + readInt32(this.#bytes, i * TIME_ENTRY_BYTES + 8)
  }

  /** Appends unless the timestamp or the offset does not rise. */
  maybeAppend(timestamp: number, offset: number): boolean {
    const last = this.size - 1
    if (timestamp < 0 || (last >= 0 && (timestamp <= this.timestamp(last) || offset <= this.offset(last)))) return false
    if (this.#length + TIME_ENTRY_BYTES > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(72, this.#bytes.length * 2))
      grown.set(this.bytes)
      this.#bytes = grown
    }
    writeInt64(this.#bytes, this.#length, timestamp)
    writeInt32(this.#bytes, this.#length + 8, offset - this.baseOffset)
    this.#length += TIME_ENTRY_BYTES
    return true
  }

  /** An offset up to which every record is older than `timestamp`: the search begins there. Base offset when unknown. */
  offsetBefore(timestamp: number): number {
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.timestamp(middle) < timestamp) low = middle + 1
      else high = middle
    }
    return low === 0 ? this.baseOffset : this.offset(low - 1)
  }

  /** Keeps the entries of offsets below `endOffset`. */
  truncateTo(endOffset: number): void {
    while (this.size > 0 && this.offset(this.size - 1) >= endOffset) this.#length -= TIME_ENTRY_BYTES
  }

  /** The longest prefix of `bytes` whose entries rise and name offsets below `endOffset`. */
  static sanitized(baseOffset: number, bytes: Uint8Array, endOffset: number): TimeIndex {
    const index = new TimeIndex(baseOffset, bytes)
    let kept = 0
    for (let timestamp = -1, offset = baseOffset - 1; kept < index.size; kept++) {
      if (index.timestamp(kept) <= timestamp || index.offset(kept) <= offset || index.offset(kept) >= endOffset) break
      timestamp = index.timestamp(kept)
      offset = index.offset(kept)
    }
    index.#length = kept * TIME_ENTRY_BYTES
    return index
  }
}
