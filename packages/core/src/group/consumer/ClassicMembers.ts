/**
 * Members of a consumer group that speak the classic protocol (KIP-848, online migration).
 *
 * Their generation is their member epoch, their assignment comes from the server; none of them leads, and none waits: a
 * join is one step towards the target, a sync tells what the member has, a heartbeat says when there is reason to join
 * again. Who is told to join must do so within its rebalance timeout, and then sync within the same, or is removed.
 */
import type { Ticket } from "../../coordinator/Decision.ts"
import { ErrorCode } from "../../model/ErrorCode.ts"
import {
  type HeartbeatCommand,
  type JoinCommand,
  type JoinResult,
  joinError,
  type LeaveCommand,
  type LeaveResult,
  type LeavingMember,
  NO_BYTES,
  type SyncCommand,
  type SyncResult,
  syncError
} from "../Commands.ts"
import { CONSUMER_PROTOCOL_TYPE } from "../ConsumerSubscription.ts"
import type { ClassicGroup } from "../classic/ClassicGroup.ts"
import { join as joinClassicGroup } from "../classic/Join.ts"
import { ownProtocols } from "../classic/Member.ts"
import type { GroupTurn } from "../classic/Rebalance.ts"
import { MEMBERS_MAX } from "../GroupConfig.ts"
import { assignmentFor, ownedOf, readSubscription } from "./ClassicProtocol.ts"
import { type ConsumerContext, currentOf, renewSession, write } from "./ConsumerContext.ts"
import { mayDowngrade, SUBSCRIBED_TOPICS_MAX } from "./ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import { type MemberMetadata, MemberState } from "./ConsumerRecord.ts"
import { remove } from "./Departure.ts"
import { step } from "./MemberStep.ts"
import { refuseStranger, sameMember, sameSubscription, sortedNames, takeOverInstance } from "./Membership.ts"
import { becomeEmptyClassicGroup, downgrade, shallDowngrade } from "./Migration.ts"
import { partitionsOf } from "./PartitionSets.ts"
import { refreshSubscriptions } from "./Subscriptions.ts"
import { refreshTarget } from "./TargetAssignment.ts"

export const joinConsumerGroup = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  ticket: Ticket,
  command: JoinCommand
): void => {
  const { groupId } = group
  if (group.members.size === 0) {
    if (command.memberId !== "") turn.answer(ticket, joinError(ErrorCode.UNKNOWN_MEMBER_ID, command.memberId))
    else joinClassicGroup(context.classic, turn, becomeEmptyClassicGroup(context, turn, groupId), ticket, command)
    return
  }
  const refused = refuse(context, group, command)
  if (refused !== undefined) {
    turn.answer(ticket, refused)
    return
  }
  const replaced = command.memberId === "" ? holderOf(group, command.groupInstanceId) : undefined
  const classic = replaced === undefined ? undefined : downgradeByReplacement(context, turn, group, replaced)
  if (classic !== undefined) {
    joinClassicGroup(context.classic, turn, classic, ticket, command)
    return
  }
  const memberId = command.memberId === "" ? command.kafkaUuid : command.memberId
  turn.answer(ticket, join(context, turn, group, command, memberId))
}

const holderOf = (group: ConsumerGroup, instanceId: string | null): string | undefined =>
  instanceId === null ? undefined : group.staticMembers.get(instanceId)

const refuse = (context: ConsumerContext, group: ConsumerGroup, command: JoinCommand): JoinResult | undefined => {
  const { memberId, groupInstanceId } = command
  const membersMax = Math.min(context.environment.membersMax, MEMBERS_MAX)
  if (group.members.size >= membersMax && !group.members.has(memberId)) {
    return joinError(ErrorCode.GROUP_MAX_SIZE_REACHED, "")
  }
  const subscription = command.protocols[0] === undefined ? undefined : readSubscription(command.protocols[0].metadata)
  if (
    context.environment.migrationPolicy === "disabled" ||
    !supportsProtocols(group, command) ||
    subscription === undefined ||
    subscription.topics.length > SUBSCRIBED_TOPICS_MAX
  ) {
    return joinError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, memberId)
  }
  if (memberId === "" && groupInstanceId === null && command.requireKnownMemberId) {
    return joinError(ErrorCode.MEMBER_ID_REQUIRED, command.kafkaUuid)
  }
  // Any id will do for a dynamic member: the one it was given just now is remembered by nobody.
  if (memberId === "" || groupInstanceId === null) return undefined
  const stranger = refuseStranger(group, memberId, groupInstanceId)
  return stranger === undefined ? undefined : joinError(stranger.errorCode, memberId)
}

