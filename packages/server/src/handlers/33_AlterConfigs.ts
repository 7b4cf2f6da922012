/**
 * AlterConfigs (key 33): the whole set of configs of a topic, broker, group or client metrics subscription is replaced. A key
 * that was set and is not named loses its value. Old tools only: IncrementalAlterConfigs changes single keys.
 *
 * Versions: 2 flexible.
 *
 * Traps: there are no operations, and a null value is INVALID_REQUEST; loggers are not replaced this way; `validateOnly`
 * changes nothing.
 */
import { decideReplaceConfigs } from "@chronik-effect/core/metadata/DecideConfigs.ts"
import {
  AlterConfigsApi,
  type AlterConfigsRequest,
  type AlterConfigsResponse
} from "@chronik-effect/core/protocol/messages/33_AlterConfigs.ts"
import { Effect } from "effect"
import { alterEach, tooManyResources } from "../metadata/ConfigChanges.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const handler: Handler<AlterConfigsRequest, AlterConfigsResponse> = {
    api: AlterConfigsApi,
    handle: ({ resources, validateOnly }) => {
      const tooMany = tooManyResources(resources)
      if (tooMany !== undefined) return Effect.succeed({ throttleTimeMs: 0, responses: tooMany })
      return alterEach(store, resources, validateOnly, ({ resourceType, resourceName, configs }) =>
        decideReplaceConfigs({ resourceType, resourceName, values: configs }, store.image(), store.brokerConfig())
      ).pipe(Effect.map((responses) => ({ throttleTimeMs: 0, responses })))
    }
  }
  return handler
})
