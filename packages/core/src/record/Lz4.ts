/**
 * LZ4 in its frame format, as Kafka's clients write and read it.
 *
 * Decoding accepts everything of frame version 1: independent and linked blocks, stored blocks, content size, block and
 * content checksums (verified). A dictionary is refused, Kafka has no way to name one. Encoding writes what the Java client
 * writes, because Java reads nothing else: independent blocks of 64 KiB, no checksums but the header's.
 *
 * Two passes: the first checks every length, offset and checksum and adds up the size, so that the second copies without a
 * check into an array of just that size, and a bomb is refused before a byte is allocated for it.
 *
 * ```
 * frame = 04 22 4d 18, FLG, BD, [content size u64], [dictionary u32], header checksum u8, block…, 0 u32, [checksum u32]
 * block = size u32 (bit 31: stored as is), data, [checksum u32]           all little endian
 * data  = (token u8, [literal length], literals, offset u16, [match length])… ending with literals
 * ```
 */
import { xxHash32 } from "../base/XxHash32.ts"
import { CompressionFault } from "./Compression.ts"

const FRAME_MAGIC = 0x184d_2204
const FRAME_VERSION = 0x40
const FLAG_INDEPENDENT = 0x20
const FLAG_BLOCK_CHECKSUM = 0x10
const FLAG_CONTENT_SIZE = 0x08
const FLAG_CONTENT_CHECKSUM = 0x04
const FLAG_RESERVED = 0x02
const FLAG_DICTIONARY = 0x01
const STORED = 0x8000_0000
const TWO_32 = 4_294_967_296
const MATCH_BYTES_MIN = 4
const WINDOW_BYTES = 65_536

interface Block {
  readonly start: number
  readonly end: number
  readonly stored: boolean
}

interface Frame {
  readonly blocks: ReadonlyArray<Block>
  readonly bytes: number
  /** Undefined: the frame has none. */
  readonly checksum: number | undefined
}

export function lz4Decompress(bytes: Uint8Array, bytesMax: number): Uint8Array | CompressionFault {
  const frame = measureFrame(bytes, bytesMax)
  if (frame instanceof CompressionFault) return frame
  const output = new Uint8Array(frame.bytes)
  let at = 0
  for (const block of frame.blocks) {
    if (block.stored) {
      output.set(bytes.subarray(block.start, block.end), at)
      at += block.end - block.start
    } else at = expandBlock(bytes, block.start, block.end, output, at)
  }
  if (frame.checksum !== undefined && xxHash32(output, 0, output.length) !== frame.checksum) {
    return corrupt("the content checksum is wrong")
  }
  return output
}

