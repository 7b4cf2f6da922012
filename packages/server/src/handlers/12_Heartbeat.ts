/**
 * Heartbeat (key 12), classic protocol: a member is alive, and learns whether its group rebalances.
 *
 * Versions: 1 throttle time; 3 group instance id (KIP-345); 4 flexible.
 */
import {
  HeartbeatApi,
  type HeartbeatRequest,
  type HeartbeatResponse
} from "@chronik-effect/core/protocol/messages/12_Heartbeat.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import type { Handler } from "./Handler.ts"

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const handler: Handler<HeartbeatRequest, HeartbeatResponse> = {
    api: HeartbeatApi,
    handle: ({ groupId, generationId, memberId, groupInstanceId }) =>
      Effect.map(
        groups.ask({ _tag: "Heartbeat", groupId, generationId, memberId, groupInstanceId }),
        ({ errorCode }) => ({ throttleTimeMs: 0, errorCode })
      )
  }
  return handler
})
