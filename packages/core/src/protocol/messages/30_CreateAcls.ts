/**
 * CreateAcls: add access rules.
 *
 * - 1 pattern types (KIP-290); 2 flexible; 3 resources of type user (KIP-373).
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const CreateAclsRequest = message(
  "CreateAclsRequest",
  { versions: "1-3", flexible: "2+" },
  {
    creations: array("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      resourcePatternType: int8("1+", { default: 3 }),
      principal: string("0+"),
      host: string("0+"),
      operation: int8("0+"),
      permissionType: int8("0+")
    })
  }
)
export type CreateAclsRequest = TypeOf<typeof CreateAclsRequest>

export const CreateAclsResponse = message(
  "CreateAclsResponse",
  { versions: "1-3", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true })
    })
  }
)
export type CreateAclsResponse = TypeOf<typeof CreateAclsResponse>

export const CreateAclsApi = makeApi(30, "CreateAcls", CreateAclsRequest, CreateAclsResponse)