/** First pass: everything that can be wrong with the frame, except the content checksum. */
function measureFrame(bytes: Uint8Array, bytesMax: number): Frame | CompressionFault {
  if (bytes.length < 7 || word(bytes, 0) !== FRAME_MAGIC) return corrupt("it does not begin with a frame header")
  const flags = bytes[4]!
  const blockSize = bytes[5]!
  if ((flags & 0xc0) !== FRAME_VERSION || (flags & FLAG_RESERVED) !== 0) return corrupt("the frame version is unknown")
  if ((flags & FLAG_DICTIONARY) !== 0) return corrupt("it needs a dictionary")
  if ((blockSize & 0x8f) !== 0 || blockSize < 0x40) return corrupt("the block size is unknown")
  const blockBytesMax = 1 << (8 + 2 * (blockSize >> 4))
  let pos = 6
  let announced: number | undefined
  if ((flags & FLAG_CONTENT_SIZE) !== 0) {
    if (bytes.length < 15) return corrupt("it ends inside the frame header")
    announced = word(bytes, 10) * TWO_32 + word(bytes, 6)
    if (announced > bytesMax) return tooLarge(bytesMax)
    pos = 14
  }
  if (((xxHash32(bytes, 4, pos) >>> 8) & 0xff) !== bytes[pos]) return corrupt("the header checksum is wrong")
  pos++
  const blocks: Array<Block> = []
  const blockTail = (flags & FLAG_BLOCK_CHECKSUM) === 0 ? 0 : 4
  const linked = (flags & FLAG_INDEPENDENT) === 0
  let size = 0
  for (;;) {
    if (pos + 4 > bytes.length) return corrupt("it ends before its end mark")
    const field = word(bytes, pos)
    pos += 4
    if (field === 0) break
    const stored = field >= STORED
    const end = pos + (stored ? field - STORED : field)
    if (end + blockTail > bytes.length) return corrupt("it ends inside a block")
    if (blockTail !== 0 && xxHash32(bytes, pos, end) !== word(bytes, end)) return corrupt("a block checksum is wrong")
    const expanded = stored ? end - pos : measureBlock(bytes, pos, end, linked ? size : 0)
    if (expanded < 0 || expanded > blockBytesMax) return corrupt("a block is malformed")
    size += expanded
    if (size > bytesMax) return tooLarge(bytesMax)
    blocks.push({ start: pos, end, stored })
    pos = end + blockTail
  }
  let checksum: number | undefined
  if ((flags & FLAG_CONTENT_CHECKSUM) !== 0) {
    if (pos + 4 > bytes.length) return corrupt("it ends before its content checksum")
    checksum = word(bytes, pos)
    pos += 4
  }
  if (pos !== bytes.length) return corrupt("bytes follow the frame")
  if (announced !== undefined && announced !== size) return corrupt("it does not have its announced size")
  return { blocks, bytes: size, checksum }
}

/** Size of the block's content, or -1 when malformed. `before` bytes of earlier blocks may be referred to. */
function measureBlock(bytes: Uint8Array, start: number, end: number, before: number): number {
  let pos = start
  let size = 0
  while (pos < end) {
    const token = bytes[pos++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more: number
      do {
        if (pos >= end) return -1
        more = bytes[pos++]!
        literals += more
      } while (more === 255)
    }
    pos += literals
    size += literals
    if (pos === end) return size
    if (pos + 2 > end) return -1
    const offset = bytes[pos]! | (bytes[pos + 1]! << 8)
    pos += 2
    if (offset === 0 || offset > before + size) return -1
    let match = token & 15
    if (match === 15) {
      let more: number
      do {
        if (pos >= end) return -1
        more = bytes[pos++]!
        match += more
      } while (more === 255)
    }
    size += match + MATCH_BYTES_MIN
  }
  // A block ends with literals, so that an empty one or one that ends with a match was cut off.
  return -1
}

/** Second pass over a block that `measureBlock` has accepted; returns the position after its content. */
function expandBlock(bytes: Uint8Array, start: number, end: number, output: Uint8Array, at: number): number {
  let pos = start
  for (;;) {
    const token = bytes[pos++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more: number
      do {
        more = bytes[pos++]!
        literals += more
      } while (more === 255)
    }
    if (literals > 32) {
      output.set(bytes.subarray(pos, pos + literals), at)
      at += literals
      pos += literals
    } else for (const stop = pos + literals; pos < stop; ) output[at++] = bytes[pos++]!
    if (pos === end) return at
    const offset = bytes[pos]! | (bytes[pos + 1]! << 8)
    pos += 2
    let match = token & 15
    if (match === 15) {
      let more: number
      do {
        more = bytes[pos++]!
        match += more
      } while (more === 255)
    }
    match += MATCH_BYTES_MIN
    let from = at - offset
    if (match > 64 && offset >= match) {
      output.copyWithin(at, from, from + match)
      at += match
    } else for (const stop = at + match; at < stop; ) output[at++] = output[from++]!
  }
}

