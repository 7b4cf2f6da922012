/**
 * What a settle makes durable before it lets go of the WAL: written files, the producers' snapshot, the names of both.
 *
 * Syncs run in the thread pool; a handle stays pinned until its sync has answered. Every one is tried once: what failed is
 * written again from the WAL, never only synced again.
 */
import { Effect } from "effect"
import { DiskError, type DiskFile } from "../io/Disk.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import { writeSnapshot } from "./PartitionStoreSnapshots.ts"
import type { SegmentFile } from "./SegmentFile.ts"
import { LEADER_EPOCH_FILE } from "./Segments.ts"
import { StorageError, type StoreContext } from "./SegmentsContext.ts"
import type { SegmentsWriter } from "./SegmentsWriter.ts"
import type { Wal } from "./Wal.ts"

const SYNCS_AT_ONCE = 1

const SHORTAGES = /\b(?:ENOSPC|EDQUOT|EMFILE|ENFILE)\b/

/** No space, or no descriptor: it may come back, and what was to be written is still where it was. */
export const isShortage = (error: { readonly message: string }): boolean => SHORTAGES.test(error.message)

/** Turns thrown `DiskError` and `StorageError` into failures. */
export const attempt = <A>(run: () => A): Effect.Effect<A, DiskError | StorageError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      if (error instanceof DiskError || error instanceof StorageError) return Effect.fail(error)
      return Effect.die(error)
    }
  })

export const syncWritten = Effect.fnUntraced(function* (store: PartitionStore, writer: SegmentsWriter) {
  const { segments, context } = store
  const { disk } = context
  yield* attempt(() => writeEpochs(store))
  yield* syncFiles(context, [...writer.files, ...segments.unsynced])
  segments.unsynced.clear()
  // State at the log end: at or ahead of everything that leaves the WAL now.
  if (store.producers.size > 0) yield* syncSnapshot(store)
  if (writer.filesCreated || segments.namesUnsynced || !segments.namesRecovered) yield* syncNames(store)
  if (!segments.directoryExists && writer.filesCreated) yield* syncDirectory(disk, context.directory)
  if (writer.filesCreated) segments.directoryExists = true
})

/** Kafka's file, for Kafka's tools: the truth is in the checkpoint. */
const writeEpochs = (store: PartitionStore): void => {
  const { segments, context } = store
  const text = store.epochs.encodeText()
  if (segments.writtenEpochs === text) return
  const bytes = new TextEncoder().encode(text)
  const file = context.disk.open(context.disk.join(segments.directory, LEADER_EPOCH_FILE), "create")
  try {
    file.write(bytes, 0, bytes.length, 0)
  } finally {
    file.close()
  }
  segments.writtenEpochs = text
}

const datasync = (file: DiskFile): Effect.Effect<void, DiskError> =>
  Effect.callback((resume) => {
    file.datasync((error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
  })

const syncSnapshot = (store: PartitionStore) =>
  Effect.acquireUseRelease(
    attempt(() => writeSnapshot(store)),
    datasync,
    (file) => Effect.sync(() => file.close())
  ).pipe(Effect.uninterruptible)

export const syncFiles = (context: StoreContext, files: ReadonlyArray<SegmentFile>) =>
  Effect.forEach(
    files,
    (file) =>
      Effect.acquireUseRelease(
        attempt(() => context.handles.pin(file.logPath)),
        datasync,
        (handle) => Effect.sync(() => context.handles.unpin(file.logPath, handle))
      ).pipe(Effect.uninterruptible),
    { concurrency: SYNCS_AT_ONCE, discard: true }
  )

export const syncDirectory = (disk: StoreContext["disk"], path: string): Effect.Effect<void, DiskError> =>
  Effect.callback((resume) => {
    disk.syncDirectoryLater(path, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
  })

/** Cuts of a partition that no write has taken along. */
export const settleCuts = Effect.fnUntraced(function* (wal: Wal["Service"], store: PartitionStore) {
  yield* wal.flushed
  if (store.deleted) return
  yield* attempt(() => store.segments.applyCuts())
  const files = [...store.segments.unsynced]
  yield* syncFiles(store.context, files)
  for (const file of files) store.segments.unsynced.delete(file)
  if (store.segments.namesUnsynced) yield* syncNames(store)
})

const syncNames = ({ segments, context }: PartitionStore): Effect.Effect<void, DiskError> =>
  Effect.suspend(() => {
    // Cleared before: what changes while the sync runs is not in it.
    segments.namesUnsynced = false
    return syncDirectory(context.disk, segments.directory).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          segments.namesRecovered = true
        })
      ),
      Effect.onError(() =>
        Effect.sync(() => {
          segments.namesUnsynced = true
        })
      )
    )
  })
