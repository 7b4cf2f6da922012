/**
 * Puts a cleaned file in the place of the files that it was made of, so that a crash leaves the old ones or the new one.
 *
 * Names, in the partition's directory (`base` and `end` are offsets, the new file holds [base, end)):
 * ```
 *   1  <base>.<end>.cleaned            written and synced; a crash removes it
 *   2  <base>.<end>.swap               renamed, directory synced: from here on a crash completes the swap
 *   3  <old base>.log.<n>.deleted …    the old ones out of the way, their indexes removed; directory synced
 *   4  <base>.log                      renamed, its indexes written, directory synced
 * ```
 * In memory the new file takes the place of the old ones between 2 and 3, under its name of then. Two syncs of the directory
 * in between, because a file system need not keep the order of renames: an old index must never stand beside a new log.
 *
 * A start (`completeSwaps`) does 3 and 4 for each `.swap` that it finds, as often as it must. Readers of an old file keep it
 * until they release it. What a stop interrupts after 2 is finished by `finishNow`; until then the swap is on the list
 * `unfinished` of the partition's `Segments`.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { Effect } from "effect"
import type { Disk, DiskError } from "../io/Disk.ts"
import { INDEX_SUFFIX, LOG_SUFFIX, type SegmentFile, segmentName, TIME_INDEX_SUFFIX } from "./SegmentFile.ts"
import { DELETED_SUFFIX, type Segments } from "./Segments.ts"
import type { StorageError, StoreContext } from "./SegmentsContext.ts"
import { attempt, syncDirectory } from "./SettlerSync.ts"

const CLEANED_SUFFIX = ".cleaned"
const SWAP_SUFFIX = ".swap"
const SWAP_NAME = /^(\d{20})\.(\d+)\.swap$/

export const cleanedPath = (segments: Segments, baseOffset: number, endOffset: number): string =>
  segments.context.disk.join(segments.directory, `${segmentName(baseOffset)}.${endOffset}${CLEANED_SUFFIX}`)

/** What is left of a cleaning that never reached step 2. */
export const isUnfinishedName = (name: string): boolean => name.endsWith(CLEANED_SUFFIX)

/** A swap that a start has to complete. */
export const isSwapName = (name: string): boolean => SWAP_NAME.test(name)

/** A swap that has taken place in memory. */
export interface Swap {
  readonly file: SegmentFile
  /** The old files' logs that still have their names. */
  readonly old: Array<SegmentFile>
  /** Steps 3 and 4 in full. */
  done: boolean
}

/** Whether `old` still are neighbours in the log, as they were when their cleaning began. */
const isCurrent = (segments: Segments, old: ReadonlyArray<SegmentFile>): boolean => {
  const at = segments.files.indexOf(old[0]!)
  return at >= 0 && old.every((file, i) => segments.files[at + i] === file)
}

/**
 * Steps 2 to 4. False: the log has changed since the cleaning began, and nothing was done.
 *
 * **Errors** before the swap took place in memory the old files count and the new one is removed; afterwards the new one
 * counts, and what is left of the steps is tried again by `finish`.
 */
export const swapIn = Effect.fnUntraced(function* (
  segments: Segments,
  old: ReadonlyArray<SegmentFile>,
  file: SegmentFile
): Effect.fn.Return<boolean, DiskError | StorageError> {
  const { context } = segments
  assert(segments.unfinished.length === 0, "a swap begins when the one before it is finished")
  assert(
    file.baseOffset === old[0]!.baseOffset && file.endOffset === old.at(-1)!.endOffset,
    "a cleaned file must hold exactly the offsets of the files that it replaces"
  )
  const from = file.logPath
  const swapPath = from.slice(0, -CLEANED_SUFFIX.length) + SWAP_SUFFIX
  if (!isCurrent(segments, old)) return false
  yield* attempt(() => {
    context.handles.close(from)
    context.disk.rename(from, swapPath)
    file.movedTo(swapPath)
  })
  yield* syncDirectory(context.disk, segments.directory).pipe(Effect.onError(() => takeBack(segments, swapPath)))
  if (!isCurrent(segments, old)) {
    yield* takeBack(segments, swapPath)
    return false
  }
  const swap: Swap = { file, old: [...old], done: false }
  segments.replace(old, file)
  segments.unfinished.push(swap)
  for (const one of old) context.indexes.forget(one)
  yield* finish(segments)
  return true
})

/** A swap that did not take place must not be completed by a later start, over files that have changed since. */
const takeBack = (segments: Segments, swapPath: string): Effect.Effect<void> =>
  Effect.sync(() => {
    segments.context.handles.close(swapPath)
    segments.removeOrKeepFromCleaning(swapPath)
  })

