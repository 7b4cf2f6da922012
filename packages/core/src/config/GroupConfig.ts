/**
 * The configuration of one group (resource type 32): keys of the consumer protocol (KIP-848) that a group may have of its own
 * instead of the broker's.
 *
 * A group need not exist to be configured. Deliberately absent: the keys of share and streams groups, which are not served.
 * The broker's limits may have moved since a value was set, so a value in force is always brought within them.
 */
import type { BrokerConfig } from "./BrokerConfig.ts"
import { type ConfigDefinition, define, definitionTable, integerOf, invalidReason, shown } from "./ConfigDefinition.ts"

const group = (name: string, fallback: number, min: number, documentation: string): ConfigDefinition =>
  define(name, "int", fallback, documentation, { min, synonyms: [`group.${name}`], mutability: "cluster-wide" })

/** All group keys, by name, in the order of their names. */
export const GROUP_CONFIGS: ReadonlyMap<string, ConfigDefinition> = definitionTable([
  group("consumer.heartbeat.interval.ms", 5000, 1, "Heartbeat interval told to the members of this consumer group."),
  group("consumer.session.timeout.ms", 45_000, 1, "A member of this consumer group silent for this long is removed."),
  group(
    "consumer.assignment.interval.ms",
    1000,
    0,
    "Least time between two computations of this consumer group's assignment."
  )
])

export interface ConsumerGroupSettings {
  readonly heartbeatIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly assignmentIntervalMs: number
}

const NONE: ReadonlyMap<string, string> = new Map()

/** What is in force for a group with these overrides on this broker; undefined where the group has none. */
export const consumerGroupSettings = (
  overrides: ReadonlyMap<string, string> | undefined,
  broker: BrokerConfig
): ConsumerGroupSettings => ({
  heartbeatIntervalMs: inForce(overrides ?? NONE, broker, "heartbeat.interval.ms"),
  sessionTimeoutMs: inForce(overrides ?? NONE, broker, "session.timeout.ms"),
  assignmentIntervalMs: inForce(overrides ?? NONE, broker, "assignment.interval.ms")
})

const inForce = (overrides: ReadonlyMap<string, string>, broker: BrokerConfig, key: string): number => {
  const own = overrides.get(`consumer.${key}`)
  if (own === undefined) return broker.integer(`group.consumer.${key}`)
  const min = broker.integer(`group.consumer.min.${key}`)
  const max = broker.integer(`group.consumer.max.${key}`)
  return Math.max(min, Math.min(max, integerOf(own)))
}

/** Why this set of overrides is not legal for a group: the first sentence, or undefined. */
export const groupConfigsProblem = (
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig
): string | undefined => {
  for (const [name, text] of overrides) {
    const definition = GROUP_CONFIGS.get(name)
    if (definition === undefined) return `Unknown group config name: ${shown(name)}`
    const reason = invalidReason(definition, text) ?? outOfBrokersLimits(name, text, broker)
    if (reason !== undefined) return reason
  }
  const heartbeat = inForce(overrides, broker, "heartbeat.interval.ms")
  const session = inForce(overrides, broker, "session.timeout.ms")
  return heartbeat < session
    ? undefined
    : `consumer.heartbeat.interval.ms must be less than consumer.session.timeout.ms (${heartbeat} and ${session} would be in force).`
}

const outOfBrokersLimits = (name: string, text: string, broker: BrokerConfig): string | undefined => {
  const key = name.slice("consumer.".length)
  const value = integerOf(text)
  const min = broker.integer(`group.consumer.min.${key}`)
  if (value < min) return `${name} must be greater than or equal to group.consumer.min.${key}`
  const max = broker.integer(`group.consumer.max.${key}`)
  return value > max ? `${name} must be less than or equal to group.consumer.max.${key}` : undefined
}
