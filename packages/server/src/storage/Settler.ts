/**
 * Moves data out of the WAL: a sealed segment is rewritten into the segment files of its partitions, then recycled.
 *
 * For each partition that has batches in the segment: if the part of its log up to there is 64 KiB or more, it is appended
 * to its files; smaller leftovers are carried forward, as the same Batch frames at the head of the WAL, so that thousands of
 * quiet partitions do not make thousands of tiny files. Carried bytes are at most an eighth of a segment: beyond that the
 * largest go to files.
 *
 * Order, and why a crash anywhere is harmless: files are written beyond their confirmed end and synced; only then does the
 * index let go of the WAL; only when all partitions are done, a checkpoint covers the segment's other frames and the
 * registered dependents (metadata log, votes, …) have moved theirs, is the segment released. Until then recovery finds
 * everything in the WAL and cuts the files where the WAL begins.
 *
 * One fiber, segments in order. It yields after each megabyte; syncs run in the thread pool, two at a time at most, since
 * the WAL's own syncs need it more. A failed write or sync leaves the files as they were; the whole segment is rewritten
 * later from the WAL, a sync is never repeated on the same bytes.
 */

import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { Context, Deferred, Effect, Exit, Layer, Queue } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import type { DiskError } from "../io/Disk.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import { walBatch } from "./PartitionStoreRead.ts"
import { PartitionStores } from "./PartitionStores.ts"
import { BUFFER_BYTES, type PooledBuffer } from "./SegmentFileBuffers.ts"
import type { StorageError, StoreContext } from "./SegmentsContext.ts"
import { SegmentsWriter } from "./SegmentsWriter.ts"
import { attempt, isShortage, settleCuts, syncWritten } from "./SettlerSync.ts"
import { Wal, type WalFailed } from "./Wal.ts"

/** A partition with less than this in the WAL is carried forward instead of settled. */
export const CARRIED_BYTES_MAX = 64 * 1024
/** Part of a segment that carried frames may fill. */
const CARRIED_SHARE = 1 / 8
/** What the event loop waits for at a time: bytes that are copied and written, and batches that are looked at. */
const YIELD_BYTES = 512 * 1024
const YIELD_BATCHES = 1_000
/** Each holds two pooled buffers and at most one of the pool's four threads: two are left to the log's own syncs. */
const PARTITIONS_AT_ONCE = 2

export type SettleError = StorageError | DiskError | WalFailed

/** A sealed segment, as a dependent sees it. */
export interface SettledSegment {
  readonly sequence: number
  readonly startAddress: number
  readonly endAddress: number
}

export interface SettlerStats {
  segments: number
  settledBytes: number
  carriedBytes: number
  carriedBatches: number
}

export class Settler extends Context.Service<
  Settler,
  {
    /** The WAL has sealed a segment: called for each, in any order, from any callback. */
    readonly sealed: (sequence: number) => void
    /** Something else that lives in the WAL: `settle` completes when the segment is no longer needed for it. */
    readonly dependent: (name: string, settle: (segment: SettledSegment) => Effect.Effect<void, SettleError>) => void
    /** All partitions are open: begins with the segments that were sealed before. */
    readonly begin: () => void
    /**
     * Moves what is committed of one partition into files now, also out of the open segment and however little it is.
     * Completes when that was tried; needs `begin`.
     */
    readonly settleNow: (store: PartitionStore) => Effect.Effect<void>
    /** Completes when every segment that is sealed now is released. Needs `begin`. */
    readonly idle: Effect.Effect<void>
    readonly stats: Readonly<SettlerStats>
  }
>()("chronik/Settler") {}

interface Parts {
  readonly wal: Wal["Service"]
  readonly stores: PartitionStores["Service"]
  readonly context: StoreContext
  readonly stats: SettlerStats
  readonly dependents: Map<string, (segment: SettledSegment) => Effect.Effect<void, SettleError>>
}

interface SettleRequest {
  readonly store: PartitionStore
  readonly done: Deferred.Deferred<void>
}

/** The first `count` batches of a partition's index, with what they weigh. */
interface Portion {
  readonly store: PartitionStore
  readonly count: number
  readonly bytes: number
  /** Bytes that lie in the segment itself: what carrying would cost. */
  readonly ownBytes: number
  /** Some of it was carried forward before. */
  readonly hasCarried: boolean
}