/** Steps 3 and 4 of what is unfinished. */
export const finish = Effect.fnUntraced(function* (
  segments: Segments
): Effect.fn.Return<void, DiskError | StorageError> {
  const { disk } = segments.context
  for (let swap = segments.unfinished[0]; swap !== undefined; swap = segments.unfinished[0]) {
    const current = swap
    yield* attempt(() => moveOldAway(segments, current))
    yield* syncDirectory(disk, segments.directory)
    // The topic may have been deleted meanwhile, and its directory with it.
    if (segments.unfinished[0] !== current) return
    yield* attempt(() => takeName(segments, current))
    yield* syncDirectory(disk, segments.directory)
    if (segments.unfinished[0] === current) segments.unfinished.shift()
  }
})

/** The same on the caller's thread: only at the stop. Throws `DiskError`. */
export const finishNow = (segments: Segments): void => {
  const { disk } = segments.context
  for (const swap of segments.unfinished) {
    moveOldAway(segments, swap)
    disk.syncDirectory(segments.directory)
    takeName(segments, swap)
    disk.syncDirectory(segments.directory)
  }
  segments.unfinished.length = 0
}

/** Step 3. What has been moved leaves the list, so that a second attempt goes on where the first one failed. */
const moveOldAway = (segments: Segments, swap: Swap): void => {
  const { context } = segments
  for (let file = swap.old[0]; file !== undefined; file = swap.old[0]) {
    for (const path of file.indexPaths) {
      context.handles.close(path)
      context.disk.remove(path)
    }
    const doomed = `${file.logPath}.${context.nextNumber()}${DELETED_SUFFIX}`
    context.disk.rename(file.logPath, doomed)
    file.movedTo(doomed)
    swap.old.shift()
    file.whenUnread(() => context.removeLater(doomed))
  }
}

/** Step 4. */
const takeName = (segments: Segments, swap: Swap): void => {
  if (swap.done) return
  const { context } = segments
  const { file } = swap
  context.disk.rename(file.logPath, file.path + LOG_SUFFIX)
  file.movedTo(file.path + LOG_SUFFIX)
  file.saveIndexes()
  file.isBeingWritten = false
  swap.done = true
}

interface FoundSwap {
  readonly name: string
  readonly baseOffset: number
  readonly endOffset: number
}

const foundSwaps = (names: ReadonlyArray<string>): ReadonlyArray<FoundSwap> =>
  names
    .flatMap((name) => {
      const match = SWAP_NAME.exec(name)
      return match === null ? [] : [{ name, baseOffset: Number(match[1]), endOffset: Number(match[2]) }]
    })
    // Of two that overlap, the later one was made of the earlier one: it is the larger, and must come last.
    .sort((a, b) => a.endOffset - a.baseOffset - (b.endOffset - b.baseOffset))

/** Completes the swaps that a crash interrupted. At start, on the caller's thread. Throws `DiskError`. */
export const completeSwaps = (segments: Segments): void => {
  const { context, directory } = segments
  const { disk } = context
  for (const swap of foundSwaps(disk.list(directory))) {
    for (const name of disk.list(directory)) {
      const base = name.endsWith(LOG_SUFFIX) ? Number(name.slice(0, -LOG_SUFFIX.length)) : Number.NaN
      if (!(base >= swap.baseOffset && base < swap.endOffset)) continue
      const path = disk.join(directory, segmentName(base))
      for (const suffix of [INDEX_SUFFIX, TIME_INDEX_SUFFIX]) disk.remove(path + suffix)
      moveAway(context, disk, path + LOG_SUFFIX)
    }
    removeIndexesOf(disk, directory, swap)
    disk.syncDirectory(directory)
    disk.rename(disk.join(directory, swap.name), disk.join(directory, segmentName(swap.baseOffset) + LOG_SUFFIX))
    disk.syncDirectory(directory)
  }
}

/** Also of a log whose own name the crash has taken already. */
const removeIndexesOf = (disk: Disk["Service"], directory: string, swap: FoundSwap): void => {
  for (const name of disk.list(directory)) {
    const suffix = [INDEX_SUFFIX, TIME_INDEX_SUFFIX].find((one) => name.endsWith(one))
    const base = suffix === undefined ? Number.NaN : Number(name.slice(0, -suffix.length))
    if (base >= swap.baseOffset && base < swap.endOffset) disk.remove(disk.join(directory, name))
  }
}

const moveAway = (context: StoreContext, disk: Disk["Service"], path: string): void => {
  const doomed = `${path}.${context.nextNumber()}${DELETED_SUFFIX}`
  context.handles.close(path)
  disk.rename(path, doomed)
  context.removeLater(doomed)
}
