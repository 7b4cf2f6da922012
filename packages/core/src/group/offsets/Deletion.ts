/**
 * DeleteGroups and OffsetDelete: what may be forgotten at an operator's wish, and the tombstones that forget it.
 *
 * A group is deleted only while it has no members; ids that were given out and not used yet are no members. Single offsets
 * of a group that consumes are deleted only of topics that no member is subscribed to: the members would commit them again,
 * and until then a rebalance would begin at the reset policy. What members of another protocol type need is unknown, so
 * that their groups must be empty. An offset that was never committed is deleted without an error.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import type { DeleteOffsetsCommand, DeleteOffsetsResult } from "../Commands.ts"
import { CONSUMER_PROTOCOL_TYPE, subscribedTopics } from "../ConsumerSubscription.ts"
import type { GroupRecord } from "../GroupRecord.ts"
import type { Group } from "../GroupTable.ts"
import type { OffsetTable } from "./OffsetTable.ts"

/** Tombstones of everything that the group committed, then of a classic group itself; a consumer group adds its own. */
export const planGroupDeletion = (
  groupId: string,
  group: Group | undefined,
  offsets: OffsetTable | undefined
): { readonly records: ReadonlyArray<GroupRecord>; readonly errorCode: ErrorCode } => {
  if (group === undefined || offsets === undefined) return { records: [], errorCode: ErrorCode.GROUP_ID_NOT_FOUND }
  if (group.state !== "Empty") return { records: [], errorCode: ErrorCode.NON_EMPTY_GROUP }
  const records: Array<GroupRecord> = []
  for (const [topic, partition] of offsets.entries()) {
    records.push({ _tag: "Offset", groupId, topic, partition, value: null })
  }
  if (group.type === "classic") records.push({ _tag: "GroupMetadata", groupId, value: null })
  return { records, errorCode: ErrorCode.NONE }
}

export const planOffsetDeletion = (
  group: Group | undefined,
  offsets: OffsetTable | undefined,
  { groupId, topics }: DeleteOffsetsCommand
): { readonly records: ReadonlyArray<GroupRecord>; readonly result: DeleteOffsetsResult } => {
  const refused = (errorCode: ErrorCode) =>
    ({ records: [], result: { _tag: "DeleteOffsets", errorCode, topics: [] } }) as const
  if (groupId === "") return refused(ErrorCode.INVALID_GROUP_ID)
  if (group === undefined || offsets === undefined) return refused(ErrorCode.GROUP_ID_NOT_FOUND)
  const empty = group.state === "Empty"
  if (!empty && group.type === "classic" && group.protocolType !== CONSUMER_PROTOCOL_TYPE)
    return refused(ErrorCode.NON_EMPTY_GROUP)
  // Members whose subscription cannot be read may be subscribed to anything.
  const subscribed = empty ? new Set<string>() : subscribedTo(group)
  const records: Array<GroupRecord> = []
  const results = topics.map(({ topic, partitions }) => {
    const inUse = subscribed === undefined || subscribed.has(topic)
    const errorCode = inUse ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE
    for (const partition of inUse ? [] : partitions) {
      if (offsets.get(topic, partition) === undefined) continue
      records.push({ _tag: "Offset", groupId, topic, partition, value: null })
    }
    return { topic, partitions: partitions.map((partition) => ({ partition, errorCode })) }
  })
  return { records, result: { _tag: "DeleteOffsets", errorCode: ErrorCode.NONE, topics: results } }
}

const subscribedTo = (group: Group): ReadonlySet<string> | undefined =>
  group.type === "consumer" ? group.subscribedTopics() : subscribedTopics(group)
