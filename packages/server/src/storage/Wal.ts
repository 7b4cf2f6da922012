/**
 * The write-ahead log of the node: everything that must be durable goes through it, in one order.
 *
 * A caller reserves a frame and copies its payload into the ring at once; the committer seals what was reserved into a
 * block, writes it with one system call, syncs it in the thread pool and then emits one notification. At most two blocks
 * are in flight; what is reserved meanwhile joins the next one, so the sync in flight is the only linger there is.
 *
 * **Addresses** one monotonic number: `segment sequence * segmentBytes + position`. The payload of a frame lies whole in one
 * 16 MiB chunk of the ring, the image of the last 48 to 64 MiB of the log.
 * **Failure** a failed write or sync is never retried. Everything in flight and everything later fails, `WalEvents.failed`
 * is called once, and the node has to end (rules 5 and 34).
 * **It does not** know what a partition, an offset order or a leader is, and never reads a batch but to check its CRC at
 * recovery.
 * @see ../../../core/src/wal/Block.ts for the bytes on disk
 */
import { Context, Data, type Effect } from "effect"
import type { Lease } from "../io/Slabs.ts"

export type { Lease }

/** The log could not be written or synced. The node must stop serving: what it holds in memory is not on disk. */
export class WalFailed extends Data.TaggedError("WalFailed")<{ readonly reason: string }> {
  override get message() {
    return `The write-ahead log has failed and the node cannot go on: ${this.reason}`
  }
}

/**
 * Bytes that were once durable can no longer be read. Not a torn tail: cutting here would drop acknowledged data. The node
 * must neither vote, promise nor lead with this directory; it rejoins with an empty one.
 */
export class WalCorrupt extends Data.TaggedError("WalCorrupt")<{ readonly path: string; readonly reason: string }> {
  override get message() {
    return `The write-ahead log is damaged at ${this.path}: ${this.reason}. Replace the disk, format the data directory anew and let the node rejoin.`
  }
}

export type Durability = "durable" | "ephemeral" | "unsafe-no-fsync"

export interface WalOptions {
  /** The `wal` folder of the data directory. */
  readonly directory: string
  /** `ephemeral` writes but never syncs: give it `DiskMemory`. */
  readonly durability: Durability
  /** Power of two. A frame's payload is at most `chunkBytes - 4096`. Default 16 MiB; only tests change it. */
  readonly chunkBytes?: number
  /** Chunks a segment. Default 4, so a segment is 64 MiB. */
  readonly segmentChunks?: number
  /** A block is sealed when it would grow beyond this, unless it is one larger frame. Default 4 MiB. */
  readonly blockBytesMax?: number
  /** Reserved but not yet durable bytes; `reserve` says no beyond. Default 32 MiB. */
  readonly pendingBytesMax?: number
  /** Live segments; `reserve` says no when the settler lags that far behind. Default 16. */
  readonly segmentsMax?: number
  /** The end of a segment that only frames other than Batch may use while there is no next segment. Default 1 MiB. */
  readonly metadataReserveBytes?: number
  /** Blocks that the node's own start writes: the next segments are made ready behind them. Default 1. */
  readonly startBlocks?: number
}

/** One committed block. The object and its arrays are reused: valid only during the call of `committed`. */
export interface BatchNotification {
  /** The block's number; +1 with each call. */
  readonly sequence: number
  /** Frames in the block; `streams` and `endOffsets` may be longer. */
  readonly count: number
  /** One entry a frame, in the order of the reservations. */
  readonly streams: ArrayLike<number>
  /** Log end after the frame, as given to `reserve`; 0 where the caller gave none. */
  readonly endOffsets: ArrayLike<number>
  /** Everything below is durable. */
  readonly endAddress: number
  readonly writtenAtMicros: number
  readonly durableAtMicros: number
}

export interface WalSegment {
  readonly sequence: number
  /** Address of the segment's first byte; `startAddress + segmentBytes` is the next segment's, if the numbers are adjacent. */
  readonly startAddress: number
  /** End of the last block in it; for the open one, end of what was reserved. */
  readonly endAddress: number
  /** No further block goes into it and all that it holds is durable. */
  readonly sealed: boolean
}

