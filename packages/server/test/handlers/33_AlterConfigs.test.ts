import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { AlterConfigsApi } from "@chronik-effect/core/protocol/messages/33_AlterConfigs.ts"
import { make } from "@chronik-effect/server/handlers/33_AlterConfigs.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { creation, registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const BASE = [registration(1), { ...creation("t", 1), configs: [["retention.ms", "7"]] as const }, creation("u", 2)]
type Value = readonly [name: string, value: string | null]
const of = (resourceType: number, resourceName: string, ...values: ReadonlyArray<Value>) => ({
  resourceType,
  resourceName,
  configs: values.map(([name, value]) => ({ name, value }))
})

describe("AlterConfigs", () => {
  it.effect("replaces the whole set, in every version", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const version of versionsOf(AlterConfigsApi)) {
          const answer = yield* ask(handler, version, {
            resources: [of(2, "t", ["cleanup.policy", "compact"], ["segment.ms", String(version + 1)])]
          })
          expect(answer.responses).toEqual([{ errorCode: 0, errorMessage: null, resourceType: 2, resourceName: "t" }])
          expect(Object.fromEntries(store.image().topic("t")!.configs)).toEqual({
            "cleanup.policy": "compact",
            "segment.ms": String(version + 1)
          })
        }
        yield* ask(handler, 2, { resources: [of(2, "t")] })
        expect(store.image().topic("t")!.configs.size).toBe(0)
      })
    )
  )

  it.effect("replaces those of brokers, groups and client metrics", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        yield* ask(handler, 2, {
          resources: [
            of(4, "", ["log.retention.bytes", "5"]),
            of(4, "1", ["log.retention.bytes", "6"]),
            of(32, "g", ["consumer.session.timeout.ms", "46000"]),
            of(16, "m", ["interval.ms", "1000"])
          ]
        })
        expect(store.brokerConfig().integer("log.retention.bytes")).toBe(6)
        expect(store.image().groupConfig("g")?.size).toBe(1)
        const cleared = yield* ask(handler, 2, { resources: [of(4, "1"), of(32, "g"), of(16, "m")] })
        expect(cleared.responses.map((r) => r.errorCode)).toEqual([0, 0, 0])
        expect(store.brokerConfig().integer("log.retention.bytes")).toBe(5)
        expect(store.image().groupConfig("g")).toBeUndefined()
        expect([...store.image().clientMetrics]).toEqual([])
      })
    )
  )

  it.effect.each([
    ["a null value", of(2, "t", ["retention.ms", null]), ErrorCode.INVALID_REQUEST],
    ["a key twice", of(2, "t", ["retention.ms", "1"], ["retention.ms", "2"]), ErrorCode.INVALID_REQUEST],
    ["a bad value", of(2, "t", ["retention.ms", "x"]), ErrorCode.INVALID_CONFIG],
    ["an unknown key", of(2, "t", ["no.such", "1"]), ErrorCode.INVALID_CONFIG],
    ["an unknown topic", of(2, "nope"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ["a topic's illegal name", of(2, "a b"), ErrorCode.INVALID_TOPIC_EXCEPTION],
    ["a topic without a name", of(2, ""), ErrorCode.INVALID_REQUEST],
    ["a broker's bad value", of(4, "1", ["log.retention.ms", "x"]), ErrorCode.INVALID_REQUEST],
    ["a broker's fixed key", of(4, "1", ["node.id", "5"]), ErrorCode.INVALID_REQUEST],
    ["another broker", of(4, "9"), ErrorCode.INVALID_REQUEST],
    ["a broker that is no number", of(4, "x"), ErrorCode.INVALID_REQUEST],
    ["a secret", of(4, "1", ["ssl.keystore.password", "x"]), ErrorCode.INVALID_REQUEST],
    ["loggers", of(8, "1", ["root", "INFO"]), ErrorCode.INVALID_REQUEST],
    ["an unknown type", of(64, "1"), ErrorCode.INVALID_REQUEST],
    ["a group without a name", of(32, ""), ErrorCode.INVALID_REQUEST],
    ["a subscription without a name", of(16, ""), ErrorCode.INVALID_REQUEST]
  ] as const)("refuses %s and changes nothing", ([, resource, errorCode]) =>
    onCluster({ commands: BASE }, ({ store, log }) =>
      Effect.gen(function* () {
        const before = log.proposed.length
        const answer = yield* ask(yield* make, 2, { resources: [resource] })
        expect(answer.responses.map((r) => r.errorCode)).toEqual([errorCode])
        expect(answer.responses[0]!.errorMessage).toBeTruthy()
        expect(log.proposed.length).toBe(before)
        expect(store.image().topic("t")!.configs.size).toBe(1)
      })
    )
  )

  it.effect("answers a resource that is named twice for each time, and changes it by neither", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 2, { resources: [of(2, "u"), of(2, "t"), of(2, "t")] })
        expect(answer.responses.map((r) => [r.resourceName, r.errorCode])).toEqual([
          ["t", ErrorCode.INVALID_REQUEST],
          ["t", ErrorCode.INVALID_REQUEST],
          ["u", ErrorCode.NONE]
        ])
        expect(store.image().topic("t")!.configs.size).toBe(1)
      })
    )
  )

  it.effect("honours validateOnly", () =>
    onCluster({ commands: BASE }, ({ log }) =>
      Effect.gen(function* () {
        const before = log.proposed.length
        const answer = yield* ask(yield* make, 2, {
          validateOnly: true,
          resources: [of(2, "t", ["retention.ms", "1"]), of(2, "u", ["retention.ms", "x"])]
        })
        expect(answer.responses.map((r) => r.errorCode)).toEqual([0, ErrorCode.INVALID_CONFIG])
        expect(log.proposed.length).toBe(before)
      })
    )
  )

  it.effect("answers REQUEST_TIMED_OUT when the log does not commit", () =>
    onCluster({ commands: BASE }, ({ log }) =>
      Effect.gen(function* () {
        log.auto = false
        const asking = yield* Effect.forkChild(ask(yield* make, 2, { resources: [of(2, "t")] }), {
          startImmediately: true
        })
        yield* TestClock.adjust("2 seconds")
        expect((yield* Fiber.join(asking)).responses[0]!.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT)
      })
    )
  )
})
