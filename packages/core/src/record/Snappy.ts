/**
 * Snappy, raw and in the framing of the Java library ("xerial").
 *
 * Java clients frame, librdkafka writes raw blocks: decoding accepts both (and frames that were joined), encoding writes the
 * framing with 32 KiB blocks as Java does, which every client reads.
 *
 * ```
 * framed = 82 "SNAPPY" 00, version int32 = 1, compatible version int32 = 1, (length int32, raw)…      big endian
 * raw    = content length varint, element…
 * element, by the two low bits of its tag: 0 literals (length - 1 in 6 bits, or in 1-4 bytes when 60-63), 1 copy (length 4-11,
 *          offset 11 bits), 2 copy (length 1-64, offset u16), 3 copy (length 1-64, offset u32)         little endian
 * ```
 */
import { readInt32 } from "../base/Bytes.ts"
import { readUnsignedVarint, type VarintCursor, writeUnsignedVarint } from "../base/Varint.ts"
import { CompressionFault } from "./Compression.ts"

const FRAME_HEADER = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1)
const FRAME_MAGIC_BYTES = 8
/** What the header's first four bytes look like in the place of a block length. */
const FRAME_MAGIC_HEAD = readInt32(FRAME_HEADER, 0)
const BLOCK_BYTES = 32 * 1024
const HASH_BITS = 13

export function snappyDecompress(bytes: Uint8Array, bytesMax: number): Uint8Array | CompressionFault {
  return isFramed(bytes) ? decompressFramed(bytes, bytesMax) : decompressRaw(bytes, bytesMax)
}

function isFramed(bytes: Uint8Array): boolean {
  if (bytes.length < FRAME_HEADER.length) return false
  for (let i = 0; i < FRAME_MAGIC_BYTES; i++) if (bytes[i] !== FRAME_HEADER[i]) return false
  return true
}

function decompressRaw(bytes: Uint8Array, bytesMax: number): Uint8Array | CompressionFault {
  const cursor: VarintCursor = { bytes, pos: 0, end: bytes.length }
  const length = readUnsignedVarint(cursor)
  const fault = lengthFault(length, cursor, bytesMax)
  if (fault !== undefined) return fault
  const output = new Uint8Array(length)
  return expand(bytes, cursor.pos, bytes.length, output, 0, length) ? output : corrupt()
}

function decompressFramed(bytes: Uint8Array, bytesMax: number): Uint8Array | CompressionFault {
  // First the sum of the blocks' lengths, so that the output is allocated once and within its bound.
  const blocks: Array<{ readonly start: number; readonly end: number; readonly length: number }> = []
  let total = 0
  for (let pos = FRAME_HEADER.length; pos < bytes.length; ) {
    const remaining = bytes.length - pos
    if (remaining < 4) return corrupt()
    const blockBytes = readInt32(bytes, pos)
    if (blockBytes === FRAME_MAGIC_HEAD && remaining >= FRAME_HEADER.length) {
      pos += FRAME_HEADER.length
      continue
    }
    if (blockBytes < 0 || blockBytes > remaining - 4) return corrupt()
    const end = pos + 4 + blockBytes
    const cursor: VarintCursor = { bytes, pos: pos + 4, end }
    const length = readUnsignedVarint(cursor)
    const fault = lengthFault(length, cursor, bytesMax - total)
    if (fault !== undefined) return fault
    blocks.push({ start: cursor.pos, end, length })
    total += length
    pos = end
  }
  const output = new Uint8Array(total)
  let at = 0
  for (const { start, end, length } of blocks) {
    if (!expand(bytes, start, end, output, at, at + length)) return corrupt()
    at += length
  }
  return output
}

/** No element makes more than 64 bytes out of 3, so a length beyond that is a lie that must not be allocated. */
function lengthFault(length: number, cursor: VarintCursor, bytesMax: number): CompressionFault | undefined {
  if (!(length >= 0) || length > 32 * (cursor.end - cursor.pos)) return corrupt()
  return length <= bytesMax
    ? undefined
    : new CompressionFault("tooLarge", "The snappy data holds more than the allowed number of bytes.")
}