const make = Effect.gen(function* () {
  const wal = yield* Wal
  const stores = yield* PartitionStores
  const stats: SettlerStats = { segments: 0, settledBytes: 0, carriedBytes: 0, carriedBatches: 0 }
  const parts: Parts = { wal, stores, context: stores.context, stats, dependents: new Map() }
  const wakeUps = yield* Queue.sliding<void>(1)
  const waiters: Array<Deferred.Deferred<void>> = []
  const requests: Array<SettleRequest> = []
  let begun = false

  let released = -1
  // A released segment stays in the list until its file is recycled.
  const oldestSealed = () => wal.segments().find((segment) => segment.sealed && segment.sequence > released)
  const round = Effect.gen(function* () {
    for (let request = requests.shift(); request !== undefined; request = requests.shift()) {
      const { store, done } = request
      yield* settleCommitted(parts, store).pipe(
        Effect.ensuring(Effect.sync(() => Deferred.doneUnsafe(done, Exit.void)))
      )
    }
    for (let segment = oldestSealed(); segment !== undefined; segment = oldestSealed()) {
      yield* settleSegment(parts, segment)
      released = segment.sequence
    }
    for (const waiter of waiters.splice(0)) Deferred.doneUnsafe(waiter, Exit.void)
  })
  const wake = () => void Queue.offerUnsafe(wakeUps, undefined)
  const patientRound = waitingForRoom(round, wake)
  yield* supervise(
    { name: "settler", restart: "always", onDown: wake },
    Effect.gen(function* () {
      while (true) {
        yield* Queue.take(wakeUps)
        if (begun) yield* patientRound
      }
    })
  )
  return Settler.of({
    sealed: () => void Queue.offerUnsafe(wakeUps, undefined),
    dependent: (name, settle) => void parts.dependents.set(name, settle),
    begin: () => {
      begun = true
      Queue.offerUnsafe(wakeUps, undefined)
    },
    idle: Effect.suspend(() => {
      const waiter = Deferred.makeUnsafe<void>()
      waiters.push(waiter)
      Queue.offerUnsafe(wakeUps, undefined)
      return Deferred.await(waiter)
    }),
    settleNow: (store) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<void>()
        requests.push({ store, done })
        Queue.offerUnsafe(wakeUps, undefined)
        return Deferred.await(done)
      }),
    stats
  })
})

const RETRY_AFTER_SHORTAGE = "1 second"

const waitingForRoom = (
  round: Effect.Effect<void, SettleError>,
  tryAgain: () => void
): Effect.Effect<void, SettleError> => {
  let told = ""
  const done = Effect.tap(round, () =>
    Effect.sync(() => {
      told = ""
    })
  )
  const wait = (problem: string): Effect.Effect<void> => {
    const news = problem !== told
    told = problem
    const sentence = `Settling waits: ${problem} Records stay in the write-ahead log and are served from there; free some space.`
    return (news ? Effect.logWarning(sentence) : Effect.void).pipe(
      Effect.andThen(Effect.sleep(RETRY_AFTER_SHORTAGE)),
      Effect.andThen(Effect.sync(tryAgain))
    )
  }
  return Effect.catch(done, (error) => (isShortage(error) ? wait(error.message) : Effect.fail(error)))
}

const settleSegment = Effect.fnUntraced(function* (
  parts: Parts,
  segment: { readonly sequence: number; readonly startAddress: number; readonly endAddress: number }
) {
  const { wal, stores, stats } = parts
  // Truncations noted so far become durable here: only then may files be cut.
  yield* wal.flushed
  const { files, carried } = plan(parts, segment.sequence)
  yield* settlePortions(parts, segment.sequence, files)
  yield* carryPortions(parts, segment.sequence, carried)
  for (const store of [...stores.all()]) if (store.segments.hasCuts) yield* settleCuts(wal, store)
  yield* stores.coverBelow(segment.startAddress + wal.segmentBytes)
  for (const settle of parts.dependents.values()) yield* settle(segment)
  stores.forgetSegment(segment.sequence)
  stats.segments++
  wal.release(segment.sequence)
})

/** Splits the partitions of a segment into those that go to files and those that are carried forward. */
const plan = (parts: Parts, sequence: number): { files: Array<Portion>; carried: Array<Portion> } => {
  const { wal, stores } = parts
  const portions: Array<Portion> = []
  for (const store of stores.touchedIn(sequence)) {
    const portion = portionOf(store, sequence, wal.segmentBytes)
    if (portion !== undefined) portions.push(portion)
  }
  portions.sort((a, b) => a.ownBytes - b.ownBytes)
  let room = wal.segmentBytes * CARRIED_SHARE
  const files: Array<Portion> = []
  const carried: Array<Portion> = []
  for (const portion of portions) {
    if (portion.bytes < CARRIED_BYTES_MAX && portion.ownBytes <= room) {
      room -= portion.ownBytes
      carried.push(portion)
    } else files.push(portion)
  }
  return { files, carried }
}

