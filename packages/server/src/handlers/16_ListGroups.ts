/**
 * ListGroups (key 16): the groups that this node coordinates, also empty and simple ones.
 *
 * Versions: 1 throttle time; 3 flexible; 4 filter by state, and the state in the answer (KIP-518); 5 the same for types
 * (KIP-848). Filters do not heed case. While any part is loading the whole is refused with COORDINATOR_LOAD_IN_PROGRESS.
 */
import {
  ListGroupsApi,
  type ListGroupsRequest,
  type ListGroupsResponse
} from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import type { Handler } from "./Handler.ts"

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const handler: Handler<ListGroupsRequest, ListGroupsResponse> = {
    api: ListGroupsApi,
    handle: ({ statesFilter, typesFilter }) =>
      Effect.map(groups.list(statesFilter, typesFilter), ({ errorCode, value }) => ({
        throttleTimeMs: 0,
        errorCode,
        groups: value ?? []
      }))
  }
  return handler
})
