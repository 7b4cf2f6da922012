/**
 * Opens the directory of the log: reads what is there, decides what of it is the log, and makes the head of this start.
 *
 * Each start goes on in a segment of its own, under a number above all that exist, with a new salt, so that blocks behind
 * the end of the old log can never become part of the new one (rule 32). Files that hold nothing of the log are put aside as
 * free *before* the new head takes its first block: from then on a gap between live files is damage, not history.
 *
 * What a process that died had written but not synced is read back from the page cache. Before anybody acts on it, it is
 * written again and synced: a sync alone would not do after one that failed, because the kernel then calls the lost pages
 * clean.
 *
 * `start` holds the salt of the last start, 8 bytes and their CRC; losing it only weakens the search for damage.
 * Deliberately not here: what the frames mean. Nothing is kept in memory but the runs.
 */
import { alignUp, type Crc32, type Geometry, segmentBytesOf } from "@chronik-effect/core/wal/Block.ts"
import { type LogSource, type Run, type Salt, scanLog, visitFrames } from "@chronik-effect/core/wal/Scanner.ts"
import { type Disk, type DiskFile, readWhole, writeWhole } from "../io/Disk.ts"
import { type FrameVisitor, WalCorrupt } from "./Wal.ts"
import { createSegment, enlist, freeName, liveName, type SegmentFile, SLICE_BYTES } from "./WalSegments.ts"

export interface OpenedLog {
  /** Sealed segments in order, then the empty head. */
  readonly live: Array<SegmentFile>
  readonly free: Array<SegmentFile>
  readonly runs: ReadonlyArray<Run>
  readonly lastSequence: number
  readonly lastCrc: number
  readonly cleanStop: boolean
  readonly tornBytes: number
}

const START_FILE = "start"
const LIVE = /^(\d{20})\.wal$/
const FREE = /^(\d{20})\.free$/
const PEEK_BYTES = 64
/** Chunks are read in pieces of this size. */
const WINDOW_BYTES = 1 << 18
const NOTHING = new Uint8Array(WINDOW_BYTES)

interface Found {
  readonly sequence: number
  readonly path: string
  readonly file: DiskFile
  readonly size: number
}

/** Throws `WalCorrupt` and `DiskError`. */
export function openLog(
  disk: Disk["Service"],
  directory: string,
  geometry: Geometry,
  crc32: Crc32,
  salt: Salt,
  syncs: boolean
): OpenedLog {
  const segmentBytes = segmentBytesOf(geometry)
  disk.makeDirectory(directory)
  if (syncs) disk.syncDirectory(disk.join(directory, ".."))
  const names = disk.list(directory)
  const files = findAll(disk, directory, names, LIVE)
  const freeFiles = findAll(disk, directory, names, FREE)
  const scan = scanLog(sourceOf(files, geometry, readSalt(disk, directory, crc32)), geometry, crc32)
  if (scan._tag === "Damaged") {
    for (const { file } of [...files, ...freeFiles]) file.close()
    const path = disk.join(directory, liveName(scan.segment))
    throw new WalCorrupt({ path: `${path}, byte ${scan.position}`, reason: scan.reason })
  }
  const live = liveOf(files, scan.runs, segmentBytes)
  if (syncs) secure(live, scan.unproven, segmentBytes)
  const kept = new Set(live.map((segment) => segment.sequence))
  const next = Math.max(-1, ...files.map((f) => f.sequence), ...freeFiles.map((f) => f.sequence)) + 1
  const free = freeFiles.map((found) => asideOf(found, found.path, segmentBytes))
  for (const found of files) {
    if (kept.has(found.sequence)) continue
    const path = disk.join(directory, freeName(found.sequence))
    disk.rename(found.path, path)
    free.push(asideOf(found, path, segmentBytes))
  }
  live.push(makeHead(disk, directory, next, free, segmentBytes))
  // Its sync of the directory also makes the new names durable, before any block can be.
  writeSalt(disk, directory, salt, crc32)
  const { runs, lastSequence, lastCrc, cleanStop, tornBytes } = scan
  return { live, free, runs, lastSequence, lastCrc, cleanStop, tornBytes }
}

function findAll(
  disk: Disk["Service"],
  directory: string,
  names: ReadonlyArray<string>,
  pattern: RegExp
): ReadonlyArray<Found> {
  const found: Array<Found> = []
  for (const name of names) {
    const match = pattern.exec(name)
    if (match === null) continue
    const path = disk.join(directory, name)
    const file = disk.open(path, "write")
    found.push({ sequence: Number(match[1]), path, file, size: file.size() })
  }
  return found.sort((a, b) => a.sequence - b.sequence)
}

function sourceOf(files: ReadonlyArray<Found>, geometry: Geometry, salt: Salt | undefined): LogSource {
  const bySequence = new Map(files.map((found) => [found.sequence, found.file]))
  const peeked = new Uint8Array(PEEK_BYTES)
  let image: ChunkImage | undefined
  return {
    segments: files.map((found) => found.sequence),
    peek: (segment, chunk) => {
      const length = bySequence.get(segment)!.read(peeked, 0, PEEK_BYTES, chunk * geometry.chunkBytes)
      return peeked.subarray(0, length)
    },
    chunk: (segment, chunk) => {
      image ??= new ChunkImage(geometry.chunkBytes)
      return image.read(bySequence.get(segment)!, chunk * geometry.chunkBytes)
    },
    salt
  }
}

