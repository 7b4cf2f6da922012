/**
 * ApiVersions: which APIs and features the broker speaks. The first request on most connections.
 *
 * - 3 flexible body, name and version of the client (KIP-511), features in tagged fields (KIP-584).
 * - 4 a supported feature may have minimum version 0 (KAFKA-17011); in version 3 such features must be left out.
 * - 5 the client may say which cluster and node it believes to talk to (KIP-1242).
 *
 * The answer's header is plain in every version. A request of an unknown version is answered by version 0 with
 * UNSUPPORTED_VERSION and one key, 18, without looking at its body.
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const ApiVersionsRequest = message(
  "ApiVersionsRequest",
  { versions: "0-5", flexible: "3+" },
  {
    clientSoftwareName: string("3+", { ignorable: true }),
    clientSoftwareVersion: string("3+", { ignorable: true }),
    clusterId: string("5+", { nullable: true, default: null, ignorable: true }),
    nodeId: int32("5+", { default: -1, ignorable: true })
  }
)
export type ApiVersionsRequest = TypeOf<typeof ApiVersionsRequest>

export const ApiVersionsResponse = message(
  "ApiVersionsResponse",
  { versions: "0-5", flexible: "3+" },
  {
    errorCode: int16("0+"),
    apiKeys: array("0+", {
      apiKey: int16("0+", { mapKey: true }),
      minVersion: int16("0+"),
      maxVersion: int16("0+")
    }),
    throttleTimeMs: int32("1+", { ignorable: true }),
    supportedFeatures: array(
      "3+",
      {
        name: string("3+", { mapKey: true }),
        minVersion: int16("3+"),
        maxVersion: int16("3+")
      },
      { tag: 0, ignorable: true }
    ),
    finalizedFeaturesEpoch: int64("3+", { default: -1, tag: 1, ignorable: true }),
    finalizedFeatures: array(
      "3+",
      {
        name: string("3+", { mapKey: true }),
        maxVersionLevel: int16("3+"),
        minVersionLevel: int16("3+")
      },
      { tag: 2, ignorable: true }
    ),
    zkMigrationReady: bool("3+", { tag: 3, ignorable: true })
  }
)
export type ApiVersionsResponse = TypeOf<typeof ApiVersionsResponse>

export const ApiVersionsApi = makeApi(18, "ApiVersions", ApiVersionsRequest, ApiVersionsResponse, {
  plainResponseHeader: true
})