/** Whether the members of the classic protocol, itself included if it is one, have a protocol in common with it. */
const supportsProtocols = (group: ConsumerGroup, { protocolType, protocols }: JoinCommand): boolean => {
  if (protocolType !== CONSUMER_PROTOCOL_TYPE) return false
  const offers = new Map<string, number>()
  for (const { classic } of group.members.values()) {
    for (const { name } of classic?.supportedProtocols ?? []) offers.set(name, (offers.get(name) ?? 0) + 1)
  }
  return protocols.some(({ name }) => (offers.get(name) ?? 0) === group.classicMembers)
}

/** The last member of the consumer protocol is replaced by one of the classic protocol: that one joins a classic group. */
const downgradeByReplacement = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  replaced: string
): ClassicGroup | undefined => {
  if (group.members.get(replaced)!.classic !== null) return undefined
  const leaving = new Set([replaced])
  if (group.members.size === 1 && mayDowngrade(context.environment.migrationPolicy)) {
    return becomeEmptyClassicGroup(context, turn, group.groupId)
  }
  return shallDowngrade(context, group, leaving) ? downgrade(context, turn, group, leaving) : undefined
}

const join = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  command: JoinCommand,
  memberId: string
): JoinResult => {
  const { groupId } = group
  const subscription = readSubscription(command.protocols[0]!.metadata)!
  if (command.memberId === "") takeOverInstance(context, turn, group, memberId, command.groupInstanceId)
  const before = group.members.get(memberId)
  const member: MemberMetadata = {
    instanceId: command.groupInstanceId,
    rackId: subscription.rackId === null || subscription.rackId === "" ? (before?.rackId ?? null) : subscription.rackId,
    clientId: command.clientId,
    clientHost: command.clientHost,
    subscribedTopicNames: sortedNames(subscription.topics),
    subscribedTopicRegex: before?.subscribedTopicRegex ?? "",
    rebalanceTimeoutMs: command.rebalanceTimeoutMs,
    serverAssignor: before?.serverAssignor ?? null,
    classic: { sessionTimeoutMs: command.sessionTimeoutMs, supportedProtocols: ownProtocols(command.protocols) }
  }
  if (before === undefined || !sameMember(before, member)) {
    write(context, turn, { _tag: "ConsumerGroupMemberMetadata", groupId, memberId, value: member })
  }
  const changed = before === undefined || !sameSubscription(before, member)
  refreshSubscriptions(context, turn, group, changed)
  refreshTarget(context, turn, group)
  step(context, turn, group, memberId, ownedOf(subscription, context.environment.topics()), changed)
  context.timers.stop("Rebalance", groupId, memberId)
  context.timers.stop("Join", groupId, memberId)
  context.timers.start("Sync", groupId, memberId, turn.now + command.rebalanceTimeoutMs)
  renewSession(context, turn, groupId, memberId, member)
  return {
    _tag: "Join",
    errorCode: ErrorCode.NONE,
    generationId: currentOf(group, memberId).memberEpoch,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName: command.protocols[0]!.name,
    leader: "",
    skipAssignment: false,
    memberId,
    members: []
  }
}

