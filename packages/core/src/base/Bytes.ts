/**
 * Big-endian integers, comparison and joining over `Uint8Array`.
 *
 * Everything is a plain function over (bytes, position): no view object is made, so a header can be read in place from a
 * receive buffer. Callers check lengths first; a position outside the array reads as zero bytes and writes nothing.
 *
 * int64 is a `number` made of two 32-bit halves. It is exact up to 2^53; beyond that (a client's Long.MAX timestamp) it is
 * rounded to the nearest double, which keeps comparisons with sane bounds right. Writing asserts a safe integer.
 */
import { assert } from "./Assert.ts"

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

const TWO_32 = 4_294_967_296

export function readInt8(bytes: Uint8Array, pos: number): number {
  return (bytes[pos]! << 24) >> 24
}

export function readInt16(bytes: Uint8Array, pos: number): number {
  return ((bytes[pos]! << 24) | (bytes[pos + 1]! << 16)) >> 16
}

export function readInt32(bytes: Uint8Array, pos: number): number {
  return (bytes[pos]! << 24) | (bytes[pos + 1]! << 16) | (bytes[pos + 2]! << 8) | bytes[pos + 3]!
}

export function readUint32(bytes: Uint8Array, pos: number): number {
  return readInt32(bytes, pos) >>> 0
}

export function readInt64(bytes: Uint8Array, pos: number): number {
  return readInt32(bytes, pos) * TWO_32 + (readInt32(bytes, pos + 4) >>> 0)
}

export function writeInt16(bytes: Uint8Array, pos: number, value: number): void {
  bytes[pos] = value >>> 8
  bytes[pos + 1] = value
}

/** Also for unsigned values: the low 32 bits are written. */
export function writeInt32(bytes: Uint8Array, pos: number, value: number): void {
  bytes[pos] = value >>> 24
  bytes[pos + 1] = value >>> 16
  bytes[pos + 2] = value >>> 8
  bytes[pos + 3] = value
}

export function writeInt64(bytes: Uint8Array, pos: number, value: number): void {
  assert(Number.isSafeInteger(value), "an int64 on the hot path must be a safe integer")
  writeInt32(bytes, pos, Math.floor(value / TWO_32))
  writeInt32(bytes, pos + 4, value | 0)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Unsigned lexicographic order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/** One fresh array with all the parts: for tests and cold paths, the hot path passes lists of slices on. */
export function concatBytes(parts: ReadonlyArray<Uint8Array>): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let pos = 0
  for (const part of parts) {
    joined.set(part, pos)
    pos += part.length
  }
  return joined
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function utf8Bytes(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Malformed UTF-8 becomes U+FFFD, as in Java. */
export function utf8Text(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return decoder.decode(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
}
