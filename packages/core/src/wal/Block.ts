/**
 * The bytes of the write-ahead log: blocks of frames.
 *
 * A block is what one write and one sync make durable. It starts at a multiple of 512 bytes, so that a torn write of it
 * cannot touch a sector of the block before, and never crosses the end of a chunk. All numbers are little endian:
 * ```
 *  0 crc u32             of everything from 4 to the block's end, but for the parts named below
 *  4 magic u32           "CWAL"
 *  8 version u16 = 1     10 flags u16: 1 = clean stop, the log ends here on purpose
 * 12 chunkLog2 u8        13 segmentChunks u8        14 zero u16
 * 16 sequence u64        +1 with each block, for ever
 * 24 durableSequence u64 the last block known durable when this one was written
 * 32 address u64         where this block lies: a recycled file's old blocks name another place
 * 40 length u32          with this header
 * 44 frames u32          48 previousCrc u32: of the block before     52 zero u32
 * 56 salt u64            random, one a start of the node
 * 64 frames              kind u8, stream u32, length u32, payload verbatim
 * ```
 * **What the CRC-32 leaves out.** A Batch frame of 2 KiB or more is covered up to the end of its batch header (61 bytes); the
 * records behind are proven by the batch's own CRC-32C, which stands in the covered header. Checking them twice cost a third
 * of the throughput at 1 MiB. So a block is valid when its CRC fits *and* every batch it left out fits its own, and
 * `previousCrc` still binds a block to all bytes of the block before.
 *
 * Functions over bytes that others own; nothing is allocated but views for the checksums. Scanning is in `Scanner.ts`.
 */
import { assert } from "../base/Assert.ts"

export const FrameKind = {
  Batch: 1,
  Metadata: 2,
  Vote: 3,
  Promise: 4,
  Marker: 5,
  HighWatermark: 6,
  Truncate: 7,
  LogStart: 8
} as const
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]

/** "CWAL" in the order of the bytes. */
export const MAGIC = 0x4c415743
export const VERSION = 1
export const CLEAN_STOP = 1
export const BLOCK_HEADER_BYTES = 64
export const FRAME_HEADER_BYTES = 9
export const BLOCK_ALIGNMENT = 512
/** Kept free of payload in a chunk, so that the largest frame always finds room for headers in an empty one. */
export const CHUNK_OVERHEAD_BYTES = 4096

/** From this length on a Batch frame is covered by the block's CRC only up to its batch header. */
export const BATCH_COVERED_WHOLE_BELOW = 2048
export const BATCH_HEADER_BYTES = 61

/** Powers of two and small counts, so that they fit in each block and a log of other sizes is refused by name. */
export interface Geometry {
  readonly chunkBytes: number
  readonly segmentChunks: number
}

export const segmentBytesOf = (geometry: Geometry) => geometry.chunkBytes * geometry.segmentChunks

