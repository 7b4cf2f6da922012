/**
 * Groups of the new protocol in `__consumer_offsets` (KIP-848), one kind of record for each thing that changes alone.
 *
 * | key type | what |
 * |---|---|
 * | 3 | epoch of the group |
 * | 5 | a member: subscription and identity |
 * | 6 | epoch of the target assignment |
 * | 7 | what a member shall have |
 * | 8 | what a member has, and what it must give up first |
 * | 16 | a regular expression and the topics that it stood for |
 *
 * Type 4, partition metadata, was given up for a hash in type 3 (KIP-1101) and is not spoken. A null value deletes.
 * `classicMemberMetadata` is a tagged struct whose default in Kafka is an empty one, not null: null is written.
 */
import { array, bytes, int8, int32, int64, message, string, struct, type TypeOf, uuid } from "../Descriptor.ts"

export const ConsumerGroupMetadataKey = message(
  "ConsumerGroupMetadataKey",
  { versions: "0", flexible: "none" },
  {
    groupId: string("0")
  }
)
export type ConsumerGroupMetadataKey = TypeOf<typeof ConsumerGroupMetadataKey>

export const ConsumerGroupMetadataValue = message(
  "ConsumerGroupMetadataValue",
  { versions: "0", flexible: "0+" },
  {
    epoch: int32("0+"),
    metadataHash: int64("0+", { tag: 0 })
  }
)
export type ConsumerGroupMetadataValue = TypeOf<typeof ConsumerGroupMetadataValue>

export const ConsumerGroupMemberMetadataKey = message(
  "ConsumerGroupMemberMetadataKey",
  { versions: "0", flexible: "none" },
  {
    groupId: string("0"),
    memberId: string("0")
  }
)
export type ConsumerGroupMemberMetadataKey = TypeOf<typeof ConsumerGroupMemberMetadataKey>

export const ConsumerGroupMemberMetadataValue = message(
  "ConsumerGroupMemberMetadataValue",
  { versions: "0", flexible: "0+" },
  {
    instanceId: string("0+", { nullable: true }),
    rackId: string("0+", { nullable: true }),
    clientId: string("0+"),
    clientHost: string("0+"),
    subscribedTopicNames: array("0+", "string"),
    subscribedTopicRegex: string("0+", { nullable: true }),
    rebalanceTimeoutMs: int32("0+", { default: -1 }),
    serverAssignor: string("0+", { nullable: true }),
    classicMemberMetadata: struct(
      "0+",
      {
        sessionTimeoutMs: int32("0+"),
        supportedProtocols: array("0+", {
          name: string("0+"),
          metadata: bytes("0+")
        })
      },
      { nullable: true, tag: 0 }
    )
  }
)
export type ConsumerGroupMemberMetadataValue = TypeOf<typeof ConsumerGroupMemberMetadataValue>

export const ConsumerGroupTargetAssignmentMetadataKey = message(
  "ConsumerGroupTargetAssignmentMetadataKey",
  { versions: "0", flexible: "none" },
  {
    groupId: string("0")
  }
)
export type ConsumerGroupTargetAssignmentMetadataKey = TypeOf<typeof ConsumerGroupTargetAssignmentMetadataKey>

export const ConsumerGroupTargetAssignmentMetadataValue = message(
  "ConsumerGroupTargetAssignmentMetadataValue",
  { versions: "0", flexible: "0+" },
  {
    assignmentEpoch: int32("0+"),
    assignmentTimestamp: int64("0+", { tag: 0, ignorable: true })
  }
)
export type ConsumerGroupTargetAssignmentMetadataValue = TypeOf<typeof ConsumerGroupTargetAssignmentMetadataValue>

export const ConsumerGroupTargetAssignmentMemberKey = message(
  "ConsumerGroupTargetAssignmentMemberKey",
  { versions: "0", flexible: "none" },
  {
    groupId: string("0"),
    memberId: string("0")
  }
)
export type ConsumerGroupTargetAssignmentMemberKey = TypeOf<typeof ConsumerGroupTargetAssignmentMemberKey>

export const ConsumerGroupTargetAssignmentMemberValue = message(
  "ConsumerGroupTargetAssignmentMemberValue",
  { versions: "0", flexible: "0+" },
  {
    topicPartitions: array("0+", {
      topicId: uuid("0+"),
      partitions: array("0+", "int32")
    })
  }
)
export type ConsumerGroupTargetAssignmentMemberValue = TypeOf<typeof ConsumerGroupTargetAssignmentMemberValue>

export const ConsumerGroupCurrentMemberAssignmentKey = message(
  "ConsumerGroupCurrentMemberAssignmentKey",
  { versions: "0", flexible: "none" },
  {
    groupId: string("0"),
    memberId: string("0")
  }
)
export type ConsumerGroupCurrentMemberAssignmentKey = TypeOf<typeof ConsumerGroupCurrentMemberAssignmentKey>

const topicPartitions = {
  topicId: uuid("0+"),
  partitions: array("0+", "int32"),
  assignmentEpochs: array("0+", "int32", { nullable: true, tag: 0 })
}

export const ConsumerGroupCurrentMemberAssignmentValue = message(
  "ConsumerGroupCurrentMemberAssignmentValue",
  { versions: "0", flexible: "0+" },
  {
    memberEpoch: int32("0+"),
    previousMemberEpoch: int32("0+"),
    state: int8("0+"),
    assignedPartitions: array("0+", topicPartitions),
    partitionsPendingRevocation: array("0+", topicPartitions)
  }
)
export type ConsumerGroupCurrentMemberAssignmentValue = TypeOf<typeof ConsumerGroupCurrentMemberAssignmentValue>

export const ConsumerGroupRegularExpressionKey = message(
  "ConsumerGroupRegularExpressionKey",
  { versions: "0", flexible: "none" },
  {
    groupId: string("0"),
    regularExpression: string("0")
  }
)
export type ConsumerGroupRegularExpressionKey = TypeOf<typeof ConsumerGroupRegularExpressionKey>

export const ConsumerGroupRegularExpressionValue = message(
  "ConsumerGroupRegularExpressionValue",
  { versions: "0", flexible: "0+" },
  {
    topics: array("0+", "string"),
    version: int64("0+"),
    timestamp: int64("0+")
  }
)
export type ConsumerGroupRegularExpressionValue = TypeOf<typeof ConsumerGroupRegularExpressionValue>
