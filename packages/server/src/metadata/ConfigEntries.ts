/**
 * Configuration as DescribeConfigs and CreateTopics show it: every known key with its value in force, where that value comes
 * from, and everything else that speaks for the key, in Kafka's order (by source, then by the key's own order of synonyms).
 *
 * Passwords are never shown.
 */
import { type BrokerConfig, ConfigSource, type SourcedValue } from "@chronik-effect/core/config/BrokerConfig.ts"
import { BROKER_CONFIGS } from "@chronik-effect/core/config/BrokerConfigDefinitions.ts"
import { CONFIG_TYPE_ID, type ConfigDefinition } from "@chronik-effect/core/config/ConfigDefinition.ts"
import { TOPIC_CONFIGS, topicConfigValue } from "@chronik-effect/core/config/TopicConfig.ts"

export interface ConfigEntry {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: ConfigSource
  readonly isSensitive: boolean
  readonly synonyms: ReadonlyArray<SourcedValue>
  readonly configType: number
  readonly documentation: string
}

/** Broker keys that stand for the same setting in other units, strongest first. */
const BROKER_FAMILIES: ReadonlyArray<ReadonlyArray<string>> = [
  ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
  ["log.roll.ms", "log.roll.hours"],
  ["log.roll.jitter.ms", "log.roll.jitter.hours"],
  ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]
]

/** All entries of a topic with these overrides, by name. */
export const topicEntries = (
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig
): ReadonlyArray<ConfigEntry> =>
  [...TOPIC_CONFIGS.values()].map((definition) => {
    const override = overrides.get(definition.name)
    const own: ReadonlyArray<SourcedValue> =
      override === undefined ? [] : [{ name: definition.name, value: override, source: ConfigSource.TOPIC }]
    const inherited = sourcesOf(
      definition.synonyms.map((synonym) => synonym.name),
      broker
    )
    return entry(
      definition,
      topicConfigValue(overrides, broker, definition.name) ?? null,
      [...own, ...inherited],
      false
    )
  })

/** All entries of this broker, by name. */
export const brokerEntries = (broker: BrokerConfig): ReadonlyArray<ConfigEntry> =>
  [...BROKER_CONFIGS.values()].map((definition) =>
    entry(
      definition,
      broker.text(definition.name) ?? null,
      sourcesOf(familyOf(definition.name), broker).filter((value) => value.value !== null),
      definition.mutability === "read-only"
    )
  )

/** What was set for all brokers at run time: the entries of the cluster-wide default. */
export const clusterDefaultEntries = (broker: BrokerConfig): ReadonlyArray<ConfigEntry> =>
  [...broker.dynamicDefault]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, value]) => {
      const definition = BROKER_CONFIGS.get(name)
      if (definition === undefined) return []
      return [entry(definition, value, [{ name, value, source: ConfigSource.DYNAMIC_DEFAULT_BROKER }], false)]
    })

const familyOf = (name: string): ReadonlyArray<string> => {
  const family = BROKER_FAMILIES.find((names) => names.includes(name))
  return family ?? [name]
}

/** By name, and for a name by source: since of a family only the first may change at run time, that is by source as well. */
const sourcesOf = (names: ReadonlyArray<string>, broker: BrokerConfig): ReadonlyArray<SourcedValue> =>
  names.flatMap((name) => broker.sources(name))

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
    synonyms: isSensitive ? synonyms.map((synonym) => ({ ...synonym, value: null })) : synonyms,
    configType: CONFIG_TYPE_ID[definition.type],
    documentation: definition.documentation
  }
}
