/**
 * One look at the partitions that a fetch names: what may be read there now, or what is wrong.
 *
 * A look holds leases on the bytes that it found until they are answered or released. It changes nothing, and it does not
 * decide whether to wait.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Effect } from "effect"
import type { Partition } from "../replication/Partition.ts"
import type { Partitions } from "../replication/Partitions.ts"
import type { Read } from "../storage/PartitionStore.ts"
import type { FetchTarget } from "./FetchSessions.ts"
import { leaderEpochError } from "./LeaderEpochCheck.ts"

/** What was found in one partition. */
export interface Look {
  readonly target: FetchTarget
  readonly errorCode: ErrorCode
  readonly partition: Partition | undefined
  readonly read: Read | undefined
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined
  /** What it counts towards `min.bytes`; infinite when there is a reason to answer at once. */
  readonly counts: number
}

/** How a request is to be looked at. */
export interface Looking {
  readonly partitions: Partitions["Service"]
  readonly runFork: (effect: Effect.Effect<void>) => void
  readonly byId: boolean
  readonly committedOnly: boolean
  readonly maxBytes: number
}

/** KIP-74: in the order of the request, within `maxBytes` but for the first batch that there is. */
export const lookAll = (looking: Looking, targets: ReadonlyArray<FetchTarget>): ReadonlyArray<Look> => {
  const looks: Array<Look> = []
  let left = looking.maxBytes
  let any = false
  for (const target of targets) {
    const look = lookAt(looking, target, left, !any)
    looks.push(look)
    if (look.read !== undefined && look.read.bytes > 0) {
      any = true
      left -= look.read.bytes
    }
  }
  return looks
}

const lookAt = (looking: Looking, target: FetchTarget, left: number, first: boolean): Look => {
  const { partitions, byId } = looking
  const partition = byId
    ? partitions.findById(target.topicId, target.partition)
    : partitions.find(target.topic, target.partition)
  if (partition === undefined) {
    const errorCode =
      byId && !partitions.knowsId(target.topicId) ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return failed(target, undefined, errorCode)
  }
  const errorCode = refusal(target, partition)
  if (errorCode !== ErrorCode.NONE) return failed(target, partition, errorCode)
  // A place beyond the end is told where the logs part, when the client says which epoch it comes from.
  const diverging = divergence(target, partition)
  if (diverging !== undefined) return found(target, partition, undefined, diverging, Number.POSITIVE_INFINITY)
  const { fetchOffset } = target
  if (fetchOffset > partition.logEndOffset) return failed(target, partition, ErrorCode.OFFSET_OUT_OF_RANGE)
  const end = looking.committedOnly ? partition.lastStableOffset : partition.highWatermark
  if (fetchOffset >= end || (left <= 0 && !first)) return found(target, partition, undefined, undefined, 0)
  try {
    const limit = Math.min(target.maxBytes, Math.max(left, 0))
    const read = partition.read(fetchOffset, end, limit, first)
    return found(target, partition, read, undefined, countOf(read, end, limit))
  } catch (cause) {
    looking.runFork(
      Effect.logError(`A fetch from ${partition.topic}-${partition.partition} at offset ${fetchOffset} failed`, cause)
    )
    return failed(target, partition, ErrorCode.KAFKA_STORAGE_ERROR)
  }
}

/** Why nothing is read, or NONE. */
const refusal = (target: FetchTarget, partition: Partition): ErrorCode => {
  if (partition.closedWith !== ErrorCode.NONE) return partition.closedWith
  // In a fetch any negative epoch says nothing, in ListOffsets and OffsetForLeaderEpoch only -1 does.
  const stale = leaderEpochError(Math.max(-1, target.currentLeaderEpoch), partition.leaderEpoch)
  if (stale !== ErrorCode.NONE) return stale
  if (target.fetchOffset < partition.logStartOffset) return ErrorCode.OFFSET_OUT_OF_RANGE
  // A record of an epoch that has not begun cannot have come from this log: nothing here says where the two parted.
  return target.lastFetchedEpoch > partition.leaderEpoch ? ErrorCode.OFFSET_OUT_OF_RANGE : ErrorCode.NONE
}

/**
 * A read that a limit cut at a whole batch counts as the limit: waiting would bring no more. One that is not in memory has
 * the rest of a file before it, and counts as enough, as an older segment does with Kafka.
 */
const countOf = (read: Read, end: number, limit: number): number => {
  if (read.cold !== undefined) return Number.POSITIVE_INFINITY
  return read.nextOffset < end ? Math.max(read.bytes, limit) : read.bytes
}

const failed = (target: FetchTarget, partition: Partition | undefined, errorCode: ErrorCode): Look => ({
  target,
  errorCode,
  partition,
  read: undefined,
  diverging: undefined,
  counts: Number.POSITIVE_INFINITY
})

const found = (
  target: FetchTarget,
  partition: Partition,
  read: Read | undefined,
  diverging: Look["diverging"],
  counts: number
): Look => ({ target, errorCode: ErrorCode.NONE, partition, read, diverging, counts })

/** The client's log and ours part before what it asks for: where, in our terms (KIP-595's rule for consumers). */
const divergence = (target: FetchTarget, partition: Partition): Look["diverging"] => {
  const { lastFetchedEpoch } = target
  if (lastFetchedEpoch < 0) return undefined
  // An epoch in which nothing was written yet has begun all the same, where the log ends.
  const { leaderEpoch, endOffset } =
    lastFetchedEpoch === partition.leaderEpoch
      ? { leaderEpoch: lastFetchedEpoch, endOffset: partition.highWatermark }
      : partition.store.epochs.endOffsetFor(lastFetchedEpoch, partition.highWatermark)
  if (leaderEpoch === -1 || (leaderEpoch === lastFetchedEpoch && endOffset >= target.fetchOffset)) return undefined
  return { epoch: leaderEpoch, endOffset }
}

export const releaseLooks = (looks: ReadonlyArray<Look>): void => {
  for (const look of looks) for (const lease of look.read?.leases ?? []) lease.release()
}
