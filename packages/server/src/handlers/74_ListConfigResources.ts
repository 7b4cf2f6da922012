/**
 * ListConfigResources (key 74, KIP-714 and KIP-1142): the names of what can be configured.
 *
 * Versions: 0 client metrics subscriptions only; 1 by type: topics, brokers, their loggers, client metrics, groups.
 *
 * Traps: no types asks for all; a type that does not exist is UNSUPPORTED_VERSION and nothing is listed; a group or a
 * subscription is listed only if it has configs of its own.
 */
import { ConfigResource } from "@chronik-effect/core/metadata/Command.ts"
import type { MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  ListConfigResourcesApi,
  type ListConfigResourcesRequest,
  type ListConfigResourcesResponse
} from "@chronik-effect/core/protocol/messages/74_ListConfigResources.ts"
import { Effect, HashMap } from "effect"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

const BROKER_LOGGER = 8
/** In the order in which they are answered. */
const TYPES: ReadonlyArray<number> = [
  ConfigResource.TOPIC,
  ConfigResource.BROKER,
  BROKER_LOGGER,
  ConfigResource.CLIENT_METRICS,
  ConfigResource.GROUP
]

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const handler: Handler<ListConfigResourcesRequest, ListConfigResourcesResponse> = {
    api: ListConfigResourcesApi,
    handle: ({ resourceTypes }, { apiVersion }) =>
      Effect.sync(() => {
        if (resourceTypes.some((type) => !TYPES.includes(type))) {
          return { throttleTimeMs: 0, errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] }
        }
        const asked = apiVersion === 0 ? [ConfigResource.CLIENT_METRICS] : resourceTypes
        const image = store.image()
        return {
          throttleTimeMs: 0,
          errorCode: ErrorCode.NONE,
          configResources: TYPES.filter((type) => asked.length === 0 || asked.includes(type)).flatMap((resourceType) =>
            namesOf(resourceType, image).map((resourceName) => ({ resourceName, resourceType }))
          )
        }
      })
  }
  return handler
})

const namesOf = (resourceType: number, image: MetadataImage): ReadonlyArray<string> => {
  switch (resourceType) {
    case ConfigResource.TOPIC:
      return Array.from(image.topics(), (topic) => topic.name).sort()
    case ConfigResource.CLIENT_METRICS:
      return [...HashMap.keys(image.clientMetrics)].sort()
    case ConfigResource.GROUP:
      return [...HashMap.keys(image.groupConfigs)].sort()
    default:
      return image.liveBrokers().map((broker) => String(broker.nodeId))
  }
}
