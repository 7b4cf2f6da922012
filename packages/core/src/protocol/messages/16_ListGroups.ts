/**
 * ListGroups: the groups that this broker coordinates.
 *
 * - 3 flexible; 4 filter by state (KIP-518); 5 filter by type (KIP-848).
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const ListGroupsRequest = message(
  "ListGroupsRequest",
  { versions: "0-5", flexible: "3+" },
  {
    statesFilter: array("4+", "string"),
    typesFilter: array("5+", "string")
  }
)
export type ListGroupsRequest = TypeOf<typeof ListGroupsRequest>

export const ListGroupsResponse = message(
  "ListGroupsResponse",
  { versions: "0-5", flexible: "3+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+"),
    groups: array("0+", {
      groupId: string("0+"),
      protocolType: string("0+"),
      groupState: string("4+", { ignorable: true }),
      groupType: string("5+", { ignorable: true })
    })
  }
)
export type ListGroupsResponse = TypeOf<typeof ListGroupsResponse>

export const ListGroupsApi = makeApi(16, "ListGroups", ListGroupsRequest, ListGroupsResponse)
