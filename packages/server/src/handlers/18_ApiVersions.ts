/**
 * ApiVersions (key 18): what this broker serves, and how a client learns it before anything else.
 *
 * Versions: 3 flexible body (the response header never is), client name and version (KIP-511), features; 4 features may have
 * minimum 0; 5 the client names the cluster and node that it means (KIP-1242).
 *
 * Traps: a version that we do not know is answered in version 0 with error 35 and exactly one element, our own range, and its
 * body is not looked at (the dispatcher passes an empty one). In version 3 a supported feature whose minimum is 0 is left
 * out: old Java clients cannot parse it (KAFKA-17492). The epoch of the finalized features never goes back.
 */

import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import {
  ApiVersionsApi,
  type ApiVersionsRequest,
  type ApiVersionsResponse
} from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { Effect } from "effect"
import { NodeConfig } from "../config/NodeConfig.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler, RequestContext } from "./Handler.ts"

export interface Feature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
  /** The level in force; 0 is not listed as finalized. */
  readonly finalized: number
}

/** Clients that ask for the metadata version take it for the release that the broker resembles (4.3). */
export const FEATURES: ReadonlyArray<Feature> = [
  { name: "group.version", minVersion: 0, maxVersion: 1, finalized: 1 },
  { name: "metadata.version", minVersion: 7, maxVersion: 30, finalized: 30 }
]

const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

/** `served`: exactly the APIs that the dispatcher answers; this one need not be among them. */
export const make = (served: ReadonlyArray<Api>, features: ReadonlyArray<Feature> = FEATURES) =>
  Effect.gen(function* () {
    const store = yield* MetadataStore
    const { nodeId } = yield* NodeConfig
    const byKey = new Map([...served, ApiVersionsApi].map((api) => [api.key, api]))
    const apiKeys = [...byKey.values()].sort((a, b) => a.key - b.key).map(rangeOf)

    const handler: Handler<ApiVersionsRequest, ApiVersionsResponse> = {
      api: ApiVersionsApi,
      handle: (request, context) =>
        Effect.sync(() => {
          if (!ApiVersionsApi.serves(context.apiVersion)) {
            return empty(ErrorCode.UNSUPPORTED_VERSION, [rangeOf(ApiVersionsApi)])
          }
          const errorCode = refusal(request, context, store.image().clusterId, nodeId)
          if (errorCode !== ErrorCode.NONE) return empty(errorCode, [])
          return {
            ...empty(ErrorCode.NONE, apiKeys),
            supportedFeatures: supported(features, context.apiVersion),
            finalizedFeaturesEpoch: store.image().offset,
            finalizedFeatures: finalized(features, store.image().features)
          }
        })
    }
    return handler
  })

const rangeOf = (api: Api) => ({ apiKey: api.key, minVersion: api.minVersion, maxVersion: api.maxVersion })

const refusal = (
  request: ApiVersionsRequest,
  context: RequestContext,
  clusterId: string,
  nodeId: number
): ErrorCode => {
  if (context.apiVersion < 3) return ErrorCode.NONE
  if (!SOFTWARE.test(request.clientSoftwareName) || !SOFTWARE.test(request.clientSoftwareVersion)) {
    return ErrorCode.INVALID_REQUEST
  }
  if (context.apiVersion < 5) return ErrorCode.NONE
  const otherCluster = request.clusterId !== null && request.clusterId !== clusterId
  const otherNode = request.nodeId !== -1 && request.nodeId !== nodeId
  return otherCluster || otherNode ? ErrorCode.REBOOTSTRAP_REQUIRED : ErrorCode.NONE
}

const empty = (errorCode: ErrorCode, apiKeys: ApiVersionsResponse["apiKeys"]): ApiVersionsResponse => ({
  errorCode,
  apiKeys,
  throttleTimeMs: 0,
  supportedFeatures: [],
  finalizedFeaturesEpoch: -1,
  finalizedFeatures: [],
  zkMigrationReady: false
})

const supported = (features: ReadonlyArray<Feature>, apiVersion: number): ApiVersionsResponse["supportedFeatures"] =>
  features
    .filter((feature) => apiVersion >= 4 || feature.minVersion > 0)
    .map(({ name, minVersion, maxVersion }) => ({ name, minVersion, maxVersion }))

/** A level from the metadata log goes before the one that the broker came with. */
const finalized = (
  features: ReadonlyArray<Feature>,
  levels: ReadonlyMap<string, number>
): ApiVersionsResponse["finalizedFeatures"] =>
  features
    .map(({ name, finalized: level }) => ({ name, level: levels.get(name) ?? level }))
    .filter(({ level }) => level > 0)
    .map(({ name, level }) => ({ name, maxVersionLevel: level, minVersionLevel: level }))
