/**
 * Assembles the answer of a read from the two tiers: first what lies in segment files, then what lies in the WAL.
 *
 * From files: one slice per read of up to 1 MiB, cut at a batch boundary. From the ring: one view per batch, its chunk
 * leased. From WAL segments that left the ring: runs of neighbouring batches by one system call.
 *
 * What comes from a disk is checked before it is returned: the CRC of each batch (once while the bytes are recent, each
 * time later), that batches continue each other, and that their leader epoch is the one that was noted; the latter two
 * because the CRC does not cover the base offset and the leader epoch.
 */
import type { ProducerState } from "@chronik-effect/core/log/ProducerState.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { Effect } from "effect"
import type { DiskFile } from "../io/Disk.ts"
import type { Lease } from "../io/Slabs.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import { batchSizeAt, type SegmentFile, storageError } from "./SegmentFile.ts"
import type { PooledBuffer } from "./SegmentFileBuffers.ts"
import { BUFFER_BYTES } from "./SegmentFileBuffers.ts"
import { StorageError } from "./SegmentsContext.ts"

/** Bytes that may lie between an index entry and the batch that is looked for. */
const LANDING_SLACK_BYTES = 8 * 1024
/** A synchronous read that takes longer went to the disk, not to the page cache: for a while all reads go to the pool. */
const SLOW_READ_MICROS = 4_000
const POOL_AFTER_SLOW_MICROS = 1_000_000
/** Foreign frames between two batches of a partition that are read along rather than skipped by another system call. */
const RUN_GAP_BYTES = 4 * 1024

/** What `PartitionStore.read` found. The reader releases all leases when it has no more use for the slices. */
export class Read {
  readonly slices: Array<Uint8Array> = []
  readonly leases: Array<Lease> = []
  /** Sum of the slices; for a cold read, what it will probably bring. */
  bytes = 0
  /**
   * A batch with records is among the slices. Until then one more comes, however large: clients exist that take an answer of
   * batches without records, as compaction leaves them, for the end of the log.
   */
  hasRecords = false
  /** Size of the pooled buffers that the leases keep; more than `bytes` where a little of a buffer is wanted. */
  pinnedBytes = 0
  /** Where the next read begins. */
  nextOffset: number
  cold: ColdRead | undefined

  constructor(offset: number) {
    this.nextOffset = offset
  }
}

/** A read that should not be done on the event loop's thread. */
export interface ColdRead {
  readonly offset: number
  readonly endOffset: number
  readonly maxBytes: number
  readonly minOneBatch: boolean
}

/** Fills `read` from `read.nextOffset` on. */
export const readInto = (
  store: PartitionStore,
  read: Read,
  endOffset: number,
  maxBytes: number,
  minOneBatch: boolean
): void => {
  const { segments } = store
  try {
    while (read.nextOffset < endOffset && read.nextOffset < segments.endOffset) {
      const file = segments.find(read.nextOffset)
      if (file.baseOffset > read.nextOffset) throw file.damaged(`offset ${read.nextOffset} is missing before it`)
      const landing = file.landing(read.nextOffset)
      if (!file.isWarm(landing.position) || store.context.disk.nowMicros() < store.context.poolUntilMicros) {
        // Only a whole read is cold: what is in hand goes out first, the next fetch begins with the cold part.
        if (read.bytes > 0) return
        read.cold = { offset: read.nextOffset, endOffset, maxBytes, minOneBatch }
        read.bytes = Math.max(1, Math.min(maxBytes, file.size - landing.position))
        return
      }
      const scan = new FileScan(store, file, read, endOffset, maxBytes, minOneBatch)
      while (!scan.done) {
        const buffer = store.context.buffers.lease(scan.want)
        const length = readFile(store, file, buffer, scan)
        scan.accept(buffer, length)
      }
      if (scan.full || read.nextOffset < file.endOffset) return
    }
    if (read.nextOffset < endOffset) readWal(store, read, endOffset, maxBytes, minOneBatch)
  } catch (error) {
    for (const lease of read.leases) lease.release()
    throw storageError(segments.directory, error)
  }
}

const missing = (store: PartitionStore, offset: number): StorageError =>
  new StorageError({
    path: store.segments.directory,
    reason: `offset ${offset} lies neither in a segment file nor in the WAL; restore this replica`
  })

const readFile = (store: PartitionStore, file: SegmentFile, buffer: PooledBuffer, scan: FileScan): number => {
  const { disk, handles } = store.context
  try {
    const started = disk.nowMicros()
    const length = handles.get(file.logPath).read(buffer.bytes, 0, scan.want, scan.position)
    const ended = disk.nowMicros()
    if (ended - started > SLOW_READ_MICROS) store.context.poolUntilMicros = ended + POOL_AFTER_SLOW_MICROS
    return length
  } catch (error) {
    buffer.release()
    throw error
  }
}