const isIn = (sequence: number, segmentBytes: number, address: number): boolean =>
  Math.floor(address / segmentBytes) === sequence

/** Everything of the partition up to its last batch in the segment; undefined when it has none there any more. */
const portionOf = (store: PartitionStore, sequence: number, segmentBytes: number): Portion | undefined => {
  const { index } = store
  if (store.deleted) return undefined
  let count = 0
  let bytes = 0
  let ownBytes = 0
  let total = 0
  for (let i = 0; i < index.size; i++) {
    const length = index.length(i)
    total += length
    if (isIn(sequence, segmentBytes, index.address(i))) {
      count = i + 1
      bytes = total
      ownBytes += length
    } else if (i >= index.risingFrom && index.address(i) > sequence * segmentBytes) break
  }
  return count === 0 ? undefined : { store, count, bytes, ownBytes, hasCarried: ownBytes < bytes }
}

/** A portion written to files and not yet confirmed. */
interface Written {
  readonly portion: Portion
  readonly writer: SegmentsWriter
  readonly version: number
  /** Of the segment being settled. */
  readonly startAddress: number
}

/** Everything that is committed, wherever it lies; its copies stay in the WAL until their segments go. */
const committedPortion = (store: PartitionStore): Portion | undefined => {
  const { index } = store
  const committed = store.owner?.highWatermark() ?? store.logEndOffset
  let count = 0
  let bytes = 0
  while (count < index.size && index.endOffsetOf(count) <= committed) bytes += index.length(count++)
  return count === 0 || store.deleted ? undefined : { store, count, bytes, ownBytes: bytes, hasCarried: true }
}

const lowestAddress = ({ store: { index }, count }: Portion): number => {
  let lowest = Number.POSITIVE_INFINITY
  for (let i = 0; i < count; i++) lowest = Math.min(lowest, index.address(i))
  return lowest
}

const settleCommitted = Effect.fnUntraced(function* (parts: Parts, store: PartitionStore) {
  while (!(yield* settlePortion(parts, store, () => committedPortion(store), lowestAddress))) yield* Effect.yieldNow
})

/** Writes, syncs and confirms; partitions that changed meanwhile are done again. Several partitions at a time: while one waits for its sync another one is written. */
const settlePortions = (parts: Parts, sequence: number, portions: ReadonlyArray<Portion>) =>
  Effect.forEach(
    portions,
    Effect.fnUntraced(function* ({ store }: Portion) {
      // Again when the log was cut or its start moved under the writer.
      const { segmentBytes } = parts.wal
      const portion = () => portionOf(store, sequence, segmentBytes)
      while (!(yield* settlePortion(parts, store, portion, () => sequence * segmentBytes))) yield* Effect.yieldNow
    }),
    { concurrency: PARTITIONS_AT_ONCE, discard: true }
  )

const settlePortion = Effect.fnUntraced(function* (
  parts: Parts,
  store: PartitionStore,
  portionNow: () => Portion | undefined,
  addressOf: (portion: Portion) => number
) {
  if (store.segments.hasCuts) {
    yield* parts.wal.flushed
    yield* attempt(() => store.segments.applyCuts())
  }
  const { version } = store
  // Counted anew: after a change other batches may be there, and not yet durable ones must not get into files.
  const portion = portionNow()
  if (portion === undefined) return true
  const startAddress = addressOf(portion)
  const gather = parts.context.buffers.lease(BUFFER_BYTES)
  const input = parts.context.buffers.lease(BUFFER_BYTES)
  const writer = new SegmentsWriter(store.segments, store.identity.settings(), gather.bytes)
  return yield* writePortion(parts, { portion, writer, version, startAddress }, input).pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        gather.release()
        input.release()
        if (Exit.isFailure(exit)) discard(parts, writer, store)
      })
    )
  )
})

/** What a failed attempt left behind is no reason to lose why it failed. */
const discard = (parts: Parts, writer: SegmentsWriter, store: PartitionStore): void => {
  try {
    writer.discard()
  } catch (error) {
    parts.context.report(
      `The files in ${store.segments.directory} could not be cut back after a failed settle: ${String(error)}`
    )
  }
}

const writePortion = Effect.fnUntraced(function* (parts: Parts, written: Written, input: PooledBuffer) {
  const { portion, writer, version, startAddress } = written
  const { store, count } = portion
  for (let i = 0; i < count; ) {
    if (store.version !== version || store.deleted) return yield* voided(writer)
    const from = i
    i = yield* attempt(() => addSome(written, from, input.bytes))
    const isFull = i < count && !writer.hasRoom(store.index.length(i))
    yield* isFull || i === count ? flushLater(writer) : Effect.yieldNow
  }
  yield* syncWritten(store, writer)
  if (store.version !== version || store.deleted) return yield* voided(writer)
  yield* attempt(() => confirm(parts, written))
  // The copies that were carried forward outlive this segment in the WAL. Recovery must not take them for the end of the
  // log when what followed them is in files only: the checkpoint says up to where files are right.
  if (portion.hasCarried) parts.context.controlWritten(startAddress)
  return true
})

