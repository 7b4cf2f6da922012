/**
 * Cursor over the bytes of one message: Kafka's primitive types, big endian.
 *
 * Every length is checked against the bytes that are left before anything is allocated, and the number of array
 * elements of one message is bounded, so hostile bytes cost at most a `ProtocolError`. `bytes` and `records` come out
 * as views of the frame (zero copy): whoever keeps one longer than the frame lives copies it. Strings are copies by
 * nature; short ASCII ones come from a small table of strings seen before, because topic names and client ids repeat
 * for ever and a repeated string object makes every later Map look-up cheaper.
 *
 * Both forms of lengths are here: classic (int16 for strings, int32 for bytes and arrays, -1 = null) and compact
 * (unsigned varint of length + 1, 0 = null). The caller knows which one its version uses.
 */
import { uuidFromBytes } from "../base/Uuid.ts"
import { ProtocolError } from "./ProtocolError.ts"

/** Array elements that one message may hold in total, whatever its frame size. */
export const MAX_ELEMENTS = 1 << 21

const SHORT_TEXT_MAX = 64
const TEXT_SLOTS = 2048
const UUID_SLOTS = 1024

/** The part of Node's Buffer that reads text much faster than TextDecoder; present on a Uint8Array that is a Buffer. */
interface TextSlices {
  readonly latin1Slice?: (start: number, end: number) => string
  readonly utf8Slice?: (start: number, end: number) => string
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })
const textSlots: Array<string> = new Array(TEXT_SLOTS).fill("")
const uuidSlots: Array<string> = new Array(UUID_SLOTS).fill("")
const uuidWords = new Int32Array(UUID_SLOTS * 4)

const utf8Text = (bytes: Uint8Array, start: number, end: number): string => {
  const slices = bytes as Uint8Array & TextSlices
  return slices.utf8Slice === undefined ? utf8.decode(bytes.subarray(start, end)) : slices.utf8Slice(start, end)
}

const asciiText = (bytes: Uint8Array, start: number, end: number): string => {
  const slices = bytes as Uint8Array & TextSlices
  if (slices.latin1Slice !== undefined) return slices.latin1Slice(start, end)
  let text = ""
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

const shortText = (bytes: Uint8Array, start: number, end: number): string => {
  let hash = end - start
  let high = 0
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    hash = Math.imul(hash, 31) + byte
    high |= byte
  }
  if (high > 0x7f) return utf8Text(bytes, start, end)
  const slot = (hash ^ (hash >>> 15)) & (TEXT_SLOTS - 1)
  const seen = textSlots[slot]!
  if (seen.length === end - start) {
    let i = start
    while (i < end && seen.charCodeAt(i - start) === bytes[i]) i++
    if (i === end) return seen
  }
  const text = asciiText(bytes, start, end)
  textSlots[slot] = text
  return text
}

