/**
 * DeleteAcls (key 31): there is no authorizer, so each filter is answered with SECURITY_DISABLED.
 *
 * Versions: 1 the first that Kafka 4 serves, with the pattern type; 2 flexible; 3 user resources.
 */
import {
  DeleteAclsApi,
  type DeleteAclsRequest,
  type DeleteAclsResponse
} from "@chronik-effect/core/protocol/messages/31_DeleteAcls.ts"
import { Effect } from "effect"
import type { Handler } from "./Handler.ts"
import { NO_AUTHORIZER, refuseUnknown } from "./NoAuthorizer.ts"

export const make = Effect.sync(() => {
  const handler: Handler<DeleteAclsRequest, DeleteAclsResponse> = {
    api: DeleteAclsApi,
    handle: ({ filters }) => {
      for (const { resourceTypeFilter, patternTypeFilter, operation, permissionType } of filters) {
        refuseUnknown(resourceTypeFilter, patternTypeFilter, operation, permissionType)
      }
      const filterResults = filters.map(() => ({ ...NO_AUTHORIZER, matchingAcls: [] }))
      return Effect.succeed({ throttleTimeMs: 0, filterResults })
    }
  }
  return handler
})
