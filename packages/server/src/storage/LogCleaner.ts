/**
 * Compaction: one fiber that keeps the newest record of each key of partitions whose `cleanup.policy` names `compact`.
 *
 * It works on segment files only, never on what may still be found in the write-ahead log by a start: before a pass a
 * checkpoint says up to where files are believed. The write-ahead log is what Kafka's active segment is. Records get out of
 * it as those of every topic do, when its segment is settled and the partition has 64 KiB there or more; what is less is
 * carried forward, so that a partition holds at most that much uncompacted beside its files, however long it lives. Where
 * `max.compaction.lag.ms` is set the settler is asked to move what has become too old at once.
 *
 * What it is called for is in `StoreContext.uncleaned`; a partition that is clean costs nothing, one with tombstones a
 * comparison of numbers a round. A damaged partition is reported and left alone until the next start; a full disk ends the
 * pass, and nothing else.
 *
 * **Shape** a round sorts what is due by its dirty share, as Kafka does; a partition with nothing due waits
 * `log.cleaner.backoff.ms`. Broker configs are read at each round.
 */
import { type CleanPlan, planCleaning } from "@chronik-effect/core/log/CleanPlan.ts"
import type { Compressor } from "@chronik-effect/core/record/Compression.ts"
import { Context, Duration, Effect, Layer, Semaphore } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import type { DiskError } from "../io/Disk.ts"
import { closeFiles, runCleanPass } from "./CleanPass.ts"
import type { Throttle } from "./CleanReader.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import { PartitionStores } from "./PartitionStores.ts"
import { storageError } from "./SegmentFile.ts"
import { finish } from "./SegmentSwap.ts"
import { StorageError, type StoreContext } from "./SegmentsContext.ts"
import { Settler } from "./Settler.ts"
import { isShortage } from "./SettlerSync.ts"
import type { WalFailed } from "./Wal.ts"

/** Broker configs `log.cleaner.*`. */
export interface CleanerSettings {
  readonly enabled: boolean
  readonly backoffMs: number
  readonly dedupeBufferBytes: number
  /** Read and written together; Infinity: no limit. */
  readonly ioBytesPerSecondMax: number
}

export interface LogCleanerOptions {
  readonly compress: Compressor
  /** Read at each round, so that a changed config counts at once. */
  readonly settings: () => CleanerSettings
}

export interface CleanerStats {
  /** Passes that came to their end, and those that the log was changed under. */
  passes: number
  voidPasses: number
  bytesRead: number
  bytesWritten: number
  /** Files that were replaced by cleaned ones. */
  filesReplaced: number
  /** Partitions that cannot be cleaned. */
  uncleanable: number
}

export class LogCleaner extends Context.Service<
  LogCleaner,
  {
    /** One round over all partitions that need it, now. Answers how many passes have brought something. */
    readonly round: Effect.Effect<number, WalFailed | StorageError>
    readonly stats: Readonly<CleanerStats>
  }
>()("chronik/LogCleaner") {}

interface Cleaner {
  readonly options: LogCleanerOptions
  readonly context: StoreContext
  readonly stats: CleanerStats
  readonly throttle: Throttle
  /** Of partitions whose cleaning waits for room on the disk: told once. */
  readonly told: Set<PartitionStore>
  seed: number
}

interface Due {
  readonly store: PartitionStore
  readonly plan: CleanPlan
}

const make = Effect.fnUntraced(function* (options: LogCleanerOptions) {
  const stores = yield* PartitionStores
  const settler = yield* Settler
  const { context } = stores
  const stats: CleanerStats = {
    passes: 0,
    voidPasses: 0,
    bytesRead: 0,
    bytesWritten: 0,
    filesReplaced: 0,
    uncleanable: 0
  }
  const throttle = makeThrottle(() => options.settings().ioBytesPerSecondMax)
  const cleaner: Cleaner = { options, context, stats, throttle, told: new Set(), seed: 0 }
  const rounds = yield* Semaphore.make(1)

  const round = Effect.gen(function* () {
    for (const store of [...context.uncleaned].filter((one) => isTooOld(one, context.nowMillis()))) {
      yield* settler.settleNow(store)
    }
    const due = [...context.uncleaned].flatMap((store) => look(cleaner, store))
    if (due.length === 0) return 0
    due.sort((a, b) => b.plan.dirtyRatio - a.plan.dirtyRatio)
    if (due.some(({ store, plan }) => plan.filesEndOffset > store.checkpointedOffset)) yield* checkpointed(stores)
    let passes = 0
    for (const one of due) if (yield* clean(cleaner, one)) passes++
    return passes
  }).pipe(rounds.withPermits(1))

  yield* supervise(
    { name: "log cleaner", restart: "always" },
    Effect.gen(function* () {
      while (true) {
        const { enabled, backoffMs } = options.settings()
        const passes = enabled && context.uncleaned.size > 0 ? yield* round : 0
        if (passes === 0) yield* Effect.sleep(Duration.millis(Math.max(1, backoffMs)))
      }
    })
  )
  return LogCleaner.of({ round, stats })
})

/** Without room for a checkpoint there is none for cleaned files either: what is not covered waits for the next round. */
const checkpointed = (stores: PartitionStores["Service"]) =>
  Effect.catchTag(stores.checkpoint, "StorageError", (error) => (isShortage(error) ? Effect.void : Effect.fail(error)))