export class Reader {
  /** The frame's bytes; the message is `[pos, end)`. */
  bytes: Uint8Array
  pos: number
  end: number
  private elementsLeft = MAX_ELEMENTS

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.pos = start
    this.end = end
  }

  /** Point the same reader at another message. */
  reset(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes
    this.pos = start
    this.end = end
    this.elementsLeft = MAX_ELEMENTS
    return this
  }

  get remaining(): number {
    return this.end - this.pos
  }

  /** Move over `length` bytes and return where they begin. */
  take(length: number): number {
    const pos = this.pos
    if (length > this.end - pos) this.short(length)
    this.pos = pos + length
    return pos
  }

  bool(): boolean {
    return this.bytes[this.take(1)] !== 0
  }

  int8(): number {
    return (this.bytes[this.take(1)]! << 24) >> 24
  }

  int16(): number {
    const p = this.take(2)
    const b = this.bytes
    return (((b[p]! << 8) | b[p + 1]!) << 16) >> 16
  }

  uint16(): number {
    const p = this.take(2)
    const b = this.bytes
    return (b[p]! << 8) | b[p + 1]!
  }

  int32(): number {
    const p = this.take(4)
    const b = this.bytes
    return (b[p]! << 24) | (b[p + 1]! << 16) | (b[p + 2]! << 8) | b[p + 3]!
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  /** A number; a bigint only when the value lies beyond 2^53 (typed as number because the hot path never meets one). */
  int64(): number {
    const high = this.int32()
    const low = this.int32() >>> 0
    const value = high * 4294967296 + low
    if (Number.isSafeInteger(value)) return value
    return ((BigInt(high) << 32n) | BigInt(low)) as unknown as number
  }

  float64(): number {
    const p = this.take(8)
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + p, 8).getFloat64(0)
  }

  /** Kafka's text form: 22 characters of base64url. */
  uuid(): string {
    const p = this.take(16)
    const bytes = this.bytes
    const a = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!
    const b = (bytes[p + 4]! << 24) | (bytes[p + 5]! << 16) | (bytes[p + 6]! << 8) | bytes[p + 7]!
    const c = (bytes[p + 8]! << 24) | (bytes[p + 9]! << 16) | (bytes[p + 10]! << 8) | bytes[p + 11]!
    const d = (bytes[p + 12]! << 24) | (bytes[p + 13]! << 16) | (bytes[p + 14]! << 8) | bytes[p + 15]!
    const hash = Math.imul(a ^ b ^ c ^ d, 0x9e3779b1)
    const slot = (hash >>> 16) & (UUID_SLOTS - 1)
    const at = slot * 4
    const words = uuidWords
    const seen = uuidSlots[slot]!
    if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d && seen !== "") return seen
    const uuid = uuidFromBytes(bytes, p)
    uuidSlots[slot] = uuid
    words[at] = a
    words[at + 1] = b
    words[at + 2] = c
    words[at + 3] = d
    return uuid
  }

  unsignedVarint(): number {
    const first = this.bytes[this.take(1)]!
    return first < 0x80 ? first : this.unsignedVarintRest(first)
  }

  string(): string {
    const length = this.int16()
    if (length < 0) this.missing("string")
    return this.text(length)
  }

  nullableString(): string | null {
    const length = this.int16()
    if (length >= 0) return this.text(length)
    return length === -1 ? null : this.badLength("string", length)
  }

  compactString(): string {
    const length = this.unsignedVarint() - 1
    if (length < 0) this.missing("string")
    return this.text(length)
  }

  compactNullableString(): string | null {
    const length = this.unsignedVarint() - 1
    return length < 0 ? null : this.text(length)
  }

  byteString(): Uint8Array {
    const length = this.int32()
    if (length < 0) this.missing("bytes")
    return this.slice(length)
  }

  nullableByteString(): Uint8Array | null {
    const length = this.int32()
    if (length >= 0) return this.slice(length)
    return length === -1 ? null : this.badLength("bytes", length)
  }

  compactByteString(): Uint8Array {
    const length = this.unsignedVarint() - 1
    if (length < 0) this.missing("bytes")
    return this.slice(length)
  }

  compactNullableByteString(): Uint8Array | null {
    const length = this.unsignedVarint() - 1
    return length < 0 ? null : this.slice(length)
  }

  /** Number of elements of an array, each of which takes at least `elementBytes`; -1 stands for null. */
  nullableArrayLength(elementBytes: number): number {
    const length = this.int32()
    if (length < -1) this.badLength("array", length)
    return this.boundedCount(length, elementBytes)
  }

  arrayLength(elementBytes: number): number {
    const length = this.int32()
    if (length < 0) this.missing("array")
    return this.boundedCount(length, elementBytes)
  }

  compactNullableArrayLength(elementBytes: number): number {
    return this.boundedCount(this.unsignedVarint() - 1, elementBytes)
  }

  compactArrayLength(elementBytes: number): number {
    const length = this.unsignedVarint() - 1
    if (length < 0) this.missing("array")
    return this.boundedCount(length, elementBytes)
  }

  /** Presence of a nullable struct outside the tag section. */
  structPresent(): boolean {
    return this.int8() >= 0
  }

  /** Presence of a nullable struct in a tagged field. */
  taggedStructPresent(): boolean {
    return this.unsignedVarint() !== 0
  }

  /** Size of a tagged field, as the position where it must end. */
  tagEnd(): number {
    const size = this.unsignedVarint()
    if (size > this.end - this.pos) this.short(size)
    return this.pos + size
  }

  /** A known tagged field has been read: it must have used exactly its size. */
  closeTag(tag: number, end: number): void {
    if (this.pos !== end) throw new ProtocolError(`tagged field ${tag} does not fill its declared size`)
  }

  /** Move over a tag section none of whose fields is known. */
  skipTags(): void {
    let count = this.unsignedVarint()
    while (count-- > 0) {
      this.unsignedVarint()
      this.pos = this.tagEnd()
    }
  }

  private text(length: number): string {
    const start = this.take(length)
    return length <= SHORT_TEXT_MAX
      ? shortText(this.bytes, start, start + length)
      : utf8Text(this.bytes, start, start + length)
  }

  private slice(length: number): Uint8Array {
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }

  private boundedCount(count: number, elementBytes: number): number {
    if (count <= 0) return count
    if (count * elementBytes > this.end - this.pos) this.short(count * elementBytes)
    this.elementsLeft -= count
    if (this.elementsLeft < 0) throw new ProtocolError(`a message may hold at most ${MAX_ELEMENTS} array elements`)
    return count
  }

  private unsignedVarintRest(first: number): number {
    let value = first & 0x7f
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.bytes[this.take(1)]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.bytes[this.take(1)]!
    if (last > 0x0f) throw new ProtocolError("an unsigned varint is longer than 32 bits")
    // The fifth byte reaches the sign bit.
    return (value | (last << 28)) >>> 0
  }

  private short(wanted: number): never {
    throw new ProtocolError(`${wanted} bytes are wanted at ${this.pos} and the message has ${this.end - this.pos} left`)
  }

  private missing(what: string): never {
    throw new ProtocolError(`null stands at ${this.pos} where a ${what} is required`)
  }

  private badLength(what: string, length: number): never {
    throw new ProtocolError(`${what} length ${length} at ${this.pos} is negative`)
  }
}
