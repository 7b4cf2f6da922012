/**
 * Kafka's sparse offset index (`.index`): 8 bytes an entry, (last offset of a batch - base offset of the file) i32 and the
 * batch's position in the `.log` i32, both rising.
 *
 * Holds the file's image, for searching and for appending. It is never trusted blindly: it is not fsynced, so after a crash
 * `sanitized` keeps only the part that could be true, and a reader checks the batch that it lands on.
 */
import { readInt32, writeInt32 } from "../base/Bytes.ts"

export const OFFSET_ENTRY_BYTES = 8

export class OffsetIndex {
  readonly baseOffset: number
  #bytes: Uint8Array
  #length: number

  constructor(baseOffset: number, bytes: Uint8Array = new Uint8Array(0)) {
    this.baseOffset = baseOffset
    this.#bytes = bytes
    this.#length = bytes.length - (bytes.length % OFFSET_ENTRY_BYTES)
  }

  get size(): number {
    return this.#length / OFFSET_ENTRY_BYTES
  }
  /** The file's content. A view: valid until the next `append`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
  lastOffset(i: number): number {
    return this.baseOffset + readInt32(this.#bytes, i * OFFSET_ENTRY_BYTES)
  }
  position(i: number): number {
    return readInt32(this.#bytes, i * OFFSET_ENTRY_BYTES + 4)
  }

  append(lastOffset: number, position: number): void {
    if (this.#length + OFFSET_ENTRY_BYTES > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(64, this.#bytes.length * 2))
      grown.set(this.bytes)
      this.#bytes = grown
    }
    writeInt32(this.#bytes, this.#length, lastOffset - this.baseOffset)
    writeInt32(this.#bytes, this.#length + 4, position)
    this.#length += OFFSET_ENTRY_BYTES
  }

  /** The last entry whose batch ends at or before `offset`; -1 when there is none. Scan forward from its position. */
  entryBefore(offset: number): number {
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.lastOffset(middle) <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Keeps the entries of batches that begin before `endPosition`. */
  truncateTo(endPosition: number): void {
    while (this.size > 0 && this.position(this.size - 1) >= endPosition) this.#length -= OFFSET_ENTRY_BYTES
  }

  /** The longest prefix of `bytes` whose entries rise and lie inside a file of `logBytes`. */
  static sanitized(baseOffset: number, bytes: Uint8Array, logBytes: number): OffsetIndex {
    const index = new OffsetIndex(baseOffset, bytes)
    let kept = 0
    for (let offset = baseOffset - 1, position = 0; kept < index.size; kept++) {
      if (index.lastOffset(kept) <= offset || index.position(kept) <= position) break
      if (index.position(kept) >= logBytes) break
      offset = index.lastOffset(kept)
      position = index.position(kept)
    }
    index.#length = kept * OFFSET_ENTRY_BYTES
    return index
  }
}