/**
 * One chunk at a time in memory. Most of a young log is zeroes, and so is fresh memory: windows of zeroes are not copied, so
 * that memory which nothing stands in is never touched.
 */
class ChunkImage {
  readonly #bytes: Uint8Array
  readonly #window: Uint8Array
  /** Windows below hold what was read before. */
  #written = 0

  constructor(chunkBytes: number) {
    this.#bytes = new Uint8Array(chunkBytes)
    this.#window = new Uint8Array(Math.min(WINDOW_BYTES, chunkBytes))
  }

  read(file: DiskFile, position: number): Uint8Array {
    const bytes = this.#bytes
    const window = this.#window
    const stale = this.#written
    for (let at = 0; at < bytes.length; at += window.length) {
      const length = file.read(window, 0, Math.min(window.length, bytes.length - at), position + at)
      if (Buffer.compare(window.subarray(0, length), NOTHING.subarray(0, length)) !== 0) {
        bytes.set(window.subarray(0, length), at)
        this.#written = Math.max(this.#written, at + length)
      } else if (at < stale) bytes.fill(0, at, at + length)
      if (length < window.length) return bytes.subarray(0, at + length)
    }
    return bytes
  }
}

function secure(live: ReadonlyArray<SegmentFile>, unproven: ReadonlyArray<Run>, segmentBytes: number): void {
  for (const { start, end } of unproven) {
    const segment = live.find((one) => one.sequence === Math.floor(start / segmentBytes))!
    const bytes = new Uint8Array(end - start)
    segment.file.read(bytes, 0, bytes.length, start - segment.startAddress)
    segment.file.write(bytes, 0, bytes.length, start - segment.startAddress)
    segment.file.datasyncNow()
  }
}

/** Files with a part in the chain. */
function liveOf(files: ReadonlyArray<Found>, runs: ReadonlyArray<Run>, segmentBytes: number): Array<SegmentFile> {
  const live: Array<SegmentFile> = []
  for (const found of files) {
    const last = runs.findLast((run) => Math.floor(run.start / segmentBytes) === found.sequence)
    if (last === undefined) continue
    const segment = enlist({ file: found.file, filled: found.size }, found.sequence, found.path, segmentBytes)
    segment.endAddress = last.end
    segment.sealed = true
    live.push(segment)
  }
  return live
}

const asideOf = (found: Found, path: string, segmentBytes: number) =>
  enlist({ file: found.file, filled: Math.min(found.size, segmentBytes) }, found.sequence, path, segmentBytes)

function makeHead(
  disk: Disk["Service"],
  directory: string,
  sequence: number,
  free: Array<SegmentFile>,
  segmentBytes: number
): SegmentFile {
  const path = disk.join(directory, liveName(sequence))
  const recycled = free.pop()
  if (recycled !== undefined) {
    disk.rename(recycled.path, path)
    return enlist(recycled, sequence, path, segmentBytes)
  }
  const head = createSegment(disk, sequence, path, segmentBytes)
  const length = Math.min(SLICE_BYTES, segmentBytes)
  head.file.allocate(0, length)
  head.filled = length
  return head
}

function readSalt(disk: Disk["Service"], directory: string, crc32: Crc32): Salt | undefined {
  const path = disk.join(directory, START_FILE)
  if (!disk.exists(path)) return undefined
  const bytes = readWhole(disk, path)
  if (bytes.length !== 12) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (crc32(bytes.subarray(0, 8)) >>> 0 !== view.getUint32(8, true)) return undefined
  return { low: view.getUint32(0, true), high: view.getUint32(4, true) }
}

function writeSalt(disk: Disk["Service"], directory: string, salt: Salt, crc32: Crc32): void {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, salt.low, true)
  view.setUint32(4, salt.high, true)
  view.setUint32(8, crc32(bytes.subarray(0, 8)) >>> 0, true)
  writeWhole(disk, directory, START_FILE, bytes)
}

/** Visits every frame of the runs, reading the files again: they were checked when the log was opened. */
export function visitLog(log: Pick<OpenedLog, "live" | "runs">, geometry: Geometry, visit: FrameVisitor): void {
  const segmentBytes = segmentBytesOf(geometry)
  const bytes = new Uint8Array(log.runs.reduce((most, run) => Math.max(most, run.end - run.start), 0))
  const view = new DataView(bytes.buffer)
  for (const run of log.runs) {
    const sequence = Math.floor(run.start / segmentBytes)
    const segment = log.live.find((one) => one.sequence === sequence)
    if (segment === undefined) throw new Error(`Segment ${sequence} of the log was released before it was read back.`)
    const length = segment.file.read(bytes, 0, run.end - run.start, run.start - segment.startAddress)
    for (let at = 0; at < length; ) {
      const end = at + view.getUint32(at + 40, true)
      visitFrames(bytes, at, end, (kind, stream, place, size) =>
        visit(kind, stream, run.start + place, bytes, place, size)
      )
      at = alignUp(end)
    }
  }
}
