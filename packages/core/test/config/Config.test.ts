import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { ConfigSource, defaultBrokerConfig, makeBrokerConfig } from "../../src/config/BrokerConfig.ts"
import { BROKER_CONFIGS } from "../../src/config/BrokerConfigDefinitions.ts"
import { invalidReason, LONG_MAX } from "../../src/config/ConfigDefinition.ts"
import {
  MAX_MESSAGE_BYTES_LIMIT,
  TOPIC_CONFIGS,
  topicConfigsProblem,
  topicConfigValue
} from "../../src/config/TopicConfig.ts"
import { topicSettings } from "../../src/config/TopicSettings.ts"

/** Topic keys of Kafka 4.3 with their defaults, from its documentation. */
const KAFKA_TOPIC_DEFAULTS: Record<string, string> = {
  "cleanup.policy": "delete",
  "compression.gzip.level": "-1",
  "compression.lz4.level": "9",
  "compression.type": "producer",
  "compression.zstd.level": "3",
  "delete.retention.ms": "86400000",
  "file.delete.delay.ms": "60000",
  "flush.messages": LONG_MAX,
  "flush.ms": LONG_MAX,
  "follower.replication.throttled.replicas": "",
  "index.interval.bytes": "4096",
  "leader.replication.throttled.replicas": "",
  "local.retention.bytes": "-2",
  "local.retention.ms": "-2",
  "max.compaction.lag.ms": LONG_MAX,
  "max.message.bytes": "1048588",
  "message.timestamp.after.max.ms": "3600000",
  "message.timestamp.before.max.ms": LONG_MAX,
  "message.timestamp.type": "CreateTime",
  "min.cleanable.dirty.ratio": "0.5",
  "min.compaction.lag.ms": "0",
  "min.insync.replicas": "1",
  preallocate: "false",
  "remote.log.copy.disable": "false",
  "remote.log.delete.on.disable": "false",
  "remote.storage.enable": "false",
  "retention.bytes": "-1",
  "retention.ms": "604800000",
  "segment.bytes": "1073741824",
  "segment.index.bytes": "10485760",
  "segment.jitter.ms": "0",
  "segment.ms": "604800000",
  "unclean.leader.election.enable": "false"
}

const broker = defaultBrokerConfig()
const problem = (...values: ReadonlyArray<readonly [string, string]>) => topicConfigsProblem(new Map(values), broker)
const brokerWith = (values: Record<string, string>) => {
  const made = makeBrokerConfig("standalone", Object.entries(values))
  if (Result.isFailure(made)) throw new Error(made.failure.join(" "))
  return made.success
}

describe("topic configs", () => {
  it("has Kafka's keys with Kafka's defaults, in the order of their names", () => {
    const shown = [...TOPIC_CONFIGS.keys()].map((name) => [name, topicConfigValue(new Map(), broker, name)])
    expect(shown).toEqual(Object.entries(KAFKA_TOPIC_DEFAULTS).sort(([a], [b]) => (a < b ? -1 : 1)))
  })

  it("documents every key, and every default is a legal value of its key", () => {
    for (const definition of [...TOPIC_CONFIGS.values(), ...BROKER_CONFIGS.values()]) {
      expect(definition.documentation.length, definition.name).toBeGreaterThan(10)
      if (definition.default !== null)
        expect(invalidReason(definition, definition.default), definition.name).toBe(undefined)
    }
  })

  it("names only broker keys that exist as synonyms", () => {
    for (const { name, synonyms } of TOPIC_CONFIGS.values()) {
      for (const synonym of synonyms) expect(BROKER_CONFIGS.has(synonym.name), `${name} -> ${synonym.name}`).toBe(true)
    }
  })

  it.each([
    ["segment.bytes", "1048575", "at least 1048576"],
    ["retention.ms", "-2", "at least -1"],
    ["retention.ms", "12x", "Not a number of type LONG"],
    ["retention.ms", "9223372036854775808", "Not a number of type LONG"],
    ["segment.bytes", "2147483648", "Not a number of type INT"],
    ["cleanup.policy", "shrink", "String must be one of: compact, delete"],
    ["compression.type", "brotli", "must be one of"],
    ["message.timestamp.type", "createtime", "must be one of"],
    ["min.cleanable.dirty.ratio", "1.5", "no more than 1"],
    ["min.cleanable.dirty.ratio", "abc", "DOUBLE"],
    ["min.cleanable.dirty.ratio", "0x0", "DOUBLE"],
    ["min.cleanable.dirty.ratio", "", "DOUBLE"],
    ["unclean.leader.election.enable", "maybe", "true or false"],
    ["compression.gzip.level", "0", "between 1 and 9"],
    ["leader.replication.throttled.replicas", "0-1", "[partitionId]:[brokerId]"],
    ["remote.storage.enable", "true", "Tiered Storage functionality is disabled"],
    ["min.insync.replicas", "0", "at least 1"]
  ])("refuses %s=%s", (name, value, reason) => {
    expect(problem([name, value])).toContain(`Invalid value ${value} for configuration ${name}: `)
    expect(problem([name, value])).toContain(reason)
  })

  it("refuses unknown names and a minimum above its maximum", () => {
    expect(problem(["retention.years", "1"])).toBe("Unknown topic config name: retention.years")
    expect(problem(["min.compaction.lag.ms", "10"], ["max.compaction.lag.ms", "9"])).toBe(
      "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (9)"
    )
  })

  it("bounds max.message.bytes by what a frame of the log can hold, and says so", () => {
    expect(MAX_MESSAGE_BYTES_LIMIT).toBe(16 * 1024 * 1024 - 64 * 1024)
    expect(problem(["max.message.bytes", String(MAX_MESSAGE_BYTES_LIMIT)])).toBe(undefined)
    const reason = problem(["max.message.bytes", String(MAX_MESSAGE_BYTES_LIMIT + 1)])
    expect(reason).toContain(`at most ${MAX_MESSAGE_BYTES_LIMIT} bytes`)
    expect(reason).toContain("choose a smaller value")
    expect(Result.isFailure(makeBrokerConfig("standalone", [["message.max.bytes", "20000000"]]))).toBe(true)
  })

  it("accepts what Kafka accepts", () => {
    expect(problem(["cleanup.policy", "compact, delete"], ["retention.ms", "-1"], ["segment.bytes", " 1048576 "])).toBe(
      undefined
    )
  })
})

