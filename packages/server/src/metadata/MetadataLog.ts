/**
 * The port to the replicated metadata log, and its form for a node on its own: a quorum of one over the node's WAL.
 *
 * A proposal becomes a WAL frame (kind Metadata, stream 0); when the frame is durable it is committed, and committed entries
 * are handed to the applier in order. What a snapshot covers need not stay in the WAL. The log knows nothing of what its
 * entries mean, and deliberately decides nothing: Raft takes this place in a cluster without a change above.
 *
 * **Layout of a frame's payload** index u64 little-endian, then the entry's bytes.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { Context, Data, Effect, Layer } from "effect"
import { Disk, type DiskError } from "../io/Disk.ts"
import { Wal, type WalFailed } from "../storage/Wal.ts"
import * as SnapshotFile from "./SnapshotFile.ts"

/** The stream number of the metadata log's frames in the WAL. */
export const METADATA_STREAM = 0

const INDEX_BYTES = 8

/** What is on disk does not give the metadata back. Starting without it would lose topics, so the node does not start. */
export class MetadataUnreadable extends Data.TaggedError("MetadataUnreadable")<{ readonly message: string }> {}

export interface CommittedEntry {
  readonly index: number
  readonly payload: Uint8Array
  /** What the proposer gave to `propose`; undefined for entries of another node or an earlier run. */
  readonly ticket: number | undefined
}

/** The one who applies: called in order, synchronously. */
export interface LogSink {
  readonly committed: (entries: ReadonlyArray<CommittedEntry>) => void
  /** Nothing more will be committed. */
  readonly failed: (reason: string) => void
}

export class MetadataLog extends Context.Service<
  MetadataLog,
  {
    /** What the log held when it was opened: the newest snapshot and the committed entries after it. */
    readonly recovered: {
      readonly snapshot: SnapshotFile.StoredSnapshot | undefined
      readonly entries: ReadonlyArray<CommittedEntry>
    }
    /** Who is told of commits. Once, before the first proposal. */
    readonly attach: (sink: LogSink) => void
    /**
     * Appends an entry. The sink gets it back with its ticket when it is committed; proposals commit in their order.
     * `no-room`: wait on `room` and try again.
     */
    readonly propose: (payload: Uint8Array, ticket: number) => "proposed" | "no-room" | "too-large"
    readonly room: Effect.Effect<void, WalFailed>
    /** From the WAL: every frame of stream 0 below `endOffset` is durable. Register the service for `METADATA_STREAM`. */
    readonly durable: (endOffset: number) => void
    /** From the WAL. */
    readonly failed: (error: WalFailed) => void
    /** Keeps an image of everything below `endOffset`; durable when it completes. */
    readonly saveSnapshot: (endOffset: number, payload: Uint8Array) => Effect.Effect<void, DiskError>
    /** End offset of the newest saved snapshot. */
    readonly snapshotOffset: () => number
    /** Bytes of the entries that no snapshot covers. */
    readonly bytesSinceSnapshot: () => number
    /** End offset of the entries whose frames lie below a WAL address: what a snapshot must cover to let those bytes go. */
    readonly endOffsetBelow: (address: number) => number
  }
>()("chronik/MetadataLog") {
  /** `directory`: the `metadata` folder of the data directory. */
  static readonly layerSingle = (options: {
    readonly directory: string
  }): Layer.Layer<MetadataLog, MetadataUnreadable, Wal | Disk> =>
    Layer.effect(MetadataLog, makeSingle(options.directory))
}

/** Where an entry's frame lies: kept until a snapshot covers it. */
interface Placed {
  readonly index: number
  readonly address: number
  readonly bytes: number
}

