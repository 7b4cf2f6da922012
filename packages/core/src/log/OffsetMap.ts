/**
 * The newest offset of each key, for one pass of the cleaner: exact, and within a memory that is given.
 *
 * Open addressing over plain arrays, 20 bytes a slot, and the keys themselves in chunks behind it, because two keys that are
 * taken for one would lose a record. Nothing is moved when it fills up: the slots are made once, for the number of keys that
 * can come at most, and untouched ones cost no memory of the machine. When either part is full `put` says so; the pass then
 * ends where it is, and another one goes on from there.
 *
 * The hash is quick and not cryptographic; `seed` keeps clients from choosing keys that all fall into one place.
 */
import { assert } from "../base/Assert.ts"

const SLOT_BYTES = 20
const SLOTS_MIN = 16
const LOAD_MAX = 0.75
const CHUNK_BYTES_MAX = 256 * 1024
/** Of the memory, at most: the rest is for keys. */
const SLOTS_SHARE = 0.5

export class OffsetMap {
  /** Offset + 1; 0 in a free slot. */
  readonly #offsets: Float64Array
  readonly #hashes: Uint32Array
  readonly #keyPlaces: Uint32Array
  readonly #keyLengths: Uint32Array
  readonly #mask: number
  readonly #sizeMax: number
  readonly #chunkBytes: number
  readonly #chunksMax: number
  readonly #chunks: Array<Uint8Array> = []
  /** Bytes of the last chunk that hold keys. */
  #used = 0
  #chunkMemoryBytes = 0
  readonly #chunkMemoryBytesMax: number
  readonly #seed: number
  #size = 0

  /** `keysMax` is how many different keys can come; fewer may fit into `memoryBytesMax`. */
  constructor(memoryBytesMax: number, keysMax: number, seed: number) {
    const slotsMax = Math.max(SLOTS_MIN, Math.floor((memoryBytesMax * SLOTS_SHARE) / SLOT_BYTES))
    let slots = SLOTS_MIN
    while (slots * LOAD_MAX < keysMax && slots * 2 <= slotsMax) slots *= 2
    this.#offsets = new Float64Array(slots)
    this.#hashes = new Uint32Array(slots)
    this.#keyPlaces = new Uint32Array(slots)
    this.#keyLengths = new Uint32Array(slots)
    this.#mask = slots - 1
    this.#sizeMax = Math.floor(slots * LOAD_MAX)
    this.#chunkMemoryBytesMax = Math.max(0, memoryBytesMax - slots * SLOT_BYTES)
    this.#chunkBytes = Math.max(64, Math.min(CHUNK_BYTES_MAX, this.#chunkMemoryBytesMax >>> 3))
    this.#chunksMax = Math.floor(0xffff_ffff / this.#chunkBytes)
    this.#seed = seed | 0
  }

  /** Different keys. */
  get size(): number {
    return this.#size
  }
  get memoryBytes(): number {
    return this.#offsets.length * SLOT_BYTES + this.#chunkMemoryBytes
  }

  /** Notes that the key at `bytes[start, start + length)` was written at `offset`. False: no room for a further key. */
  put(bytes: Uint8Array, start: number, length: number, offset: number): boolean {
    const hash = this.#hash(bytes, start, length)
    const slot = this.#slotOf(bytes, start, length, hash)
    if (this.#offsets[slot] !== 0) {
      assert(offset + 1 > this.#offsets[slot]!, "the offsets of a key rise")
      this.#offsets[slot] = offset + 1
      return true
    }
    if (this.#size === this.#sizeMax || !this.#keep(slot, bytes, start, length)) return false
    this.#hashes[slot] = hash
    this.#offsets[slot] = offset + 1
    this.#size++
    return true
  }

  /** The newest offset that was put for the key; -1 when there is none. */
  get(bytes: Uint8Array, start: number, length: number): number {
    return this.#offsets[this.#slotOf(bytes, start, length, this.#hash(bytes, start, length))]! - 1
  }

  /** The slot that holds the key, or the free one where it would go. */
  #slotOf(bytes: Uint8Array, start: number, length: number, hash: number): number {
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      if (this.#offsets[slot] === 0) return slot
      if (this.#hashes[slot] === hash && this.#holds(slot, bytes, start, length)) return slot
    }
  }

  #holds(slot: number, bytes: Uint8Array, start: number, length: number): boolean {
    if (this.#keyLengths[slot] !== length) return false
    const place = this.#keyPlaces[slot]!
    const index = Math.floor(place / this.#chunkBytes)
    const chunk = this.#chunks[index]!
    const at = place - index * this.#chunkBytes
    for (let i = 0; i < length; i++) if (chunk[at + i] !== bytes[start + i]) return false
    return true
  }

  #keep(slot: number, bytes: Uint8Array, start: number, length: number): boolean {
    const last = this.#chunks.at(-1)
    if (last === undefined || this.#used + length > last.length) {
      // A key that is larger than a chunk gets one of its own size; places are counted in chunks all the same.
      const size = Math.max(this.#chunkBytes, length)
      if (this.#chunkMemoryBytes + size > this.#chunkMemoryBytesMax || this.#chunks.length === this.#chunksMax)
        return false
      this.#chunks.push(new Uint8Array(size))
      this.#chunkMemoryBytes += size
      this.#used = 0
    }
    const index = this.#chunks.length - 1
    const chunk = this.#chunks[index]!
    for (let i = 0; i < length; i++) chunk[this.#used + i] = bytes[start + i]!
    this.#keyPlaces[slot] = index * this.#chunkBytes + this.#used
    this.#keyLengths[slot] = length
    // Behind a large key nothing is put: its place would lie in the next chunk's numbers.
    this.#used = chunk.length > this.#chunkBytes ? chunk.length : this.#used + length
    return true
  }

  /** Murmur3's mixing, a word at a time. */
  #hash(bytes: Uint8Array, start: number, length: number): number {
    let hash = this.#seed
    const end = start + length
    let at = start
    for (; at + 4 <= end; at += 4) {
      const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      hash = mix(hash, word)
    }
    let rest = 0
    for (let shift = 0; at < end; at++, shift += 8) rest |= bytes[at]! << shift
    hash = mix(hash, rest) ^ length
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
    return (hash ^ (hash >>> 16)) >>> 0
  }
}

const mix = (hash: number, word: number): number => {
  let k = Math.imul(word, 0xcc9e_2d51)
  k = (k << 15) | (k >>> 17)
  let mixed = hash ^ Math.imul(k, 0x1b87_3593)
  mixed = (mixed << 13) | (mixed >>> 19)
  return (Math.imul(mixed, 5) + 0xe654_6b64) | 0
}
