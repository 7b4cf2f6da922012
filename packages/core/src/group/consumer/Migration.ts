/**
 * A group changes its protocol: an empty one silently, one with members while they go on.
 *
 * **Upgrade** A member of the consumer protocol joins a classic group of consumers. Its members become members of the
 * consumer group with what they have; their JoinGroup, SyncGroup and Heartbeat are answered from it (`ClassicMembers.ts`),
 * and those that wait in a rebalance are told to join again.
 * **Downgrade** The last member of the consumer protocol goes. The others are a classic group that begins a rebalance.
 *
 * Which of the two a group may do is `group.consumer.migration.policy`. Groups of other protocol types cannot change.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import { ProtocolError } from "../../protocol/ProtocolError.ts"
import {
  ConsumerProtocolAssignment,
  type ConsumerProtocolSubscription
} from "../../protocol/records/ConsumerProtocol.ts"
import { decodeVersionedLenient } from "../../protocol/records/CoordinatorRecord.ts"
import { joinError } from "../Commands.ts"
import { CONSUMER_PROTOCOL_TYPE } from "../ConsumerSubscription.ts"
import { ClassicGroup } from "../classic/ClassicGroup.ts"
import { type Member, makeMember, metadataFor } from "../classic/Member.ts"
import {
  answerJoin,
  dropAssignments,
  type GroupTurn,
  prepareRebalance,
  renewSession as renewClassicSession
} from "../classic/Rebalance.ts"
import { MEMBERS_MAX } from "../GroupConfig.ts"
import { assignmentFor, readSubscription } from "./ClassicProtocol.ts"
import { type ConsumerContext, consumerGroup, renewSession, write } from "./ConsumerContext.ts"
import { type ConsumerEnvironment, mayDowngrade, mayUpgrade, type TopicsView } from "./ConsumerEnvironment.ts"
import { ConsumerGroup } from "./ConsumerGroup.ts"
import { MemberState, NO_EPOCH_PARTITIONS, type Partitions } from "./ConsumerRecord.ts"
import { removeMember, sortedNames } from "./Membership.ts"
import { givenAt } from "./PartitionSets.ts"

/** Why the classic group, which has members, cannot become a consumer group; undefined: it can. */
export const cannotUpgrade = (environment: ConsumerEnvironment, group: ClassicGroup): string | undefined => {
  const cannot = `Cannot upgrade classic group ${group.groupId} to consumer group because`
  if (!mayUpgrade(environment.migrationPolicy)) return `${cannot} online upgrade is disabled.`
  if (group.protocolType !== CONSUMER_PROTOCOL_TYPE) {
    return `${cannot} the group does not use the consumer embedded protocol.`
  }
  if (group.members.size >= Math.min(environment.membersMax, MEMBERS_MAX)) {
    return `${cannot} the group size exceeds the consumer group maximum size.`
  }
  for (const member of group.members.values()) {
    const read = readMember(group, member)
    if (read === undefined) return `${cannot} the embedded consumer protocol is malformed.`
    // Only the leader's assignor knows what these bytes are for.
    if (read.assignment.userData !== null && read.assignment.userData.length > 0) {
      return `${cannot} an unsupported custom assignor is in use. Switch to a default assignor before upgrading.`
    }
  }
  return undefined
}

/** Makes the group one of the consumer protocol, if it is not yet. What speaks against it was asked before. */
export const becomeConsumerGroup = (context: ConsumerContext, turn: GroupTurn, groupId: string): void => {
  const entry = context.table.get(groupId)
  if (entry === undefined) {
    context.table.make(groupId).group = new ConsumerGroup(groupId)
    return
  }
  const { group } = entry
  if (group.type === "consumer") return
  const upgraded = readMembers(context, group)
  tellToRejoin(context, turn, group)
  write(context, turn, { _tag: "GroupMetadata", groupId, value: null })
  entry.group = new ConsumerGroup(groupId)
  if (upgraded.length > 0) writeUpgraded(context, turn, groupId, Math.max(group.generation, 1), upgraded)
}

