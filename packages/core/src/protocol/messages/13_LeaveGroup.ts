/**
 * LeaveGroup: members leave a classic group.
 *
 * - 0-2 one member; 3 several, by member id or instance id, each with its own error (KIP-345); 4 flexible; 5 a reason
 *   (KIP-800).
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const LeaveGroupRequest = message(
  "LeaveGroupRequest",
  { versions: "0-5", flexible: "4+" },
  {
    groupId: string("0+"),
    memberId: string("0-2"),
    members: array("3+", {
      memberId: string("3+"),
      groupInstanceId: string("3+", { nullable: true, default: null }),
      reason: string("5+", { nullable: true, default: null, ignorable: true })
    })
  }
)
export type LeaveGroupRequest = TypeOf<typeof LeaveGroupRequest>

export const LeaveGroupResponse = message(
  "LeaveGroupResponse",
  { versions: "0-5", flexible: "4+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+"),
    members: array("3+", {
      memberId: string("3+"),
      groupInstanceId: string("3+", { nullable: true }),
      errorCode: int16("3+")
    })
  }
)
export type LeaveGroupResponse = TypeOf<typeof LeaveGroupResponse>

export const LeaveGroupApi = makeApi(13, "LeaveGroup", LeaveGroupRequest, LeaveGroupResponse)
