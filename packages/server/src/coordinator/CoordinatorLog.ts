/**
 * What a coordinator needs of its partition: to append batches that it built itself, and to read everything once.
 *
 * A narrow port, so that a coordinator can be run on a log in memory.
 */
import { CompressionFault } from "@chronik-effect/core/record/Compression.ts"
import { isControl, sizeInBytes } from "@chronik-effect/core/record/RecordBatch.ts"
import { openRecords, type RecordReader } from "@chronik-effect/core/record/Records.ts"
import { Data, Effect } from "effect"
import { decompress } from "../io/Compression.ts"
import type { AppendFailed } from "../replication/Append.ts"
import type { Partition } from "../replication/Partition.ts"
import type { Read } from "../storage/PartitionStore.ts"

/** The log could not be read to its end: the coordinator does not serve from half a state. */
export class CoordinatorLogUnreadable extends Data.TaggedError("CoordinatorLogUnreadable")<{
  readonly message: string
  readonly cause?: unknown
}> {}

export interface CoordinatorLog {
  readonly name: string
  /** Largest batch that the log takes. */
  readonly batchBytesMax: () => number
  /** Completes when the batch is committed. The bytes must not change until then. */
  readonly append: (batch: Uint8Array) => Effect.Effect<unknown, AppendFailed>
  /** Visits every committed record in order. Views given out die when `visit` returns. */
  readonly replay: (visit: (record: RecordReader) => void) => Effect.Effect<void, CoordinatorLogUnreadable>
}

const READ_BYTES = 4 * 1024 * 1024
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

export const partitionLog = (partition: Partition): CoordinatorLog => {
  const name = `${partition.topic}-${partition.partition}`
  return {
    name,
    batchBytesMax: () => partition.settings.maxMessageBytes,
    append: partition.appendBatch,
    replay: Effect.fnUntraced(function* (visit) {
      let offset = partition.logStartOffset
      // What is appended while loading comes from this coordinator only, which does not append before it has loaded.
      const end = partition.highWatermark
      while (offset < end) {
        const read = yield* readSome(partition, offset, end)
        try {
          for (const slice of read.slices) visitBatches(name, slice, visit)
        } finally {
          for (const lease of read.leases) lease.release()
        }
        if (read.nextOffset <= offset) {
          return yield* new CoordinatorLogUnreadable({
            message: `${name} has no batch at offset ${offset} although it ends at ${end}`
          })
        }
        offset = read.nextOffset
        yield* Effect.yieldNow
      }
    })
  }
}

const readSome = (partition: Partition, offset: number, end: number): Effect.Effect<Read, CoordinatorLogUnreadable> =>
  Effect.suspend(() => {
    const read = partition.read(offset, end, READ_BYTES, true)
    return read.cold === undefined ? Effect.succeed(read) : partition.store.readCold(read.cold)
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.fail(
        new CoordinatorLogUnreadable({
          message: `${partition.topic}-${partition.partition} cannot be read at offset ${offset}: look at the disk of this node`,
          cause
        })
      )
    )
  )

/** Visits the records of whole batches. Throws when they do not parse: the bytes had a valid CRC, so this is a defect. */
export const visitBatches = (name: string, bytes: Uint8Array, visit: (record: RecordReader) => void): void => {
  for (let pos = 0; pos < bytes.length; pos += sizeInBytes(bytes, pos)) {
    // Markers of transactions; offsets inside transactions are not written by this broker yet.
    if (isControl(bytes, pos)) continue
    const records = openRecords(bytes, pos, decompress, DECOMPRESSED_BYTES_MAX)
    if (records instanceof CompressionFault)
      throw new Error(`${name}: a batch cannot be decompressed: ${records.message}`)
    while (records.next()) visit(records)
    if (records.malformed) throw new Error(`${name}: a batch is malformed: ${records.problem}`)
  }
}
