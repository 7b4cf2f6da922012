/**
 * DescribeGroups: state and members of classic groups.
 *
 * - 3 authorized operations (KIP-430); 4 instance ids (KIP-345); 5 flexible.
 * - 6 an unknown group is answered by GROUP_ID_NOT_FOUND with a message (KIP-1043); before it is a group in state Dead.
 */
import { makeApi } from "../Api.ts"
import { array, bool, bytes, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeGroupsRequest = message(
  "DescribeGroupsRequest",
  { versions: "0-6", flexible: "5+" },
  {
    groups: array("0+", "string"),
    includeAuthorizedOperations: bool("3+")
  }
)
export type DescribeGroupsRequest = TypeOf<typeof DescribeGroupsRequest>

export const DescribeGroupsResponse = message(
  "DescribeGroupsResponse",
  { versions: "0-6", flexible: "5+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    groups: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("6+", { nullable: true, default: null }),
      groupId: string("0+"),
      groupState: string("0+"),
      protocolType: string("0+"),
      protocolData: string("0+"),
      members: array("0+", {
        memberId: string("0+"),
        groupInstanceId: string("4+", { nullable: true, default: null, ignorable: true }),
        clientId: string("0+"),
        clientHost: string("0+"),
        memberMetadata: bytes("0+"),
        memberAssignment: bytes("0+")
      }),
      authorizedOperations: int32("3+", { default: -2147483648 })
    })
  }
)
export type DescribeGroupsResponse = TypeOf<typeof DescribeGroupsResponse>

export const DescribeGroupsApi = makeApi(15, "DescribeGroups", DescribeGroupsRequest, DescribeGroupsResponse)
