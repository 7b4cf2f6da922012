/**
 * IncrementalAlterConfigs: set (0), delete (1), append to (2) or subtract from (3) single configs (KIP-339).
 *
 * - 1 flexible.
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const IncrementalAlterConfigsRequest = message(
  "IncrementalAlterConfigsRequest",
  { versions: "0-1", flexible: "1+" },
  {
    resources: array("0+", {
      resourceType: int8("0+", { mapKey: true }),
      resourceName: string("0+", { mapKey: true }),
      configs: array("0+", {
        name: string("0+", { mapKey: true }),
        configOperation: int8("0+", { mapKey: true }),
        value: string("0+", { nullable: true })
      })
    }),
    validateOnly: bool("0+")
  }
)
export type IncrementalAlterConfigsRequest = TypeOf<typeof IncrementalAlterConfigsRequest>

export const IncrementalAlterConfigsResponse = message(
  "IncrementalAlterConfigsResponse",
  { versions: "0-1", flexible: "1+" },
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
export type IncrementalAlterConfigsResponse = TypeOf<typeof IncrementalAlterConfigsResponse>

export const IncrementalAlterConfigsApi = makeApi(
  44,
  "IncrementalAlterConfigs",
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
)