export const syncWithConsumerGroup = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  command: SyncCommand
): SyncResult => {
  const { memberId } = command
  const error = validate(group, memberId, command.groupInstanceId, command.generationId)
  if (error !== ErrorCode.NONE) return syncError(error)
  const member = group.members.get(memberId)!
  const [protocol] = member.classic!.supportedProtocols
  const otherType = command.protocolType !== null && command.protocolType !== CONSUMER_PROTOCOL_TYPE
  const otherName = command.protocolName !== null && command.protocolName !== protocol?.name
  if (otherType || otherName) return syncError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  const { memberEpoch, state, assigned } = currentOf(group, memberId)
  // A member that has partitions to give up has joined already, and is told to join again when it has given them up.
  if (group.targetEpoch > memberEpoch && state !== MemberState.UNREVOKED_PARTITIONS) {
    expectJoin(context, turn, group, memberId, member)
    return syncError(ErrorCode.REBALANCE_IN_PROGRESS)
  }
  context.timers.stop("Sync", group.groupId, memberId)
  renewSession(context, turn, group.groupId, memberId, member)
  return {
    _tag: "Sync",
    errorCode: ErrorCode.NONE,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName: protocol?.name ?? null,
    assignment: assignmentFor(partitionsOf(assigned), context.environment.topics(), protocol?.metadata ?? NO_BYTES)
  }
}

export const beatInConsumerGroup = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  command: HeartbeatCommand
): ErrorCode => {
  const { memberId } = command
  const error = validate(group, memberId, command.groupInstanceId, command.generationId)
  if (error !== ErrorCode.NONE) return error
  const member = group.members.get(memberId)!
  renewSession(context, turn, group.groupId, memberId, member)
  // Where no member of the consumer protocol is left, nobody else brings the target up to date.
  refreshSubscriptions(context, turn, group, false)
  refreshTarget(context, turn, group)
  const { memberEpoch, state } = currentOf(group, memberId)
  const mustJoin =
    memberEpoch < group.targetEpoch ||
    state === MemberState.UNREVOKED_PARTITIONS ||
    (state === MemberState.UNRELEASED_PARTITIONS && !waits(group, memberId))
  if (!mustJoin) return ErrorCode.NONE
  expectJoin(context, turn, group, memberId, member)
  return ErrorCode.REBALANCE_IN_PROGRESS
}

export const leaveConsumerGroup = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  command: LeaveCommand
): LeaveResult => {
  const leaving = new Set<string>()
  const members = command.members.map((identity) => {
    const { memberId, errorCode } = identify(group, identity)
    if (errorCode === ErrorCode.NONE) leaving.add(memberId)
    return { memberId, groupInstanceId: identity.groupInstanceId, errorCode }
  })
  remove(context, turn, group, leaving)
  return { _tag: "Leave", errorCode: ErrorCode.NONE, members }
}

/** An operator removes a static member by its instance id alone. */
const identify = (group: ConsumerGroup, { memberId, groupInstanceId }: LeavingMember) => {
  const named = memberId === "" ? (holderOf(group, groupInstanceId) ?? "") : memberId
  const stranger = refuseStranger(group, named, groupInstanceId)
  return { memberId: stranger === undefined ? named : memberId, errorCode: stranger?.errorCode ?? ErrorCode.NONE }
}

const validate = (
  group: ConsumerGroup,
  memberId: string,
  instanceId: string | null,
  generationId: number
): ErrorCode => {
  const stranger = refuseStranger(group, memberId, instanceId)
  if (stranger !== undefined) return stranger.errorCode
  if (group.members.get(memberId)!.classic === null) return ErrorCode.UNKNOWN_MEMBER_ID
  return currentOf(group, memberId).memberEpoch === generationId ? ErrorCode.NONE : ErrorCode.ILLEGAL_GENERATION
}

const expectJoin = (
  context: ConsumerContext,
  turn: GroupTurn,
  { groupId }: ConsumerGroup,
  memberId: string,
  member: MemberMetadata
): void => {
  if (context.timers.isRunning("Join", groupId, memberId)) return
  context.timers.start("Join", groupId, memberId, turn.now + member.rebalanceTimeoutMs)
}

/** Whether somebody still holds any of what the member is to have. */
const waits = (group: ConsumerGroup, memberId: string): boolean => {
  const current = currentOf(group, memberId)
  for (const [topicId, partitions] of group.targetOf(memberId)) {
    const has = current.assigned.get(topicId)
    for (const partition of partitions) {
      if (has?.has(partition) !== true && group.isHeldByOthers(topicId, partition, current)) return true
    }
  }
  return false
}
