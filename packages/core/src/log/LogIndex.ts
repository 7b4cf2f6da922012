/**
 * Where the batches of one partition lie in the WAL: in offset order, found by binary search.
 *
 * One growable block of memory, 24 bytes a batch, and nothing at all for a partition that has none:
 * ```
 *   0 f64 maxTimestamp    8 u32 baseOffset - origin    12 u32 address - origin    16 u32 length    20 u32 offsets
 * ```
 * Offsets and addresses are relative to the partition's own origins, which move when the block is rebuilt. Addresses need
 * not rise with offsets: small leftovers of old segments are carried forward in the WAL and then lie behind newer batches.
 *
 * It deliberately holds no bytes and knows no segments: the settler drops the prefix that is in files.
 */
import { assert } from "../base/Assert.ts"

const ENTRY_BYTES = 24
const CAPACITY_MIN = 4
const U32_MAX = 4_294_967_295

const EMPTY_F64 = new Float64Array(0)
const EMPTY_U32 = new Uint32Array(0)

export class LogIndex {
  #f64: Float64Array = EMPTY_F64
  #u32: Uint32Array = EMPTY_U32
  /** Entries [head, tail) of the block are in use. */
  #head = 0
  #tail = 0
  #originOffset = 0
  #originAddress = 0
  /** Position in the block from which addresses rise with offsets. */
  #risingFrom = 0

  get size(): number {
    return this.#tail - this.#head
  }
  get memoryBytes(): number {
    return this.#f64.byteLength
  }
  /** Base of the first batch; -1 when empty. */
  get firstOffset(): number {
    return this.size === 0 ? -1 : this.baseOffset(0)
  }
  /** From this batch on addresses rise with offsets; before it lie those that were carried forward. */
  get risingFrom(): number {
    return Math.max(0, this.#risingFrom - this.#head)
  }
  /** End of the last batch; -1 when empty. */
  get endOffset(): number {
    return this.size === 0 ? -1 : this.endOffsetOf(this.size - 1)
  }

  append(baseOffset: number, endOffset: number, address: number, length: number, maxTimestamp: number): void {
    if ((this.#tail + 1) * ENTRY_BYTES > this.#f64.byteLength) this.#makeRoom()
    if (this.#tail === this.#head) {
      this.#head = this.#tail = this.#risingFrom = 0
      this.#originOffset = baseOffset
      // Carried batches may be swapped to other addresses, but never to one below the oldest segment.
      this.#originAddress = address
    } else if (
      baseOffset - this.#originOffset > U32_MAX ||
      address - this.#originAddress > U32_MAX ||
      address < this.#originAddress
    ) {
      this.#rebase(address)
    }
    const at = this.#tail
    if (at > this.#head && address < this.address(at - this.#head - 1)) this.#risingFrom = at
    this.#f64[at * 3] = maxTimestamp
    const word = at * 6
    const u32 = this.#u32
    u32[word + 2] = baseOffset - this.#originOffset
    u32[word + 3] = address - this.#originAddress
    u32[word + 4] = length
    u32[word + 5] = endOffset - baseOffset
    this.#tail = at + 1
  }

  /** `i` counts from the first batch that is still indexed. */
  baseOffset(i: number): number {
    return this.#originOffset + this.#u32[(this.#head + i) * 6 + 2]!
  }
  endOffsetOf(i: number): number {
    return this.baseOffset(i) + this.#u32[(this.#head + i) * 6 + 5]!
  }
  address(i: number): number {
    return this.#originAddress + this.#u32[(this.#head + i) * 6 + 3]!
  }
  length(i: number): number {
    return this.#u32[(this.#head + i) * 6 + 4]!
  }
  maxTimestamp(i: number): number {
    return this.#f64[(this.#head + i) * 3]!
  }

  /** The batch that contains `offset`, or the first one after it; `size` when all end at or before it. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.endOffsetOf(middle) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The batch that begins exactly at `baseOffset`, or -1. */
  exactly(baseOffset: number): number {
    const i = this.indexOf(baseOffset)
    return i < this.size && this.baseOffset(i) === baseOffset ? i : -1
  }

  /** The batch now lies at `address` (carried forward). */
  moveTo(i: number, address: number): void {
    if (address < this.#originAddress || address - this.#originAddress > U32_MAX) {
      this.#rebase(address)
    }
    this.#u32[(this.#head + i) * 6 + 3] = address - this.#originAddress
    this.#risingFrom = Math.max(this.#risingFrom, this.#head + i + 1)
  }

  /** The first `count` batches are elsewhere now. */
  dropFirst(count: number): void {
    assert(count <= this.size, "no more batches can be dropped than there are")
    this.#head += count
    if (this.#head === this.#tail) this.clear()
  }

  /** Keeps the first `count` batches. */
  keepFirst(count: number): void {
    assert(count <= this.size, "no more batches can be kept than there are")
    this.#tail = this.#head + count
    if (count === 0) this.clear()
  }

  /** Gives the memory back. */
  clear(): void {
    this.#head = this.#tail = this.#risingFrom = 0
    if (this.#f64.byteLength > CAPACITY_MIN * ENTRY_BYTES) {
      this.#f64 = EMPTY_F64
      this.#u32 = EMPTY_U32
    }
  }

  #lowestAddress(): number {
    let lowest = Number.MAX_SAFE_INTEGER
    for (let i = 0; i < this.size; i++) lowest = Math.min(lowest, this.address(i))
    return lowest
  }

  #makeRoom(): void {
    const used = this.size
    const capacity = this.#f64.byteLength / ENTRY_BYTES
    // Half of it free in front: reuse the block. Otherwise twice the size.
    const target = used * 2 <= capacity && capacity > 0 ? this.#f64 : undefined
    const buffer =
      target === undefined ? new ArrayBuffer(Math.max(CAPACITY_MIN, capacity * 2) * ENTRY_BYTES) : undefined
    const f64 = buffer === undefined ? this.#f64 : new Float64Array(buffer)
    const from = this.#head * 3
    const end = this.#tail * 3
    // As 32-bit words: copying a word pair through a double could change the bits of a NaN pattern.
    const u32 = buffer === undefined ? this.#u32 : new Uint32Array(buffer)
    if (buffer === undefined) u32.copyWithin(0, from * 2, end * 2)
    else u32.set(this.#u32.subarray(from * 2, end * 2))
    this.#f64 = f64
    this.#u32 = u32
    this.#risingFrom = this.risingFrom
    this.#head = 0
    this.#tail = used
  }

  /** Moves the origins so that a batch at `newAddress` has its place among the others. */
  #rebase(newAddress: number): void {
    const originOffset = this.baseOffset(0)
    const originAddress = Math.min(newAddress, this.#lowestAddress())
    assert(newAddress - originAddress <= U32_MAX, "the WAL part of one partition must span less than 2^32")
    for (let i = this.#head; i < this.#tail; i++) {
      const word = i * 6
      const offset = this.#originOffset + this.#u32[word + 2]! - originOffset
      const address = this.#originAddress + this.#u32[word + 3]! - originAddress
      assert(offset <= U32_MAX && address <= U32_MAX, "the WAL part of one partition must span less than 2^32")
      this.#u32[word + 2] = offset
      this.#u32[word + 3] = address
    }
    this.#originOffset = originOffset
    this.#originAddress = originAddress
  }
}
