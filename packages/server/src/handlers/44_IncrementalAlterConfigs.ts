/**
 * IncrementalAlterConfigs (key 44): single keys of a topic, broker, group or client metrics subscription set, removed, or
 * changed as lists; and the level of this node's log. All changes of one resource apply, or none.
 *
 * Versions: 1 flexible. Operations: 0 SET, 1 DELETE, 2 APPEND, 3 SUBTRACT (lists only).
 *
 * Traps: a resource given twice, a key given twice, a SET of null and a broker key that is fixed at the start are
 * INVALID_REQUEST; APPEND never adds what is there already; `validateOnly` changes nothing. An operation that does not exist
 * is INVALID_REQUEST here, where Kafka answers UNKNOWN_SERVER_ERROR.
 */
import { type ConfigsRequest, decideAlterConfigs } from "@chronik-effect/core/metadata/DecideConfigs.ts"
import {
  IncrementalAlterConfigsApi,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse
} from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { Effect } from "effect"
import { LogLevels } from "../config/LogLevels.ts"
import { NodeConfig } from "../config/NodeConfig.ts"
import { alterEach, tooManyResources } from "../metadata/ConfigChanges.ts"
import { changeLevels } from "../metadata/LoggerConfigs.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

type Resource = IncrementalAlterConfigsRequest["resources"][number]

const BROKER_LOGGER = 8

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const levels = yield* LogLevels
  const { nodeId } = yield* NodeConfig

  const handler: Handler<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse> = {
    api: IncrementalAlterConfigsApi,
    handle: ({ resources, validateOnly }) => {
      const tooMany = tooManyResources(resources)
      if (tooMany !== undefined) return Effect.succeed({ throttleTimeMs: 0, responses: tooMany })
      return alterEach(store, resources, validateOnly, (resource) =>
        resource.resourceType === BROKER_LOGGER
          ? changeLevels(requestOf(resource), nodeId, levels, validateOnly)
          : decideAlterConfigs(requestOf(resource), store.image(), store.brokerConfig())
      ).pipe(Effect.map((responses) => ({ throttleTimeMs: 0, responses })))
    }
  }
  return handler
})

const requestOf = ({ resourceType, resourceName, configs }: Resource): ConfigsRequest => ({
  resourceType,
  resourceName,
  changes: configs.map(({ name, configOperation, value }) => ({ name, op: configOperation, value }))
})
