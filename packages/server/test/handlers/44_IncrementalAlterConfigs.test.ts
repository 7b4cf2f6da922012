import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { make } from "@chronik-effect/server/handlers/44_IncrementalAlterConfigs.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { creation, registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const BASE = [registration(1), creation("t", 1), creation("u", 2)]
type Change = readonly [name: string, op: number, value: string | null]
const of = (resourceName: string, ...changes: ReadonlyArray<Change>) => ({
  resourceType: 2,
  resourceName,
  configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value }))
})

describe("IncrementalAlterConfigs", () => {
  it.effect("sets, appends, subtracts and deletes, in every version", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const configs = () => Object.fromEntries(store.image().topic("t")!.configs)
        for (const version of versionsOf(IncrementalAlterConfigsApi)) {
          const alter = (...changes: ReadonlyArray<Change>) =>
            ask(handler, version, { resources: [of("t", ...changes)] })
          expect((yield* alter(["retention.ms", 0, "5"], ["cleanup.policy", 2, "compact"])).responses).toEqual([
            { errorCode: 0, errorMessage: null, resourceType: 2, resourceName: "t" }
          ])
          expect(configs()).toEqual({ "retention.ms": "5", "cleanup.policy": "delete,compact" })
          yield* alter(["cleanup.policy", 3, "delete"], ["retention.ms", 1, null])
          expect(configs()).toEqual({ "cleanup.policy": "compact" })
          yield* alter(["cleanup.policy", 1, null])
          expect(configs()).toEqual({})
        }
      })
    )
  )

  it.effect("changes all of a resource or nothing of it, each resource by itself", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 1, {
          resources: [
            of("t", ["retention.ms", 0, "5"], ["segment.bytes", 0, "1"]),
            of("u", ["retention.ms", 0, "6"]),
            of("nope", ["retention.ms", 0, "6"])
          ]
        })
        expect(answer.responses.map((r) => r.errorCode)).toEqual([
          ErrorCode.INVALID_CONFIG,
          ErrorCode.NONE,
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        ])
        expect(store.image().topic("t")!.configs.size).toBe(0)
        expect(store.image().topic("u")!.configs.get("retention.ms")).toBe("6")
      })
    )
  )

  it.effect("refuses a resource given twice, and changes it by neither", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 1, {
          resources: [of("t", ["retention.ms", 0, "1"]), of("t", ["retention.ms", 0, "2"]), of("u")]
        })
        expect(answer.responses.map((r) => [r.resourceName, r.errorCode])).toEqual([
          ["t", ErrorCode.INVALID_REQUEST],
          ["u", ErrorCode.NONE]
        ])
        expect(store.image().topic("t")!.configs.size).toBe(0)
      })
    )
  )

  it.effect("honours validateOnly", () =>
    onCluster({ commands: BASE }, ({ store, log }) =>
      Effect.gen(function* () {
        const before = log.proposed.length
        const answer = yield* ask(yield* make, 1, {
          validateOnly: true,
          resources: [of("t", ["retention.ms", 0, "1"]), of("u", ["retention.ms", 0, "x"])]
        })
        expect(answer.responses.map((r) => r.errorCode)).toEqual([0, ErrorCode.INVALID_CONFIG])
        expect(log.proposed.length).toBe(before)
        expect(store.image().topic("t")!.configs.size).toBe(0)
      })
    )
  )

  it.effect("changes the broker's dynamic keys", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const alter = (resourceName: string, name: string) => ({
          resourceType: 4,
          resourceName,
          configs: [{ name, configOperation: 0, value: "2000000" }]
        })
        const answer = yield* ask(yield* make, 1, {
          resources: [alter("1", "message.max.bytes"), alter("", "node.id")]
        })
        expect(answer.responses.map((r) => r.errorCode)).toEqual([0, ErrorCode.INVALID_REQUEST])
        expect(store.brokerConfig().integer("message.max.bytes")).toBe(2_000_000)
      })
    )
  )

  it.effect("answers REQUEST_TIMED_OUT when the log does not commit", () =>
    onCluster({ commands: BASE }, ({ store, log }) =>
      Effect.gen(function* () {
        log.auto = false
        const asking = yield* Effect.forkChild(
          ask(yield* make, 1, { resources: [of("t", ["retention.ms", 0, "1"])] }),
          {
            startImmediately: true
          }
        )
        yield* TestClock.adjust("2 seconds")
        expect((yield* Fiber.join(asking)).responses[0]!.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT)
        expect(store.pending()).toBe(0)
      })
    )
  )
})
