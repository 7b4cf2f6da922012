/**
 * FindCoordinator (key 10): which node answers for a group.
 *
 * Any key has a coordinator, used or not, also the empty one. The first question makes the coordinator's topic; Kafka answers
 * COORDINATOR_NOT_AVAILABLE then and lets the client try again, here the answer waits up to 2 s for the topic instead.
 *
 * Versions: 1 key type and error message; 3 flexible; 4 many keys at once (KIP-699), each with its own error; 5
 * TRANSACTION_ABORTABLE; 6 share groups (KIP-932). The message of an answer without an error is "NONE" before version 4 and
 * empty from then on, as in Kafka.
 *
 * Transactions and share groups are not coordinated here: their keys are refused with INVALID_REQUEST, which ends the client's
 * attempt with a clear error instead of a retry for ever.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  FindCoordinatorApi,
  type FindCoordinatorRequest,
  type FindCoordinatorResponse
} from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { Effect } from "effect"
import { type CoordinatorLocation, GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import type { Handler } from "./Handler.ts"

const BATCHED_FROM = 4
const GROUP_KEY = 0

interface Found extends CoordinatorLocation {
  readonly errorMessage: string
}

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator

  const find = (key: string, keyType: number): Effect.Effect<Found> =>
    keyType === GROUP_KEY
      ? Effect.map(groups.find(key), (location) => ({ ...location, errorMessage: messageOf(location.errorCode) }))
      : Effect.succeed(notServed(keyType))

  const handler: Handler<FindCoordinatorRequest, FindCoordinatorResponse> = {
    api: FindCoordinatorApi,
    handle: (request, { apiVersion }) => {
      if (apiVersion < BATCHED_FROM) {
        return Effect.map(find(request.key, request.keyType), (found) => ({
          throttleTimeMs: 0,
          ...found,
          errorMessage: found.errorCode === ErrorCode.NONE ? "NONE" : found.errorMessage
        }))
      }
      return Effect.map(
        Effect.forEach(request.coordinatorKeys, (key) =>
          Effect.map(find(key, request.keyType), (found) => ({ key, ...found }))
        ),
        (coordinators) => ({ throttleTimeMs: 0, coordinators })
      )
    }
  }
  return handler
})

const messageOf = (errorCode: ErrorCode): string =>
  errorCode === ErrorCode.NONE ? "" : "The coordinator is not available."

const notServed = (keyType: number): Found => ({
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: `There is no coordinator for keys of type ${keyType} here.`,
  nodeId: -1,
  host: "",
  port: -1
})
