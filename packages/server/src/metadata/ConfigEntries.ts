/**
 * Configuration as DescribeConfigs and CreateTopics show it: every known key with its value in force, where that value comes
 * from, and everything else that speaks for the key.
 *
 * Synonyms are in Kafka's order: by source, and of one source by the key's own order of synonyms. They begin with the key's
 * own name (for a topic's key: with its first broker key); what stands before it is left out, as Kafka does. So a
 * `retention.ms` that only `log.retention.hours` speaks for is shown without synonyms and as a default.
 *
 * Secrets are never shown, nor is a key whose type nobody knows.
 */
import { type BrokerConfig, ConfigSource, type SourcedValue } from "@chronik-effect/core/config/BrokerConfig.ts"
import { BROKER_CONFIGS } from "@chronik-effect/core/config/BrokerConfigDefinitions.ts"
import { CLIENT_METRICS_CONFIGS } from "@chronik-effect/core/config/ClientMetricsConfig.ts"
import { CONFIG_TYPE_ID, type ConfigDefinition } from "@chronik-effect/core/config/ConfigDefinition.ts"
import { GROUP_CONFIGS } from "@chronik-effect/core/config/GroupConfig.ts"
import { brokerValueOf, TOPIC_CONFIGS, topicConfigValue } from "@chronik-effect/core/config/TopicConfig.ts"

export interface ConfigEntry {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: ConfigSource
  readonly isSensitive: boolean
  readonly synonyms: ReadonlyArray<SourcedValue>
  readonly configType: number
  readonly documentation: string | null
}

/** Broker keys that stand for the same setting in other units, strongest first. */
const BROKER_FAMILIES: ReadonlyArray<ReadonlyArray<string>> = [
  ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
  ["log.roll.ms", "log.roll.hours"],
  ["log.roll.jitter.ms", "log.roll.jitter.hours"]
]

const NONE: ReadonlyMap<string, string> = new Map()

/** All entries of a topic with these overrides, by name. */
export const topicEntries = (
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig
): ReadonlyArray<ConfigEntry> =>
  inheritedTopicEntries(broker).map((inherited) => {
    const value = overrides.get(inherited.name)
    return value === undefined
      ? inherited
      : {
          ...inherited,
          value,
          configSource: ConfigSource.TOPIC,
          synonyms: [{ name: inherited.name, value, source: ConfigSource.TOPIC }, ...inherited.synonyms]
        }
  })

/** The same for every topic of a broker's configuration, and asked for all topics at once by tools: made once. */
const inheritedOf = new WeakMap<BrokerConfig, ReadonlyArray<ConfigEntry>>()

const inheritedTopicEntries = (broker: BrokerConfig): ReadonlyArray<ConfigEntry> => {
  const known = inheritedOf.get(broker)
  if (known !== undefined) return known
  const entries = [...TOPIC_CONFIGS.values()].map((definition) => {
    const brokerKey = definition.synonyms[0]?.name
    const synonyms = brokerKey === undefined ? [] : sourcesOf(brokerKey, broker)
    return entry(definition, topicConfigValue(NONE, broker, definition.name) ?? null, synonyms, false)
  })
  inheritedOf.set(broker, entries)
  return entries
}

/** All entries of this broker, by name: the known keys, then those that were set although nobody knows them. */
export const brokerEntries = (broker: BrokerConfig): ReadonlyArray<ConfigEntry> => [
  ...[...BROKER_CONFIGS.values()].map((definition) =>
    entry(
      definition,
      broker.text(definition.name) ?? null,
      sourcesOf(definition.name, broker),
      definition.mutability === "read-only"
    )
  ),
  ...[...new Set([...broker.dynamicOwn.keys(), ...broker.dynamicDefault.keys()])]
    .filter((name) => !BROKER_CONFIGS.has(name))
    .sort()
    .map((name) => unknownEntry(name, broker.sources(name)))
]

/** What was set for all brokers at run time: the entries of the cluster-wide default. */
export const clusterDefaultEntries = (broker: BrokerConfig): ReadonlyArray<ConfigEntry> =>
  [...broker.dynamicDefault]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      const definition = BROKER_CONFIGS.get(name)
      const sources = [{ name, value, source: ConfigSource.DYNAMIC_DEFAULT_BROKER }]
      return definition === undefined ? unknownEntry(name, sources) : entry(definition, value, sources, false)
    })

/** All entries of a group with these overrides, by name. */
export const groupEntries = (
  overrides: ReadonlyMap<string, string> | undefined,
  broker: BrokerConfig
): ReadonlyArray<ConfigEntry> =>
  [...GROUP_CONFIGS.values()].map((definition) => {
    const { name } = definition
    const own = overrides?.get(name)
    const inherited = sourcesOf(definition.synonyms[0]!.name, broker)
    return own === undefined
      ? entry(definition, brokerValueOf(definition, broker), inherited, false)
      : entry(definition, own, [{ name, value: own, source: ConfigSource.GROUP }, ...inherited], false)
  })

/** All entries of a client metrics subscription with these values, by name. */
export const clientMetricsEntries = (values: ReadonlyMap<string, string> | undefined): ReadonlyArray<ConfigEntry> =>
  [...CLIENT_METRICS_CONFIGS.values()].map((definition) => {
    const { name } = definition
    const own = values?.get(name)
    return own === undefined
      ? entry(definition, definition.default, [], false)
      : entry(definition, own, [{ name, value: own, source: ConfigSource.CLIENT_METRICS }], false)
  })

const SOURCES: ReadonlyArray<ConfigSource> = [
  ConfigSource.DYNAMIC_BROKER,
  ConfigSource.DYNAMIC_DEFAULT_BROKER,
  ConfigSource.STATIC_BROKER,
  ConfigSource.DEFAULT
]

const sourcesOf = (name: string, broker: BrokerConfig): ReadonlyArray<SourcedValue> => {
  const family = BROKER_FAMILIES.find((names) => names.includes(name)) ?? [name]
  const all = family.flatMap((member) => broker.sources(member)).filter(({ value }) => value !== null)
  const ordered = SOURCES.flatMap((source) => all.filter((value) => value.source === source))
  const own = ordered.findIndex((value) => value.name === name)
  return own < 0 ? [] : ordered.slice(own)
}

const entry = (
  definition: ConfigDefinition,
  value: string | null,
  synonyms: ReadonlyArray<SourcedValue>,
  readOnly: boolean
): ConfigEntry => {
  const isSensitive = definition.type === "password"
  return {
    name: definition.name,
    value: isSensitive ? null : value,
    readOnly,
    configSource: synonyms[0]?.source ?? ConfigSource.DEFAULT,
    isSensitive,
    synonyms: isSensitive ? synonyms.map(hidden) : synonyms,
    configType: CONFIG_TYPE_ID[definition.type],
    documentation: definition.documentation
  }
}

/** As Kafka shows a key that only a plugin could know: it may be a secret. */
const unknownEntry = (name: string, sources: ReadonlyArray<SourcedValue>): ConfigEntry => ({
  name,
  value: null,
  readOnly: true,
  configSource: sources[0]?.source ?? ConfigSource.DEFAULT,
  isSensitive: true,
  synonyms: sources.map(hidden),
  configType: 0,
  documentation: null
})

const hidden = (value: SourcedValue): SourcedValue => ({ ...value, value: null })