/** As many batches as the event loop may wait for, from the `i`th on. Answers which is the next one. */
const addSome = ({ portion, writer }: Written, i: number, input: Uint8Array): number => {
  let bytes = 0
  let next = i
  while (next < portion.count && bytes < YIELD_BYTES && next - i < YIELD_BATCHES) {
    const { store } = portion
    if (!writer.hasRoom(store.index.length(next))) return next
    const batch = walBatch(store, next++, input)
    writer.add(batch, 0, batch.length)
    bytes += batch.length
  }
  return next
}

const flushLater = (writer: SegmentsWriter): Effect.Effect<void, DiskError | StorageError> =>
  Effect.flatMap(
    attempt(() => writer.takeGathered()),
    (write) =>
      write === undefined
        ? Effect.void
        : Effect.callback<void, DiskError>((resume) =>
            write((error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
          )
  ).pipe(Effect.uninterruptible)

const voided = (writer: SegmentsWriter) =>
  Effect.as(
    attempt(() => writer.discard()),
    false
  )

const confirm = (parts: Parts, { portion, writer }: Written): void => {
  const { store, count } = portion
  writer.confirm()
  store.index.dropFirst(count)
  if (store.identity.settings().compacts) parts.context.uncleaned.add(store)
  parts.stats.settledBytes += writer.bytes
}

/** Repeats small leftovers at the head of the WAL. What finds no room there goes to files after all. */
const carryPortions = Effect.fnUntraced(function* (parts: Parts, sequence: number, portions: ReadonlyArray<Portion>) {
  const { wal, stats } = parts
  const moves: Array<{ store: PartitionStore; baseOffset: number; from: number; to: number }> = []
  const refused: Array<Portion> = []
  const input = parts.context.buffers.lease(BUFFER_BYTES)
  yield* Effect.gen(function* () {
    let sinceYield = 0
    for (const { store } of portions) {
      // Counted anew: the log may have changed since the plan, and again between two turns of this loop.
      for (let i = 0; i < store.index.size && !store.deleted; i++) {
        const from = store.index.address(i)
        if (!isIn(sequence, wal.segmentBytes, from)) {
          if (i >= store.index.risingFrom && from > sequence * wal.segmentBytes) break
          continue
        }
        const moved = yield* attempt(() => carry(wal, store, i, input.bytes))
        if (moved < 0) {
          const portion = portionOf(store, sequence, wal.segmentBytes)
          if (portion !== undefined) refused.push(portion)
          break
        }
        moves.push({ store, baseOffset: store.index.baseOffset(i), from, to: moved })
        sinceYield += store.index.length(i)
      }
      if (sinceYield < YIELD_BYTES) continue
      sinceYield = 0
      yield* Effect.yieldNow
    }
  }).pipe(Effect.ensuring(Effect.sync(() => input.release())))
  if (moves.length > 0) yield* wal.flushed
  for (const { store, baseOffset, from, to } of moves) {
    const i = store.index.exactly(baseOffset)
    // Cut, or settled to files, in the meantime: the copy at the head is then simply not used.
    if (i < 0 || store.index.address(i) !== from) continue
    store.index.moveTo(i, to)
    store.touch(to)
    stats.carriedBytes += store.index.length(i)
    stats.carriedBatches++
  }
  yield* settlePortions(parts, sequence, refused)
})

const carry = (wal: Wal["Service"], store: PartitionStore, i: number, buffer: Uint8Array): number => {
  const length = store.index.length(i)
  // Reserving may turn the ring over the old place: get the bytes out first.
  const view = walBatch(store, i, buffer)
  const batch = view.buffer === buffer.buffer ? view : copyInto(buffer, view)
  const to = wal.reserve(FrameKind.Batch, store.stream, length, 0)
  if (to < 0) return -1
  wal.chunkAt(to).set(batch, wal.placeAt(to))
  // Registered at once: should the swap never come, its segment has one partition more to look at.
  store.touch(to)
  return to
}

const copyInto = (buffer: Uint8Array, view: Uint8Array): Uint8Array => {
  if (view.length > buffer.length) return view.slice()
  buffer.set(view)
  return buffer.subarray(0, view.length)
}

export const layer: Layer.Layer<Settler, never, Wal | PartitionStores> = Layer.effect(Settler, make)
