/**
 * Records of consumer groups to and from the bytes of `__consumer_offsets`, exactly as Kafka writes them.
 *
 * ```text
 * key   int16 type: 3 group epoch, 5 member, 6 target epoch, 7 target of a member, 8 current state of a member, 16 regex
 * value int16 version 0, …
 * ```
 * Type 4, the partitions of subscribed topics, was given up for a hash in type 3; its records are skipped.
 */
import {
  ConsumerGroupCurrentMemberAssignmentKey,
  ConsumerGroupCurrentMemberAssignmentValue,
  ConsumerGroupMemberMetadataKey,
  ConsumerGroupMemberMetadataValue,
  ConsumerGroupMetadataKey,
  ConsumerGroupMetadataValue,
  ConsumerGroupRegularExpressionKey,
  ConsumerGroupRegularExpressionValue,
  ConsumerGroupTargetAssignmentMemberKey,
  ConsumerGroupTargetAssignmentMemberValue,
  ConsumerGroupTargetAssignmentMetadataKey,
  ConsumerGroupTargetAssignmentMetadataValue
} from "../../protocol/records/ConsumerGroupRecords.ts"
import { decodeKey, decodeVersioned, encodeKey, encodeVersioned } from "../../protocol/records/CoordinatorRecord.ts"
import type {
  ConsumerRecord,
  CurrentAssignment,
  EpochPartitions,
  MemberMetadata,
  Partitions
} from "./ConsumerRecord.ts"

const GROUP_EPOCH_KEY = 3
const MEMBER_METADATA_KEY = 5
const TARGET_EPOCH_KEY = 6
const TARGET_MEMBER_KEY = 7
const CURRENT_MEMBER_KEY = 8
const REGEX_KEY = 16

const VERSION = 0

