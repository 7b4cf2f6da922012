import { BROKER_CONFIGS } from "@chronik-effect/core/config/BrokerConfigDefinitions.ts"
import { TOPIC_CONFIGS } from "@chronik-effect/core/config/TopicConfig.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { DescribeConfigsApi } from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { make } from "@chronik-effect/server/handlers/32_DescribeConfigs.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { creation, registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const TOPIC = { ...creation("t", 1), configs: [["retention.ms", "7"]] as const }
const BASE = [registration(1), TOPIC]
const STATIC = {
  broker: new Map([
    ["log.retention.hours", "2"],
    ["ssl.keystore.password", "secret"],
    ["log.segment.bytes", "2097152"]
  ])
}
const of = (resourceType: number, resourceName: string, configurationKeys: ReadonlyArray<string> | null = null) => ({
  resources: [{ resourceType, resourceName, configurationKeys }]
})

describe("DescribeConfigs of a topic", () => {
  it.effect("lists every key with value and source, sorted, in every version", () =>
    onCluster({ commands: BASE, config: STATIC }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const version of versionsOf(DescribeConfigsApi)) {
          const result = (yield* ask(handler, version, of(2, "t"))).results[0]!
          expect(result.errorCode).toBe(0)
          expect(result.configs.map((c) => c.name)).toEqual([...TOPIC_CONFIGS.keys()].sort())
          const named = new Map(result.configs.map((c) => [c.name, c]))
          expect(named.get("retention.ms")).toMatchObject({
            value: "7",
            configSource: 1,
            readOnly: false,
            isSensitive: false
          })
          expect(named.get("segment.bytes")).toMatchObject({ value: "2097152", configSource: 4 })
          expect(named.get("cleanup.policy")).toMatchObject({ value: "delete", configSource: 5 })
          if (version >= 3) expect(named.get("retention.ms")!.configType).toBe(5)
        }
      })
    )
  )

  it.effect("gives synonyms by source and then by precedence, and documentation, when asked", () =>
    onCluster({ commands: BASE, config: STATIC }, ({ store }) =>
      Effect.gen(function* () {
        yield* store.propose({
          _tag: "AlterConfigs",
          resourceType: 4,
          resource: "",
          changes: [{ name: "log.retention.ms", op: 0, value: "9" }]
        })
        const handler = yield* make
        const answer = yield* ask(handler, 4, {
          ...of(2, "t", ["retention.ms"]),
          includeSynonyms: true,
          includeDocumentation: true
        })
        const [config] = answer.results[0]!.configs
        expect(config!.synonyms).toEqual([
          { name: "retention.ms", value: "7", source: 1 },
          { name: "log.retention.ms", value: "9", source: 3 },
          { name: "log.retention.hours", value: "2", source: 4 },
          { name: "log.retention.hours", value: "168", source: 5 }
        ])
        expect(config!.documentation).toContain("How long records are kept")
        const bare = (yield* ask(handler, 4, of(2, "t", ["retention.ms"]))).results[0]!.configs[0]!
        expect([bare.synonyms, bare.documentation]).toEqual([[], null])
      })
    )
  )

  it.effect("takes null and empty key lists as all, and leaves out unknown keys", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const names = (keys: ReadonlyArray<string> | null) =>
          Effect.map(ask(handler, 4, of(2, "t", keys)), (answer) => answer.results[0]!.configs.map((c) => c.name))
        expect((yield* names([])).length).toBe(TOPIC_CONFIGS.size)
        expect((yield* names(null)).length).toBe(TOPIC_CONFIGS.size)
        expect(yield* names(["segment.ms", "no.such"])).toEqual(["segment.ms"])
      })
    )
  )

  it.effect("refuses unknown topics and illegal names", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const code = (type: number, name: string) =>
          Effect.map(ask(handler, 4, of(type, name)), (answer) => answer.results[0]!.errorCode)
        expect(yield* code(2, "nope")).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        expect(yield* code(2, "a b")).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
        expect(yield* code(99, "x")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* code(4, "7")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* code(16, "any")).toBe(ErrorCode.NONE)
        expect(yield* code(32, "any")).toBe(ErrorCode.NONE)
        expect(yield* code(32, "")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* code(16, "")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* code(8, "1")).toBe(ErrorCode.NONE)
        expect(yield* code(8, "2")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* code(8, "")).toBe(ErrorCode.INVALID_REQUEST)
        expect(yield* code(4, "x")).toBe(ErrorCode.INVALID_REQUEST)
      })
    )
  )
})