export function lz4Compress(bytes: Uint8Array): Uint8Array {
  const blocksCount = Math.ceil(bytes.length / WINDOW_BYTES)
  const output = new Uint8Array(11 + blocksCount * (4 + 16 + 256) + bytes.length)
  setWord(output, 0, FRAME_MAGIC)
  output[4] = FRAME_VERSION | FLAG_INDEPENDENT
  output[5] = 0x40
  output[6] = (xxHash32(output, 4, 6) >>> 8) & 0xff
  const places = new Int32Array(1 << HASH_BITS)
  let at = 7
  for (let start = 0; start < bytes.length; start += WINDOW_BYTES) {
    const end = Math.min(start + WINDOW_BYTES, bytes.length)
    const compressed = compressBlock(bytes, start, end, output, at + 4, places.fill(-1)) - (at + 4)
    if (compressed < end - start) {
      setWord(output, at, compressed)
      at += 4 + compressed
    } else {
      setWord(output, at, STORED + end - start)
      output.set(bytes.subarray(start, end), at + 4)
      at += 4 + end - start
    }
  }
  // Written, not assumed: a block that was stored in the end has left its longer compressed form behind it.
  setWord(output, at, 0)
  return output.slice(0, at + 4)
}

const HASH_BITS = 13
/** The format ends every block with five literals, and begins no match in the last twelve bytes. */
const LAST_LITERALS = 5
const MATCH_START_MARGIN = 12

/** Greedy, one candidate a hash; returns the position after the block. Incompressible stretches are stepped over faster. */
function compressBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  at: number,
  places: Int32Array
): number {
  const matchStartEnd = end - MATCH_START_MARGIN
  const matchEnd = end - LAST_LITERALS
  let pos = start
  let literalStart = start
  let misses = 64
  while (pos < matchStartEnd) {
    const next = word(bytes, pos)
    const hash = Math.imul(next, 0x9e37_79b1) >>> (32 - HASH_BITS)
    const candidate = places[hash]!
    places[hash] = pos
    // A block is as large as the window, so that every earlier place in it is in reach.
    if (candidate < 0 || word(bytes, candidate) !== next) {
      pos += misses++ >> 6
      continue
    }
    misses = 64
    const offset = pos - candidate
    let match = MATCH_BYTES_MIN
    while (pos + match < matchEnd && bytes[candidate + match] === bytes[pos + match]) match++
    at = writeSequence(bytes, literalStart, pos, offset, match - MATCH_BYTES_MIN, output, at)
    pos += match
    literalStart = pos
  }
  return writeLiterals(bytes, literalStart, end, 0, output, at)
}

function writeSequence(
  bytes: Uint8Array,
  literalStart: number,
  literalEnd: number,
  offset: number,
  match: number,
  output: Uint8Array,
  at: number
): number {
  at = writeLiterals(bytes, literalStart, literalEnd, Math.min(match, 15), output, at)
  output[at++] = offset
  output[at++] = offset >>> 8
  return match < 15 ? at : writeLength(match - 15, output, at)
}

function writeLiterals(
  bytes: Uint8Array,
  start: number,
  end: number,
  matchNibble: number,
  output: Uint8Array,
  at: number
): number {
  const length = end - start
  output[at++] = (Math.min(length, 15) << 4) | matchNibble
  if (length >= 15) at = writeLength(length - 15, output, at)
  for (let pos = start; pos < end; pos++) output[at++] = bytes[pos]!
  return at
}

function writeLength(rest: number, output: Uint8Array, at: number): number {
  for (; rest >= 255; rest -= 255) output[at++] = 255
  output[at++] = rest
  return at
}

function word(bytes: Uint8Array, pos: number): number {
  return (bytes[pos]! | (bytes[pos + 1]! << 8) | (bytes[pos + 2]! << 16) | (bytes[pos + 3]! << 24)) >>> 0
}

function setWord(bytes: Uint8Array, pos: number, value: number): void {
  bytes[pos] = value
  bytes[pos + 1] = value >>> 8
  bytes[pos + 2] = value >>> 16
  bytes[pos + 3] = value >>> 24
}

function corrupt(what: string): CompressionFault {
  return new CompressionFault("corrupt", `The LZ4 frame is broken: ${what}.`)
}

function tooLarge(bytesMax: number): CompressionFault {
  return new CompressionFault("tooLarge", `The LZ4 frame holds more than the allowed ${bytesMax} bytes.`)
}
