/**
 * The front of the log: places frames into the ring, in the block being built, and hands finished blocks to the committer.
 *
 * `reserve` is the hot path of the whole node: it writes nine bytes, appends to two typed arrays and allocates nothing. All
 * limits (end of the chunk, of the block, of the filled file, of the pending bytes) are folded into one address, computed
 * when a block is opened; whoever crosses it takes the slow path, which opens the next block or refuses.
 *
 * It deliberately does no I/O and never waits: a refusal is -1, and `onRoom` tells later that a further try is worth it.
 * Blocks are pooled; a block belongs to the committer from `next` until `recycle`.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import {
  alignUp,
  BATCH_HEADER_BYTES,
  BLOCK_ALIGNMENT,
  BLOCK_HEADER_BYTES,
  CHUNK_OVERHEAD_BYTES,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  FrameKind,
  leavesOut
} from "@chronik-effect/core/wal/Block.ts"
import type { CommitRing } from "./CommitRing.ts"
import type { SegmentFile, WalSegments } from "./WalSegments.ts"

export interface WalBlock {
  sequence: number
  segment: SegmentFile
  start: number
  end: number
  count: number
  streams: Uint32Array
  endOffsets: Float64Array
  /** Pairs of places in the chunk: what the block's CRC leaves out. */
  readonly gaps: Array<number>
  gapCount: number
  flags: number
}

export interface AppenderLimits {
  readonly segmentBytes: number
  readonly blockBytesMax: number
  readonly pendingBytesMax: number
  readonly metadataReserveBytes: number
}

/** The end of a segment is kept for the mark of a clean stop. */
const STOP_MARK_BYTES = 2 * BLOCK_ALIGNMENT
const NO_BLOCK = -1
const STREAM_MAX = 0xffffffff

export class WalAppender {
  /** Everything below is on disk; moved by the committer. */
  durableAddress: number
  readonly frameBytesMax: number
  /** There is a block to write that was not there before. */
  onWork: () => void = () => {}

  readonly #ring: CommitRing
  readonly #segments: WalSegments
  readonly #limits: AppenderLimits
  readonly #sealed: Array<WalBlock> = []
  readonly #pool: Array<WalBlock> = []
  #open: WalBlock | undefined
  #bytes: Uint8Array
  #chunkBase: number
  /** End of the last frame, where the next one begins. */
  #end: number
  /** The open block takes frames up to here; -1 when there is none. */
  #limit = NO_BLOCK
  #batchLimit = NO_BLOCK
  #sequence: number
  #refused = false
  #full = false
  #stopped = false