/** The same for bytes that are not in the page cache: each piece through the thread pool. */
export const readCold = Effect.fnUntraced(function* (store: PartitionStore, plan: ColdRead) {
  const read = new Read(plan.offset)
  const { segments } = store
  // The log start has moved meanwhile: the next look finds the offset out of range.
  if (plan.offset < store.logStartOffset) return read
  if (plan.offset >= segments.endOffset) {
    return yield* new StorageError({
      path: segments.directory,
      reason: `the log changed while offset ${plan.offset} was to be read. Ask again`
    })
  }
  const file = segments.find(plan.offset)
  file.retain()
  yield* Effect.onExit(readColdFile(store, file, read, plan), (exit) =>
    Effect.sync(() => {
      file.release()
      if (exit._tag === "Failure") for (const lease of read.leases) lease.release()
    })
  )
  return read
})

const readColdFile = Effect.fnUntraced(function* (
  store: PartitionStore,
  file: SegmentFile,
  read: Read,
  plan: ColdRead
) {
  const { version } = file
  const make = () => new FileScan(store, file, read, plan.endOffset, plan.maxBytes, plan.minOneBatch)
  const scan = yield* attempt(file, make)
  while (!scan.done) {
    const handle = yield* attempt(file, () => store.context.handles.pin(file.logPath))
    const buffer = store.context.buffers.lease(scan.want)
    const length = yield* readLater(handle, buffer, scan).pipe(
      Effect.mapError((error) => storageError(file.logPath, error) as StorageError),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          store.context.handles.unpin(file.logPath, handle)
          if (exit._tag === "Failure") buffer.release()
        })
      ),
      // The pool writes into the buffer until it answers: nobody may take it away before.
      Effect.uninterruptible
    )
    if (file.version !== version) {
      buffer.release()
      return yield* new StorageError({ path: file.logPath, reason: "the log was cut while it was read. Ask again" })
    }
    yield* attempt(file, () => scan.accept(buffer, length))
  }
})

const readLater = (handle: DiskFile, buffer: PooledBuffer, scan: FileScan) =>
  Effect.callback<number, unknown>((resume) => {
    handle.readLater(buffer.bytes, 0, scan.want, scan.position, (error, length) =>
      resume(error === undefined ? Effect.succeed(length) : Effect.fail(error))
    )
  })

/** Expected failures of the disk as errors, defects as they are. */
const attempt = <A>(file: SegmentFile, run: () => A): Effect.Effect<A, StorageError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      const cause = storageError(file.logPath, error)
      return cause instanceof StorageError ? Effect.fail(cause) : Effect.die(error)
    }
  })

/**
 * Finds and cuts the wanted batches out of pieces of one file. Somebody else brings the bytes: `want` of them at `position`,
 * until `done`.
 */
class FileScan {
  position: number
  want: number
  done = false
  /** A limit was reached before the end of the file. */
  full = false

  readonly #store: PartitionStore
  readonly #file: SegmentFile
  readonly #read: Read
  readonly #endOffset: number
  readonly #maxBytes: number
  readonly #minOneBatch: boolean
  #expected: number
  readonly #landingLastOffset: number

  constructor(
    store: PartitionStore,
    file: SegmentFile,
    read: Read,
    endOffset: number,
    maxBytes: number,
    minOneBatch: boolean
  ) {
    this.#store = store
    this.#file = file
    this.#read = read
    this.#endOffset = Math.min(endOffset, file.endOffset)
    this.#maxBytes = maxBytes
    this.#minOneBatch = minOneBatch
    const landing = file.landing(read.nextOffset)
    this.position = landing.position
    this.#expected = landing.baseOffset
    this.#landingLastOffset = landing.lastOffset
    const slack = landing.baseOffset === read.nextOffset ? 0 : LANDING_SLACK_BYTES
    this.want = this.#wanted(Math.max(RecordBatch.HEADER_BYTES, maxBytes - read.bytes) + slack)
  }

  /** Takes what was read at `position`. Owns `buffer` from now on: it goes with the slice or back. */
  accept(buffer: PooledBuffer, length: number): void {
    let kept = false
    try {
      kept = this.#take(buffer, length)
    } finally {
      if (!kept) buffer.release()
    }
  }

