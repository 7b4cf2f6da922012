/**
 * What all partitions of a node share below `PartitionStore`: the WAL, the disk, open files, buffers, and the settler's
 * list of who has frames in which WAL segment. One object a node, made by `PartitionStores`.
 */
import type { Decompressor } from "@chronik-effect/core/record/Compression.ts"
import { Data } from "effect"
import type { Disk } from "../io/Disk.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import type { SegmentFileBuffers } from "./SegmentFileBuffers.ts"
import type { SegmentFileHandles } from "./SegmentFileHandles.ts"
import type { SegmentFileIndexes } from "./SegmentFileIndexes.ts"
import type { Wal } from "./Wal.ts"

/** Data of one partition cannot be read or written; other partitions are not concerned. */
export class StorageError extends Data.TaggedError("StorageError")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `The log at ${this.path} cannot be used: ${this.reason}`
  }
}

export const storageMessage = (path: string, reason: string): string => new StorageError({ path, reason }).message

export interface StoreContext {
  readonly wal: Wal["Service"]
  readonly disk: Disk["Service"]
  readonly dataDirectory: string
  /** `<data directory>/topics`. */
  readonly directory: string
  readonly handles: SegmentFileHandles
  readonly buffers: SegmentFileBuffers
  readonly nowMillis: () => number
  readonly decompress: Decompressor
  readonly indexes: SegmentFileIndexes
  /** Bytes that went from the WAL into files since the start, of all partitions: how recent a file's bytes are. */
  settledBytes: number
  /** Data that was settled longer ago than this is read through the thread pool. */
  readonly warmBytes: number
  /** Until then even recent data is read through the thread pool: the page cache has been found not to hold it. */
  poolUntilMicros: number
  readonly touched: (segment: number, store: PartitionStore) => void
  /** A frame that is no batch was reserved: its segment goes only after a checkpoint that covers it. */
  readonly controlWritten: (address: number) => void
  /** Files and directories that are to be removed in the background, once what was reserved until now is durable. */
  readonly removeLater: (path: string) => void
  /** Partitions that the cleaner has to look at: files have grown, or a setting has changed. It takes out what is clean. */
  readonly uncleaned: Set<PartitionStore>
  /** For names that must not come twice in the life of the process. */
  readonly nextNumber: () => number
  /** Something is wrong with data on disk that concerns one partition: goes into the log as an error. */
  readonly report: (sentence: string) => void
}
