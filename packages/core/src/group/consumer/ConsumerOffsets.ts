/**
 * Committed offsets of consumer groups: who may commit and fetch, and what expires or may be deleted.
 *
 * A commit carries the member's epoch. An older one is taken all the same for a partition that the member has had since:
 * a member that is moved to a new epoch while its commit is under way loses nothing. Without members anybody commits who
 * claims no epoch.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import type { CommitCommand, OffsetToCommit } from "../Commands.ts"
import type { GroupRecord } from "../GroupRecord.ts"
import type { OffsetTable } from "../offsets/OffsetTable.ts"
import { currentOf } from "./ConsumerContext.ts"
import type { TopicsView } from "./ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"

const ALL_MAY = (): ErrorCode => ErrorCode.NONE

/** The code that refuses the whole commit, or what says so of each offset. */
export const validateConsumerCommit = (
  group: ConsumerGroup,
  topics: TopicsView,
  command: CommitCommand
): ErrorCode | ((offset: OffsetToCommit) => ErrorCode) => {
  const { generationId, memberId } = command
  if (generationId < 0 && group.members.size === 0) return ALL_MAY
  const member = group.members.get(memberId)
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
  if (member.classic === null && command.beforeMemberEpochs) return ErrorCode.UNSUPPORTED_VERSION
  const current = currentOf(group, memberId)
  const stale = member.classic === null ? ErrorCode.STALE_MEMBER_EPOCH : ErrorCode.ILLEGAL_GENERATION
  if (generationId === current.memberEpoch) return ALL_MAY
  if (generationId > current.memberEpoch) return stale
  return ({ topic, topicId, partition }) => {
    const id = topics.topicById(topicId)?.topicId ?? topics.topic(topic)?.topicId ?? topicId
    const since = current.assigned.get(id)?.get(partition) ?? current.pendingRevocation.get(id)?.get(partition)
    return since !== undefined && generationId >= since ? ErrorCode.NONE : stale
  }
}

/** `memberEpoch` below 0 without a member id: somebody who is no member, a tool. */
export const validateConsumerFetch = (
  group: ConsumerGroup,
  memberId: string | null,
  memberEpoch: number
): ErrorCode => {
  if (memberId === null && memberEpoch < 0) return ErrorCode.NONE
  if (memberId === null || !group.members.has(memberId)) return ErrorCode.UNKNOWN_MEMBER_ID
  return currentOf(group, memberId).memberEpoch === memberEpoch ? ErrorCode.NONE : ErrorCode.STALE_MEMBER_EPOCH
}

/** Tombstones of what expired; `isLeft`: something is left of the group. Offsets of subscribed topics never expire. */
export const planConsumerExpiry = (
  group: ConsumerGroup,
  offsets: OffsetTable,
  now: number,
  retentionMs: number
): { readonly records: ReadonlyArray<GroupRecord>; readonly isLeft: boolean } => {
  const { groupId } = group
  const subscribed = group.subscribedTopics()
  const records: Array<GroupRecord> = []
  let kept = 0
  for (const [topic, partition, value] of offsets.entries()) {
    const expired =
      value.expireTimestamp >= 0 ? now >= value.expireTimestamp : now - value.commitTimestamp >= retentionMs
    if (subscribed.has(topic) || offsets.isUnstable(topic, partition) || !expired) kept++
    else records.push({ _tag: "Offset", groupId, topic, partition, value: null })
  }
  return { records, isLeft: kept > 0 || group.members.size > 0 }
}