/** Its oldest record in the WAL has been there for longer than `max.compaction.lag.ms`. */
const isTooOld = (store: PartitionStore, nowMillis: number): boolean => {
  const { compacts, maxCompactionLagMs } = store.identity.settings()
  if (!compacts || store.deleted || store.index.size === 0) return false
  const oldest = store.index.maxTimestamp(0)
  return oldest >= 0 && nowMillis - oldest > maxCompactionLagMs
}

/** What is due for one partition. Takes it off the list when nothing will be until somebody puts it there again. */
const look = (cleaner: Cleaner, store: PartitionStore): ReadonlyArray<Due> => {
  const { context, stats } = cleaner
  const settings = store.identity.settings()
  if (store.deleted || !settings.compacts || store.segments.notCleanable !== undefined) {
    context.uncleaned.delete(store)
    return []
  }
  const { segments } = store
  const isClean = segments.endOffset <= store.cleanedOffset
  const mayBecomeTooOld = settings.maxCompactionLagMs < Number.MAX_SAFE_INTEGER && store.index.size > 0
  if (isClean && store.deleteHorizonMillis === Number.POSITIVE_INFINITY) {
    if (!mayBecomeTooOld) context.uncleaned.delete(store)
    return []
  }
  const nowMillis = context.nowMillis()
  if (isClean && nowMillis < store.deleteHorizonMillis) return []
  try {
    const plan = planCleaning(cleanableFiles(store), stateOf(store), settings, nowMillis)
    if (plan === undefined) return []
    closeFiles(store, plan)
    return [{ store, plan }]
  } catch (error) {
    const cause = storageError(segments.directory, error)
    if (!(cause instanceof StorageError)) throw error
    giveUp(context, stats, store, cause)
    return []
  }
}

const cleanableFiles = (store: PartitionStore) => {
  const { files } = store.segments
  // The settler is appending to it.
  const usable = files.at(-1)?.isBeingWritten && !files.at(-1)?.closed ? files.slice(0, -1) : files
  return usable.map((file) => ({
    baseOffset: file.baseOffset,
    endOffset: file.endOffset,
    bytes: file.size,
    maxTimestamp: file.largestTimestamp().timestamp,
    firstTimestamp: file.firstBatchTimestamp()
  }))
}

const stateOf = (store: PartitionStore) => ({
  logStartOffset: store.logStartOffset,
  cleanedOffset: store.cleanedOffset,
  deleteHorizonMillis: store.deleteHorizonMillis,
  endOffset: Math.min(
    store.owner?.highWatermark() ?? store.logEndOffset,
    store.owner?.lastStableOffset() ?? store.logEndOffset,
    store.segments.endOffset
  )
})

/** Whether a pass has brought something. Whatever goes wrong concerns this partition only. */
const clean = Effect.fnUntraced(function* (cleaner: Cleaner, { store, plan }: Due) {
  const { context, stats, options } = cleaner
  // The checkpoint may have been taken before a part of it was in files.
  if (store.deleted || plan.filesEndOffset > store.checkpointedOffset) return false
  const parts = {
    compress: options.compress,
    dedupeBufferBytes: options.settings().dedupeBufferBytes,
    throttle: cleaner.throttle,
    seed: cleaner.seed++
  }
  const pass = Effect.andThen(finish(store.segments), runCleanPass(parts, store, plan, context.nowMillis()))
  return yield* pass.pipe(
    Effect.map(({ isVoid, isProgress, bytesRead, bytesWritten, filesReplaced }) => {
      stats.bytesRead += bytesRead
      stats.bytesWritten += bytesWritten
      stats.filesReplaced += filesReplaced
      cleaner.told.delete(store)
      if (isVoid) stats.voidPasses++
      else stats.passes++
      return isProgress
    }),
    Effect.catch((error) => Effect.as(failed(cleaner, store, error), false))
  )
})

const failed = (cleaner: Cleaner, store: PartitionStore, error: DiskError | StorageError): Effect.Effect<void> => {
  // The files went with the topic.
  if (store.deleted) return Effect.void
  if (!isShortage(error)) {
    return Effect.sync(() => giveUp(cleaner.context, cleaner.stats, store, error))
  }
  const isNews = !cleaner.told.has(store)
  cleaner.told.add(store)
  const sentence = `Compaction of ${store.segments.directory} waits: ${error.message} The log stays as it is; free some space.`
  return isNews ? Effect.logWarning(sentence) : Effect.void
}

const giveUp = (
  context: StoreContext,
  stats: CleanerStats,
  store: PartitionStore,
  error: DiskError | StorageError
): void => {
  store.segments.notCleanable = error.message
  context.uncleaned.delete(store)
  stats.uncleanable++
  context.report(
    `The log in ${store.segments.directory} is not compacted any more until the next start; all others are. ${error.message}`
  )
}

/** Debt beyond a tenth of a second is slept off. */
const DEBT_MS_MAX = 100

const makeThrottle = (bytesPerSecondMax: () => number): Throttle => {
  let debtMs = 0
  return {
    used: (bytes) =>
      Effect.suspend(() => {
        debtMs += (bytes / Math.max(1, bytesPerSecondMax())) * 1_000
        if (debtMs < DEBT_MS_MAX) return Effect.void
        const pause = debtMs
        debtMs = 0
        return Effect.sleep(Duration.millis(pause))
      })
  }
}

export const layer = (options: LogCleanerOptions): Layer.Layer<LogCleaner, never, PartitionStores | Settler> =>
  Layer.effect(LogCleaner, make(options))