const makeSingle = Effect.fnUntraced(function* (directory: string) {
  const wal = yield* Wal
  const disk = yield* Disk
  const files = SnapshotFile.make(disk, directory)
  const { snapshot, damaged } = files.newest()
  for (const { path } of damaged) {
    yield* Effect.logWarning(`The metadata snapshot ${path} is damaged and is not used.`)
  }
  const placed: Array<Placed> = []
  const found = yield* recover(wal, snapshot?.endOffset ?? 0, placed)
  const recoveredTo = (snapshot?.endOffset ?? 0) + found.length
  // The name of a damaged snapshot still says how far the metadata went.
  for (const { endOffset } of damaged) if (endOffset > recoveredTo) return yield* lost(recoveredTo, endOffset)

  let sink: LogSink | undefined
  let nextIndex = recoveredTo
  let snapshotOffset = snapshot?.endOffset ?? 0
  /** Proposed here and not yet committed, in order. */
  let pending: Array<CommittedEntry> = []

  let placedBytes = placed.reduce((sum, entry) => sum + entry.bytes, 0)

  const forget = (endOffset: number) => {
    const kept = placed.findIndex((entry) => entry.index >= endOffset)
    for (const entry of placed.splice(0, kept < 0 ? placed.length : kept)) placedBytes -= entry.bytes
  }

  return MetadataLog.of({
    recovered: { snapshot, entries: found },
    attach: (to) => {
      assert(sink === undefined, "the metadata log has one applier")
      sink = to
    },
    propose: (payload, ticket) => {
      const length = INDEX_BYTES + payload.length
      if (length > wal.frameBytesMax) return "too-large"
      const index = nextIndex
      const address = wal.reserve(FrameKind.Metadata, METADATA_STREAM, length, index + 1)
      if (address < 0) return "no-room"
      nextIndex++
      writeFrame(wal.chunkAt(address), wal.placeAt(address), index, payload)
      placed.push({ index, address, bytes: length })
      placedBytes += length
      pending.push({ index, payload, ticket })
      return "proposed"
    },
    room: wal.room,
    durable: (endOffset) => {
      const open = pending.findIndex((entry) => entry.index >= endOffset)
      const committed = open < 0 ? pending : pending.slice(0, open)
      pending = open < 0 ? [] : pending.slice(open)
      if (committed.length > 0) sink?.committed(committed)
    },
    failed: (error) => sink?.failed(error.message),
    saveSnapshot: (endOffset, payload) =>
      Effect.tap(files.save(endOffset, payload), () =>
        Effect.sync(() => {
          assert(endOffset >= snapshotOffset, "a snapshot never goes back")
          snapshotOffset = endOffset
          forget(endOffset)
        })
      ),
    snapshotOffset: () => snapshotOffset,
    bytesSinceSnapshot: () => placedBytes,
    endOffsetBelow: (address) => {
      const below = placed.findLast((entry) => entry.address < address)
      return below === undefined ? snapshotOffset : below.index + 1
    }
  })
})

const writeFrame = (chunk: Uint8Array, place: number, index: number, payload: Uint8Array): void => {
  new DataView(chunk.buffer, chunk.byteOffset).setBigUint64(place, BigInt(index), true)
  chunk.set(payload, place + INDEX_BYTES)
}

/** Entries in the WAL that the snapshot does not hold, each noted in `placed`. Durable on a quorum of one is committed. */
const recover = (
  wal: Wal["Service"],
  snapshotOffset: number,
  placed: Array<Placed>
): Effect.Effect<ReadonlyArray<CommittedEntry>, MetadataUnreadable> => {
  const entries: Array<CommittedEntry> = []
  let gapAt: number | undefined
  wal.recovered.frames((kind, stream, address, payload, at, length) => {
    if (kind !== FrameKind.Metadata || stream !== METADATA_STREAM || gapAt !== undefined) return
    const index = Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(at, true))
    const expected = snapshotOffset + entries.length
    if (index < expected) return
    if (index > expected) {
      gapAt = index
      return
    }
    entries.push({ index, payload: payload.slice(at + INDEX_BYTES, at + length), ticket: undefined })
    placed.push({ index, address, bytes: length })
  })
  return gapAt === undefined ? Effect.succeed(entries) : lost(snapshotOffset + entries.length, gapAt)
}

const lost = (from: number, end: number): Effect.Effect<never, MetadataUnreadable> =>
  Effect.fail(
    new MetadataUnreadable({
      message:
        `The metadata log is damaged: entries ${from} to ${end - 1} are in no whole snapshot and not in the write-ahead log. ` +
        "Restore the metadata folder of the data directory from a copy, or begin with an empty data directory."
    })
  )