/** Expands the elements `bytes[pos, end)` into exactly `output[start, stop)`; false when they are malformed. */
function expand(bytes: Uint8Array, pos: number, end: number, output: Uint8Array, start: number, stop: number): boolean {
  let at = start
  while (pos < end) {
    const tag = bytes[pos++]!
    let length: number
    let offset: number
    if ((tag & 3) === 0) {
      length = (tag >>> 2) + 1
      if (length > 60) {
        const lengthBytes = length - 60
        if (pos + lengthBytes > end) return false
        length = littleEndian(bytes, pos, lengthBytes) + 1
        pos += lengthBytes
      }
      if (length > end - pos || length > stop - at) return false
      if (length > 32) {
        output.set(bytes.subarray(pos, pos + length), at)
        at += length
        pos += length
      } else for (const last = pos + length; pos < last; ) output[at++] = bytes[pos++]!
      continue
    }
    if ((tag & 3) === 1) {
      if (pos >= end) return false
      length = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | bytes[pos++]!
    } else {
      const offsetBytes = (tag & 3) === 2 ? 2 : 4
      if (pos + offsetBytes > end) return false
      length = (tag >>> 2) + 1
      offset = littleEndian(bytes, pos, offsetBytes)
      pos += offsetBytes
    }
    // A block refers only to itself.
    if (offset === 0 || offset > at - start || length > stop - at) return false
    for (let from = at - offset, last = at + length; at < last; ) output[at++] = output[from++]!
  }
  return at === stop
}

function littleEndian(bytes: Uint8Array, pos: number, count: number): number {
  let value = 0
  for (let i = count - 1; i >= 0; i--) value = value * 256 + bytes[pos + i]!
  return value
}

export function snappyCompress(bytes: Uint8Array): Uint8Array {
  const blocksCount = Math.ceil(bytes.length / BLOCK_BYTES)
  // Per block its length field and the format's own bound: 32 + n + n / 6.
  const output = new Uint8Array(FRAME_HEADER.length + blocksCount * 36 + bytes.length + Math.ceil(bytes.length / 6))
  output.set(FRAME_HEADER)
  const places = new Int32Array(1 << HASH_BITS)
  let at = FRAME_HEADER.length
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length)
    const content = writeUnsignedVarint(output, at + 4, end - start)
    const blockEnd = compressBlock(bytes, start, end, output, content, places.fill(-1))
    const blockBytes = blockEnd - at - 4
    output[at] = blockBytes >>> 24
    output[at + 1] = blockBytes >>> 16
    output[at + 2] = blockBytes >>> 8
    output[at + 3] = blockBytes
    at = blockEnd
  }
  return output.slice(0, at)
}

/** Greedy, one candidate a hash; returns the position after the block. */
function compressBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  at: number,
  places: Int32Array
): number {
  let pos = start
  let literalStart = start
  let misses = 32
  while (pos + 4 <= end) {
    const next = word(bytes, pos)
    const hash = Math.imul(next, 0x1e35_a7bd) >>> (32 - HASH_BITS)
    const candidate = places[hash]!
    places[hash] = pos
    if (candidate < 0 || word(bytes, candidate) !== next) {
      pos += misses++ >> 5
      continue
    }
    misses = 32
    let length = 4
    while (pos + length < end && bytes[candidate + length] === bytes[pos + length]) length++
    at = writeLiterals(bytes, literalStart, pos, output, at)
    at = writeCopy(pos - candidate, length, output, at)
    pos += length
    literalStart = pos
  }
  return writeLiterals(bytes, literalStart, end, output, at)
}

function writeLiterals(bytes: Uint8Array, start: number, end: number, output: Uint8Array, at: number): number {
  const last = end - start - 1
  if (last < 0) return at
  if (last < 60) output[at++] = last << 2
  else if (last < 256) {
    output[at++] = 60 << 2
    output[at++] = last
  } else {
    output[at++] = 61 << 2
    output[at++] = last
    output[at++] = last >>> 8
  }
  for (let pos = start; pos < end; pos++) output[at++] = bytes[pos]!
  return at
}

/** A copy element carries at most 64 bytes; the pieces are cut so that the last one has at least 4. */
function writeCopy(offset: number, length: number, output: Uint8Array, at: number): number {
  let rest = length
  while (rest >= 68) {
    at = writeFarCopy(offset, 64, output, at)
    rest -= 64
  }
  if (rest > 64) {
    at = writeFarCopy(offset, 60, output, at)
    rest -= 60
  }
  if (rest >= 12 || offset >= 2048) return writeFarCopy(offset, rest, output, at)
  output[at++] = ((offset >>> 8) << 5) | ((rest - 4) << 2) | 1
  output[at++] = offset
  return at
}

function writeFarCopy(offset: number, length: number, output: Uint8Array, at: number): number {
  output[at++] = ((length - 1) << 2) | 2
  output[at++] = offset
  output[at++] = offset >>> 8
  return at
}

function word(bytes: Uint8Array, pos: number): number {
  return bytes[pos]! | (bytes[pos + 1]! << 8) | (bytes[pos + 2]! << 16) | (bytes[pos + 3]! << 24)
}

function corrupt(): CompressionFault {
  return new CompressionFault("corrupt", "The snappy data is broken.")
}
