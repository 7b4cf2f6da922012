/**
 * AlterConfigs: replace *all* dynamic configs of a resource. IncrementalAlterConfigs took its place (KIP-339).
 *
 * - 2 flexible.
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const AlterConfigsRequest = message(
  "AlterConfigsRequest",
  { versions: "0-2", flexible: "2+" },
  {
    resources: array("0+", {
      resourceType: int8("0+", { mapKey: true }),
      resourceName: string("0+", { mapKey: true }),
      configs: array("0+", {
        name: string("0+", { mapKey: true }),
        value: string("0+", { nullable: true })
      })
    }),
    validateOnly: bool("0+")
  }
)
export type AlterConfigsRequest = TypeOf<typeof AlterConfigsRequest>

export const AlterConfigsResponse = message(
  "AlterConfigsResponse",
  { versions: "0-2", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    responses: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true }),
      resourceType: int8("0+"),
      resourceName: string("0+")
    })
  }
)
export type AlterConfigsResponse = TypeOf<typeof AlterConfigsResponse>

export const AlterConfigsApi = makeApi(33, "AlterConfigs", AlterConfigsRequest, AlterConfigsResponse)
