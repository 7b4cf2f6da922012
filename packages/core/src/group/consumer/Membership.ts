/**
 * Who is a member of a consumer group, and how one member's place passes to another one or to nobody.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import { compare } from "../assignor/Assignor.ts"
import { type ConsumerHeartbeatResult, consumerHeartbeatError } from "../Commands.ts"
import { sameBytes } from "../classic/Member.ts"
import type { GroupTurn } from "../classic/Rebalance.ts"
import { type ConsumerContext, currentOf, write } from "./ConsumerContext.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import type { ClassicMemberMetadata, MemberMetadata } from "./ConsumerRecord.ts"

/** Who is no member, or no longer the one that holds the instance id. */
export const refuseStranger = (
  group: ConsumerGroup,
  memberId: string,
  instanceId: string | null
): ConsumerHeartbeatResult | undefined => {
  if (instanceId === null) {
    if (group.members.has(memberId)) return undefined
    return consumerHeartbeatError(
      ErrorCode.UNKNOWN_MEMBER_ID,
      `Member ${memberId} is not a member of group ${group.groupId}.`
    )
  }
  const holder = group.staticMembers.get(instanceId)
  if (holder === undefined) {
    return consumerHeartbeatError(ErrorCode.UNKNOWN_MEMBER_ID, `Instance id ${instanceId} is unknown.`)
  }
  if (holder === memberId) return undefined
  return consumerHeartbeatError(
    ErrorCode.FENCED_INSTANCE_ID,
    `Static member ${memberId} with instance id ${instanceId} was fenced by member ${holder}.`
  )
}

/** Gives a static member's place, with what it had, to the process that comes back under its instance id. */
export const takeOverInstance = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  memberId: string,
  instanceId: string | null
): void => {
  const old = instanceId === null ? undefined : group.staticMembers.get(instanceId)
  if (old === undefined) return
  const { groupId } = group
  if (old === memberId && currentOf(group, old).memberEpoch >= 0) return
  const member = group.members.get(old)!
  const target = group.targetOf(old)
  const current = currentOf(group, old)
  removeMember(context, turn, group, old)
  write(context, turn, { _tag: "ConsumerGroupMemberMetadata", groupId, memberId, value: member })
  write(context, turn, { _tag: "ConsumerGroupTargetAssignmentMember", groupId, memberId, value: target })
  write(context, turn, {
    _tag: "ConsumerGroupCurrentMemberAssignment",
    groupId,
    memberId,
    value: { ...current, memberEpoch: 0, previousMemberEpoch: 0 }
  })
}

/** Tombstones of everything that a member is, has and shall have. */
export const removeMember = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  memberId: string
): void => {
  const { groupId } = group
  context.timers.stopMember(groupId, memberId)
  write(context, turn, { _tag: "ConsumerGroupCurrentMemberAssignment", groupId, memberId, value: null })
  write(context, turn, { _tag: "ConsumerGroupTargetAssignmentMember", groupId, memberId, value: null })
  write(context, turn, { _tag: "ConsumerGroupMemberMetadata", groupId, memberId, value: null })
}

export const sortedNames = (names: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(names)].sort(compare)

const sameNames = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a === b || (a.length === b.length && a.every((name, i) => name === b[i]))

export const isEmptySubscription = (member: MemberMetadata): boolean =>
  member.subscribedTopicNames.length === 0 && (member.subscribedTopicRegex ?? "") === ""

export const sameSubscription = (a: MemberMetadata, b: MemberMetadata): boolean =>
  (a.subscribedTopicRegex ?? "") === (b.subscribedTopicRegex ?? "") &&
  sameNames(a.subscribedTopicNames, b.subscribedTopicNames)

export const sameMember = (a: MemberMetadata, b: MemberMetadata): boolean =>
  a.instanceId === b.instanceId &&
  a.rackId === b.rackId &&
  a.clientId === b.clientId &&
  a.clientHost === b.clientHost &&
  a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
  a.serverAssignor === b.serverAssignor &&
  sameSubscription(a, b) &&
  sameClassic(a.classic, b.classic)

const sameClassic = (a: ClassicMemberMetadata | null, b: ClassicMemberMetadata | null): boolean => {
  if (a === null || b === null) return a === b
  if (a.sessionTimeoutMs !== b.sessionTimeoutMs || a.supportedProtocols.length !== b.supportedProtocols.length)
    return false
  return a.supportedProtocols.every(({ name, metadata }, i) => {
    const other = b.supportedProtocols[i]!
    return name === other.name && sameBytes(metadata, other.metadata)
  })
}
