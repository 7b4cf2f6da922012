/** Builds logs in memory, byte for byte as the committer does, and reads them through a `LogSource`. Tests only. */
import { crc32 } from "node:zlib"
import { crc32c } from "@chronik-effect/core/base/Crc32c.ts"
import {
  alignUp,
  BATCH_HEADER_BYTES,
  BLOCK_HEADER_BYTES,
  blockCrc,
  emptyHeader,
  encodeFrameHeader,
  encodeHeader,
  FRAME_HEADER_BYTES,
  type Geometry,
  leavesOut,
  segmentBytesOf,
  VERSION
} from "@chronik-effect/core/wal/Block.ts"
import {
  type DamagedLog,
  type LogSource,
  type Salt,
  type ScannedLog,
  scanLog,
  visitFrames
} from "@chronik-effect/core/wal/Scanner.ts"

export interface Frame {
  readonly kind: number
  readonly stream: number
  readonly payload: Uint8Array
}

export interface PlacedBlock {
  readonly sequence: number
  readonly address: number
  readonly length: number
  readonly frames: ReadonlyArray<Frame>
}

export const SMALL: Geometry = { chunkBytes: 8192, segmentChunks: 2 }

/** A record batch of format 2 around arbitrary bytes. */
export function batch(records: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + records.length)
  bytes.set(records, BATCH_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setInt32(8, bytes.length - 12)
  view.setUint8(16, 2)
  view.setInt32(57, 1)
  view.setUint32(17, crc32c(bytes, 21, bytes.length))
  return bytes
}

export class LogImage {
  readonly geometry: Geometry
  readonly files = new Map<number, Uint8Array>()
  readonly blocks: Array<PlacedBlock> = []
  salt: Salt = { low: 0x11111111, high: 0x22222222 }
  sequence = 0
  crc = 0
  /** Where the next block goes, unless it does not fit there. */
  end = 0

  constructor(geometry: Geometry = SMALL) {
    this.geometry = geometry
  }

  get segmentBytes() {
    return segmentBytesOf(this.geometry)
  }

  file(segment: number): Uint8Array {
    const held = this.files.get(segment)
    if (held !== undefined) return held
    const made = new Uint8Array(this.segmentBytes)
    this.files.set(segment, made)
    return made
  }

  /** A restart: a fresh segment, a new salt. */
  restart(): void {
    this.salt = { low: this.salt.low + 1, high: this.salt.high }
    this.end = (Math.floor((this.end - 1) / this.segmentBytes) + 1) * this.segmentBytes
  }

  append(
    frames: ReadonlyArray<Frame>,
    options: { durable?: number; flags?: number; at?: number; sequence?: number; previousCrc?: number } = {}
  ): PlacedBlock {
    const length =
      BLOCK_HEADER_BYTES + frames.reduce((sum, frame) => sum + FRAME_HEADER_BYTES + frame.payload.length, 0)
    let address = options.at ?? this.end
    const { chunkBytes } = this.geometry
    if ((address % chunkBytes) + length > chunkBytes) address = Math.ceil((address + 1) / chunkBytes) * chunkBytes
    const segment = Math.floor(address / this.segmentBytes)
    const bytes = this.file(segment)
    const place = address % this.segmentBytes
    const gaps: Array<number> = []
    let at = place + BLOCK_HEADER_BYTES
    for (const { kind, stream, payload } of frames) {
      encodeFrameHeader(bytes, at, kind, stream, payload.length)
      bytes.set(payload, at + FRAME_HEADER_BYTES)
      if (leavesOut(kind, payload.length)) {
        gaps.push(at + FRAME_HEADER_BYTES + BATCH_HEADER_BYTES, at + FRAME_HEADER_BYTES + payload.length)
      }
      at += FRAME_HEADER_BYTES + payload.length
    }
    const sequence = options.sequence ?? this.sequence + 1
    const header = {
      ...emptyHeader(),
      version: VERSION,
      flags: options.flags ?? 0,
      chunkLog2: Math.log2(chunkBytes),
      segmentChunks: this.geometry.segmentChunks,
      sequence,
      durableSequence: options.durable ?? sequence - 1,
      address,
      length,
      frames: frames.length,
      previousCrc: options.previousCrc ?? this.crc,
      saltLow: this.salt.low,
      saltHigh: this.salt.high
    }
    const view = new DataView(bytes.buffer)
    encodeHeader(view, place, header)
    this.crc = blockCrc(bytes, place, place + length, gaps, gaps.length / 2, crc32) >>> 0
    view.setUint32(place, this.crc, true)
    this.sequence = sequence
    this.end = alignUp(address + length)
    const block = { sequence, address, length, frames }
    this.blocks.push(block)
    return block
  }

  source(salt?: Salt): LogSource {
    const at = (segment: number, chunk: number, length: number) => {
      const from = chunk * this.geometry.chunkBytes
      return this.files.get(segment)!.subarray(from, from + length)
    }
    return {
      segments: [...this.files.keys()].sort((a, b) => a - b),
      peek: (segment, chunk) => at(segment, chunk, 64),
      chunk: (segment, chunk) => at(segment, chunk, this.geometry.chunkBytes),
      salt
    }
  }

  scan(salt: Salt | undefined = this.salt): ScannedLog | DamagedLog {
    return scanLog(this.source(salt), this.geometry, crc32)
  }

  /** The frames of a scan, as a reader of the log would see them. */
  read(log: ScannedLog): Array<Frame> {
    const frames: Array<Frame> = []
    for (const run of log.runs) {
      const segment = Math.floor(run.start / this.segmentBytes)
      const bytes = this.files.get(segment)!
      const view = new DataView(bytes.buffer)
      for (let at = run.start % this.segmentBytes; at < run.end - segment * this.segmentBytes; ) {
        const end = at + view.getUint32(at + 40, true)
        visitFrames(bytes, at, end, (kind, stream, place, length) =>
          frames.push({ kind, stream, payload: bytes.slice(place, place + length) })
        )
        at = alignUp(end)
      }
    }
    return frames
  }
}
