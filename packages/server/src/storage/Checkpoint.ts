/**
 * `partitions.checkpoint`: what is known of each partition besides its batches, at one WAL address.
 *
 * Log start, high watermark note and leader epochs are written into the WAL as they change. Before a WAL segment that holds
 * such a frame is recycled a checkpoint taken at or after it must be on disk; one checkpoint serves for all segments before
 * its address, so it is written about once a round of the WAL. Recovery takes it and skips frames below its address.
 *
 * After a clean stop it also holds what else recovery would have to find out (`clean`): files, WAL index and producers, so
 * that the start reads neither directories nor the WAL. That part is used once: the start replaces it.
 *
 * **Shape** little-endian: magic u32 "CKPC", CRC-32 of the rest u32, then float64 numbers throughout, lists behind their
 * length; a producer state is its length in bytes and its bytes, filled up to 8. Plain numbers and no schema, because ten
 * thousand partitions are read back in a start. Written beside, synced, renamed.
 * A damaged one stops the start: going on without it would bring removed records back and forget epochs.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { type Disk, readWhole } from "../io/Disk.ts"
import { StorageError } from "./SegmentsContext.ts"

export const CHECKPOINT_FILE = "partitions.checkpoint"
const MAGIC = 0x4350_4b43
/** "CKP2", without what is known of compaction. More than one bit apart: a flipped one must not make one the other. */
const MAGIC_BEFORE_COMPACTION = 0x3250_4b43
const MAGICS = [MAGIC, MAGIC_BEFORE_COMPACTION]
const HEADER_BYTES = 8
const NUMBER_BYTES = 8
/** Numbers of one file in `CleanPartition.files`. */
const FILE_FIELDS = 6

export interface CleanPartition {
  readonly logEndOffset: number
  /** A file: base, end, size, largest timestamp, its offset, first timestamp (-2: unknown). */
  readonly files: ReadonlyArray<ReadonlyArray<number>>
  /** A batch in the WAL: base, end, address, length, largest timestamp; flat. */
  readonly batches: ReadonlyArray<number>
  /** `ProducerState.encode`; empty for none. */
  readonly producers: Uint8Array
}

export interface PartitionEntry {
  readonly stream: number
  readonly logStartOffset: number
  readonly highWatermark: number
  /** Where the files ended: the log never ends before. */
  readonly settledOffset: number
  /** Up to where the log was compacted, and when its first tombstone may go (Infinity: there is none). */
  readonly cleanedOffset: number
  readonly deleteHorizonMillis: number
  /** epoch, start, epoch, start, … */
  readonly epochs: ReadonlyArray<number>
  readonly clean?: CleanPartition | undefined
}

export interface CheckpointContent {
  /** Everything below is reflected in it. */
  readonly address: number
  readonly clean: boolean
  readonly partitions: ReadonlyArray<PartitionEntry>
}

export const encodeCheckpoint = (content: CheckpointContent, crc32: Disk["Service"]["crc32"]): Uint8Array => {
  const bytes = new Uint8Array(HEADER_BYTES + sizeOf(content))
  const output = new Output(bytes)
  output.numbers([content.address, content.clean ? 1 : 0, content.partitions.length])
  for (const partition of content.partitions) {
    const { stream, logStartOffset, highWatermark, settledOffset, epochs, clean } = partition
    output.numbers([stream, logStartOffset, highWatermark, settledOffset, clean === undefined ? 0 : 1])
    output.numbers([partition.cleanedOffset, partition.deleteHorizonMillis])
    output.list(epochs)
    if (clean === undefined) continue
    output.numbers([clean.logEndOffset, clean.files.length])
    for (const file of clean.files) output.numbers(file)
    output.list(clean.batches)
    output.bytes(clean.producers)
  }
  output.end()
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, crc32(bytes.subarray(HEADER_BYTES)), true)
  return bytes
}

