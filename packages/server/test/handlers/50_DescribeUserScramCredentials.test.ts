import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { make } from "@chronik-effect/server/handlers/50_DescribeUserScramCredentials.ts"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { ask } from "./ClusterHarness.ts"

it.effect("DescribeUserScramCredentials knows of no user, whoever is asked for", () =>
  Effect.gen(function* () {
    const handler = yield* make
    for (const users of [null, []]) {
      expect(yield* ask(handler, 0, { users })).toMatchObject({ errorCode: ErrorCode.NONE, results: [] })
    }
    const named = yield* ask(handler, 0, { users: [{ name: "alice" }, { name: "bob" }, { name: "bob" }] })
    expect(named.results).toMatchObject([
      { user: "alice", errorCode: ErrorCode.RESOURCE_NOT_FOUND, credentialInfos: [] },
      { user: "bob", errorCode: ErrorCode.DUPLICATE_RESOURCE, credentialInfos: [] }
    ])
    const users = Array.from({ length: 10_001 }, (_, n) => ({ name: `u${n}` }))
    expect(yield* ask(handler, 0, { users })).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST, results: [] })
  })
)