export const alignUp = (address: number) => Math.ceil(address / BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT

export function assertGeometry(geometry: Geometry): void {
  const { chunkBytes, segmentChunks } = geometry
  assert(chunkBytes >= 8192 && 2 ** Math.log2(chunkBytes) === chunkBytes, "a WAL chunk is a power of two >= 8 KiB")
  assert(Number.isInteger(Math.log2(chunkBytes)) && chunkBytes <= 2 ** 30, "a WAL chunk is a power of two <= 1 GiB")
  assert(Number.isInteger(segmentChunks) && segmentChunks >= 1 && segmentChunks <= 255, "1 to 255 chunks a segment")
}

export interface BlockHeader {
  crc: number
  version: number
  flags: number
  chunkLog2: number
  segmentChunks: number
  sequence: number
  durableSequence: number
  address: number
  length: number
  frames: number
  previousCrc: number
  saltLow: number
  saltHigh: number
}

export const emptyHeader = (): BlockHeader => ({
  crc: 0,
  version: VERSION,
  flags: 0,
  chunkLog2: 0,
  segmentChunks: 0,
  sequence: 0,
  durableSequence: 0,
  address: 0,
  length: 0,
  frames: 0,
  previousCrc: 0,
  saltLow: 0,
  saltHigh: 0
})

const TWO_32 = 2 ** 32

const setUint64 = (view: DataView, at: number, value: number) => {
  view.setUint32(at, value % TWO_32, true)
  view.setUint32(at + 4, Math.floor(value / TWO_32), true)
}

const getUint64 = (view: DataView, at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32

/** Everything but the CRC, which is computed over the result. */
export function encodeHeader(view: DataView, at: number, header: BlockHeader): void {
  assert(header.sequence > header.durableSequence, "a block cannot be durable before it is written")
  view.setUint32(at + 4, MAGIC, true)
  view.setUint16(at + 8, header.version, true)
  view.setUint16(at + 10, header.flags, true)
  view.setUint8(at + 12, header.chunkLog2)
  view.setUint8(at + 13, header.segmentChunks)
  view.setUint16(at + 14, 0, true)
  setUint64(view, at + 16, header.sequence)
  setUint64(view, at + 24, header.durableSequence)
  setUint64(view, at + 32, header.address)
  view.setUint32(at + 40, header.length, true)
  view.setUint32(at + 44, header.frames, true)
  view.setUint32(at + 48, header.previousCrc, true)
  view.setUint32(at + 52, 0, true)
  view.setUint32(at + 56, header.saltLow, true)
  view.setUint32(at + 60, header.saltHigh, true)
}

export function decodeHeader(view: DataView, at: number, into: BlockHeader): void {
  into.crc = view.getUint32(at, true)
  into.version = view.getUint16(at + 8, true)
  into.flags = view.getUint16(at + 10, true)
  into.chunkLog2 = view.getUint8(at + 12)
  into.segmentChunks = view.getUint8(at + 13)
  into.sequence = getUint64(view, at + 16)
  into.durableSequence = getUint64(view, at + 24)
  into.address = getUint64(view, at + 32)
  into.length = view.getUint32(at + 40, true)
  into.frames = view.getUint32(at + 44, true)
  into.previousCrc = view.getUint32(at + 48, true)
  into.saltLow = view.getUint32(at + 56, true)
  into.saltHigh = view.getUint32(at + 60, true)
}

export function encodeFrameHeader(bytes: Uint8Array, at: number, kind: number, stream: number, length: number): void {
  bytes[at] = kind
  bytes[at + 1] = stream
  bytes[at + 2] = stream >>> 8
  bytes[at + 3] = stream >>> 16
  bytes[at + 4] = stream >>> 24
  bytes[at + 5] = length
  bytes[at + 6] = length >>> 8
  bytes[at + 7] = length >>> 16
  bytes[at + 8] = length >>> 24
}

export const frameStream = (bytes: Uint8Array, at: number) =>
  (bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 24)) >>> 0

export const frameLength = (bytes: Uint8Array, at: number) =>
  (bytes[at + 5]! | (bytes[at + 6]! << 8) | (bytes[at + 7]! << 16) | (bytes[at + 8]! << 24)) >>> 0

/** Whether the block's CRC stops at the batch header of such a frame. */
export const leavesOut = (kind: number, length: number) =>
  kind === FrameKind.Batch && length >= BATCH_COVERED_WHOLE_BELOW

/** zlib's CRC-32; `seed` is the CRC of the bytes before. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number

/**
 * The CRC of the block at `bytes[start, end)`. `gaps` holds `gapCount` pairs (from, to): the record bytes that are left
 * out, ascending.
 */
export function blockCrc(
  bytes: Uint8Array,
  start: number,
  end: number,
  gaps: ArrayLike<number>,
  gapCount: number,
  crc32: Crc32
): number {
  let crc = 0
  let from = start + 4
  for (let i = 0; i < gapCount; i++) {
    crc = crc32(bytes.subarray(from, gaps[2 * i]!), crc)
    from = gaps[2 * i + 1]!
  }
  return crc32(bytes.subarray(from, end), crc)
}
