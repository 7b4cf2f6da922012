/**
 * What can be read of groups: their descriptions, their list, their committed offsets. Nothing here changes anything.
 */
import { ZERO_UUID } from "../base/Uuid.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import { NO_BYTES } from "./Commands.ts"
import { CONSUMER_PROTOCOL_TYPE } from "./ConsumerSubscription.ts"
import { metadataFor } from "./classic/Member.ts"
import { validateConsumerFetch } from "./consumer/ConsumerOffsets.ts"
import { type ConsumerGroupDescription, describeConsumer, noConsumerGroup } from "./consumer/ConsumerViews.ts"
import { preferredAssignor } from "./consumer/TargetAssignment.ts"
import type { GroupMachine } from "./GroupMachine.ts"
import type { GroupEntry } from "./GroupTable.ts"

export interface MemberDescription {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly memberMetadata: Uint8Array
  readonly memberAssignment: Uint8Array
}

export interface GroupDescription {
  readonly groupId: string
  readonly groupState: string
  readonly protocolType: string
  readonly protocolData: string
  readonly members: ReadonlyArray<MemberDescription>
}

/**
 * undefined: no such group. What members offer is shown of a stable group only, since elsewhere no protocol is chosen; their
 * shares are shown until there are new ones.
 */
export const describeGroup = (machine: GroupMachine, groupId: string): GroupDescription | undefined => {
  const group = machine.groups.get(groupId)?.group
  if (group?.type !== "classic") return undefined
  const stable = group.state === "Stable"
  return {
    groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? "",
    protocolData: stable ? (group.protocolName ?? "") : "",
    members: Array.from(group.members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: stable ? metadataFor(member, group.protocolName) : NO_BYTES,
      memberAssignment: member.assignment
    }))
  }
}

/** Why there is no such description, in Kafka's words. */
export const noClassicGroup = (machine: GroupMachine, groupId: string): string =>
  machine.groups.has(groupId) ? `Group ${groupId} is not a classic group.` : `Group ${groupId} not found.`

export const describeConsumerGroup = (machine: GroupMachine, groupId: string): ConsumerGroupDescription => {
  const group = machine.groups.get(groupId)?.group
  if (group === undefined) return noConsumerGroup(groupId, `Group ${groupId} not found.`)
  if (group.type !== "consumer") return noConsumerGroup(groupId, `Group ${groupId} is not a consumer group.`)
  const { environment } = machine
  return describeConsumer(group, environment.topics(), preferredAssignor(environment, group))
}

export interface GroupListing {
  readonly groupId: string
  readonly protocolType: string
  readonly groupState: string
  readonly groupType: string
}

/** Filters are compared without regard to case; an empty one lets everything through. */
export const listGroups = (
  machine: GroupMachine,
  states: ReadonlyArray<string>,
  types: ReadonlyArray<string>
): ReadonlyArray<GroupListing> => {
  const wantedStates = new Set(states.map((state) => state.toLowerCase()))
  const wantedTypes = new Set(types.map((type) => type.toLowerCase()))
  const listed: Array<GroupListing> = []
  for (const { group } of machine.groups.values()) {
    if (wantedTypes.size > 0 && !wantedTypes.has(group.type)) continue
    // A consumer group's state is a look at each of its members.
    const groupState = group.state
    if (wantedStates.size > 0 && !wantedStates.has(groupState.toLowerCase())) continue
    const protocolType = group.type === "consumer" ? CONSUMER_PROTOCOL_TYPE : (group.protocolType ?? "")
    listed.push({ groupId: group.groupId, protocolType, groupState, groupType: group.type })
  }
  return listed
}

export interface OffsetsOfTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionIndexes: ReadonlyArray<number>
}

export interface FetchedOffset {
  readonly partitionIndex: number
  readonly committedOffset: number
  readonly committedLeaderEpoch: number
  readonly metadata: string
  readonly errorCode: ErrorCode
}

export interface FetchedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: ReadonlyArray<FetchedOffset>
}

/**
 * Whether the one who asks may see the group's offsets: a member of a consumer group must name its epoch (OffsetFetch v9+).
 * `memberId` null and `memberEpoch` -1: a tool, or a version that lacks them.
 */
export const validateOffsetFetch = (
  machine: GroupMachine,
  groupId: string,
  memberId: string | null,
  memberEpoch: number
): ErrorCode => {
  const group = machine.groups.get(groupId)?.group
  return group?.type === "consumer" ? validateConsumerFetch(group, memberId, memberEpoch) : ErrorCode.NONE
}

/** `topics` null: everything that the group has committed. What was never committed is offset -1 without an error. */
export const fetchOffsets = (
  machine: GroupMachine,
  groupId: string,
  topics: ReadonlyArray<OffsetsOfTopic> | null,
  requireStable: boolean
): ReadonlyArray<FetchedTopic> => {
  const entry = machine.groups.get(groupId)
  const asked = topics ?? allOf(entry)
  return asked.map(({ name, topicId, partitionIndexes }) => ({
    name,
    topicId,
    partitions: partitionIndexes.map((partition) => fetchOffset(entry, name, topicId, partition, requireStable))
  }))
}

const allOf = (entry: GroupEntry | undefined): ReadonlyArray<OffsetsOfTopic> =>
  entry === undefined
    ? []
    : Array.from(entry.offsets.topics(), (name) => {
        const partitionIndexes = entry.offsets.partitionsOf(name)
        const topicId = entry.offsets.get(name, partitionIndexes[0]!)?.topicId ?? ZERO_UUID
        return { name, topicId, partitionIndexes }
      })

const fetchOffset = (
  entry: GroupEntry | undefined,
  topic: string,
  topicId: string,
  partitionIndex: number,
  requireStable: boolean
): FetchedOffset => {
  const none = { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: "" }
  if (entry === undefined) return { ...none, errorCode: ErrorCode.NONE }
  if (requireStable && entry.offsets.isUnstable(topic, partitionIndex)) {
    return { ...none, errorCode: ErrorCode.UNSTABLE_OFFSET_COMMIT }
  }
  const committed = entry.offsets.get(topic, partitionIndex)
  // An offset of a topic that was deleted and made anew under the same name means nothing in the new one.
  const foreign = topicId !== ZERO_UUID && committed?.topicId !== ZERO_UUID && committed?.topicId !== topicId
  if (committed === undefined || foreign) return { ...none, errorCode: ErrorCode.NONE }
  return {
    partitionIndex,
    committedOffset: committed.offset,
    committedLeaderEpoch: committed.leaderEpoch,
    metadata: committed.metadata,
    errorCode: ErrorCode.NONE
  }
}
