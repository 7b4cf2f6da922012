/**
 * DescribeAcls (key 29): there is no authorizer, so the answer is SECURITY_DISABLED.
 *
 * Versions: 1 the first that Kafka 4 serves, with the pattern type; 2 flexible; 3 user resources. kafka-python 2.0.2 takes a
 * broker for an old one when this API is not advertised.
 */
import {
  DescribeAclsApi,
  type DescribeAclsRequest,
  type DescribeAclsResponse
} from "@chronik-effect/core/protocol/messages/29_DescribeAcls.ts"
import { Effect } from "effect"
import type { Handler } from "./Handler.ts"
import { NO_AUTHORIZER, refuseUnknown } from "./NoAuthorizer.ts"

export const make = Effect.sync(() => {
  const handler: Handler<DescribeAclsRequest, DescribeAclsResponse> = {
    api: DescribeAclsApi,
    handle: ({ resourceTypeFilter, patternTypeFilter, operation, permissionType }) => {
      refuseUnknown(resourceTypeFilter, patternTypeFilter, operation, permissionType)
      return Effect.succeed({ throttleTimeMs: 0, ...NO_AUTHORIZER, resources: [] })
    }
  }
  return handler
})
