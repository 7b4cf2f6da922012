/**
 * Reads a write-ahead log back: the longest valid prefix of blocks, and whether what follows it is a torn tail or damage.
 *
 * **The chain.** The first block of the lowest segment begins it. Each further block must carry the next sequence, the CRC of
 * the block before, its own address, and bytes that fit its checksums. It follows at the next multiple of 512, or, where the
 * writer left a gap, at the start of the next chunk, or at the start of a later segment. Nothing else continues the chain,
 * so neither old blocks of a recycled file nor blocks behind a hole (rule 32) are ever read.
 *
 * **Torn or damaged (rule 33).** Behind the end of the chain valid blocks may lie: those of a second flight whose first was
 * torn. If one of them, or one that follows it, names the missing block as durable, then the missing one was once on disk:
 * that is damage, never a tail to cut. Blocks behind are found by their magic, address and checksums, and count only with
 * the salt of the last start or of a block at the start of a chunk, where no payload can stand: else a client could forge
 * one inside a record.
 * **Limit** the last block, or the last two that were in flight together, cannot be told from a torn tail: nothing behind
 * them says that they were durable.
 *
 * Pure: bytes come through `LogSource`, a chunk at a time; memory is a few numbers a chunk.
 */
import { crc32c } from "../base/Crc32c.ts"
import {
  alignUp,
  BATCH_HEADER_BYTES,
  BLOCK_ALIGNMENT,
  BLOCK_HEADER_BYTES,
  type BlockHeader,
  blockCrc,
  CLEAN_STOP,
  type Crc32,
  decodeHeader,
  emptyHeader,
  FRAME_HEADER_BYTES,
  frameLength,
  frameStream,
  type Geometry,
  leavesOut,
  MAGIC,
  segmentBytesOf,
  VERSION
} from "./Block.ts"

export interface LogSource {
  /** Sequences of the segment files, ascending. */
  readonly segments: ReadonlyArray<number>
  /** The first bytes of a chunk, enough for a block header; fewer when the file ends before. */
  readonly peek: (segment: number, chunk: number) => Uint8Array
  /** All bytes of a chunk, fewer when the file ends in it. Valid until the next call. */
  readonly chunk: (segment: number, chunk: number) => Uint8Array
  /** The salt of the last start, if it is known from elsewhere. */
  readonly salt?: Salt | undefined
}

export interface Salt {
  readonly low: number
  readonly high: number
}

/** Blocks that follow each other without a gap: addresses [start, end), `end` not aligned. */
export interface Run {
  readonly start: number
  readonly end: number
}

export interface ScannedLog {
  readonly _tag: "Log"
  readonly runs: ReadonlyArray<Run>
  /** The last block's; 0 and 0 for an empty log. */
  readonly lastSequence: number
  readonly lastCrc: number
  /** The last block says that the log ended on purpose. */
  readonly cleanStop: boolean
  /** What an unfinished block at the end claims to be long. */
  readonly tornBytes: number
  /**
   * The last blocks, at most two, that nothing behind them says were synced. What was read may stand in the page cache
   * only: write these again and sync before anybody acts on them.
   */
  readonly unproven: ReadonlyArray<Run>
}

/** `reason` is a whole sentence without its place, which is `segment` and `position`. */
export interface DamagedLog {
  readonly _tag: "Damaged"
  readonly segment: number
  readonly position: number
  readonly reason: string
}

/** What stands at a place: nothing of this log, a whole block, an unfinished or damaged one, or one of a foreign format. */
export type Verdict = "absent" | "valid" | "broken" | "version" | "geometry"

/** Looks at single blocks. Holds the last header it saw and its scratch; not shared between scans. */
export class BlockReader {
  readonly header: BlockHeader = emptyHeader()
  readonly #geometry: Geometry
  readonly #chunkLog2: number
  readonly #crc32: Crc32
  readonly #gaps: Array<number> = []

  constructor(geometry: Geometry, crc32: Crc32) {
    this.#geometry = geometry
    this.#chunkLog2 = Math.log2(geometry.chunkBytes)
    this.#crc32 = crc32
  }

