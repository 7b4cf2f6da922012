/**
 * ConsumerGroupHeartbeat (KIP-848): a member joins, reports what it owns and what it subscribes to, and is told what it
 * shall have.
 *
 * Each heartbeat does what is due, in this order: the member's own record, the group's epoch, the target, one step of this
 * member towards it. Everybody else moves at its own heartbeats. The answer carries an assignment when the member asks for
 * everything or when it changed; a member whose answer was lost comes with the epoch before, and is accepted as long as it
 * owns nothing that it is not given.
 */
import type { Ticket } from "../../coordinator/Decision.ts"
import { ErrorCode } from "../../model/ErrorCode.ts"
import { type ConsumerHeartbeatCommand, type ConsumerHeartbeatResult, consumerHeartbeatError } from "../Commands.ts"
import type { GroupTurn } from "../classic/Rebalance.ts"
import { GROUPS_MAX, MEMBERS_MAX } from "../GroupConfig.ts"
import { type ConsumerContext, consumerGroup, currentOf, renewSession, write } from "./ConsumerContext.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import { type MemberMetadata, MemberState } from "./ConsumerRecord.ts"
import { leave } from "./Departure.ts"
import { JOIN_EPOCH, LEAVE_EPOCH, refuseRegex, STATIC_LEAVE_EPOCH, validateHeartbeat } from "./HeartbeatValidation.ts"
import { step } from "./MemberStep.ts"
import {
  isEmptySubscription,
  refuseStranger,
  sameMember,
  sameSubscription,
  sortedNames,
  takeOverInstance
} from "./Membership.ts"
import { becomeConsumerGroup, cannotUpgrade } from "./Migration.ts"
import { isSubset, listOwned, sameOwned } from "./PartitionSets.ts"
import { refreshSubscriptions } from "./Subscriptions.ts"
import { refreshTarget } from "./TargetAssignment.ts"

export const consumerHeartbeat = (
  context: ConsumerContext,
  turn: GroupTurn,
  ticket: Ticket,
  command: ConsumerHeartbeatCommand
): void => {
  const invalid = validateHeartbeat(context.environment, command)
  if (invalid !== undefined) turn.answer(ticket, invalid)
  else if (command.memberEpoch === LEAVE_EPOCH || command.memberEpoch === STATIC_LEAVE_EPOCH) {
    turn.answer(ticket, leave(context, turn, command))
  } else {
    const memberId = command.memberId === "" ? command.uuid : command.memberId
    turn.answer(ticket, heartbeat(context, turn, command, memberId))
  }
}

const heartbeat = (
  context: ConsumerContext,
  turn: GroupTurn,
  command: ConsumerHeartbeatCommand,
  memberId: string
): ConsumerHeartbeatResult => {
  const refused = refuse(context, command, memberId) ?? refuseRegex(context.environment, command.subscribedTopicRegex)
  if (refused !== undefined) return refused
  const { groupId } = command
  if (command.memberEpoch === JOIN_EPOCH) {
    becomeConsumerGroup(context, turn, groupId)
    takeOverInstance(context, turn, consumerGroup(context, groupId), memberId, command.instanceId)
  }
  const group = consumerGroup(context, groupId)
  const before = group.members.get(memberId)
  if (before !== undefined && before.classic !== null) stopClassicTimers(context, groupId, memberId)
  const member = updated(before, command)
  if (before === undefined || !sameMember(before, member)) {
    write(context, turn, { _tag: "ConsumerGroupMemberMetadata", groupId, memberId, value: member })
  }
  const changed = before === undefined ? !isEmptySubscription(member) : !sameSubscription(before, member)
  const assignedBefore = currentOf(group, memberId).assigned
  refreshSubscriptions(context, turn, group, changed)
  refreshTarget(context, turn, group)
  step(context, turn, group, memberId, command.topicPartitions, changed)
  renewSession(context, turn, groupId, memberId, member)
  const { memberEpoch, assigned } = currentOf(group, memberId)
  return {
    _tag: "ConsumerHeartbeat",
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    memberId,
    memberEpoch,
    heartbeatIntervalMs: context.environment.settingsOf(groupId).heartbeatIntervalMs,
    assignment: asksForAll(command) || !sameOwned(assignedBefore, assigned) ? listOwned(assigned) : null
  }
}

/** A member that has changed to the consumer protocol says everything by heartbeats. */
const stopClassicTimers = (context: ConsumerContext, groupId: string, memberId: string): void => {
  context.timers.stop("Join", groupId, memberId)
  context.timers.stop("Sync", groupId, memberId)
}

const asksForAll = ({ memberEpoch, ...command }: ConsumerHeartbeatCommand): boolean =>
  memberEpoch === JOIN_EPOCH ||
  (command.rebalanceTimeoutMs !== -1 &&
    (command.subscribedTopicNames !== null || command.subscribedTopicRegex !== null) &&
    command.topicPartitions !== null)

