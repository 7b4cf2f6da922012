import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { make } from "@chronik-effect/server/handlers/20_DeleteTopics.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { creation, registration, topicId } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const BASE = [registration(1), creation("a", 1), creation("b", 2), creation("c", 3)]

describe("DeleteTopics", () => {
  it.effect("deletes by name in every version", () =>
    onCluster(
      { commands: [registration(1), ...versionsOf(DeleteTopicsApi).map((v) => creation(`v${v}`, v))] },
      ({ store }) =>
        Effect.gen(function* () {
          const handler = yield* make
          for (const version of versionsOf(DeleteTopicsApi)) {
            const name = `v${version}`
            const asked = version >= 6 ? { topics: [{ name }] } : { topicNames: [name] }
            const answer = yield* ask(handler, version, { ...asked, timeoutMs: 1_000 })
            expect(answer.responses.map((r) => [r.name, r.errorCode])).toEqual([[name, 0]])
            expect(store.image().topic(name)).toBe(undefined)
          }
          expect(store.image().topicCount).toBe(0)
        })
    )
  )

  it.effect("by id, and tells name and id of what it deleted", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 6, { topics: [{ name: null, topicId: topicId(2) }] })
        expect(answer.responses).toMatchObject([{ name: "b", topicId: topicId(2), errorCode: 0 }])
      })
    )
  )

  it.effect("refuses unknown, ambiguous and repeated topics, each by itself", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 6, {
          topics: [
            { name: "nope" },
            { name: null, topicId: topicId(9) },
            { name: "a", topicId: topicId(1) },
            { name: null },
            { name: "b" },
            { name: null, topicId: topicId(2) },
            { name: "c" }
          ]
        })
        expect(answer.responses.map((r) => r.errorCode)).toEqual([
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          ErrorCode.UNKNOWN_TOPIC_ID,
          ErrorCode.INVALID_REQUEST,
          ErrorCode.INVALID_REQUEST,
          ErrorCode.INVALID_REQUEST,
          ErrorCode.NONE
        ])
        expect([...store.image().topics()].map((t) => t.name).sort()).toEqual(["a", "b"])
      })
    )
  )

  it.effect("answers what is named twice once, whether it exists or not, and deletes none of it", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 6, {
          topics: [
            { name: "a" },
            { name: "a" },
            { name: "nope" },
            { name: "nope" },
            { name: null, topicId: topicId(2) },
            { name: null, topicId: topicId(2) },
            { name: null, topicId: topicId(9) },
            { name: null, topicId: topicId(9) }
          ]
        })
        expect(answer.responses.map((r) => [r.name, r.errorCode, r.errorMessage])).toEqual([
          ["a", ErrorCode.INVALID_REQUEST, "Duplicate topic name."],
          ["nope", ErrorCode.INVALID_REQUEST, "Duplicate topic name."],
          [null, ErrorCode.INVALID_REQUEST, "Duplicate topic id."],
          [null, ErrorCode.INVALID_REQUEST, "Duplicate topic id."]
        ])
        expect(store.image().topicCount).toBe(3)
      })
    )
  )

  it.effect("is refused where deletion is disabled, by the code that the version knows", () =>
    onCluster({ commands: BASE, config: { broker: new Map([["delete.topic.enable", "false"]]) } }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const code = (version: number) =>
          Effect.map(ask(handler, version, { topicNames: ["a"] }), (answer) => answer.responses[0]!.errorCode)
        expect(yield* code(2)).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* code(3)).toBe(ErrorCode.TOPIC_DELETION_DISABLED)
        expect(store.image().topicCount).toBe(3)
      })
    )
  )

  it.effect("answers REQUEST_TIMED_OUT when the log does not commit", () =>
    onCluster({ commands: BASE }, ({ store, log }) =>
      Effect.gen(function* () {
        log.auto = false
        const asking = yield* Effect.forkChild(ask(yield* make, 5, { topicNames: ["a"], timeoutMs: 100 }), {
          startImmediately: true
        })
        yield* TestClock.adjust("100 millis")
        expect((yield* Fiber.join(asking)).responses[0]!.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT)
        expect(store.pending()).toBe(0)
      })
    )
  )
})
