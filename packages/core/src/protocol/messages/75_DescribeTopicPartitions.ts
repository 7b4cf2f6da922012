/**
 * DescribeTopicPartitions: topics in pages that stop and go on at a cursor (KIP-966).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, message, string, struct, type TypeOf, uuid } from "../Descriptor.ts"

export const DescribeTopicPartitionsRequest = message(
  "DescribeTopicPartitionsRequest",
  { versions: "0", flexible: "0+" },
  {
    topics: array("0+", {
      name: string("0+")
    }),
    responsePartitionLimit: int32("0+", { default: 2000 }),
    cursor: struct(
      "0+",
      {
        topicName: string("0+"),
        partitionIndex: int32("0+")
      },
      { nullable: true, default: null }
    )
  }
)
export type DescribeTopicPartitionsRequest = TypeOf<typeof DescribeTopicPartitionsRequest>

export const DescribeTopicPartitionsResponse = message(
  "DescribeTopicPartitionsResponse",
  { versions: "0", flexible: "0+" },
  {
    throttleTimeMs: int32("0+", { ignorable: true }),
    topics: array("0+", {
      errorCode: int16("0+"),
      name: string("0+", { nullable: true, mapKey: true }),
      topicId: uuid("0+", { ignorable: true }),
      isInternal: bool("0+", { ignorable: true }),
      partitions: array("0+", {
        errorCode: int16("0+"),
        partitionIndex: int32("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+", { default: -1, ignorable: true }),
        replicaNodes: array("0+", "int32"),
        isrNodes: array("0+", "int32"),
        eligibleLeaderReplicas: array("0+", "int32", { nullable: true, default: null }),
        lastKnownElr: array("0+", "int32", { nullable: true, default: null }),
        offlineReplicas: array("0+", "int32", { ignorable: true })
      }),
      topicAuthorizedOperations: int32("0+", { default: -2147483648 })
    }),
    nextCursor: struct(
      "0+",
      {
        topicName: string("0+"),
        partitionIndex: int32("0+")
      },
      { nullable: true, default: null }
    )
  }
)
export type DescribeTopicPartitionsResponse = TypeOf<typeof DescribeTopicPartitionsResponse>

export const DescribeTopicPartitionsApi = makeApi(
  75,
  "DescribeTopicPartitions",
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
)
