/**
 * CreateAcls (key 30): there is no authorizer, so each creation is answered with SECURITY_DISABLED.
 *
 * Versions: 1 the first that Kafka 4 serves, with the pattern type; 2 flexible; 3 user resources.
 */
import {
  CreateAclsApi,
  type CreateAclsRequest,
  type CreateAclsResponse
} from "@chronik-effect/core/protocol/messages/30_CreateAcls.ts"
import { Effect } from "effect"
import type { Handler } from "./Handler.ts"
import { NO_AUTHORIZER, refuseUnknown } from "./NoAuthorizer.ts"

export const make = Effect.sync(() => {
  const handler: Handler<CreateAclsRequest, CreateAclsResponse> = {
    api: CreateAclsApi,
    handle: ({ creations }) => {
      for (const { resourceType, resourcePatternType, operation, permissionType } of creations) {
        refuseUnknown(resourceType, resourcePatternType, operation, permissionType)
      }
      return Effect.succeed({ throttleTimeMs: 0, results: creations.map(() => NO_AUTHORIZER) })
    }
  }
  return handler
})
