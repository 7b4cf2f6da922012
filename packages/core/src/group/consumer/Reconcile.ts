/**
 * One step of a member towards its target assignment: a pure function of what it has, what it shall have, and what others
 * still hold.
 *
 * ```
 *             target has less                          given up, nothing missing
 *   STABLE ───────────────────▶ UNREVOKED_PARTITIONS ──────────────────────────▶ STABLE, in the target's epoch
 *     │  ▲                              │ given up, some held by others
 *     │  └──── all free ────────┐       ▼
 *     └─── some held by others ─┴─ UNRELEASED_PARTITIONS, in the target's epoch
 * ```
 * A member enters the target's epoch only when it no longer owns what it must give up, and is given a partition only when
 * nobody holds it: so no two members own a partition at once. Partitions of topics that it does not subscribe to any more
 * are taken from it at once, even while the target still has them.
 */
import {
  type CurrentAssignment,
  type EpochPartitions,
  MemberState,
  NO_EPOCH_PARTITIONS,
  type Partitions
} from "./ConsumerRecord.ts"
import { overlaps, type TopicPartitions } from "./PartitionSets.ts"

export interface ReconcileInput {
  readonly current: CurrentAssignment
  readonly targetEpoch: number
  readonly target: Partitions
  /** What the member says that it owns; null: it does not say. */
  readonly owned: ReadonlyArray<TopicPartitions> | null
  readonly subscriptionChanged: boolean
  readonly isSubscribed: (topicId: string) => boolean
  readonly isHeldByOthers: (topicId: string, partition: number) => boolean
}

/** undefined: the member's state is unknown to this version and it must join again. `current` itself: nothing to do. */
export const reconcile = (input: ReconcileInput): CurrentAssignment | undefined => {
  const { current } = input
  switch (current.state) {
    case MemberState.STABLE:
      if (current.memberEpoch !== input.targetEpoch) return next(input)
      return input.subscriptionChanged ? takeUnsubscribed(input) : current
    case MemberState.UNREVOKED_PARTITIONS:
      if (!ownsAny(input, current.pendingRevocation)) return next(input)
      return input.subscriptionChanged ? takeUnsubscribed(input) : current
    case MemberState.UNRELEASED_PARTITIONS:
      return next(input)
    default:
      return input.owned !== null && input.owned.length === 0 ? next(input) : undefined
  }
}

/** A member that does not say what it owns may own anything. */
const ownsAny = (input: ReconcileInput, partitions: EpochPartitions): boolean =>
  partitions.size > 0 && (input.owned === null || overlaps(input.owned, partitions))

const enter = (
  current: CurrentAssignment,
  epoch: number
): Pick<CurrentAssignment, "memberEpoch" | "previousMemberEpoch"> =>
  epoch === current.memberEpoch
    ? { memberEpoch: epoch, previousMemberEpoch: current.previousMemberEpoch }
    : { memberEpoch: epoch, previousMemberEpoch: current.memberEpoch }

const next = (input: ReconcileInput): CurrentAssignment => {
  const { current, target, targetEpoch } = input
  const assigned = new Map<string, Map<number, number>>()
  const revoked = new Map<string, Map<number, number>>()
  for (const [topicId, epochs] of current.assigned) {
    const wanted = new Set(input.isSubscribed(topicId) ? target.get(topicId) : [])
    for (const [partition, epoch] of epochs) put(wanted.has(partition) ? assigned : revoked, topicId, partition, epoch)
  }
  if (ownsAny(input, revoked)) {
    return { ...current, state: MemberState.UNREVOKED_PARTITIONS, assigned, pendingRevocation: revoked }
  }
  let unreleased = false
  for (const [topicId, partitions] of target) {
    if (!input.isSubscribed(topicId)) continue
    const has = assigned.get(topicId)
    for (const partition of partitions) {
      if (has?.has(partition)) continue
      if (input.isHeldByOthers(topicId, partition)) unreleased = true
      else put(assigned, topicId, partition, targetEpoch)
    }
  }
  return {
    ...enter(current, targetEpoch),
    state: unreleased ? MemberState.UNRELEASED_PARTITIONS : MemberState.STABLE,
    assigned,
    pendingRevocation: NO_EPOCH_PARTITIONS
  }
}

/** The target is not of the new subscription yet: the member keeps what it still subscribes to. */
const takeUnsubscribed = (input: ReconcileInput): CurrentAssignment => {
  const { current } = input
  if ([...current.assigned.keys()].every(input.isSubscribed)) return current
  const assigned = new Map<string, ReadonlyMap<number, number>>()
  const revoked = new Map<string, Map<number, number>>()
  for (const [topicId, epochs] of current.pendingRevocation) revoked.set(topicId, new Map(epochs))
  for (const [topicId, epochs] of current.assigned) {
    if (input.isSubscribed(topicId)) assigned.set(topicId, epochs)
    else for (const [partition, epoch] of epochs) put(revoked, topicId, partition, epoch)
  }
  if (!ownsAny(input, revoked)) return { ...current, assigned, pendingRevocation: current.pendingRevocation }
  return { ...current, state: MemberState.UNREVOKED_PARTITIONS, assigned, pendingRevocation: revoked }
}

const put = (into: Map<string, Map<number, number>>, topicId: string, partition: number, epoch: number): void => {
  const partitions = into.get(topicId)
  if (partitions === undefined) into.set(topicId, new Map([[partition, epoch]]))
  else partitions.set(partition, epoch)
}