  constructor(ring: CommitRing, segments: WalSegments, limits: AppenderLimits, lastSequence: number) {
    assert(limits.pendingBytesMax <= 2 * ring.chunkBytes, "what is pending must leave half of the ring to readers")
    assert(limits.blockBytesMax <= ring.chunkBytes, "a block lies in one chunk")
    this.#ring = ring
    this.#segments = segments
    this.#limits = limits
    this.#sequence = lastSequence
    this.#end = segments.head.startAddress
    this.#chunkBase = this.#end
    this.durableAddress = this.#end
    this.frameBytesMax = ring.chunkBytes - CHUNK_OVERHEAD_BYTES
    ring.enter(this.#end)
    this.#bytes = ring.chunkAt(this.#end)
  }

  /** End of everything reserved. */
  get end(): number {
    return this.#end
  }

  get pendingBytes(): number {
    return this.#end - this.durableAddress
  }

  /** A reservation failed for want of disk space, and there still is none. */
  get full(): boolean {
    return this.#full && this.#segments.noSpace
  }

  get refused(): boolean {
    return this.#refused
  }

  reserve(kind: number, stream: number, length: number, endOffset: number): number {
    assert(length >= 0 && stream >= 0 && stream <= STREAM_MAX, "a frame needs a length and a stream of 32 bits")
    const header = this.#end
    if (header + FRAME_HEADER_BYTES + length > (kind === FrameKind.Batch ? this.#batchLimit : this.#limit)) {
      if (!this.#openBlock(kind, length)) return -1
      return this.#place(this.#end, kind, stream, length, endOffset)
    }
    return this.#place(header, kind, stream, length, endOffset)
  }

  #place(header: number, kind: number, stream: number, length: number, endOffset: number): number {
    const block = this.#open!
    const place = header - this.#chunkBase
    encodeFrameHeader(this.#bytes, place, kind, stream, length)
    const n = block.count
    if (n === block.streams.length) grow(block)
    block.streams[n] = stream
    block.endOffsets[n] = endOffset
    block.count = n + 1
    if (leavesOut(kind, length)) {
      const payload = place + FRAME_HEADER_BYTES
      const at = 2 * block.gapCount++
      block.gaps[at] = payload + BATCH_HEADER_BYTES
      block.gaps[at + 1] = payload + length
    }
    this.#end = header + FRAME_HEADER_BYTES + length
    return header + FRAME_HEADER_BYTES
  }

  /** Opens a block with room for such a frame. False, and nothing is changed, when there is none. */
  #openBlock(kind: number, length: number): boolean {
    assert(length <= this.frameBytesMax, `a frame of the log has at most ${this.frameBytesMax} bytes`)
    const size = BLOCK_HEADER_BYTES + FRAME_HEADER_BYTES + length
    let start = alignUp(this.#end)
    const chunkEnd = this.#chunkBase + this.#ring.chunkBytes
    if (start + size > chunkEnd) start = chunkEnd
    if (this.#stopped) return this.#refuse(false)
    const pending = this.#end > this.durableAddress
    if (pending && start + size - this.durableAddress > this.#limits.pendingBytesMax) return this.#refuse(false)
    const { head, spare } = this.#segments
    if (start + size > head.startAddress + this.#limits.segmentBytes - this.#tail(kind)) {
      if (spare === undefined || size > spare.filled) return this.#refuse(true)
      this.#seal()
      this.#segments.advance(this.#end)
      start = spare.startAddress
    } else if (start + size > head.startAddress + head.filled) return this.#refuse(true)
    this.#seal()
    this.#begin(start)
    this.#setLimits(start, size)
    this.onWork()
    return true
  }

  /** Bytes at the end of a segment that a frame of this kind must leave alone. */
  #tail(kind: number): number {
    const reserved = kind === FrameKind.Batch && this.#segments.spare === undefined
    return reserved ? Math.max(STOP_MARK_BYTES, this.#limits.metadataReserveBytes) : STOP_MARK_BYTES
  }

  #refuse(forSegment: boolean): false {
    this.#refused = true
    if (forSegment) this.#segments.demand()
    if (forSegment && this.#segments.noSpace) this.#full = true
    return false
  }

  #begin(start: number): void {
    const { chunkBytes } = this.#ring
    const base = start - (start % chunkBytes)
    // The very first chunk was entered at the start.
    if (base !== this.#chunkBase) {
      assert(base - this.durableAddress <= 3 * chunkBytes, "the ring may come round only to bytes that are on disk")
      this.#ring.enter(base)
      this.#chunkBase = base
      this.#bytes = this.#ring.chunkAt(base)
    }
    const block = this.#pool.pop() ?? makeBlock(this.#segments.head)
    block.sequence = ++this.#sequence
    block.segment = this.#segments.head
    block.start = start
    block.count = 0
    block.gapCount = 0
    block.flags = 0
    this.#open = block
    this.#end = start + BLOCK_HEADER_BYTES
  }

  #setLimits(start: number, size: number): void {
    const { head } = this.#segments
    const base = Math.min(
      this.#chunkBase + this.#ring.chunkBytes,
      start + Math.max(size, this.#limits.blockBytesMax),
      head.startAddress + head.filled,
      Math.max(start + size, this.durableAddress + this.#limits.pendingBytesMax)
    )
    const segmentEnd = head.startAddress + this.#limits.segmentBytes
    this.#limit = Math.min(base, segmentEnd - this.#tail(FrameKind.Metadata))
    this.#batchLimit = Math.min(base, segmentEnd - this.#tail(FrameKind.Batch))
  }

  #seal(): void {
    const block = this.#open
    if (block === undefined) return
    block.end = this.#end
    this.#open = undefined
    this.#limit = NO_BLOCK
    this.#batchLimit = NO_BLOCK
    this.#sealed.push(block)
  }

  /** Where the next block to write lies; undefined when there is none. */
  get nextSegment(): SegmentFile | undefined {
    return (this.#sealed[0] ?? this.#open)?.segment
  }

  get hasSealed(): boolean {
    return this.#sealed.length > 0
  }

  get hasWork(): boolean {
    return this.#open !== undefined || this.#sealed.length > 0
  }

  /** The next block to write, if need be the one being built. There must be one. */
  take(): WalBlock {
    if (this.#sealed.length === 0) this.#seal()
    return this.#sealed.shift()!
  }

  recycle(block: WalBlock): void {
    this.#segments.blockDone()
    this.#pool.push(block)
  }

  /** Something changed for the better: refusals are worth another try. */
  progressed(): void {
    this.#refused = false
    if (!this.#segments.noSpace) this.#full = false
  }

  stop(): void {
    this.#stopped = true
    this.#limit = NO_BLOCK
    this.#batchLimit = NO_BLOCK
  }

  /** After `stop` and with nothing pending: an empty block, if the head has room for one. */
  stopMark(flags: number): WalBlock | undefined {
    assert(this.#stopped && !this.hasWork, "the mark of a clean stop is the last block")
    const { head } = this.#segments
    const start = alignUp(this.#end)
    if (start + BLOCK_HEADER_BYTES > head.startAddress + head.filled) return undefined
    this.#begin(start)
    this.#open!.flags = flags
    this.#seal()
    return this.take()
  }
}

const makeBlock = (segment: SegmentFile): WalBlock => ({
  sequence: 0,
  segment,
  start: 0,
  end: 0,
  count: 0,
  streams: new Uint32Array(64),
  endOffsets: new Float64Array(64),
  gaps: [],
  gapCount: 0,
  flags: 0
})

function grow(block: WalBlock): void {
  const streams = new Uint32Array(2 * block.streams.length)
  streams.set(block.streams)
  const endOffsets = new Float64Array(streams.length)
  endOffsets.set(block.endOffsets)
  block.streams = streams
  block.endOffsets = endOffsets
}
