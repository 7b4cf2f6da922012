import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { CreatePartitionsApi } from "@chronik-effect/core/protocol/messages/37_CreatePartitions.ts"
import { make } from "@chronik-effect/server/handlers/37_CreatePartitions.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { creation, registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const BASE = [registration(1), creation("a", 1), creation("b", 2)]
const more = (name: string, count: number, assignments: ReadonlyArray<ReadonlyArray<number>> | null = null) => ({
  name,
  count,
  assignments: assignments === null ? null : assignments.map((brokerIds) => ({ brokerIds }))
})

describe("CreatePartitions", () => {
  it.effect("adds partitions in every version, and answers when they serve", () =>
    onCluster({ commands: BASE }, ({ store, serving }) =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const version of versionsOf(CreatePartitionsApi)) {
          const answer = yield* ask(handler, version, { topics: [more("a", version + 2)], timeoutMs: 1_000 })
          expect(answer.results).toEqual([{ name: "a", errorCode: 0, errorMessage: null }])
          expect(store.image().topic("a")!.partitions).toHaveLength(version + 2)
        }
        expect(serving.waits).toBe(4)
      })
    )
  )

  it.effect("refuses what is no increase, unknown, doubled or wrongly assigned", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 3, {
          topics: [more("nope", 2), more("a", 1), more("b", 3, [[1]]), more("b2", 2), more("b2", 3)]
        })
        expect(answer.results.map((r) => [r.name, r.errorCode])).toEqual([
          ["b2", ErrorCode.INVALID_REQUEST],
          ["nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
          ["a", ErrorCode.INVALID_PARTITIONS],
          ["b", ErrorCode.INVALID_REPLICA_ASSIGNMENT]
        ])
        expect(store.image().topic("b")!.partitions).toHaveLength(1)
      })
    )
  )

  it.effect("honours validateOnly", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 3, { topics: [more("a", 5), more("b", 0)], validateOnly: true })
        expect(answer.results.map((r) => r.errorCode)).toEqual([0, ErrorCode.INVALID_PARTITIONS])
        expect(store.image().topic("a")!.partitions).toHaveLength(1)
      })
    )
  )

  it.effect("of the same topic by two requests at once: one is refused, none is applied twice", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const answers = yield* Effect.forEach(
          [1, 2],
          () => ask(handler, 3, { topics: [more("a", 3)], timeoutMs: 1_000 }),
          {
            concurrency: "unbounded"
          }
        )
        expect(answers.map((answer) => answer.results[0]!.errorCode).sort()).toEqual([0, ErrorCode.INVALID_PARTITIONS])
        expect(store.image().topic("a")!.partitions).toHaveLength(3)
      })
    )
  )
})
