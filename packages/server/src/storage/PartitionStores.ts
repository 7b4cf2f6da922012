/**
 * All partition logs of the node: opened by stream, recovered at the first opening, removed when a topic is deleted.
 *
 * When this layer is built, the checkpoint and the WAL have been read: opening a store then only looks at its directory.
 * What partitions exist is the metadata's business: it calls `open` for each, and `sweep` once all are open, which removes
 * directories of topics that no longer exist. The settler begins after that.
 *
 * At the end of its scope (after those who append) it writes the checkpoint that makes the next start quick.
 */
import { EMPTY_BYTES } from "@chronik-effect/core/base/Bytes.ts"
import type { TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import type { Decompressor } from "@chronik-effect/core/record/Compression.ts"
import { Context, Effect, Layer, Queue, Semaphore } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import { Disk, DiskError, writeWhole } from "../io/Disk.ts"
import {
  CHECKPOINT_FILE,
  type CheckpointContent,
  encodeCheckpoint,
  type PartitionEntry,
  readCheckpoint
} from "./Checkpoint.ts"
import { collectLogs, type RecoveredStream, recoverStore } from "./LogRecovery.ts"
import type { PartitionIdentity, PartitionStore } from "./PartitionStore.ts"
import { SegmentFileBuffers } from "./SegmentFileBuffers.ts"
import { OPEN_FILES_MAX, SegmentFileHandles } from "./SegmentFileHandles.ts"
import { SegmentFileIndexes } from "./SegmentFileIndexes.ts"
import { finishNow } from "./SegmentSwap.ts"
import { DELETED_SUFFIX, partitionDirectoryName, topicIdOfDirectory } from "./Segments.ts"
import { StorageError, type StoreContext } from "./SegmentsContext.ts"
import { Wal, type WalFailed } from "./Wal.ts"

export interface PartitionStoresOptions {
  readonly dataDir: string
  readonly decompress: Decompressor
  readonly openFilesMax?: number
  /** Data settled longer ago is read through the thread pool. Default 512 MiB. */
  readonly warmBytes?: number
}

const WARM_BYTES = 512 * 1024 * 1024
/** Entries of the WAL index beyond which a clean checkpoint would take longer than reading the WAL again. */
const CLEAN_BATCHES_MAX = 50_000

export class PartitionStores extends Context.Service<
  PartitionStores,
  {
    /** The log of a partition, recovered. Each stream once. */
    readonly open: (identity: PartitionIdentity) => PartitionStore
    /** The topic is deleted: nothing of it is readable from now on; its files go in the background. */
    readonly delete: (store: PartitionStore) => void
    readonly find: (stream: number) => PartitionStore | undefined
    readonly all: () => Iterable<PartitionStore>
    /** Removes directories of topics that `isKnown` denies. Once, after all partitions are open. Answers how many. */
    readonly sweep: (isKnown: (topicId: string) => boolean) => number
    readonly context: StoreContext
    /** For the settler: who has frames in that WAL segment, and that it is done with it. */
    readonly touchedIn: (segment: number) => ReadonlySet<PartitionStore>
    readonly forgetSegment: (segment: number) => void
    /** Writes one now: afterwards no start looks into the WAL for what is in files at this moment. */
    readonly checkpoint: Effect.Effect<void, WalFailed | StorageError>
    /** Makes sure that a checkpoint covers every frame below `address` that is no batch. */
    readonly coverBelow: (address: number) => Effect.Effect<void, WalFailed | StorageError>
  }
>()("chronik/PartitionStores") {}

const EMPTY: ReadonlySet<PartitionStore> = new Set()

const asStorageError = (path: string) => (error: unknown) =>
  error instanceof DiskError ? new StorageError({ path, reason: error.message }) : (error as StorageError)

const make = Effect.fnUntraced(function* (options: PartitionStoresOptions) {
  const wal = yield* Wal
  const stores = new Map<number, PartitionStore>()
  const touchedSegments = new Map<number, Set<PartitionStore>>()
  const removals = yield* Queue.unbounded<string>()
  const uncovered: Uncovered = { address: Number.POSITIVE_INFINITY }
  const context = yield* makeContext(options, wal, touchedSegments, removals, uncovered)
  const { disk, handles } = context
  const recovering = yield* Effect.try({
    try: () => readLogs(context, options.dataDir, uncovered),
    catch: asStorageError(options.dataDir)
  })
  const writeCheckpoint = (content: CheckpointContent) =>
    Effect.try({
      try: () => writeWhole(disk, options.dataDir, CHECKPOINT_FILE, encodeCheckpoint(content, disk.crc32)),
      catch: asStorageError(options.dataDir)
    })
  const snapshot = (clean: boolean) => takeCheckpoint(wal, stores, recovering, clean)
  // The clean part describes the WAL of the last run: from the first append on it would be wrong.
  if ([...recovering.streams.values()].some((stream) => stream.clean !== undefined)) {
    yield* writeCheckpoint(withoutClean(recovering))
  }

  // One at a time: an older one must not replace a newer one.
  const checkpoints = yield* Semaphore.make(1)
  const checkpoint = Effect.gen(function* () {
    // Taken before the flush: what is in it is then durable in the WAL too, never ahead of it.
    const content = snapshot(false)
    const before = uncovered.address
    uncovered.address = Number.POSITIVE_INFINITY
    const restore = Effect.sync(() => {
      uncovered.address = Math.min(uncovered.address, before)
    })
    yield* Effect.andThen(wal.flushed, writeCheckpoint(content)).pipe(Effect.onError(() => restore))
    for (const { stream, settledOffset } of content.partitions) stores.get(stream)?.checkpointed(settledOffset)
  }).pipe(checkpoints.withPermits(1))

  yield* supervise({ name: "storage remover", restart: "always" }, removeFiles(context, removals))
  const leaveCheckpoint = Effect.suspend(() => {
    // The clean start believes the checkpoint, not the directory: what was cut must be gone.
    for (const { segments } of stores.values()) {
      finishNow(segments)
      segments.applyCutsNow()
    }
    return writeCheckpoint(snapshot(true))
  })
  yield* Effect.addFinalizer(() =>
    Effect.andThen(wal.flushed, leaveCheckpoint).pipe(
      Effect.catchCause((cause) =>
        Effect.logWarning("The stop could not leave a checkpoint; the next start reads the WAL.", cause)
      ),
      Effect.ensuring(Effect.sync(() => handles.closeAll()))
    )
  )
  return PartitionStores.of({
    open: (identity) => openStore(context, stores, recovering, identity),
    delete: (store) => deleteStore(context, stores, store),
    find: (stream) => stores.get(stream),
    all: () => stores.values(),
    sweep: (isKnown) => sweepOrphans(context, recovering, isKnown),
    context,
    touchedIn: (segment) => touchedSegments.get(segment) ?? EMPTY,
    forgetSegment: (segment) => void touchedSegments.delete(segment),
    checkpoint,
    coverBelow: (address) => Effect.suspend(() => (uncovered.address >= address ? Effect.void : checkpoint))
  })
})

const forcesCompaction = ({ compacts, maxCompactionLagMs }: TopicSettings): boolean =>
  compacts && maxCompactionLagMs < Number.MAX_SAFE_INTEGER

/** Address of the oldest frame that is no batch and in no checkpoint; Infinity if there is none. */
interface Uncovered {
  address: number
}

const makeContext = Effect.fnUntraced(function* (
  options: PartitionStoresOptions,
  wal: Wal["Service"],
  touchedSegments: Map<number, Set<PartitionStore>>,
  removals: Queue.Enqueue<string>,
  uncovered: Uncovered
): Effect.fn.Return<StoreContext, never, Disk> {
  const disk = yield* Disk
  const clock = yield* Effect.clockWith(Effect.succeed)
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const uncleaned = new Set<PartitionStore>()
  let number = 0
  return {
    wal,
    disk,
    dataDirectory: options.dataDir,
    directory: disk.join(options.dataDir, "topics"),
    handles: new SegmentFileHandles(disk, options.openFilesMax ?? OPEN_FILES_MAX),
    buffers: new SegmentFileBuffers(),
    indexes: new SegmentFileIndexes(),
    nowMillis: () => clock.currentTimeMillisUnsafe(),
    decompress: options.decompress,
    settledBytes: 0,
    warmBytes: options.warmBytes ?? WARM_BYTES,
    poolUntilMicros: 0,
    touched: (segment, store) => {
      // Its records may have to be compacted before they fill a segment.
      if (forcesCompaction(store.identity.settings())) uncleaned.add(store)
      const touched = touchedSegments.get(segment)
      if (touched === undefined) touchedSegments.set(segment, new Set([store]))
      else touched.add(store)
    },
    controlWritten: (address) => {
      if (address < uncovered.address) uncovered.address = address
    },
    uncleaned,
    nextNumber: () => ++number,
    removeLater: (path) => void Queue.offerUnsafe(removals, path),
    report: (sentence) => void runFork(Effect.logError(sentence))
  }
})

const readLogs = (context: StoreContext, dataDir: string, uncovered: Uncovered): Recovering => {
  const { disk, directory } = context
  disk.makeDirectory(directory)
  const logs = collectLogs(context.wal, readCheckpoint(disk, dataDir))
  uncovered.address = logs.uncoveredAddress
  const directories = new Set(disk.list(directory))
  // A killed process may have left their names in the page cache only, and from here on they count as made.
  if (directories.size > 0) disk.syncDirectory(directory)
  return { streams: logs.streams, directories, checkpointAddress: logs.checkpointAddress }
}

/** What was recovered and not yet asked for. */
interface Recovering {
  readonly streams: Map<number, RecoveredStream>
  readonly directories: Set<string>
  /** Where the checkpoint on disk was taken. */
  readonly checkpointAddress: number
}

const openStore = (
  context: StoreContext,
  stores: Map<number, PartitionStore>,
  recovering: Recovering,
  identity: PartitionIdentity
): PartitionStore => {
  const opened = stores.get(identity.stream)
  if (opened !== undefined) return opened
  const exists = recovering.directories.has(
    partitionDirectoryName(identity.topic, identity.partition, identity.topicId)
  )
  const store = recoverStore(context, identity, recovering.streams.get(identity.stream), exists)
  recovering.streams.delete(identity.stream)
  stores.set(identity.stream, store)
  return store
}

const deleteStore = (context: StoreContext, stores: Map<number, PartitionStore>, store: PartitionStore): void => {
  store.markDeleted()
  stores.delete(store.stream)
  context.uncleaned.delete(store)
  const { segments } = store
  if (!segments.directoryExists) return
  for (const file of segments.files) for (const path of file.paths) context.handles.close(path)
  segments.files = []
  segments.unfinished.length = 0
  segments.directoryExists = false
  const doomed = segments.directory + DELETED_SUFFIX
  try {
    context.disk.rename(segments.directory, doomed)
    context.removeLater(doomed)
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    context.report(`The directory of a deleted topic stays until the next start. ${error.message}`)
  }
}

const sweepOrphans = (context: StoreContext, recovering: Recovering, isKnown: (topicId: string) => boolean): number => {
  let removed = 0
  for (const name of recovering.directories) {
    const isOurs = name.endsWith(DELETED_SUFFIX)
    const topicId = topicIdOfDirectory(name)
    // A name that we did not make is left alone.
    if (!isOurs && (topicId === undefined || isKnown(topicId))) continue
    const path = context.disk.join(context.directory, name)
    if (!isOurs) context.disk.rename(path, path + DELETED_SUFFIX)
    context.removeLater(isOurs ? path : path + DELETED_SUFFIX)
    removed++
  }
  recovering.streams.clear()
  recovering.directories.clear()
  return removed
}

const takeCheckpoint = (
  wal: Wal["Service"],
  stores: Map<number, PartitionStore>,
  recovering: Recovering,
  clean: boolean
): CheckpointContent => {
  const address = wal.segments().at(-1)?.endAddress ?? 0
  const partitions: Array<PartitionEntry> = []
  let batches = 0
  for (const store of stores.values()) batches += store.index.size
  const isClean = clean && batches <= CLEAN_BATCHES_MAX && recovering.streams.size === 0
  for (const store of stores.values()) partitions.push(entryOf(store, isClean))
  // Streams that nobody has opened yet keep what is known of them.
  for (const [stream, recovered] of recovering.streams) partitions.push(entryOfRecovered(stream, recovered))
  return { address, clean: isClean, partitions }
}

const withoutClean = ({ streams, checkpointAddress }: Recovering): CheckpointContent => ({
  address: checkpointAddress,
  clean: false,
  partitions: [...streams].map(([stream, recovered]) => entryOfRecovered(stream, recovered))
})

const entryOfRecovered = (stream: number, recovered: RecoveredStream): PartitionEntry => ({
  stream,
  logStartOffset: recovered.logStartOffset,
  highWatermark: recovered.highWatermark,
  settledOffset: recovered.settledOffset,
  cleanedOffset: recovered.cleanedOffset,
  deleteHorizonMillis: recovered.deleteHorizonMillis,
  epochs: recovered.epochs.toPairs()
})

const entryOf = (store: PartitionStore, clean: boolean): PartitionEntry => {
  const entry = {
    stream: store.stream,
    logStartOffset: store.logStartOffset,
    highWatermark: store.notedHighWatermark,
    settledOffset: Math.max(store.segments.endOffset, 0),
    cleanedOffset: store.cleanedOffset,
    deleteHorizonMillis: store.deleteHorizonMillis,
    epochs: store.epochs.toPairs()
  }
  if (!clean) return entry
  const batches: Array<number> = []
  const { index } = store
  for (let i = 0; i < index.size; i++) {
    batches.push(index.baseOffset(i), index.endOffsetOf(i), index.address(i), index.length(i), index.maxTimestamp(i))
  }
  return {
    ...entry,
    clean: {
      logEndOffset: store.logEndOffset,
      files: store.segments.files.map((file) => file.toCheckpoint()),
      batches,
      producers: store.producers.size === 0 ? EMPTY_BYTES : store.producers.encode()
    }
  }
}

/** Unlinks what was handed over, once the WAL's word on it is durable. Failures are left to the next start. */
const removeFiles = Effect.fnUntraced(function* (context: StoreContext, removals: Queue.Dequeue<string>) {
  while (true) {
    const paths = yield* Queue.takeAll(removals)
    yield* context.wal.flushed
    for (const path of paths) {
      yield* removePath(context, path).pipe(
        Effect.catchTag("DiskError", (error) =>
          Effect.logWarning(`${path} could not be removed and is tried again at the next start: ${error.message}`)
        )
      )
    }
  }
})

const removePath = Effect.fnUntraced(function* (
  context: StoreContext,
  path: string
): Effect.fn.Return<void, DiskError> {
  const { disk, handles } = context
  const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: (error) => error as DiskError })
  if (!(yield* attempt(() => disk.exists(path)))) return
  const names = path.endsWith(DELETED_SUFFIX) ? yield* attempt(() => disk.list(path)) : []
  for (const name of names) yield* removePath(context, disk.join(path, name))
  handles.close(path)
  yield* Effect.callback<void, DiskError>((resume) =>
    disk.removeLater(path, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
  )
})

/** Fails when the checkpoint is damaged or the directory cannot be read. */
export const layer = (options: PartitionStoresOptions): Layer.Layer<PartitionStores, StorageError, Wal | Disk> =>
  Layer.effect(PartitionStores, make(options))
