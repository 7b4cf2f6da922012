/**
 * What compaction does with the files of one partition: which part is dirty, whether it is worth a pass, and which files are
 * rewritten together. Numbers only; the records are `CleanBatch`'s.
 *
 * Kafka's rules: below `cleanedOffset` every key stands once (a value that a later pass supersedes aside); what follows up to
 * `endOffset` is dirty, without the files whose newest record is younger than `min.compaction.lag.ms`. A pass is due when the
 * dirty share of the bytes is above `min.cleanable.dirty.ratio`, or the first dirty file's first record is older than
 * `max.compaction.lag.ms`. Beyond Kafka's: also when a tombstone has outlived `delete.retention.ms`, so that it goes from a
 * topic that nobody writes to any more.
 *
 * Deliberately absent: the active segment. Here that is the write-ahead log, whose records are in no file yet.
 */
import { assert } from "../base/Assert.ts"

export interface CleanableFile {
  readonly baseOffset: number
  readonly endOffset: number
  readonly bytes: number
  /** -1 when no record has a timestamp. */
  readonly maxTimestamp: number
  /** Of the first batch; -1 when it has none. */
  readonly firstTimestamp: number
}

export interface CleanState {
  readonly logStartOffset: number
  /** Everything below went through a pass. */
  readonly cleanedOffset: number
  /** The earliest time at which a tombstone below `cleanedOffset` may go; Infinity when there is none. */
  readonly deleteHorizonMillis: number
  /** Nothing at or beyond it may be touched: high watermark, last stable offset, what a crash would take from the WAL. */
  readonly endOffset: number
}

export interface CleanLimits {
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly minCleanableDirtyRatio: number
}

export type CleanReason = "dirty" | "maxLag" | "deleteHorizon"

export interface CleanPlan {
  readonly reason: CleanReason
  /** The keys of [dirtyFrom, endOffset) are gathered. Both are bounds of files, or `cleanedOffset`. */
  readonly dirtyFrom: number
  readonly endOffset: number
  /** Files that end at or before it, and begin before `endOffset`, may be written anew. */
  readonly filesEndOffset: number
  readonly dirtyBytes: number
  /** Dirty bytes by all bytes below `endOffset`. */
  readonly dirtyRatio: number
}

/** undefined: nothing is due. */
export const planCleaning = (
  files: ReadonlyArray<CleanableFile>,
  state: CleanState,
  limits: CleanLimits,
  nowMillis: number
): CleanPlan | undefined => {
  const first = files[0]
  if (first === undefined) return undefined
  const dirtyFrom = Math.max(state.cleanedOffset, first.baseOffset)
  let endOffset = dirtyFrom
  let filesEndOffset = first.baseOffset
  let cleanBytes = 0
  let dirtyBytes = 0
  /** A pass has ended in the first dirty file. */
  let isPartlyClean = false
  let oldest = -1
  for (const file of files) {
    if (file.endOffset > state.endOffset) break
    if (file.endOffset <= dirtyFrom) {
      filesEndOffset = file.endOffset
      cleanBytes += file.bytes
      continue
    }
    if (limits.minCompactionLagMs > 0 && file.maxTimestamp > nowMillis - limits.minCompactionLagMs) break
    if (dirtyBytes === 0) oldest = file.firstTimestamp
    isPartlyClean ||= file.baseOffset < dirtyFrom
    dirtyBytes += file.bytes
    filesEndOffset = endOffset = file.endOffset
  }
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes)
  const reason = reasonFor(dirtyRatio, oldest, cleanBytes > 0 || isPartlyClean, state, limits, nowMillis)
  if (reason === undefined) return undefined
  // For the sake of tombstones alone the dirty part stays dirty.
  const isForTombstones = reason === "deleteHorizon"
  return {
    reason,
    dirtyFrom,
    endOffset: isForTombstones ? dirtyFrom : endOffset,
    filesEndOffset,
    dirtyBytes: isForTombstones ? 0 : dirtyBytes,
    dirtyRatio
  }
}

const reasonFor = (
  dirtyRatio: number,
  oldest: number,
  hasClean: boolean,
  state: CleanState,
  limits: CleanLimits,
  nowMillis: number
): CleanReason | undefined => {
  if (dirtyRatio > 0) {
    if (dirtyRatio > limits.minCleanableDirtyRatio) return "dirty"
    if (oldest >= 0 && nowMillis - oldest > limits.maxCompactionLagMs) return "maxLag"
  }
  return hasClean && nowMillis >= state.deleteHorizonMillis ? "deleteHorizon" : undefined
}

export interface GroupLimits {
  readonly segmentBytes: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
}

const RELATIVE_OFFSET_MAX = 2_147_483_647
const INDEX_ENTRY_BYTES = 8

/** Neighbouring files that become one: together within all limits of a file, or a single one of any size. */
export const groupFiles = <File extends CleanableFile>(
  files: ReadonlyArray<File>,
  limits: GroupLimits
): ReadonlyArray<ReadonlyArray<File>> => {
  const groups: Array<Array<File>> = []
  let bytes = 0
  for (const file of files) {
    const group = groups.at(-1)
    const base = group?.[0]?.baseOffset ?? 0
    const indexBytes = ((bytes + file.bytes) / Math.max(1, limits.indexIntervalBytes)) * INDEX_ENTRY_BYTES
    const fits =
      group !== undefined &&
      bytes + file.bytes <= limits.segmentBytes &&
      file.endOffset - base <= RELATIVE_OFFSET_MAX &&
      indexBytes <= limits.segmentIndexBytes &&
      // Lost data: the gap stays between two files.
      group.at(-1)?.endOffset === file.baseOffset
    if (fits) {
      group.push(file)
      bytes += file.bytes
    } else {
      groups.push([file])
      bytes = file.bytes
    }
  }
  assert(groups.flat().length === files.length, "every file is in one group")
  return groups
}
