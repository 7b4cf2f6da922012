/**
 * Builds the bytes of one message after another: Kafka's primitive types, big endian.
 *
 * Small values go into a chunk of memory that is handed out from front to back and never written twice, so the parts
 * that `finish` returns stay valid for as long as someone holds them, while the writer goes on with the next message.
 * `records` are never copied: they are remembered as foreign slices between the parts, and their owner must keep them
 * unchanged until the parts have left the process.
 *
 * Values that do not fit their type are defects of the caller and fail an assertion.
 */
import { assert } from "../base/Assert.ts"
import { uuidToBytes } from "../base/Uuid.ts"
import { RecordSlices } from "./RecordSlices.ts"

const CHUNK_BYTES = 64 * 1024
/** Room left in a chunk below which a new message starts in a fresh one instead of being moved while it grows. */
const CHUNK_REST_BYTES = 512
const SHORT_TEXT_MAX = 64
const STRING_BYTES_MAX = 32767

const utf8 = new TextEncoder()

/** Topic ids repeat for ever: the bytes of those written before. */
const uuidSlots: Array<string> = new Array(256).fill("")
const uuidBytes = new Uint8Array(256 * 16)

const utf8Length = (text: string): number => {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) length += 1
    else {
      length += 2
      const next = unit >= 0xd800 && unit < 0xdc00 ? text.charCodeAt(i + 1) : 0
      if (next >= 0xdc00 && next < 0xe000) i++
    }
  }
  return length
}

const unsignedVarintLength = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5

export class Writer {
  private bytes: Uint8Array
  private start = 0
  private pos = 0
  private foreign: Array<Uint8Array> = []
  /** Where each foreign slice stands, counted from `start`. Invariant: ascending, one for one with `foreign`. */
  private cuts: Array<number> = []
  private foreignBytes = 0

  constructor(chunkBytes = CHUNK_BYTES) {
    this.bytes = new Uint8Array(chunkBytes)
  }

  /** Bytes of the message so far, foreign slices included. */
  get length(): number {
    return this.pos - this.start + this.foreignBytes
  }

  /** Forget the unfinished message. */
  reset(): this {
    this.pos = this.start
    this.foreign = []
    this.cuts = []
    this.foreignBytes = 0
    return this
  }

  /** The message as parts in order; the writer is ready for the next one. */
  finish(): Array<Uint8Array> {
    const { bytes, start, cuts, foreign } = this
    const parts: Array<Uint8Array> = []
    if (foreign.length === 0) parts.push(bytes.subarray(start, this.pos))
    else {
      let from = start
      for (let i = 0; i < foreign.length; i++) {
        const cut = start + cuts[i]!
        if (cut > from) parts.push(bytes.subarray(from, cut))
        parts.push(foreign[i]!)
        from = cut
      }
      if (this.pos > from) parts.push(bytes.subarray(from, this.pos))
    }
    this.start = this.pos
    if (bytes.length - this.start < CHUNK_REST_BYTES) {
      this.bytes = new Uint8Array(CHUNK_BYTES)
      this.start = 0
    }
    this.reset()
    return parts
  }

