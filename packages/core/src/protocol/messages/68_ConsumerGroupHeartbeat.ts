/**
 * ConsumerGroupHeartbeat: the one request of a member of a new-protocol group: join, report, receive an assignment,
 * leave (KIP-848).
 *
 * - 1 subscription by regular expression, and the member makes its own id (KIP-1082).
 *
 * Member epoch 0 joins, -1 leaves, -2 leaves for a while as a static member. Null fields mean "as before".
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, struct, type TypeOf, uuid } from "../Descriptor.ts"

export const ConsumerGroupHeartbeatRequest = message(
  "ConsumerGroupHeartbeatRequest",
  { versions: "0-1", flexible: "0+" },
  {
    groupId: string("0+"),
    memberId: string("0+"),
    memberEpoch: int32("0+"),
    instanceId: string("0+", { nullable: true, default: null }),
    rackId: string("0+", { nullable: true, default: null }),
    rebalanceTimeoutMs: int32("0+", { default: -1 }),
    subscribedTopicNames: array("0+", "string", { nullable: true, default: null }),
    subscribedTopicRegex: string("1+", { nullable: true, default: null }),
    serverAssignor: string("0+", { nullable: true, default: null }),
    topicPartitions: array(
      "0+",
      {
        topicId: uuid("0+"),
        partitions: array("0+", "int32")
      },
      { nullable: true, default: null }
    )
  }
)
export type ConsumerGroupHeartbeatRequest = TypeOf<typeof ConsumerGroupHeartbeatRequest>

const topicPartitions = {
  topicId: uuid("0+"),
  partitions: array("0+", "int32")
}

export const ConsumerGroupHeartbeatResponse = message(
  "ConsumerGroupHeartbeatResponse",
  { versions: "0-1", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true, default: null }),
    memberId: string("0+", { nullable: true, default: null }),
    memberEpoch: int32("0+"),
    heartbeatIntervalMs: int32("0+"),
    assignment: struct(
      "0+",
      {
        topicPartitions: array("0+", topicPartitions)
      },
      { nullable: true, default: null }
    )
  }
)
export type ConsumerGroupHeartbeatResponse = TypeOf<typeof ConsumerGroupHeartbeatResponse>

export const ConsumerGroupHeartbeatApi = makeApi(
  68,
  "ConsumerGroupHeartbeat",
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
)
