/**
 * ConsumerGroupDescribe: state and members of new-protocol groups (KIP-848).
 *
 * - 1 whether a member speaks the classic protocol (KIP-1099).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, message, string, struct, type TypeOf, uuid } from "../Descriptor.ts"

export const ConsumerGroupDescribeRequest = message(
  "ConsumerGroupDescribeRequest",
  { versions: "0-1", flexible: "0+" },
  {
    groupIds: array("0+", "string"),
    includeAuthorizedOperations: bool("0+")
  }
)
export type ConsumerGroupDescribeRequest = TypeOf<typeof ConsumerGroupDescribeRequest>

const topicPartitions = {
  topicId: uuid("0+"),
  topicName: string("0+"),
  partitions: array("0+", "int32")
}

const assignment = {
  topicPartitions: array("0+", topicPartitions)
}

export const ConsumerGroupDescribeResponse = message(
  "ConsumerGroupDescribeResponse",
  { versions: "0-1", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    groups: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true, default: null }),
      groupId: string("0+"),
      groupState: string("0+"),
      groupEpoch: int32("0+"),
      assignmentEpoch: int32("0+"),
      assignorName: string("0+"),
      members: array("0+", {
        memberId: string("0+"),
        instanceId: string("0+", { nullable: true, default: null }),
        rackId: string("0+", { nullable: true, default: null }),
        memberEpoch: int32("0+"),
        clientId: string("0+"),
        clientHost: string("0+"),
        subscribedTopicNames: array("0+", "string"),
        subscribedTopicRegex: string("0+", { nullable: true, default: null }),
        assignment: struct("0+", assignment),
        targetAssignment: struct("0+", assignment),
        memberType: int8("1+", { default: -1, ignorable: true })
      }),
      authorizedOperations: int32("0+", { default: -2147483648 })
    })
  }
)
export type ConsumerGroupDescribeResponse = TypeOf<typeof ConsumerGroupDescribeResponse>

export const ConsumerGroupDescribeApi = makeApi(
  69,
  "ConsumerGroupDescribe",
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
)
