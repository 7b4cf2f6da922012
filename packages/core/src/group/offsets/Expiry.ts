/**
 * Which committed offsets of a group have outlived their retention: a pure function of group, offsets and time.
 *
 * A group with members keeps the offsets of the topics that it is subscribed to. An empty group's offsets age from the
 * moment when it became empty, those of a simple group (no protocol type) each from its commit. An offset of an open
 * transaction never expires. A group which is empty and holds nothing any more can be forgotten itself.
 */
import type { ClassicGroup } from "../classic/ClassicGroup.ts"
import type { CommittedOffset, GroupRecord } from "../GroupRecord.ts"
import type { OffsetTable } from "./OffsetTable.ts"

export interface ExpiryPlan {
  /** Tombstones of expired offsets, then of the group if nothing is left of it. */
  readonly records: ReadonlyArray<GroupRecord>
}

export const planExpiry = (
  group: ClassicGroup,
  offsets: OffsetTable,
  subscribed: ReadonlySet<string> | undefined,
  now: number,
  retentionMs: number
): ExpiryPlan => {
  const records: Array<GroupRecord> = []
  const { groupId } = group
  const agesFrom = ageRule(group, subscribed)
  let kept = 0
  for (const [topic, partition, value] of offsets.entries()) {
    const from = agesFrom(topic, value)
    if (from === undefined || offsets.isUnstable(topic, partition) || !isExpired(value, from, now, retentionMs)) kept++
    else records.push({ _tag: "Offset", groupId, topic, partition, value: null })
  }
  const forgotten = kept === 0 && group.state === "Empty" && group.pendingJoins.size === 0
  if (forgotten) records.push({ _tag: "GroupMetadata", groupId, value: null })
  return { records }
}

/** Says from when an offset ages; undefined: it does not. */
const ageRule = (
  group: ClassicGroup,
  subscribed: ReadonlySet<string> | undefined
): ((topic: string, value: CommittedOffset) => number | undefined) => {
  if (group.protocolType === null || group.protocolType === "") return (_, value) => value.commitTimestamp
  if (group.state === "Empty") {
    return (_, value) => (group.stateTimestamp < 0 ? value.commitTimestamp : group.stateTimestamp)
  }
  if (group.state !== "Stable" || subscribed === undefined) return () => undefined
  return (topic, value) => (subscribed.has(topic) ? undefined : value.commitTimestamp)
}

const isExpired = (value: CommittedOffset, agesFrom: number, now: number, retentionMs: number): boolean =>
  value.expireTimestamp >= 0 ? now >= value.expireTimestamp : now - agesFrom >= retentionMs
