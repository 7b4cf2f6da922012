/**
 * JoinGroup: a member enters the next generation of a classic group.
 *
 * - 1 a rebalance timeout of its own; until then the session timeout stands for it (KIP-62).
 * - 4 the first join gets MEMBER_ID_REQUIRED and an id to come back with (KIP-394); 5 static membership (KIP-345).
 * - 6 flexible; 7 the answer repeats the protocol type (KIP-559); `protocolName` may be null from then on.
 * - 8 a reason for the join (KIP-800); 9 the leader may be told to leave the assignment as it is (KIP-814).
 *
 * Only the leader's answer lists the members.
 */
import { makeApi } from "../Api.ts"
import { array, bool, bytes, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const JoinGroupRequest = message(
  "JoinGroupRequest",
  { versions: "0-9", flexible: "6+" },
  {
    groupId: string("0+"),
    sessionTimeoutMs: int32("0+"),
    rebalanceTimeoutMs: int32("1+", { default: -1, ignorable: true }),
    memberId: string("0+"),
    groupInstanceId: string("5+", { nullable: true, default: null }),
    protocolType: string("0+"),
    protocols: array("0+", {
      name: string("0+", { mapKey: true }),
      metadata: bytes("0+")
    }),
    reason: string("8+", { nullable: true, default: null, ignorable: true })
  }
)
export type JoinGroupRequest = TypeOf<typeof JoinGroupRequest>

export const JoinGroupResponse = message(
  "JoinGroupResponse",
  { versions: "0-9", flexible: "6+" },
  {
    throttleTimeMs: int32("2+", { ignorable: true }),
    errorCode: int16("0+"),
    generationId: int32("0+", { default: -1 }),
    protocolType: string("7+", { nullable: true, default: null, ignorable: true }),
    protocolName: string("0+", { nullable: "7+" }),
    leader: string("0+"),
    skipAssignment: bool("9+"),
    memberId: string("0+"),
    members: array("0+", {
      memberId: string("0+"),
      groupInstanceId: string("5+", { nullable: true, default: null, ignorable: true }),
      metadata: bytes("0+")
    })
  }
)
export type JoinGroupResponse = TypeOf<typeof JoinGroupResponse>

export const JoinGroupApi = makeApi(11, "JoinGroup", JoinGroupRequest, JoinGroupResponse)
