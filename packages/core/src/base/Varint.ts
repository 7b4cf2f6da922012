/**
 * Variable-length integers: 7 bits a byte, least significant group first, high bit = "more follows".
 *
 * `unsigned` is the protocol's form (lengths, tags), the plain names are the records' zigzag form (-1 → 1, 1 → 2).
 *
 * Reading goes through a caller-owned `VarintCursor`, so that nothing is allocated for the pair (value, next position).
 * Malformed input (cut off, or longer than its type) is the value `NaN`; the cursor is then of no further use. Test it
 * by `!(value >= …)` or `Number.isNaN`.
 */
import { assert } from "./Assert.ts"

export interface VarintCursor {
  readonly bytes: Uint8Array
  pos: number
  /** Exclusive. */
  readonly end: number
}

const TWO_32 = 4_294_967_296

/** 0 … 2^32 - 1, at most 5 bytes. */
export function readUnsignedVarint(cursor: VarintCursor): number {
  const { bytes, end } = cursor
  let pos = cursor.pos
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    if (pos >= end) return Number.NaN
    const byte = bytes[pos++]!
    if (shift === 28 && byte > 0x0f) return Number.NaN
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      cursor.pos = pos
      return value >>> 0
    }
  }
  return Number.NaN
}

/** int32, zigzag. */
export function readVarint(cursor: VarintCursor): number {
  const pos = cursor.pos
  if (pos < cursor.end) {
    const byte = cursor.bytes[pos]!
    if (byte < 0x80) {
      cursor.pos = pos + 1
      return (byte >>> 1) ^ -(byte & 1)
    }
  }
  const raw = readUnsignedVarint(cursor)
  // Not folded into one expression: bit operators would turn NaN into 0.
  return Number.isNaN(raw) ? raw : (raw >>> 1) ^ -(raw & 1)
}

/** int64, zigzag, at most 10 bytes; exact up to ±2^53, rounded beyond. */
export function readVarlong(cursor: VarintCursor): number {
  const { bytes, end } = cursor
  let pos = cursor.pos
  let low = 0
  let high = 0
  for (let shift = 0; shift < 70; shift += 7) {
    if (pos >= end) return Number.NaN
    const byte = bytes[pos++]!
    if (shift === 63 && byte > 1) return Number.NaN
    const group = byte & 0x7f
    if (shift < 28) low |= group << shift
    else if (shift === 28) {
      low |= group << 28
      high = group >>> 4
    } else high |= group << (shift - 32)
    if (byte < 0x80) {
      cursor.pos = pos
      const half = (high >>> 1) * TWO_32 + (((low >>> 1) | (high << 31)) >>> 0)
      return (low & 1) === 0 ? half : -half - 1
    }
  }
  return Number.NaN
}

export function unsignedVarintSize(value: number): number {
  const bits = value >>> 0
  return bits < 0x80 ? 1 : bits < 0x4000 ? 2 : bits < 0x20_0000 ? 3 : bits < 0x1000_0000 ? 4 : 5
}

export function varintSize(value: number): number {
  return unsignedVarintSize((value << 1) ^ (value >> 31))
}

export function varlongSize(value: number): number {
  // Zigzag maps -n-1 and n to the same length.
  let rest = value < 0 ? -value - 1 : value
  let size = 1
  for (let limit = 64; rest >= limit && size < 9; size++) rest = Math.floor(rest / 128)
  return size
}

/** Writes at `pos`, returns the position after it. */
export function writeUnsignedVarint(bytes: Uint8Array, pos: number, value: number): number {
  let rest = value >>> 0
  while (rest >= 0x80) {
    bytes[pos++] = rest | 0x80
    rest >>>= 7
  }
  bytes[pos++] = rest
  return pos
}

/** Writes the zigzag form of an int32 at `pos`, returns the position after it. */
export function writeVarint(bytes: Uint8Array, pos: number, value: number): number {
  return writeUnsignedVarint(bytes, pos, (value << 1) ^ (value >> 31))
}

/** Writes the zigzag form of a safe integer at `pos`, returns the position after it. */
export function writeVarlong(bytes: Uint8Array, pos: number, value: number): number {
  assert(Number.isSafeInteger(value), "a varlong must be a safe integer")
  const half = value < 0 ? -value - 1 : value
  const halfHigh = Math.floor(half / TWO_32)
  const halfLow = half >>> 0
  let high = ((halfHigh << 1) | (halfLow >>> 31)) >>> 0
  let low = ((halfLow << 1) | (value < 0 ? 1 : 0)) >>> 0
  while (high !== 0 || low >= 0x80) {
    bytes[pos++] = low | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  bytes[pos++] = low
  return pos
}