interface Encoded {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

export const encodeConsumerRecord = (record: ConsumerRecord): Encoded => {
  const { groupId, value } = record
  switch (record._tag) {
    case "ConsumerGroupMetadata":
      return {
        key: encodeKey(GROUP_EPOCH_KEY, ConsumerGroupMetadataKey, { groupId }),
        value: value === null ? null : encodeVersioned(ConsumerGroupMetadataValue, VERSION, record.value!)
      }
    case "ConsumerGroupMemberMetadata":
      return {
        key: encodeKey(MEMBER_METADATA_KEY, ConsumerGroupMemberMetadataKey, { groupId, memberId: record.memberId }),
        value: record.value === null ? null : encodeMember(record.value)
      }
    case "ConsumerGroupTargetAssignmentMetadata":
      return {
        key: encodeKey(TARGET_EPOCH_KEY, ConsumerGroupTargetAssignmentMetadataKey, { groupId }),
        value:
          value === null ? null : encodeVersioned(ConsumerGroupTargetAssignmentMetadataValue, VERSION, record.value!)
      }
    case "ConsumerGroupTargetAssignmentMember":
      return {
        key: encodeKey(TARGET_MEMBER_KEY, ConsumerGroupTargetAssignmentMemberKey, {
          groupId,
          memberId: record.memberId
        }),
        value: record.value === null ? null : encodeTarget(record.value)
      }
    case "ConsumerGroupCurrentMemberAssignment":
      return {
        key: encodeKey(CURRENT_MEMBER_KEY, ConsumerGroupCurrentMemberAssignmentKey, {
          groupId,
          memberId: record.memberId
        }),
        value: record.value === null ? null : encodeCurrent(record.value)
      }
    case "ConsumerGroupRegularExpression":
      return {
        key: encodeKey(REGEX_KEY, ConsumerGroupRegularExpressionKey, {
          groupId,
          regularExpression: record.regularExpression
        }),
        value:
          record.value === null
            ? null
            : encodeVersioned(ConsumerGroupRegularExpressionValue, VERSION, {
                topics: [...record.value.topics],
                version: record.value.version,
                timestamp: record.value.timestamp
              })
      }
  }
}

const encodeMember = ({ classic, subscribedTopicNames, ...member }: MemberMetadata): Uint8Array =>
  encodeVersioned(ConsumerGroupMemberMetadataValue, VERSION, {
    ...member,
    subscribedTopicNames: [...subscribedTopicNames],
    classicMemberMetadata:
      classic === null
        ? null
        : {
            sessionTimeoutMs: classic.sessionTimeoutMs,
            supportedProtocols: classic.supportedProtocols.map(({ name, metadata }) => ({ name, metadata }))
          }
  })

const encodeTarget = (partitions: Partitions): Uint8Array =>
  encodeVersioned(ConsumerGroupTargetAssignmentMemberValue, VERSION, {
    topicPartitions: Array.from(partitions, ([topicId, numbers]) => ({ topicId, partitions: [...numbers] }))
  })

const encodeCurrent = ({ assigned, pendingRevocation, ...current }: CurrentAssignment): Uint8Array =>
  encodeVersioned(ConsumerGroupCurrentMemberAssignmentValue, VERSION, {
    ...current,
    assignedPartitions: withEpochs(assigned),
    partitionsPendingRevocation: withEpochs(pendingRevocation)
  })

const withEpochs = (partitions: EpochPartitions) =>
  Array.from(partitions, ([topicId, epochs]) => ({
    topicId,
    partitions: [...epochs.keys()],
    assignmentEpochs: [...epochs.values()]
  }))

/** undefined: not a record of a consumer group. Throws `ProtocolError` when the bytes are not what their type says. */
export const decodeConsumerRecord = (
  type: number,
  key: Uint8Array,
  value: Uint8Array | null
): ConsumerRecord | undefined => {
  switch (type) {
    case GROUP_EPOCH_KEY: {
      const { groupId } = decodeKey(ConsumerGroupMetadataKey, key)
      return {
        _tag: "ConsumerGroupMetadata",
        groupId,
        value: value === null ? null : decodeVersioned(ConsumerGroupMetadataValue, value)
      }
    }
    case MEMBER_METADATA_KEY: {
      const { groupId, memberId } = decodeKey(ConsumerGroupMemberMetadataKey, key)
      const decoded = value === null ? null : decodeMember(value)
      return { _tag: "ConsumerGroupMemberMetadata", groupId, memberId, value: decoded }
    }
    case TARGET_EPOCH_KEY: {
      const { groupId } = decodeKey(ConsumerGroupTargetAssignmentMetadataKey, key)
      const decoded = value === null ? null : decodeVersioned(ConsumerGroupTargetAssignmentMetadataValue, value)
      return { _tag: "ConsumerGroupTargetAssignmentMetadata", groupId, value: decoded }
    }
    case TARGET_MEMBER_KEY: {
      const { groupId, memberId } = decodeKey(ConsumerGroupTargetAssignmentMemberKey, key)
      const decoded = value === null ? null : decodeTarget(value)
      return { _tag: "ConsumerGroupTargetAssignmentMember", groupId, memberId, value: decoded }
    }
    case CURRENT_MEMBER_KEY: {
      const { groupId, memberId } = decodeKey(ConsumerGroupCurrentMemberAssignmentKey, key)
      const decoded = value === null ? null : decodeCurrent(value)
      return { _tag: "ConsumerGroupCurrentMemberAssignment", groupId, memberId, value: decoded }
    }
    case REGEX_KEY: {
      const { groupId, regularExpression } = decodeKey(ConsumerGroupRegularExpressionKey, key)
      const decoded = value === null ? null : decodeVersioned(ConsumerGroupRegularExpressionValue, value)
      return { _tag: "ConsumerGroupRegularExpression", groupId, regularExpression, value: decoded }
    }
    default:
      return undefined
  }
}

const decodeMember = (bytes: Uint8Array): MemberMetadata => {
  const { classicMemberMetadata, ...member } = decodeVersioned(ConsumerGroupMemberMetadataValue, bytes)
  return {
    ...member,
    classic:
      classicMemberMetadata === null
        ? null
        : {
            sessionTimeoutMs: classicMemberMetadata.sessionTimeoutMs,
            supportedProtocols: classicMemberMetadata.supportedProtocols.map(({ name, metadata }) => ({
              name,
              metadata: new Uint8Array(metadata)
            }))
          }
  }
}

const decodeTarget = (bytes: Uint8Array): Partitions => {
  const { topicPartitions } = decodeVersioned(ConsumerGroupTargetAssignmentMemberValue, bytes)
  return new Map(topicPartitions.map(({ topicId, partitions }) => [topicId, [...partitions].sort((a, b) => a - b)]))
}

const decodeCurrent = (bytes: Uint8Array): CurrentAssignment => {
  const value = decodeVersioned(ConsumerGroupCurrentMemberAssignmentValue, bytes)
  return {
    memberEpoch: value.memberEpoch,
    previousMemberEpoch: value.previousMemberEpoch,
    state: value.state,
    assigned: ownEpochs(value.assignedPartitions, value.memberEpoch),
    pendingRevocation: ownEpochs(value.partitionsPendingRevocation, value.memberEpoch)
  }
}

/** Brokers before 4.3 wrote no epochs: the member's own is the latest that a partition can have been given at. */
const ownEpochs = (
  topics: ReadonlyArray<{
    readonly topicId: string
    readonly partitions: ReadonlyArray<number>
    readonly assignmentEpochs: ReadonlyArray<number> | null
  }>,
  memberEpoch: number
): EpochPartitions =>
  new Map(
    topics.map(({ topicId, partitions, assignmentEpochs }) => [
      topicId,
      new Map(partitions.map((partition, i) => [partition, assignmentEpochs?.[i] ?? memberEpoch]))
    ])
  )