  /** The message as one piece: copies when there are foreign slices. */
  finishBytes(): Uint8Array {
    const length = this.length
    const parts = this.finish()
    if (parts.length === 1) return parts[0]!
    const whole = new Uint8Array(length)
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  bool(value: boolean): void {
    const p = this.room(1)
    this.bytes[p] = value ? 1 : 0
  }

  int8(value: number): void {
    assert((value << 24) >> 24 === value, "an int8 field must hold an integer of 8 bits")
    const p = this.room(1)
    this.bytes[p] = value
  }

  int16(value: number): void {
    assert((value << 16) >> 16 === value, "an int16 field must hold an integer of 16 bits")
    const p = this.room(2)
    this.bytes[p] = value >> 8
    this.bytes[p + 1] = value
  }

  uint16(value: number): void {
    assert((value & 0xffff) === value, "a uint16 field must hold an unsigned integer of 16 bits")
    const p = this.room(2)
    this.bytes[p] = value >> 8
    this.bytes[p + 1] = value
  }

  int32(value: number): void {
    assert((value | 0) === value, "an int32 field must hold an integer of 32 bits")
    this.putInt32(this.room(4), value)
  }

  uint32(value: number): void {
    assert(value >>> 0 === value, "a uint32 field must hold an unsigned integer of 32 bits")
    this.putInt32(this.room(4), value)
  }

  /** Takes a bigint too, though typed as number: see `Reader.int64`. */
  int64(value: number): void {
    const p = this.room(8)
    if (typeof value === "number") {
      assert(Number.isSafeInteger(value), "an int64 given as a number must be a safe integer; use a bigint beyond 2^53")
      const high = Math.floor(value / 4294967296)
      this.putInt32(p, high)
      this.putInt32(p + 4, value - high * 4294967296)
    } else {
      const wide = value as unknown as bigint
      assert(typeof wide === "bigint" && BigInt.asIntN(64, wide) === wide, "an int64 field must hold 64 bits")
      this.putInt32(p, Number(wide >> 32n))
      this.putInt32(p + 4, Number(wide & 0xffffffffn))
    }
  }

  float64(value: number): void {
    const p = this.room(8)
    new DataView(this.bytes.buffer, this.bytes.byteOffset + p, 8).setFloat64(0, value)
  }

  uuid(value: string): void {
    const p = this.room(16)
    const slot = (Math.imul(value.charCodeAt(3), 31) + Math.imul(value.charCodeAt(12), 7) + value.charCodeAt(19)) & 255
    const at = slot * 16
    if (uuidSlots[slot] !== value) {
      uuidToBytes(value, uuidBytes, at)
      uuidSlots[slot] = value
    }
    const bytes = this.bytes
    for (let i = 0; i < 16; i++) bytes[p + i] = uuidBytes[at + i]!
  }

  unsignedVarint(value: number): void {
    const p = this.room(5)
    this.pos = this.putUnsignedVarint(p, value)
  }

  string(value: string): void {
    if (value.length <= SHORT_TEXT_MAX) {
      const p = this.room(2 + value.length)
      if (this.putAscii(value, p + 2)) {
        this.bytes[p] = 0
        this.bytes[p + 1] = value.length
        return
      }
      this.pos = p
    }
    const length = utf8Length(value)
    assert(length <= STRING_BYTES_MAX, "a string of the classic form holds at most 32767 bytes")
    this.int16(length)
    this.utf8(value, length)
  }

  nullableString(value: string | null): void {
    if (value === null) this.int16(-1)
    else this.string(value)
  }

  compactString(value: string): void {
    if (value.length <= SHORT_TEXT_MAX) {
      const p = this.room(1 + value.length)
      if (this.putAscii(value, p + 1)) {
        this.bytes[p] = value.length + 1
        return
      }
      this.pos = p
    }
    const length = utf8Length(value)
    assert(length <= STRING_BYTES_MAX, "a string holds at most 32767 bytes")
    this.unsignedVarint(length + 1)
    this.utf8(value, length)
  }

  compactNullableString(value: string | null): void {
    if (value === null) this.unsignedVarint(0)
    else this.compactString(value)
  }

  byteString(value: Uint8Array | RecordSlices): void {
    this.int32(value.length)
    this.copy(value)
  }

  nullableByteString(value: Uint8Array | RecordSlices | null): void {
    if (value === null) this.int32(-1)
    else this.byteString(value)
  }

  compactByteString(value: Uint8Array | RecordSlices): void {
    this.unsignedVarint(value.length + 1)
    this.copy(value)
  }

  compactNullableByteString(value: Uint8Array | RecordSlices | null): void {
    if (value === null) this.unsignedVarint(0)
    else this.compactByteString(value)
  }

  /** Record batches: the length, then the caller's own memory as parts of their own. */
  records(value: Uint8Array | RecordSlices): void {
    this.int32(value.length)
    this.slice(value)
  }

  nullableRecords(value: Uint8Array | RecordSlices | null): void {
    if (value === null) this.int32(-1)
    else this.records(value)
  }

  compactRecords(value: Uint8Array | RecordSlices): void {
    this.unsignedVarint(value.length + 1)
    this.slice(value)
  }

  compactNullableRecords(value: Uint8Array | RecordSlices | null): void {
    if (value === null) this.unsignedVarint(0)
    else this.compactRecords(value)
  }

  /** Number of elements, or -1 for null. */
  arrayLength(count: number): void {
    this.int32(count)
  }

  compactArrayLength(count: number): void {
    this.unsignedVarint(count + 1)
  }

  structPresence(present: boolean): void {
    this.int8(present ? 1 : -1)
  }

  taggedStructPresence(present: boolean): void {
    this.unsignedVarint(present ? 1 : 0)
  }

  /** Begin a tagged field whose size is not known yet; give the result to `closeTag`. */
  openTag(tag: number): number {
    this.unsignedVarint(tag)
    return this.room(1) - this.start
  }

  /** Put the size in front of what was written since `openTag`, which moves: tagged fields are small. */
  closeTag(mark: number): void {
    const at = this.start + mark
    const size = this.pos - at - 1
    const prefix = unsignedVarintLength(size)
    assert(this.cuts.length === 0 || this.cuts[this.cuts.length - 1]! <= mark, "a tagged field cannot hold records")
    if (prefix > 1) {
      this.room(prefix - 1)
      // `room` may have moved the message to a larger chunk: positions are counted from its start.
      this.bytes.copyWithin(this.start + mark + prefix, this.start + mark + 1, this.start + mark + 1 + size)
    }
    this.putUnsignedVarint(this.start + mark, size)
  }

  /** Overwrite an int32 at `at` bytes from the beginning of the message, before any foreign slice. */
  patchInt32(at: number, value: number): void {
    assert(this.cuts.length === 0 || at + 4 <= this.cuts[0]!, "only the head of a message can be patched")
    this.putInt32(this.start + at, value)
  }

  /** Bytes as they are, copied, without a length. */
  copy(value: Uint8Array | RecordSlices): void {
    if (value instanceof RecordSlices) {
      for (const slice of value.slices) this.copy(slice)
      return
    }
    const p = this.room(value.length)
    this.bytes.set(value, p)
  }

  /** Bytes as they are, not copied, without a length. */
  slice(value: Uint8Array | RecordSlices): void {
    if (value.length === 0) return
    if (value instanceof RecordSlices) {
      for (const slice of value.slices) this.slice(slice)
      return
    }
    this.foreign.push(value)
    this.cuts.push(this.pos - this.start)
    this.foreignBytes += value.length
  }

  private utf8(value: string, length: number): void {
    const p = this.room(length)
    const { written } = utf8.encodeInto(value, this.bytes.subarray(p, p + length))
    assert(written === length, "the UTF-8 length of a string must be what was announced")
  }

  /** False when the text is not ASCII; what was written then is of no use. */
  private putAscii(value: string, at: number): boolean {
    const bytes = this.bytes
    let high = 0
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i)
      high |= unit
      bytes[at + i] = unit
    }
    return high < 0x80
  }

  private putInt32(p: number, value: number): void {
    const bytes = this.bytes
    bytes[p] = value >>> 24
    bytes[p + 1] = value >>> 16
    bytes[p + 2] = value >>> 8
    bytes[p + 3] = value
  }

  private putUnsignedVarint(p: number, value: number): number {
    assert(value >>> 0 === value, "an unsigned varint must hold an unsigned integer of 32 bits")
    const bytes = this.bytes
    let rest = value
    while (rest > 0x7f) {
      bytes[p++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[p++] = rest
    return p
  }

  /** Reserve `length` bytes and return where they begin. May replace `this.bytes`: call it before that is looked at. */
  private room(length: number): number {
    if (this.pos + length > this.bytes.length) this.grow(length)
    const pos = this.pos
    this.pos = pos + length
    return pos
  }

  private grow(length: number): void {
    const used = this.pos - this.start
    const next = new Uint8Array(Math.max(CHUNK_BYTES, (used + length) * 2))
    next.set(this.bytes.subarray(this.start, this.pos))
    this.bytes = next
    this.start = 0
    this.pos = used
  }
}
