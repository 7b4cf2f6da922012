/**
 * DeleteGroups: remove empty groups (KIP-229).
 *
 * - 2 flexible; 3 a message per group.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DeleteGroupsRequest = message(
  "DeleteGroupsRequest",
  { versions: "0-3", flexible: "2+" },
  {
    groupsNames: array("0+", "string")
  }
)
export type DeleteGroupsRequest = TypeOf<typeof DeleteGroupsRequest>

export const DeleteGroupsResponse = message(
  "DeleteGroupsResponse",
  { versions: "0-3", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      groupId: string("0+", { mapKey: true }),
      errorCode: int16("0+"),
      errorMessage: string("3+", { nullable: true, default: null, ignorable: true })
    })
  }
)
export type DeleteGroupsResponse = TypeOf<typeof DeleteGroupsResponse>

export const DeleteGroupsApi = makeApi(42, "DeleteGroups", DeleteGroupsRequest, DeleteGroupsResponse)
