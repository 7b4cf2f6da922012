/**
 * ListConfigResources: names of resources that have configs of their own.
 *
 * - 0 only subscriptions to client metrics (KIP-714); 1 any type (KIP-1142). No types = all of them.
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const ListConfigResourcesRequest = message(
  "ListConfigResourcesRequest",
  { versions: "0-1", flexible: "0+" },
  {
    resourceTypes: array("1+", "int8")
  }
)
export type ListConfigResourcesRequest = TypeOf<typeof ListConfigResourcesRequest>

export const ListConfigResourcesResponse = message(
  "ListConfigResourcesResponse",
  { versions: "0-1", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    configResources: array("0+", {
      resourceName: string("0+"),
      resourceType: int8("1+", { default: 16, ignorable: true })
    })
  }
)
export type ListConfigResourcesResponse = TypeOf<typeof ListConfigResourcesResponse>

export const ListConfigResourcesApi = makeApi(
  74,
  "ListConfigResources",
  ListConfigResourcesRequest,
  ListConfigResourcesResponse
)
