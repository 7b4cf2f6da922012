/**
 * Wires the parts of the write-ahead log into the service `Wal`: recovery, ring, appender, segments, committer.
 *
 * At the end of its scope everything reserved is flushed and the clean stop is marked, then the two fibers end and the
 * files are closed, in this order.
 */
import { assertGeometry, type Geometry, segmentBytesOf } from "@chronik-effect/core/wal/Block.ts"
import { Cause, Effect, Layer, Random, type Scope } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import { Disk, DiskError } from "../io/Disk.ts"
import { CommitRing } from "./CommitRing.ts"
import { Wal, WalCorrupt, WalEvents, type WalOptions } from "./Wal.ts"
import { WalAppender } from "./WalAppender.ts"
import { WalCommitter } from "./WalCommitter.ts"
import { type OpenedLog, openLog, visitLog } from "./WalRecovery.ts"
import { WalSegments } from "./WalSegments.ts"

const MIB = 1 << 20
const TWO_32 = 2 ** 32

/** Fails with `WalCorrupt` where the log is damaged, and with `DiskError` where it cannot be opened. */
export const layer = (options: WalOptions): Layer.Layer<Wal, WalCorrupt | DiskError, Disk | WalEvents> =>
  Layer.effect(Wal, make(options))

interface Parts {
  readonly geometry: Geometry
  readonly log: OpenedLog
  readonly ring: CommitRing
  readonly segments: WalSegments
  readonly appender: WalAppender
  readonly committer: WalCommitter
}

export const make: (
  options: WalOptions
) => Effect.Effect<Wal["Service"], WalCorrupt | DiskError, Disk | WalEvents | Scope.Scope> = Effect.fnUntraced(
  function* (options: WalOptions) {
    const disk = yield* Disk
    const events = yield* WalEvents
    const salt = { low: yield* random32, high: yield* random32 }
    const parts = yield* Effect.suspend(() => {
      try {
        return Effect.succeed(assemble(options, disk, events, salt))
      } catch (error) {
        if (error instanceof WalCorrupt || error instanceof DiskError) return Effect.fail(error)
        throw error
      }
    })
    yield* start(parts)
    return serviceOf(parts)
  }
)

const random32 = Random.nextIntBetween(0, TWO_32 - 1)

function assemble(
  options: WalOptions,
  disk: Disk["Service"],
  events: WalEvents["Service"],
  salt: { readonly low: number; readonly high: number }
): Parts {
  const chunkBytes = options.chunkBytes ?? 16 * MIB
  const geometry = { chunkBytes, segmentChunks: options.segmentChunks ?? 4 }
  assertGeometry(geometry)
  const segmentBytes = segmentBytesOf(geometry)
  const syncs = options.durability === "durable"
  const log = openLog(disk, options.directory, geometry, disk.crc32, salt, syncs)
  const ring = new CommitRing(chunkBytes)
  const segmentsMax = Math.max(options.segmentsMax ?? 16, log.live.length + 1)
  const segments = new WalSegments(
    disk,
    { directory: options.directory, segmentBytes, segmentsMax, syncs, startBlocks: options.startBlocks ?? 1 },
    log.live,
    log.free
  )
  const appenderLimits = {
    segmentBytes,
    blockBytesMax: Math.min(options.blockBytesMax ?? 4 * MIB, chunkBytes),
    pendingBytesMax: Math.min(options.pendingBytesMax ?? 32 * MIB, 2 * chunkBytes),
    metadataReserveBytes: Math.min(options.metadataReserveBytes ?? MIB, chunkBytes / 2)
  }
  const appender = new WalAppender(ring, segments, appenderLimits, log.lastSequence)
  const committer = new WalCommitter(disk, ring, segments, appender, events, {
    syncs,
    chunkLog2: Math.log2(chunkBytes),
    segmentChunks: geometry.segmentChunks,
    saltLow: salt.low,
    saltHigh: salt.high,
    lastSequence: log.lastSequence,
    lastCrc: log.lastCrc
  })
  return { geometry, log: { ...log, live: [...log.live] }, ring, segments, appender, committer }
}

/** Finalizers run in reverse: flush and mark, end the fibers, close the files. */
const start = Effect.fnUntraced(function* ({ segments, committer }: Parts) {
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      committer.landed,
      Effect.sync(() => segments.closeAll())
    )
  )
  const onDown = (cause: Cause.Cause<unknown>) => committer.fail(reasonOf(cause))
  yield* supervise({ name: "wal segments", restart: "never", onDown }, segments.maintain)
  yield* supervise({ name: "wal committer", restart: "never", onDown }, committer.run)
  yield* Effect.addFinalizer(() =>
    committer.flushed.pipe(
      Effect.andThen(Effect.sync(() => committer.markCleanStop())),
      Effect.catchCause((cause) => Effect.logError(`The log was not closed cleanly: ${reasonOf(cause)}`))
    )
  )
})

const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

function serviceOf({ geometry, log, ring, segments, appender, committer }: Parts): Wal["Service"] {
  const segmentBytes = segmentBytesOf(geometry)
  return Wal.of({
    reserve: (kind, stream, length, endOffset) => appender.reserve(kind, stream, length, endOffset),
    chunkAt: (address) => ring.chunkAt(address),
    placeAt: (address) => ring.placeAt(address),
    frameBytesMax: appender.frameBytesMax,
    segmentBytes,
    full: () => appender.full,
    room: committer.room,
    durableAddress: () => appender.durableAddress,
    flushed: committer.flushed,
    view: (address, length) => {
      if (!ring.holds(address, length) || address + length > appender.end) return undefined
      const place = ring.placeAt(address)
      return ring.chunkAt(address).subarray(place, place + length)
    },
    read: (address, length, into, at) => {
      const segment = segments.bySequence(Math.floor(address / segmentBytes))
      const code = "ENOENT"
      if (segment === undefined) throw new DiskError({ operation: "read", path: `WAL address ${address}`, code })
      const got = segment.file.read(into, at, length, address - segment.startAddress)
      if (got < length) throw new DiskError({ operation: "read", path: segment.path, code: "ESHORT" })
    },
    lease: (address) => ring.lease(address),
    segments: () =>
      segments.live.map((segment) => ({
        sequence: segment.sequence,
        startAddress: segment.startAddress,
        endAddress: segment === segments.head ? appender.end : segment.endAddress,
        sealed: segment.sealed
      })),
    release: (sequence) => segments.release(sequence),
    recovered: {
      frames: (visit) => visitLog(log, geometry, visit),
      cleanStop: log.cleanStop,
      tornBytes: log.tornBytes
    },
    stats: () => ({
      blocks: committer.blocks,
      frames: committer.frames,
      bytes: committer.bytes,
      pendingBytes: appender.pendingBytes,
      flights: committer.flightCount,
      segments: segments.live.length,
      freeSegments: segments.free.length,
      detachedChunks: ring.detachedChunks,
      lastSyncMicros: committer.lastSyncMicros,
      full: appender.full
    })
  })
}