/** A frame found at start. `payload[at, at + length)` is valid only during the visit. */
export type FrameVisitor = (
  kind: number,
  stream: number,
  address: number,
  payload: Uint8Array,
  at: number,
  length: number
) => void

export interface WalStats {
  readonly blocks: number
  readonly frames: number
  readonly bytes: number
  /** Reserved, not yet durable. */
  readonly pendingBytes: number
  readonly flights: number
  readonly segments: number
  readonly freeSegments: number
  /** Ring chunks that slow readers still hold although the ring has gone on without them. */
  readonly detachedChunks: number
  /** Microseconds from write to durable of the last block. */
  readonly lastSyncMicros: number
  readonly full: boolean
}

export class Wal extends Context.Service<
  Wal,
  {
    /**
     * Reserves a frame in the block being built and returns the address of its payload. The caller copies exactly `length`
     * payload bytes there before it returns to the event loop: `chunkAt(address)` is the array, `placeAt(address)` the
     * position in it.
     *
     * `endOffset` is the log end after this frame (0 if none) and comes back in the notification.
     * **Errors** -1: no room. If `full()` answer KAFKA_STORAGE_ERROR, else wait on `room` and try again.
     * **Gotchas** the payload of a frame of kind Batch must be one whole v2 record batch with a correct CRC-32C: recovery
     * relies on it where the block's own CRC leaves the records out. Asserted: 0 <= length <= `frameBytesMax`.
     */
    readonly reserve: (kind: number, stream: number, length: number, endOffset: number) => number
    readonly chunkAt: (address: number) => Uint8Array
    readonly placeAt: (address: number) => number
    /** Largest payload: chunkBytes - 4096. */
    readonly frameBytesMax: number
    readonly segmentBytes: number
    /** The disk has no space for a further segment: produce answers KAFKA_STORAGE_ERROR while true. Ends by itself. */
    readonly full: () => boolean
    /** Completes when a refused `reserve` is worth another try (at once if it is now). A wake-up, not a promise. */
    readonly room: Effect.Effect<void, WalFailed>
    /** Everything below is on disk. */
    readonly durableAddress: () => number
    /** Completes when everything reserved so far is durable. */
    readonly flushed: Effect.Effect<void, WalFailed>
    /** A view of [address, address + length) in the ring, or undefined if the ring holds it no longer. Not past a frame. */
    readonly view: (address: number, length: number) => Uint8Array | undefined
    /** The same bytes from the segment's file, synchronously; they must have been written. Throws `DiskError`. */
    readonly read: (address: number, length: number, into: Uint8Array, at: number) => void
    /**
     * Keeps the memory behind `view(address, …)` unchanged until released: when the ring comes round to a leased chunk it
     * takes a fresh one. undefined when slow readers already hold too many, or the ring no longer has the address: copy the
     * bytes, or `read` them, instead.
     */
    readonly lease: (address: number) => Lease | undefined
    /** Live segments in order; the last one is open. After a start the older ones are sealed without a `sealed` event. */
    readonly segments: () => ReadonlyArray<WalSegment>
    /**
     * Everything in that sealed segment is settled, in a snapshot or repeated in a later one: it may be recycled, which
     * happens in order, lowest first. Idempotent.
     */
    readonly release: (sequence: number) => void
    readonly recovered: {
      /** Every frame found at start, in order. Reads the files again at each call; only before the first `release`. */
      readonly frames: (visit: FrameVisitor) => void
      /** The last run ended with a flush and its mark. */
      readonly cleanStop: boolean
      /** Bytes of an unfinished last block that were cut. */
      readonly tornBytes: number
    }
    readonly stats: () => WalStats
  }
>()("chronik/Wal") {}

/**
 * Port up, provided by replication. Called on the committer's fiber, in order, synchronously; must not throw. What they
 * reserve joins the next block.
 */
export class WalEvents extends Context.Service<
  WalEvents,
  {
    /** A block is durable. */
    readonly committed: (notification: BatchNotification) => void
    /** Once; no other event follows. */
    readonly failed: (error: WalFailed) => void
    /** That segment takes no further block and all of it is durable. Follows the `committed` of its last block. */
    readonly sealed: (sequence: number) => void
  }
>()("chronik/WalEvents") {}