  /** The block at `bytes[at]`, which is where `address` lies; `bytes` reaches at most to the end of its chunk. */
  look(bytes: Uint8Array, at: number, address: number): Verdict {
    const verdict = this.lookAtHeader(bytes, at, address)
    if (verdict !== "valid") return verdict
    const { header } = this
    const end = at + header.length
    if (header.length < BLOCK_HEADER_BYTES || end > bytes.length) return "broken"
    const gapCount = this.#walk(bytes, at + BLOCK_HEADER_BYTES, end, header.frames)
    if (gapCount < 0) return "broken"
    if (blockCrc(bytes, at, end, this.#gaps, gapCount, this.#crc32) >>> 0 !== header.crc) return "broken"
    for (let i = 0; i < gapCount; i++) {
      if (!batchFits(bytes, this.#gaps[2 * i]! - BATCH_HEADER_BYTES, this.#gaps[2 * i + 1]!)) return "broken"
    }
    return "valid"
  }

  /** The same for the header alone: it may claim a block that is not there. */
  lookAtHeader(bytes: Uint8Array, at: number, address: number): Verdict {
    if (at + BLOCK_HEADER_BYTES > bytes.length) return "absent"
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK_HEADER_BYTES)
    if (view.getUint32(4, true) !== MAGIC) return "absent"
    decodeHeader(view, 0, this.header)
    // A header lies in one sector, so it is never half written: of two versions or sizes one must be another program's.
    if (this.header.version !== VERSION) return this.header.address === address ? "version" : "absent"
    if (this.header.chunkLog2 !== this.#chunkLog2 || this.header.segmentChunks !== this.#geometry.segmentChunks) {
      return "geometry"
    }
    return this.header.address === address ? "valid" : "absent"
  }

  /** Checks that the frames fill the block exactly; notes what the CRC leaves out. -1 when they do not. */
  #walk(bytes: Uint8Array, start: number, end: number, frames: number): number {
    let at = start
    let gapCount = 0
    for (let i = 0; i < frames; i++) {
      if (at + FRAME_HEADER_BYTES > end) return -1
      const length = frameLength(bytes, at)
      const payload = at + FRAME_HEADER_BYTES
      if (payload + length > end) return -1
      if (leavesOut(bytes[at]!, length)) {
        this.#gaps[2 * gapCount] = payload + BATCH_HEADER_BYTES
        this.#gaps[2 * gapCount + 1] = payload + length
        gapCount++
      }
      at = payload + length
    }
    return at === end ? gapCount : -1
  }
}

/** A whole record batch of format 2 at [start, end) that fits its CRC-32C. */
function batchFits(bytes: Uint8Array, start: number, end: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, BATCH_HEADER_BYTES)
  return view.getInt32(8) + 12 === end - start && view.getUint32(17) === crc32c(bytes, start + 21, end)
}

/** Visits the frames of one valid block; `at` is the place of the payload in `bytes`. */
export function visitFrames(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (kind: number, stream: number, at: number, length: number) => void
): void {
  let at = start + BLOCK_HEADER_BYTES
  while (at < end) {
    const length = frameLength(bytes, at)
    visit(bytes[at]!, frameStream(bytes, at), at + FRAME_HEADER_BYTES, length)
    at += FRAME_HEADER_BYTES + length
  }
}

export function scanLog(source: LogSource, geometry: Geometry, crc32: Crc32): ScannedLog | DamagedLog {
  return new LogScan(source, geometry, crc32).run()
}

class LogScan {
  readonly #source: LogSource
  readonly #chunkBytes: number
  readonly #chunks: number
  readonly #segmentBytes: number
  readonly #reader: BlockReader
  readonly #runs: Array<Run> = []
  /** Of the last block taken. */
  #sequence = 0
  #crc = 0
  #clean = false
  /** Where the next block would stand. */
  #end: number
  /** Salts that cannot be forged. */
  readonly #salts = new Set<string>()
  #tornBytes = 0
  /** The last two blocks, the newer one last. */
  #lastTwo: Array<Run & { readonly sequence: number }> = []
  #durable = 0
  /** The lowest number that the block behind the end can have had, once that is known. */
  #missing = 0
  #damage: DamagedLog | undefined

  constructor(source: LogSource, geometry: Geometry, crc32: Crc32) {
    this.#source = source
    this.#chunkBytes = geometry.chunkBytes
    this.#chunks = geometry.segmentChunks
    this.#segmentBytes = segmentBytesOf(geometry)
    this.#reader = new BlockReader(geometry, crc32)
    this.#end = (source.segments[0] ?? 0) * this.#segmentBytes
    if (source.salt !== undefined) this.#salts.add(saltOf(source.salt.low, source.salt.high))
  }

