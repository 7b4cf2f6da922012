/**
 * The configuration of one broker under Kafka's dotted names: what the operator set, what was changed while running, and the
 * defaults, in Kafka's order of precedence (own dynamic value, cluster-wide dynamic value, static value, default).
 *
 * Immutable: a dynamic change makes a new one by `withDynamic`. It deliberately reads neither file nor environment nor flags:
 * `server/config` collects the static values and hands them to `makeBrokerConfig`.
 */
import * as Result from "effect/Result"
import { BROKER_CONFIGS, CLUSTER_DEFAULTS } from "./BrokerConfigDefinitions.ts"
import { brokerRulesProblem } from "./BrokerRules.ts"
import { booleanOf, integerOf, invalidReason, listElements } from "./ConfigDefinition.ts"

/** Some defaults differ: a lone broker in development starts groups at once and has no replicas to ask for. */
export type BrokerProfile = "standalone" | "cluster"

/** `ConfigSource` of DescribeConfigs. */
export const ConfigSource = {
  TOPIC: 1,
  DYNAMIC_BROKER: 2,
  DYNAMIC_DEFAULT_BROKER: 3,
  STATIC_BROKER: 4,
  DEFAULT: 5,
  DYNAMIC_BROKER_LOGGER: 6,
  CLIENT_METRICS: 7,
  GROUP: 8
} as const
export type ConfigSource = (typeof ConfigSource)[keyof typeof ConfigSource]

export interface SourcedValue {
  readonly name: string
  readonly value: string | null
  readonly source: ConfigSource
}

const NONE: ReadonlyMap<string, string> = new Map()

export class BrokerConfig {
  readonly profile: BrokerProfile
  /** What the operator set at start, by name. */
  readonly staticValues: ReadonlyMap<string, string>
  readonly dynamicDefault: ReadonlyMap<string, string>
  readonly dynamicOwn: ReadonlyMap<string, string>

  constructor(
    profile: BrokerProfile,
    staticValues: ReadonlyMap<string, string>,
    dynamicDefault: ReadonlyMap<string, string> = NONE,
    dynamicOwn: ReadonlyMap<string, string> = NONE
  ) {
    this.profile = profile
    this.staticValues = staticValues
    this.dynamicDefault = dynamicDefault
    this.dynamicOwn = dynamicOwn
  }

  /** The same broker with these values changed while running (from the metadata image). */
  withDynamic(clusterDefault: ReadonlyMap<string, string>, own: ReadonlyMap<string, string>): BrokerConfig {
    return new BrokerConfig(this.profile, this.staticValues, clusterDefault, own)
  }

  /** The value in force; null where the key is known but unset, undefined where it is unknown. */
  text(name: string): string | null | undefined {
    return (
      this.dynamicOwn.get(name) ?? this.dynamicDefault.get(name) ?? this.staticValues.get(name) ?? this.default(name)
    )
  }

  /** An integer key's value; values beyond 2^53 become `Number.MAX_SAFE_INTEGER`. Must be a known key that is set. */
  integer(name: string): number {
    return integerOf(this.known(name))
  }

  double(name: string): number {
    return Number(this.known(name))
  }

  boolean(name: string): boolean {
    return booleanOf(this.known(name))
  }

  list(name: string): ReadonlyArray<string> {
    return listElements(this.known(name))
  }

  /** Everything that speaks for the key on this broker, strongest first. */
  sources(name: string): ReadonlyArray<SourcedValue> {
    const found: Array<SourcedValue> = []
    const add = (value: string | null | undefined, source: ConfigSource) => {
      if (value !== undefined) found.push({ name, value, source })
    }
    add(this.dynamicOwn.get(name), ConfigSource.DYNAMIC_BROKER)
    add(this.dynamicDefault.get(name), ConfigSource.DYNAMIC_DEFAULT_BROKER)
    add(this.staticValues.get(name), ConfigSource.STATIC_BROKER)
    const fallback = this.default(name)
    if (fallback !== null) add(fallback, ConfigSource.DEFAULT)
    return found
  }

  private default(name: string): string | null | undefined {
    const special = this.profile === "cluster" ? CLUSTER_DEFAULTS.get(name) : undefined
    return special ?? BROKER_CONFIGS.get(name)?.default
  }

  private known(name: string): string {
    const text = this.text(name)
    if (text === null || text === undefined) throw new RangeError(`The broker config ${name} has no value to read.`)
    return text
  }
}

/**
 * Static values checked and made into a `BrokerConfig`; the failure lists every problem as a sentence.
 *
 * **Errors** an unknown name, a value that does not parse or is out of bounds, two values that contradict each other.
 */
export const makeBrokerConfig = (
  profile: BrokerProfile,
  values: Iterable<readonly [name: string, value: string]>
): Result.Result<BrokerConfig, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const kept = new Map<string, string>()
  for (const [name, value] of values) {
    const definition = BROKER_CONFIGS.get(name)
    if (definition === undefined) {
      problems.push(`${name} is not a broker config that chronik-effect knows: check the spelling, or leave it out.`)
      continue
    }
    const reason = invalidReason(definition, value)
    if (reason === undefined) kept.set(name, value.trim())
    else problems.push(`${reason}.`)
  }
  if (problems.length > 0) return Result.fail(problems)
  const config = new BrokerConfig(profile, kept)
  const broken = brokerRulesProblem(config)
  return broken === undefined ? Result.succeed(config) : Result.fail([`${broken}.`])
}

/** A broker with nothing set. */
export const defaultBrokerConfig = (profile: BrokerProfile = "standalone"): BrokerConfig =>
  new BrokerConfig(profile, NONE)
