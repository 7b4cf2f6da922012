/**
 * SyncGroup: the leader hands out the assignment of a generation, and every member receives its own.
 *
 * - 3 static membership (KIP-345); 4 flexible; 5 both sides say protocol type and name, which must agree (KIP-559).
 */
import { makeApi } from "../Api.ts"
import { array, bytes, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const SyncGroupRequest = message(
  "SyncGroupRequest",
  { versions: "0-5", flexible: "4+" },
  {
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    groupInstanceId: string("3+", { nullable: true, default: null }),
    protocolType: string("5+", { nullable: true, default: null, ignorable: true }),
    protocolName: string("5+", { nullable: true, default: null, ignorable: true }),
    assignments: array("0+", {
      memberId: string("0+"),
      assignment: bytes("0+")
    })
  }
)
export type SyncGroupRequest = TypeOf<typeof SyncGroupRequest>

export const SyncGroupResponse = message(
  "SyncGroupResponse",
  { versions: "0-5", flexible: "4+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+"),
    protocolType: string("5+", { nullable: true, default: null, ignorable: true }),
    protocolName: string("5+", { nullable: true, default: null, ignorable: true }),
    assignment: bytes("0+")
  }
)
export type SyncGroupResponse = TypeOf<typeof SyncGroupResponse>

export const SyncGroupApi = makeApi(14, "SyncGroup", SyncGroupRequest, SyncGroupResponse)
