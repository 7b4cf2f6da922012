import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { LogLevels } from "@chronik-effect/server/config/LogLevels.ts"
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

  it.effect("changes groups and client metrics, which need not exist before; a resource without values is gone", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const alter = (resourceType: number, name: string, op: number, value: string | null) =>
          Effect.map(
            ask(handler, 1, {
              resources: [{ ...of("r"), resourceType, configs: [{ name, configOperation: op, value }] }]
            }),
            (answer) => answer.responses[0]!.errorCode
          )
        expect(yield* alter(32, "consumer.session.timeout.ms", 0, "50000")).toBe(0)
        expect(store.image().groupConfig("r")).toEqual(new Map([["consumer.session.timeout.ms", "50000"]]))
        expect(yield* alter(32, "consumer.session.timeout.ms", 0, "1")).toBe(ErrorCode.INVALID_CONFIG)
        expect(yield* alter(32, "consumer.session.timeout.ms", 1, null)).toBe(0)
        expect(store.image().groupConfig("r")).toBeUndefined()
        expect(yield* alter(16, "metrics", 2, "a.,b."), "no list to Kafka's controller").toBe(ErrorCode.INVALID_CONFIG)
        expect(yield* alter(16, "metrics", 0, "a.,b.")).toBe(0)
        expect([...store.image().clientMetrics]).toEqual([["r", new Map([["metrics", "a.,b."]])]])
      })
    )
  )

  it.effect("sets the level of the log on this node alone, and nothing else of it", () =>
    onCluster({ commands: BASE }, ({ log }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const levels = yield* LogLevels
        const before = log.proposed.length
        const level = (name: string, op: number, value: string | null, node = "1", validateOnly = false) =>
          Effect.map(
            ask(handler, 1, {
              validateOnly,
              resources: [{ resourceType: 8, resourceName: node, configs: [{ name, configOperation: op, value }] }]
            }),
            (answer) => answer.responses[0]!.errorCode
          )
        expect(yield* level("root", 0, "DEBUG", "1", true)).toBe(0)
        expect(levels.name()).toBe("INFO")
        expect(yield* level("root", 0, "DEBUG")).toBe(0)
        expect(levels.name()).toBe("DEBUG")
        expect(yield* level("root", 0, "LOUD")).toBe(ErrorCode.INVALID_CONFIG)
        expect(yield* level("root", 0, "OFF")).toBe(ErrorCode.INVALID_CONFIG)
        expect(yield* level("root", 0, null)).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* level("root", 1, null)).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* level("root", 2, "INFO")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* level("root", 9, "INFO")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* level("org.other", 0, "INFO")).toBe(ErrorCode.INVALID_CONFIG)
        expect(yield* level("root", 0, "INFO", "2")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* level("root", 0, "INFO", "")).toBe(ErrorCode.INVALID_REQUEST)
        expect(levels.name()).toBe("DEBUG")
        expect(log.proposed.length).toBe(before)
      })
    )
  )

  it.effect("writes nothing into the log for a change that changes nothing", () =>
    onCluster({ commands: BASE }, ({ log }) =>
      Effect.gen(function* () {
        const before = log.proposed.length
        const answer = yield* ask(yield* make, 1, { resources: [of("t"), of("u", ["no.such.key", 1, null])] })
        expect(answer.responses.map((r) => r.errorCode)).toEqual([0, 0])
        expect(log.proposed.length).toBe(before)
      })
    )
  )

  it.effect("takes 10,000 resources in a request, and refuses more as a whole", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const groups = (count: number) => ({
          resources: Array.from({ length: count }, (_, n) => ({
            resourceType: 32,
            resourceName: `g${n}`,
            configs: [{ name: "consumer.assignment.interval.ms", configOperation: 0, value: "5" }]
          }))
        })
        const tooMany = yield* ask(handler, 1, groups(10_001))
        expect(new Set(tooMany.responses.map((r) => r.errorCode))).toEqual(new Set([ErrorCode.INVALID_REQUEST]))
        expect(tooMany.responses[0]!.errorMessage).toContain("at most 10000 resources")
        expect(tooMany.responses[1]!.errorMessage).toBeNull()
        expect([...store.image().groupConfigs]).toEqual([])
        const most = yield* ask(handler, 1, groups(10_000))
        expect(new Set(most.responses.map((r) => r.errorCode))).toEqual(new Set([ErrorCode.NONE]))
        const one = { ...groups(1).resources[0]!, resourceName: "one more" }
        expect((yield* ask(handler, 1, { resources: [one] })).responses[0]!.errorCode).toBe(ErrorCode.POLICY_VIOLATION)
        const known = { ...one, resourceName: "g7" }
        expect((yield* ask(handler, 1, { resources: [known] })).responses[0]!.errorCode).toBe(ErrorCode.NONE)
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
