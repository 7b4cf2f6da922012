/**
 * DeleteAcls: remove the access rules that match filters.
 *
 * - 1 pattern types (KIP-290); 2 flexible; 3 resources of type user (KIP-373).
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DeleteAclsRequest = message(
  "DeleteAclsRequest",
  { versions: "1-3", flexible: "2+" },
  {
    filters: array("0+", {
      resourceTypeFilter: int8("0+"),
      resourceNameFilter: string("0+", { nullable: true }),
      patternTypeFilter: int8("1+", { default: 3 }),
      principalFilter: string("0+", { nullable: true }),
      hostFilter: string("0+", { nullable: true }),
      operation: int8("0+"),
      permissionType: int8("0+")
    })
  }
)
export type DeleteAclsRequest = TypeOf<typeof DeleteAclsRequest>

export const DeleteAclsResponse = message(
  "DeleteAclsResponse",
  { versions: "1-3", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    filterResults: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true }),
      matchingAcls: array("0+", {
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: true }),
        resourceType: int8("0+"),
        resourceName: string("0+"),
        patternType: int8("1+", { default: 3 }),
        principal: string("0+"),
        host: string("0+"),
        operation: int8("0+"),
        permissionType: int8("0+")
      })
    })
  }
)
export type DeleteAclsResponse = TypeOf<typeof DeleteAclsResponse>

export const DeleteAclsApi = makeApi(31, "DeleteAcls", DeleteAclsRequest, DeleteAclsResponse)