/** Everything that speaks against the heartbeat; from here on it is carried out. */
const refuse = (
  context: ConsumerContext,
  command: ConsumerHeartbeatCommand,
  memberId: string
): ConsumerHeartbeatResult | undefined => {
  const { groupId } = command
  const joins = command.memberEpoch === JOIN_EPOCH
  const group = context.table.get(groupId)?.group
  if (group === undefined) {
    if (!joins) return consumerHeartbeatError(ErrorCode.GROUP_ID_NOT_FOUND, `Consumer group ${groupId} not found.`)
    if (context.table.entries.size < GROUPS_MAX) return undefined
    return consumerHeartbeatError(
      ErrorCode.COORDINATOR_NOT_AVAILABLE,
      "The coordinator holds as many groups as it can."
    )
  }
  if (group.type === "classic") {
    if (!joins) {
      return consumerHeartbeatError(ErrorCode.GROUP_ID_NOT_FOUND, `Group ${groupId} is not a consumer group.`)
    }
    const reason = group.state === "Empty" ? undefined : cannotUpgrade(context.environment, group)
    return reason === undefined ? undefined : consumerHeartbeatError(ErrorCode.GROUP_ID_NOT_FOUND, reason)
  }
  const membersMax = Math.min(context.environment.membersMax, MEMBERS_MAX)
  if (group.members.size >= membersMax && !group.members.has(memberId)) {
    return consumerHeartbeatError(
      ErrorCode.GROUP_MAX_SIZE_REACHED,
      `The consumer group has reached its maximum capacity of ${membersMax} members.`
    )
  }
  return joins ? refuseJoin(group, command, memberId) : refuseBeat(group, command, memberId)
}

const refuseJoin = (
  group: ConsumerGroup,
  { instanceId }: ConsumerHeartbeatCommand,
  memberId: string
): ConsumerHeartbeatResult | undefined => {
  const holder = instanceId === null ? undefined : group.staticMembers.get(instanceId)
  // The same id is the same process, whose answer was lost; Kafka makes it wait until its own session ends.
  if (holder === undefined || holder === memberId || group.members.get(holder)!.classic !== null) return undefined
  if (currentOf(group, holder).memberEpoch === STATIC_LEAVE_EPOCH) return undefined
  return consumerHeartbeatError(
    ErrorCode.UNRELEASED_INSTANCE_ID,
    `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ${holder} member.`
  )
}

const refuseBeat = (
  group: ConsumerGroup,
  command: ConsumerHeartbeatCommand,
  memberId: string
): ConsumerHeartbeatResult | undefined => {
  const stranger = refuseStranger(group, memberId, command.instanceId)
  if (stranger !== undefined) return stranger
  const { memberEpoch, previousMemberEpoch, assigned, state } = currentOf(group, memberId)
  const received = command.memberEpoch
  const owned = command.topicPartitions
  if (received === memberEpoch) return isKnown(state) || owned?.length === 0 ? undefined : unknownState()
  // The answer that told of the newer epoch may have been lost.
  if (received < memberEpoch && received === previousMemberEpoch && owned !== null && isSubset(owned, assigned)) {
    return undefined
  }
  const which = received > memberEpoch ? "greater" : "smaller"
  return consumerHeartbeatError(
    ErrorCode.FENCED_MEMBER_EPOCH,
    `The consumer group member has a ${which} member epoch (${received}) than the one known by the group coordinator (${memberEpoch}). The member must abandon all its partitions and rejoin.`
  )
}

const isKnown = (state: number): boolean =>
  state === MemberState.STABLE ||
  state === MemberState.UNREVOKED_PARTITIONS ||
  state === MemberState.UNRELEASED_PARTITIONS

const unknownState = (): ConsumerHeartbeatResult =>
  consumerHeartbeatError(
    ErrorCode.FENCED_MEMBER_EPOCH,
    "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin."
  )

const updated = (before: MemberMetadata | undefined, command: ConsumerHeartbeatCommand): MemberMetadata => ({
  instanceId: command.instanceId ?? before?.instanceId ?? null,
  rackId: command.rackId ?? before?.rackId ?? null,
  clientId: command.clientId,
  clientHost: command.clientHost,
  subscribedTopicNames:
    command.subscribedTopicNames === null
      ? (before?.subscribedTopicNames ?? [])
      : sortedNames(command.subscribedTopicNames),
  subscribedTopicRegex: command.subscribedTopicRegex ?? before?.subscribedTopicRegex ?? "",
  rebalanceTimeoutMs:
    command.rebalanceTimeoutMs === -1 ? (before?.rebalanceTimeoutMs ?? -1) : command.rebalanceTimeoutMs,
  serverAssignor: command.serverAssignor ?? before?.serverAssignor ?? null,
  classic: null
})