interface UpgradedMember {
  readonly member: Member
  readonly subscription: ConsumerProtocolSubscription
  readonly partitions: Partitions
}

const readMembers = (context: ConsumerContext, group: ClassicGroup): ReadonlyArray<UpgradedMember> => {
  const topics = context.environment.topics()
  const upgraded: Array<UpgradedMember> = []
  for (const member of group.members.values()) {
    const read = readMember(group, member)
    if (read === undefined) continue
    upgraded.push({ member, subscription: read.subscription, partitions: partitionsOf(read.assignment, topics) })
  }
  return upgraded
}

/** undefined: the bytes are not those of a consumer. A member that was not given anything yet has none. */
const readMember = (group: ClassicGroup, member: Member) => {
  const metadata =
    group.protocolName === null ? (member.protocols[0]?.metadata ?? null) : metadataFor(member, group.protocolName)
  const subscription = metadata === null ? undefined : readSubscription(metadata)
  if (subscription === undefined) return undefined
  try {
    const assignment: ConsumerProtocolAssignment =
      member.assignment.length === 0
        ? { assignedPartitions: [], userData: null }
        : decodeVersionedLenient(ConsumerProtocolAssignment, member.assignment)
    return { subscription, assignment }
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

const partitionsOf = (assignment: ConsumerProtocolAssignment, topics: TopicsView): Partitions => {
  const partitions = new Map<string, ReadonlyArray<number>>()
  for (const { topic, partitions: numbers } of assignment.assignedPartitions) {
    const topicId = topics.topic(topic)?.topicId
    if (topicId !== undefined && numbers.length > 0)
      partitions.set(
        topicId,
        [...new Set(numbers)].sort((a, b) => a - b)
      )
  }
  return partitions
}

const tellToRejoin = (context: ConsumerContext, turn: GroupTurn, group: ClassicGroup): void => {
  dropAssignments(context.classic, turn, group, ErrorCode.REBALANCE_IN_PROGRESS)
  for (const member of group.members.values()) {
    answerJoin(turn, group, member, joinError(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId))
  }
}

const writeUpgraded = (
  context: ConsumerContext,
  turn: GroupTurn,
  groupId: string,
  epoch: number,
  upgraded: ReadonlyArray<UpgradedMember>
): void => {
  for (const { member, subscription } of upgraded) {
    const value = {
      instanceId: member.groupInstanceId,
      rackId: subscription.rackId === "" ? null : subscription.rackId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: sortedNames(subscription.topics),
      subscribedTopicRegex: "",
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      serverAssignor: null,
      classic: { sessionTimeoutMs: member.sessionTimeoutMs, supportedProtocols: member.protocols }
    }
    write(context, turn, { _tag: "ConsumerGroupMemberMetadata", groupId, memberId: member.memberId, value })
    renewSession(context, turn, groupId, member.memberId, value)
  }
  write(context, turn, { _tag: "ConsumerGroupMetadata", groupId, value: { epoch, metadataHash: 0 } })
  for (const { member, partitions } of upgraded) {
    const { memberId } = member
    write(context, turn, { _tag: "ConsumerGroupTargetAssignmentMember", groupId, memberId, value: partitions })
  }
  write(context, turn, {
    _tag: "ConsumerGroupTargetAssignmentMetadata",
    groupId,
    value: { assignmentEpoch: epoch, assignmentTimestamp: 0 }
  })
  for (const { member, partitions } of upgraded) {
    const value = {
      memberEpoch: epoch,
      previousMemberEpoch: epoch,
      state: MemberState.STABLE,
      assigned: givenAt(partitions, epoch),
      pendingRevocation: NO_EPOCH_PARTITIONS
    }
    write(context, turn, { _tag: "ConsumerGroupCurrentMemberAssignment", groupId, memberId: member.memberId, value })
  }
}

/** Whether the group is to be a classic one when these members are gone. */
export const shallDowngrade = (
  context: ConsumerContext,
  group: ConsumerGroup,
  leaving: ReadonlySet<string>
): boolean => {
  if (!mayDowngrade(context.environment.migrationPolicy)) return false
  const remaining = group.members.size - leaving.size
  if (remaining === 0 || remaining > Math.min(context.classic.config.membersMax, MEMBERS_MAX)) return false
  const members = [...group.members].filter(([memberId]) => !leaving.has(memberId))
  if (members.some(([, { classic }]) => classic === null)) return false
  const [first, ...others] = members.map(([, { classic }]) => classic!.supportedProtocols)
  return first!.some(({ name }) => others.every((protocols) => protocols.some((offered) => offered.name === name)))
}

/** The members that stay, all of which speak the classic protocol, are a classic group from here on. */
export const downgrade = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  leaving: ReadonlySet<string>
): ClassicGroup => {
  const { groupId } = group
  const classic = classicFrom(turn, group, leaving)
  const topics = context.environment.topics()
  const assignments = new Map<string, Uint8Array>()
  for (const member of classic.members.values()) {
    const metadata = metadataFor(member, classic.protocolName)
    assignments.set(member.memberId, assignmentFor(group.targetOf(member.memberId), topics, metadata))
  }
  const value = classic.toRecordValue(assignments)
  deleteGroupRecords(context, turn, group)
  write(context, turn, { _tag: "GroupMetadata", groupId, value })
  const made = context.table.get(groupId)!.group as ClassicGroup
  for (const member of made.members.values()) {
    // The record holds the metadata of the chosen protocol only; the next choice is among all that the member offers.
    made.setProtocols(member, classic.members.get(member.memberId)!.protocols)
    renewClassicSession(context.classic, turn, made, member.memberId, member.sessionTimeoutMs)
  }
  prepareRebalance(context.classic, turn, made)
  return made
}

const classicFrom = (turn: GroupTurn, group: ConsumerGroup, leaving: ReadonlySet<string>): ClassicGroup => {
  const classic = new ClassicGroup(group.groupId)
  for (const [memberId, member] of group.members) {
    if (leaving.has(memberId)) continue
    const { sessionTimeoutMs, supportedProtocols } = member.classic!
    const { clientId, clientHost, rebalanceTimeoutMs } = member
    const identity = { memberId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs }
    classic.add(makeMember({ ...identity, groupInstanceId: member.instanceId, protocols: supportedProtocols }))
  }
  classic.generation = group.epoch
  classic.protocolType = CONSUMER_PROTOCOL_TYPE
  classic.protocolName = classic.selectProtocol()
  classic.enter("Stable", turn.now)
  return classic
}

/** The consumer group is forgotten with whoever is left in it, for a classic one to begin under its id. */
export const becomeEmptyClassicGroup = (context: ConsumerContext, turn: GroupTurn, groupId: string): ClassicGroup => {
  deleteGroupRecords(context, turn, consumerGroup(context, groupId))
  const classic = new ClassicGroup(groupId)
  context.journal.stageWithLast(groupId, context.table.swap(context.table.get(groupId)!, classic))
  return classic
}

/** Tombstones of everything that the log may hold of the group. */
export const deleteGroupRecords = (context: ConsumerContext, turn: GroupTurn, group: ConsumerGroup): void => {
  const { groupId } = group
  for (const memberId of [...group.members.keys()]) removeMember(context, turn, group, memberId)
  for (const regularExpression of [...group.regexes.keys()]) {
    write(context, turn, { _tag: "ConsumerGroupRegularExpression", groupId, regularExpression, value: null })
  }
  write(context, turn, { _tag: "ConsumerGroupTargetAssignmentMetadata", groupId, value: null })
  write(context, turn, { _tag: "ConsumerGroupMetadata", groupId, value: null })
}