describe("DescribeConfigs of a broker", () => {
  it.effect(
    "lists all keys with their sources; what is fixed at the start is read-only; passwords are never shown",
    () =>
      onCluster({ commands: BASE, config: STATIC }, () =>
        Effect.gen(function* () {
          const result = (yield* ask(yield* make, 4, { ...of(4, "1"), includeSynonyms: true })).results[0]!
          expect(result.configs.map((c) => c.name)).toEqual([...BROKER_CONFIGS.keys()].sort())
          const named = new Map(result.configs.map((c) => [c.name, c]))
          expect(named.get("node.id")).toMatchObject({ value: "1", configSource: 4, readOnly: true })
          expect(named.get("log.retention.hours")).toMatchObject({ value: "2", configSource: 4 })
          expect(named.get("num.partitions")).toMatchObject({ value: "1", configSource: 5, readOnly: true })
          expect(named.get("message.max.bytes")).toMatchObject({ value: "1048588", readOnly: false })
          expect(named.get("ssl.keystore.password")).toMatchObject({ value: null, isSensitive: true, configType: 9 })
          expect(JSON.stringify(result)).not.toContain("secret")
        })
      )
  )

  it.effect("with an empty name lists what was set for all brokers", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        expect((yield* ask(handler, 4, of(4, ""))).results[0]!.configs).toEqual([])
        yield* store.propose({
          _tag: "AlterConfigs",
          resourceType: 4,
          resource: "",
          changes: [{ name: "log.retention.ms", op: 0, value: "9" }]
        })
        expect((yield* ask(handler, 4, of(4, ""))).results[0]!.configs).toMatchObject([
          { name: "log.retention.ms", value: "9", configSource: 3 }
        ])
        const own = (yield* ask(handler, 4, of(4, "1", ["log.retention.ms"]))).results[0]!.configs[0]!
        expect(own).toMatchObject({ value: "9", configSource: 3 })
      })
    )
  )
})

describe("DescribeConfigs of what need not exist", () => {
  const altered = (resourceType: 16 | 32, name: string, value: string) => ({
    _tag: "AlterConfigs" as const,
    resourceType,
    resource: "r",
    changes: [{ name, op: 0 as const, value }]
  })

  it.effect("shows a group's own values before the broker's", () =>
    onCluster({ commands: [...BASE, altered(32, "consumer.session.timeout.ms", "50000")] }, () =>
      Effect.gen(function* () {
        const { configs } = (yield* ask(yield* make, 4, { ...of(32, "r"), includeSynonyms: true })).results[0]!
        expect(configs.map((c) => [c.name, c.value, c.configSource])).toEqual([
          ["consumer.assignment.interval.ms", "1000", 5],
          ["consumer.heartbeat.interval.ms", "5000", 5],
          ["consumer.session.timeout.ms", "50000", 8]
        ])
        expect(configs[2]!.synonyms).toEqual([
          { name: "consumer.session.timeout.ms", value: "50000", source: 8 },
          { name: "group.consumer.session.timeout.ms", value: "45000", source: 5 }
        ])
      })
    )
  )

  it.effect("shows a client metrics subscription with its defaults", () =>
    onCluster({ commands: [...BASE, altered(16, "interval.ms", "1000")] }, () =>
      Effect.gen(function* () {
        const { configs } = (yield* ask(yield* make, 4, of(16, "r"))).results[0]!
        expect(configs.map((c) => [c.name, c.value, c.configSource])).toEqual([
          ["interval.ms", "1000", 7],
          ["match", "", 5],
          ["metrics", "", 5]
        ])
      })
    )
  )

  it.effect("shows the root logger", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const { configs } = (yield* ask(yield* make, 4, of(8, "1"))).results[0]!
        expect(configs).toMatchObject([
          { name: "root", value: "INFO", configSource: 6, readOnly: false, configType: 0 }
        ])
      })
    )
  )
})

describe("DescribeConfigs, as Kafka has it", () => {
  it.effect("leaves out what stands before the key's own name among its synonyms", () =>
    onCluster({ commands: [registration(1), creation("t", 1)], config: STATIC }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const topic = (yield* ask(handler, 4, { ...of(2, "t", ["retention.ms"]), includeSynonyms: true })).results[0]!
        expect(topic.configs[0]).toMatchObject({ value: "7200000", configSource: 5, synonyms: [] })
        const hours = (yield* ask(handler, 4, { ...of(4, "1", ["log.retention.hours"]), includeSynonyms: true }))
          .results[0]!
        expect(hours.configs[0]!.synonyms.map((s) => [s.name, s.value, s.source])).toEqual([
          ["log.retention.hours", "2", 4],
          ["log.retention.hours", "168", 5]
        ])
      })
    )
  )

  it.effect("keeps a broker's key that nobody knows, and shows it as a secret", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        yield* store.propose({
          _tag: "AlterConfigs",
          resourceType: 4,
          resource: "1",
          changes: [{ name: "plugin.key", op: 0, value: "hush" }]
        })
        const answer = yield* ask(yield* make, 4, { ...of(4, "1", ["plugin.key"]), includeSynonyms: true })
        expect(answer.results[0]!.configs).toMatchObject([
          { name: "plugin.key", value: null, isSensitive: true, readOnly: true, configType: 0, configSource: 2 }
        ])
        expect(JSON.stringify(answer)).not.toContain("hush")
      })
    )
  )

  it.effect("answers a resource that is named twice twice, and too many not at all", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const resource = of(2, "t", ["segment.ms"]).resources[0]!
        const twice = yield* ask(handler, 4, { resources: [resource, resource] })
        expect(twice.results.map((r) => r.configs.length)).toEqual([1, 1])
        const many = yield* ask(handler, 4, { resources: Array.from({ length: 10_001 }, () => resource) })
        expect(many.results).toHaveLength(10_001)
        expect(many.results.every((r) => r.errorCode === ErrorCode.INVALID_REQUEST && r.configs.length === 0)).toBe(
          true
        )
      })
    )
  )
})