  #take(buffer: PooledBuffer, length: number): boolean {
    const { bytes } = buffer
    const read = this.#read
    const available = this.#file.size - this.position
    const asked = this.want
    let pos = 0
    let start = -1
    while (read.nextOffset < this.#endOffset) {
      if (pos + RecordBatch.HEADER_BYTES > length) {
        this.want = this.#wanted(BUFFER_BYTES)
        break
      }
      const size = this.#checked(bytes, pos, available - pos)
      const end = RecordBatch.endOffset(bytes, pos)
      const wanted = end > read.nextOffset
      if (wanted && end <= this.#endOffset && this.#isFull(size)) {
        this.full = true
        break
      }
      if (wanted && pos + size > length) {
        this.want = this.#wanted(Math.max(size, Math.min(BUFFER_BYTES, this.#maxBytes - read.bytes)))
        break
      }
      if (end > this.#endOffset) {
        // Readers' limits lie between batches, so this one's last offset may be wrong: silence would look like "no data yet".
        this.#verify(bytes, pos, pos + size, this.position)
        this.full = true
        break
      }
      this.#expected = end
      if (wanted) {
        if (start < 0) start = pos
        if (!read.hasRecords) read.hasRecords = RecordBatch.recordsCount(bytes, pos) > 0
        read.nextOffset = end
        read.bytes += size
      }
      pos += size
    }
    this.position += pos
    this.done = this.full || read.nextOffset >= this.#endOffset
    // Either the file is shorter than the log says, or its batches end before the offsets that it should hold.
    if (!this.done && (this.position >= this.#file.size || (pos === 0 && length < asked))) {
      throw this.#file.damaged(
        `its batches end at ${this.position + (pos === 0 ? length : 0)}, before offset ${this.#endOffset}`
      )
    }
    if (start < 0) return false
    this.#verify(bytes, start, pos, this.position - pos)
    read.slices.push(bytes.subarray(start, pos))
    read.leases.push(buffer)
    read.pinnedBytes += buffer.bytes.length
    this.#file.readEndedAt(read.nextOffset, this.position)
    return true
  }

  #isFull(size: number): boolean {
    const read = this.#read
    return read.bytes + size > this.#maxBytes && !(this.#minOneBatch && !read.hasRecords)
  }

  #checked(bytes: Uint8Array, pos: number, available: number): number {
    const size = batchSizeAt(bytes, pos, this.#expected, available)
    const landed = this.#expected >= 0 || RecordBatch.lastOffset(bytes, pos) === this.#landingLastOffset
    if (size > 0 && landed && RecordBatch.endOffset(bytes, pos) <= this.#file.endOffset) return size
    throw this.#file.damaged(`there is no batch that continues the log at position ${this.position + pos}`)
  }

  #verify(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (this.#file.isVerified(position + start, position + end)) return
    for (let pos = start; pos < end; pos += RecordBatch.sizeInBytes(bytes, pos)) {
      if (RecordBatch.verifyCrc(bytes, pos) && hasNotedEpoch(this.#store, bytes, pos)) continue
      throw this.#file.damaged(`the batch at position ${position + pos} has a wrong checksum`)
    }
    this.#file.verified(position + start, position + end)
  }

  #wanted(bytes: number): number {
    return Math.min(bytes, this.#file.size - this.position, Math.max(BUFFER_BYTES, bytes))
  }
}

const hasNotedEpoch = (store: PartitionStore, bytes: Uint8Array, pos: number): boolean => {
  const noted = store.epochs.epochAt(RecordBatch.baseOffset(bytes, pos))
  return noted < 0 || noted === RecordBatch.partitionLeaderEpoch(bytes, pos)
}

const readWal = (
  store: PartitionStore,
  read: Read,
  endOffset: number,
  maxBytes: number,
  minOneBatch: boolean
): void => {
  const { index, context } = store
  const { wal } = context
  let chunk: Uint8Array | undefined
  for (let i = index.indexOf(read.nextOffset); i < index.size; i++) {
    const length = index.length(i)
    if (index.baseOffset(i) > read.nextOffset) {
      if (read.bytes > 0) return
      throw missing(store, read.nextOffset)
    }
    if (index.endOffsetOf(i) > endOffset) return
    if (read.bytes + length > maxBytes && !(minOneBatch && !read.hasRecords)) return
    const address = index.address(i)
    const view = wal.view(address, length)
    if (view === undefined) {
      i = readRun(store, read, i, endOffset, maxBytes)
      continue
    }
    const pinned = chunk !== undefined && wal.chunkAt(address) === chunk
    const lease = pinned ? undefined : wal.lease(address)
    if (pinned || lease !== undefined) {
      if (lease !== undefined) {
        read.leases.push(lease)
        chunk = wal.chunkAt(address)
      }
      read.slices.push(view)
    } else {
      // Slow readers pin as much of the ring as they may: this one gets its own copy.
      read.slices.push(new Uint8Array(view))
    }
    read.bytes += length
    read.hasRecords = true
    read.nextOffset = index.endOffsetOf(i)
  }
}

/** Reads batch `first` and those right behind it that left the ring too, by one system call. Returns the last one read. */
const readRun = (store: PartitionStore, read: Read, first: number, endOffset: number, maxBytes: number): number => {
  const { index, context } = store
  const { wal } = context
  const from = index.address(first)
  const segment = Math.floor(from / wal.segmentBytes)
  let last = first
  let end = from + index.length(first)
  let bytes = read.bytes + index.length(first)
  for (let i = first + 1; i < index.size && index.endOffsetOf(i) <= endOffset; i++) {
    const address = index.address(i)
    bytes += index.length(i)
    const next = address + index.length(i)
    if (address < end || address - end > RUN_GAP_BYTES || next - from > BUFFER_BYTES || bytes > maxBytes) break
    if (Math.floor(next / wal.segmentBytes) !== segment || wal.view(address, index.length(i)) !== undefined) break
    last = i
    end = next
  }
  const buffer = context.buffers.lease(end - from)
  read.leases.push(buffer)
  read.pinnedBytes += buffer.bytes.length
  wal.read(from, end - from, buffer.bytes, 0)
  for (let i = first; i <= last; i++) {
    const pos = index.address(i) - from
    checkWalBatch(store, i, buffer.bytes, pos)
    read.slices.push(buffer.bytes.subarray(pos, pos + index.length(i)))
    read.bytes += index.length(i)
  }
  read.hasRecords = true
  read.nextOffset = index.endOffsetOf(last)
  return last
}

/** Throws `StorageError` unless the bytes at `pos` are the batch that the index names. */
export const checkWalBatch = (store: PartitionStore, i: number, bytes: Uint8Array, pos: number): void => {
  const { index } = store
  const isIt =
    RecordBatch.sizeInBytes(bytes, pos) === index.length(i) &&
    RecordBatch.baseOffset(bytes, pos) === index.baseOffset(i) &&
    RecordBatch.verifyCrc(bytes, pos) &&
    hasNotedEpoch(store, bytes, pos)
  if (isIt) return
  throw new StorageError({
    path: store.segments.directory,
    reason: `the batch at offset ${index.baseOffset(i)} is damaged in the WAL (address ${index.address(i)}); restore this replica`
  })
}

/** Batch `i` of the WAL part: a view of the ring, or read and checked into `buffer`. Throws `StorageError`, `DiskError`. */
export const walBatch = (store: PartitionStore, i: number, buffer: Uint8Array): Uint8Array => {
  const { wal } = store.context
  const length = store.index.length(i)
  const view = wal.view(store.index.address(i), length)
  if (view !== undefined) return view
  const into = length <= buffer.length ? buffer : new Uint8Array(length)
  wal.read(store.index.address(i), length, into, 0)
  checkWalBatch(store, i, into, 0)
  return into.subarray(0, length)
}

/**
 * When a producer whose batch was found in the log is taken to have appended it: not before now. The records' times are the
 * client's and may lie years back, and a producer that is forgotten early could have a retry stored twice.
 */
export const seenMillis = (store: PartitionStore, maxTimestamp: number): number =>
  Math.max(maxTimestamp, store.context.nowMillis())

/** Makes the producer state anew from the log's batch headers, from `fromOffset` (what `producers` already knows) on. */
export const replayProducers = (
  store: PartitionStore,
  producers: ProducerState = store.producers,
  fromOffset = -1
): void => {
  if (fromOffset < 0) producers.clear()
  replayFiles(store, producers, fromOffset)
  const buffer = store.context.buffers.lease(BUFFER_BYTES)
  try {
    for (let i = store.index.indexOf(fromOffset); i < store.index.size; i++) {
      const batch = walBatch(store, i, buffer.bytes)
      producers.appended(batch, 0, store.index.baseOffset(i), seenMillis(store, RecordBatch.maxTimestamp(batch, 0)))
    }
  } catch (error) {
    throw storageError(store.segments.directory, error)
  } finally {
    buffer.release()
  }
}

/** The part of `replayProducers` that lies in files. */
export const replayFiles = (store: PartitionStore, producers: ProducerState, fromOffset: number): void => {
  for (const file of store.segments.files) {
    if (file.endOffset <= fromOffset) continue
    file.scan(file.landing(Math.max(fromOffset, file.baseOffset)), (bytes, pos) => {
      const baseOffset = RecordBatch.baseOffset(bytes, pos)
      if (baseOffset >= fromOffset) {
        producers.appended(bytes, pos, baseOffset, seenMillis(store, RecordBatch.maxTimestamp(bytes, pos)))
      }
      return true
    })
  }
}
