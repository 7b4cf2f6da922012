/**
 * DescribeAcls: access rules that match a filter. Enumerations are Kafka's: see `resourceType`, `operation` and
 * `permissionType` in the authorizer.
 *
 * - 1 pattern types (KIP-290); 2 flexible; 3 resources of type user (KIP-373).
 *
 * kafka-python 2.0.2 takes the presence of version 2 for a broker of release 2.5.
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeAclsRequest = message(
  "DescribeAclsRequest",
  { versions: "1-3", flexible: "2+" },
  {
    resourceTypeFilter: int8("0+"),
    resourceNameFilter: string("0+", { nullable: true }),
    patternTypeFilter: int8("1+", { default: 3 }),
    principalFilter: string("0+", { nullable: true }),
    hostFilter: string("0+", { nullable: true }),
    operation: int8("0+"),
    permissionType: int8("0+")
  }
)
export type DescribeAclsRequest = TypeOf<typeof DescribeAclsRequest>

export const DescribeAclsResponse = message(
  "DescribeAclsResponse",
  { versions: "1-3", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true }),
    resources: array("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      patternType: int8("1+", { default: 3 }),
      acls: array("0+", {
        principal: string("0+"),
        host: string("0+"),
        operation: int8("0+"),
        permissionType: int8("0+")
      })
    })
  }
)
export type DescribeAclsResponse = TypeOf<typeof DescribeAclsResponse>

export const DescribeAclsApi = makeApi(29, "DescribeAcls", DescribeAclsRequest, DescribeAclsResponse)