describe("topic settings", () => {
  it("are the defaults where nothing is set; for ever stays for ever", () => {
    const settings = topicSettings({ configs: new Map() }, broker)
    expect(settings).toMatchObject({
      deletes: true,
      compacts: false,
      retentionMs: 604_800_000,
      retentionBytes: -1,
      segmentBytes: 1_073_741_824,
      maxMessageBytes: 1_048_588,
      timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
      timestampType: "CreateTime",
      uncleanLeaderElection: false
    })
  })

  it("take the override before the broker's value, and synonyms by precedence and unit", () => {
    const hours = brokerWith({ "log.retention.hours": "2" })
    const minutes = brokerWith({ "log.retention.hours": "2", "log.retention.minutes": "3" })
    const millis = brokerWith({ "log.retention.hours": "2", "log.retention.minutes": "3", "log.retention.ms": "4" })
    const none = { configs: new Map<string, string>() }
    expect(topicSettings(none, hours).retentionMs).toBe(7_200_000)
    expect(topicSettings(none, minutes).retentionMs).toBe(180_000)
    expect(topicSettings(none, millis).retentionMs).toBe(4)
    expect(topicSettings({ configs: new Map([["retention.ms", "5"]]) }, millis).retentionMs).toBe(5)
    expect(topicSettings(none, brokerWith({ "log.retention.hours": "-1" })).retentionMs).toBe(-1)
  })

  it("read list and enumerated values", () => {
    const configs = new Map([
      ["cleanup.policy", "compact,delete"],
      ["message.timestamp.type", "LogAppendTime"],
      ["compression.type", "zstd"]
    ])
    expect(topicSettings({ configs }, broker)).toMatchObject({
      deletes: true,
      compacts: true,
      timestampType: "LogAppendTime",
      compressionType: "zstd"
    })
  })
})

describe("broker configs", () => {
  it("list every problem of static values", () => {
    const made = makeBrokerConfig("standalone", [
      ["num.partitions", "0"],
      ["no.such.key", "1"],
      ["log.segment.bytes", "2097152"]
    ])
    expect(Result.isFailure(made) && made.failure.map((sentence) => sentence.split(":")[0])).toEqual([
      "Invalid value 0 for configuration num.partitions",
      "no.such.key is not a broker config that chronik-effect knows"
    ])
  })

  it("follow Kafka's precedence: own dynamic, cluster-wide dynamic, static, default", () => {
    const statics = brokerWith({ "log.retention.ms": "3" })
    expect(broker.text("log.retention.ms")).toBe(null)
    expect(statics.text("log.retention.ms")).toBe("3")
    const dynamic = statics.withDynamic(new Map([["log.retention.ms", "2"]]), new Map([["log.retention.ms", "1"]]))
    expect(dynamic.sources("log.retention.ms")).toEqual([
      { name: "log.retention.ms", value: "1", source: ConfigSource.DYNAMIC_BROKER },
      { name: "log.retention.ms", value: "2", source: ConfigSource.DYNAMIC_DEFAULT_BROKER },
      { name: "log.retention.ms", value: "3", source: ConfigSource.STATIC_BROKER }
    ])
    expect(dynamic.integer("log.retention.ms")).toBe(1)
    expect(topicSettings({ configs: new Map() }, dynamic).retentionMs).toBe(1)
  })

  it("start groups at once on a lone broker, as Kafka does in a cluster", () => {
    expect(broker.integer("group.initial.rebalance.delay.ms")).toBe(0)
    expect(defaultBrokerConfig("cluster").integer("group.initial.rebalance.delay.ms")).toBe(3000)
    expect(broker.integer("offsets.topic.replication.factor")).toBe(1)
    expect(defaultBrokerConfig("cluster").integer("offsets.topic.replication.factor")).toBe(3)
  })
})