  run(): ScannedLog | DamagedLog {
    for (const segment of this.#source.segments) {
      for (let chunk = 0; chunk < this.#chunks && this.#damage === undefined; chunk++) {
        if (!this.#scanChunk(segment, chunk) && chunk === 0) break
      }
    }
    if (this.#damage === undefined && !this.#clean) this.#searchBehind()
    if (this.#damage !== undefined) return this.#damage
    return {
      _tag: "Log",
      runs: this.#runs,
      lastSequence: this.#sequence,
      lastCrc: this.#crc,
      cleanStop: this.#clean,
      tornBytes: this.#tornBytes,
      unproven: this.#lastTwo.filter((block) => block.sequence > this.#durable)
    }
  }

  /** Follows the chain through one chunk. False when the chunk's first block does not continue it. */
  #scanChunk(segment: number, chunk: number): boolean {
    const base = segment * this.#segmentBytes + chunk * this.#chunkBytes
    const verdict = this.#reader.lookAtHeader(this.#source.peek(segment, chunk), 0, base)
    if (verdict === "version" || verdict === "geometry") {
      this.#damage = this.#foreign(verdict, base)
      return false
    }
    if (verdict !== "valid") return false
    this.#salts.add(saltOf(this.#reader.header.saltLow, this.#reader.header.saltHigh))
    if (!this.#continues()) return false
    const bytes = this.#source.chunk(segment, chunk)
    let end = 0
    for (let at = 0; this.#take(bytes, at, base + at); at = alignUp(end)) end = at + this.#reader.header.length
    if (end === 0) return false
    this.#runs.push({ start: base, end: base + end })
    return true
  }

  /** Takes the block at `at` into the chain if it continues it. */
  #take(bytes: Uint8Array, at: number, address: number): boolean {
    const verdict = this.#reader.look(bytes, at, address)
    const { header } = this.#reader
    const continues = (verdict === "valid" || verdict === "broken") && this.#continues()
    this.#tornBytes = verdict === "broken" && continues ? Math.min(header.length, this.#chunkBytes - at) : 0
    if (verdict !== "valid" || !continues) return false
    this.#sequence = header.sequence
    this.#crc = header.crc
    this.#clean = (header.flags & CLEAN_STOP) !== 0
    this.#durable = header.durableSequence
    if (this.#lastTwo.length === 2) this.#lastTwo.shift()
    this.#lastTwo.push({ start: address, end: address + header.length, sequence: header.sequence })
    this.#end = alignUp(address + header.length)
    return true
  }

  /** Whether the header just read is the chain's next: its first stands at the start of the lowest segment. */
  #continues(): boolean {
    const { header } = this.#reader
    if (this.#sequence === 0) return header.address === this.#end
    return header.sequence === this.#sequence + 1 && header.previousCrc === this.#crc
  }

  /** Looked for at the start of chunks only: another program's first block stands there, and no payload does. */
  #foreign(verdict: "version" | "geometry", address: number): DamagedLog {
    const { header } = this.#reader
    const reason =
      verdict === "version"
        ? `A block has format version ${header.version}, this program knows version ${VERSION}.`
        : `A block was written with ${header.segmentChunks} chunks of 2^${header.chunkLog2} bytes a segment, this node is set to ${this.#chunks} of ${this.#chunkBytes} bytes.`
    return this.#damaged(address, reason)
  }

  #damaged(address: number, reason: string): DamagedLog {
    const segment = Math.floor(address / this.#segmentBytes)
    return { _tag: "Damaged", segment, position: address - segment * this.#segmentBytes, reason }
  }

  /**
   * Looks behind the end of the chain for a block that names more than the chain as durable. The missing block stood at the
   * end or, behind a gap, at the start of the next chunk, so these two are searched whole; any later chunk counts only if
   * its start belongs to this log.
   */
  #searchBehind(): void {
    if (this.#sequence > 0) this.#missing = this.#sequence + 1
    let whole = 2
    for (const segment of this.#source.segments) {
      for (let chunk = 0; chunk < this.#chunks; chunk++) {
        const base = segment * this.#segmentBytes + chunk * this.#chunkBytes
        if (base + this.#chunkBytes <= this.#end) continue
        const mine = this.#reader.lookAtHeader(this.#source.peek(segment, chunk), 0, base) === "valid"
        if (mine || whole > 0) this.#searchChunk(this.#source.chunk(segment, chunk), base)
        if (this.#damage !== undefined) return
        whole--
      }
    }
  }

  #searchChunk(bytes: Uint8Array, base: number): void {
    for (let at = Math.max(0, this.#end - base); at < bytes.length; at += BLOCK_ALIGNMENT) {
      if (this.#reader.look(bytes, at, base + at) === "valid") this.#weigh(at)
      if (this.#damage !== undefined) return
    }
  }

  /** A whole block behind the end. Where the chain is empty, the first one found bounds the missing one's number. */
  #weigh(place: number): void {
    const { header } = this.#reader
    if (place !== 0 && this.#salts.size > 0 && !this.#salts.has(saltOf(header.saltLow, header.saltHigh))) return
    if (this.#missing === 0) this.#missing = Math.max(1, header.sequence - 1)
    if (header.durableSequence < this.#missing) return
    this.#damage = this.#damaged(
      this.#end,
      `Block ${this.#missing} cannot be read, but block ${header.sequence}, written later, says that it was on disk. Cutting the log here would lose acknowledged data.`
    )
  }
}

const saltOf = (low: number, high: number) => `${high}.${low}`
