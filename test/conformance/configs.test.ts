/**
 * Our config keys beside those of Apache Kafka 4.3.1, as `recordConfigs.ts` found them: a key that both have has one type, one
 * default and is changed at run time by both or by none. Every difference is listed here with its reason, and nothing is listed
 * that is no difference.
 */
import { readFileSync } from "node:fs"
import { BROKER_CONFIGS, CLUSTER_DEFAULTS } from "@chronik-effect/core/config/BrokerConfigDefinitions.ts"
import { CLIENT_METRICS_CONFIGS } from "@chronik-effect/core/config/ClientMetricsConfig.ts"
import { CONFIG_TYPE_ID, type ConfigDefinition } from "@chronik-effect/core/config/ConfigDefinition.ts"
import { GROUP_CONFIGS } from "@chronik-effect/core/config/GroupConfig.ts"
import { TOPIC_CONFIGS } from "@chronik-effect/core/config/TopicConfig.ts"
import { describe, expect, it } from "vitest"

type Row = readonly [type: number, default_: string | null, readOnly: boolean]
type Kind = "topic" | "broker" | "clientMetrics" | "group"

const KAFKA: Readonly<Record<Kind, Readonly<Record<string, Row>>>> = JSON.parse(
  readFileSync(new URL("kafkaConfigs.json", import.meta.url), "utf8")
)
const OURS: Readonly<Record<Kind, ReadonlyMap<string, ConfigDefinition>>> = {
  topic: TOPIC_CONFIGS,
  broker: BROKER_CONFIGS,
  clientMetrics: CLIENT_METRICS_CONFIGS,
  group: GROUP_CONFIGS
}

/** Keys of both that differ in default or in when they may be changed. */
const DIFFERENT: Readonly<Record<string, string>> = {
  "broker.heartbeat.interval.ms": "fail-over is meant to take less than a second, so nodes report more often",
  "broker.session.timeout.ms": "the same: a silent node is fenced sooner",
  "group.coordinator.rebalance.protocols": "the protocols that are served",
  "listener.security.protocol.map": "one listener, without TLS or SASL, fixed at the start",
  listeners: "one listener, on this machine unless told otherwise, fixed at the start",
  "log.dir": "our own directory",
  "process.roles": "every node is a broker; the voters are the controllers",
  "sasl.enabled.mechanisms": "no SASL mechanism is served"
}

/** Keys that Kafka has and we do not, by what their names begin with. */
const ABSENT: Readonly<Record<string, string>> = {
  "ssl.": "no TLS yet; ssl.keystore.password is known so that it is never shown",
  "sasl.": "no SASL yet",
  "controller.": "Kafka's own quorum; ours is configured by other means",
  "metadata.": "the log of Kafka's own quorum",
  "remote.": "no tiered storage",
  "follower.fetch.last.tiered.offset.enable": "no tiered storage",
  "share.": "no share groups",
  "group.share.": "no share groups",
  "streams.": "no streams groups",
  "group.streams.": "no streams groups",
  "kafka.metrics.": "Java metrics reporters",
  "metric.reporters": "Java metrics reporters",
  "metrics.": "Java metrics reporters",
  "delegation.token.": "no delegation tokens",
  "telemetry.max.bytes": "no client telemetry",
  "alter.config.policy.class.name": "a Java class",
  "create.topic.policy.class.name": "a Java class",
  "authorizer.class.name": "a Java class",
  "client.quota.callback.class": "a Java class",
  "config.providers": "Java classes",
  "principal.builder.class": "a Java class",
  "security.providers": "Java classes",
  "connection.failed.authentication.delay.ms": "no authentication yet",
  "connections.max.reauth.ms": "no authentication yet",
  "cordoned.log.dirs": "one directory a node",
  "early.start.listeners": "one listener",
  "initial.broker.registration.timeout.ms": "a node registers when its metadata log serves, or does not start",
  "socket.connection.setup.timeout": "connections between Kafka's own nodes"
}

/** Keys of ours that Kafka shows to nobody. */
const ADDED: Readonly<Record<string, string>> = {
  "allow.everyone.if.no.acl.found": "a key of Kafka's authorizer, which is a plugin there",
  "metadata.acks": "when a change of configs is answered in a cluster"
}

const absentFor = (name: string): string | undefined => Object.keys(ABSENT).find((prefix) => name.startsWith(prefix))

const rowOf = (definition: ConfigDefinition, kind: Kind): Row => [
  CONFIG_TYPE_ID[definition.type],
  // A lone node in development starts with other values than a node of a cluster, whose defaults are Kafka's.
  (kind === "broker" ? CLUSTER_DEFAULTS.get(definition.name) : undefined) ?? definition.default,
  definition.mutability === "read-only"
]

const differs = (kind: Kind, name: string): boolean => {
  const definition = OURS[kind].get(name)
  const kafka = KAFKA[kind][name]
  return (
    definition !== undefined && kafka !== undefined && JSON.stringify(rowOf(definition, kind)) !== JSON.stringify(kafka)
  )
}

describe.each(Object.keys(KAFKA) as ReadonlyArray<Kind>)("the config keys of a %s", (kind) => {
  it("that both have are alike", () => {
    for (const [name, kafka] of Object.entries(KAFKA[kind])) {
      const definition = OURS[kind].get(name)
      if (definition === undefined || DIFFERENT[name] !== undefined) continue
      expect(rowOf(definition, kind), name).toEqual(kafka)
    }
  })

  it("that Kafka has are ours, or left out for a reason", () => {
    const missing = Object.keys(KAFKA[kind]).filter((name) => !OURS[kind].has(name))
    expect(missing.filter((name) => absentFor(name) === undefined)).toEqual([])
  })

  it("that are ours are Kafka's, or added for a reason", () => {
    const added = [...OURS[kind].keys()].filter((name) => KAFKA[kind][name] === undefined)
    expect(added.filter((name) => ADDED[name] === undefined)).toEqual([])
  })

  it("keep the type of Kafka's also where they differ", () => {
    for (const [name, [type]] of Object.entries(KAFKA[kind])) {
      const definition = OURS[kind].get(name)
      if (definition !== undefined) expect(CONFIG_TYPE_ID[definition.type], name).toBe(type)
    }
  })
})

describe("the list of differences", () => {
  const kinds = Object.keys(KAFKA) as ReadonlyArray<Kind>
  const missing = kinds.flatMap((kind) => Object.keys(KAFKA[kind]).filter((name) => !OURS[kind].has(name)))

  it("names only what differs, is absent or is added", () => {
    for (const name of Object.keys(DIFFERENT))
      expect(
        kinds.some((kind) => differs(kind, name)),
        name
      ).toBe(true)
    for (const prefix of Object.keys(ABSENT)) {
      expect(
        missing.some((name) => absentFor(name) === prefix),
        prefix
      ).toBe(true)
    }
    for (const name of Object.keys(ADDED)) {
      expect(BROKER_CONFIGS.has(name) && KAFKA.broker[name] === undefined, name).toBe(true)
    }
  })

  it("is about a Kafka that was really asked", () => {
    expect(Object.keys(KAFKA.topic).length).toBeGreaterThan(30)
    expect(Object.keys(KAFKA.broker).length).toBeGreaterThan(300)
  })
})
