/**
 * DescribeUserScramCredentials (key 50): the SCRAM credentials of users. No SASL mechanism is served, so no user has any; it is
 * answered because Kafka's tools ask it whenever they show what is configured for users.
 *
 * Versions: flexible from 0.
 *
 * Traps: null and an empty list ask for all users; a user without credentials is RESOURCE_NOT_FOUND, one that is named twice
 * DUPLICATE_RESOURCE, once. More than 10,000 users are INVALID_REQUEST as a whole.
 */
import { shown } from "@chronik-effect/core/config/ConfigDefinition.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeUserScramCredentialsApi,
  type DescribeUserScramCredentialsRequest,
  type DescribeUserScramCredentialsResponse
} from "@chronik-effect/core/protocol/messages/50_DescribeUserScramCredentials.ts"
import { Effect } from "effect"
import type { Handler } from "./Handler.ts"

const USERS_MAX = 10_000

export const make = Effect.sync(() => {
  const handler: Handler<DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse> = {
    api: DescribeUserScramCredentialsApi,
    handle: ({ users }) => {
      const times = new Map<string, number>()
      for (const { name } of users ?? []) times.set(name, (times.get(name) ?? 0) + 1)
      if (times.size > USERS_MAX) {
        return Effect.succeed({
          throttleTimeMs: 0,
          errorCode: ErrorCode.INVALID_REQUEST,
          errorMessage: `A request may name at most ${USERS_MAX} users, this one names ${times.size}.`,
          results: []
        })
      }
      return Effect.succeed({
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        errorMessage: "",
        results: Array.from(times, ([user, count]) => ({ user, credentialInfos: [], ...problemOf(user, count) }))
      })
    }
  }
  return handler
})

const problemOf = (user: string, times: number) =>
  times > 1
    ? {
        errorCode: ErrorCode.DUPLICATE_RESOURCE,
        errorMessage: `Cannot describe SCRAM credentials for the same user twice in a single request: ${shown(user)}`
      }
    : {
        errorCode: ErrorCode.RESOURCE_NOT_FOUND,
        errorMessage: `Attempt to describe a user credential that does not exist: ${shown(user)}`
      }