/** undefined when there is none. Throws `StorageError` when it is damaged, `DiskError` when it cannot be read. */
export const readCheckpoint = (disk: Disk["Service"], directory: string): CheckpointContent | undefined => {
  const path = disk.join(directory, CHECKPOINT_FILE)
  if (!disk.exists(path)) return undefined
  const bytes = readWhole(disk, path)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (
    bytes.length < HEADER_BYTES ||
    !MAGICS.includes(view.getUint32(0, true)) ||
    view.getUint32(4, true) !== disk.crc32(bytes.subarray(HEADER_BYTES))
  ) {
    throw new StorageError({
      path,
      reason:
        "the checkpoint is damaged or of another version. Restore the file from a backup or this replica from its peers"
    })
  }
  return decode(new Input(bytes), view.getUint32(0, true) === MAGIC)
}

/** The checksum fits: whatever does not fit from here on is a defect. */
const decode = (input: Input, knowsCompaction: boolean): CheckpointContent => {
  const address = input.number()
  const clean = input.number() === 1
  const count = input.number()
  const partitions: Array<PartitionEntry> = []
  for (let i = 0; i < count; i++) {
    const stream = input.number()
    const logStartOffset = input.number()
    const highWatermark = input.number()
    const settledOffset = input.number()
    const hasClean = input.number() === 1
    const cleanedOffset = knowsCompaction ? input.number() : 0
    const deleteHorizonMillis = knowsCompaction ? input.number() : Number.POSITIVE_INFINITY
    const epochs = input.list()
    const offsets = { logStartOffset, highWatermark, settledOffset, cleanedOffset }
    const entry = { stream, ...offsets, deleteHorizonMillis, epochs }
    partitions.push(hasClean ? { ...entry, clean: decodeClean(input) } : entry)
  }
  input.end()
  return { address, clean, partitions }
}

const decodeClean = (input: Input): CleanPartition => {
  const logEndOffset = input.number()
  const files: Array<ReadonlyArray<number>> = []
  for (let left = input.number(); left > 0; left--) files.push(input.numbers(FILE_FIELDS))
  return { logEndOffset, files, batches: input.list(), producers: input.bytes() }
}

const padded = (bytes: number): number => Math.ceil(bytes / NUMBER_BYTES) * NUMBER_BYTES

const sizeOf = (content: CheckpointContent): number => {
  let numbers = 3
  let bytes = 0
  for (const { epochs, clean } of content.partitions) {
    numbers += 8 + epochs.length
    if (clean === undefined) continue
    numbers += 4 + FILE_FIELDS * clean.files.length + clean.batches.length
    bytes += padded(clean.producers.length)
  }
  return numbers * NUMBER_BYTES + bytes
}

class Output {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = HEADER_BYTES

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }

  numbers(values: ReadonlyArray<number>): void {
    for (const value of values) {
      this.#view.setFloat64(this.#at, value, true)
      this.#at += NUMBER_BYTES
    }
  }

  list(values: ReadonlyArray<number>): void {
    this.numbers([values.length])
    this.numbers(values)
  }

  bytes(value: Uint8Array): void {
    this.numbers([value.length])
    this.#bytes.set(value, this.#at)
    this.#at += padded(value.length)
  }

  end(): void {
    assert(this.#at === this.#bytes.length, "a checkpoint is exactly as large as it was computed to be")
  }
}

class Input {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = HEADER_BYTES

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  number(): number {
    const value = this.#view.getFloat64(this.#at, true)
    this.#at += NUMBER_BYTES
    return value
  }

  numbers(count: number): Array<number> {
    const values: Array<number> = []
    for (let i = 0; i < count; i++) values.push(this.number())
    return values
  }

  list(): Array<number> {
    return this.numbers(this.number())
  }

  /** A copy: the file's bytes need not live as long. */
  bytes(): Uint8Array {
    const length = this.number()
    const value = this.#bytes.slice(this.#at, this.#at + length)
    this.#at += padded(length)
    return value
  }

  end(): void {
    assert(this.#at === this.#bytes.length, "a checkpoint that fits its checksum is read to its end")
  }
}
