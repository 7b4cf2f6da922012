/**
 * What can be configured, one kind of resource at a time: which keys it has, what is set now, what an unset key inherits, and
 * which sets of values are legal. `DecideConfigs` does the rest alike for all.
 *
 * Error codes and wording are Kafka's, which differ by kind: a bad value of a topic is INVALID_CONFIG, of a broker
 * INVALID_REQUEST.
 */
import { HashMap, Option, Result } from "effect"
import type { BrokerConfig } from "../config/BrokerConfig.ts"
import { BROKER_CONFIGS } from "../config/BrokerConfigDefinitions.ts"
import { brokerRulesProblem } from "../config/BrokerRules.ts"
import { CLIENT_METRICS_CONFIGS, clientMetricsProblem } from "../config/ClientMetricsConfig.ts"
import { type ConfigDefinition, invalidReason, isTooLong, shown, VALUE_BYTES_MAX } from "../config/ConfigDefinition.ts"
import { GROUP_CONFIGS, groupConfigsProblem } from "../config/GroupConfig.ts"
import { brokerValueOf, TOPIC_CONFIGS, topicConfigsProblem } from "../config/TopicConfig.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import { ConfigResource } from "./Command.ts"
import { type Decision, type Refusal, refuse, topicNameProblem } from "./Decide.ts"
import type { MetadataImage } from "./MetadataImage.ts"

/** Most groups, and most client metrics subscriptions, that may have configs of their own. */
export const NAMED_RESOURCES_MAX = 10_000
/** Most keys that may be set for one broker, or for all: unknown ones are kept too. */
const BROKER_KEYS_MAX = 1_000
const KEY_LENGTH_MAX = 249

export interface ConfigTarget {
  readonly resourceType: ConfigResource
  /** As the command names it. */
  readonly resource: string
  readonly overrides: ReadonlyMap<string, string>
  /** What a key without an override is worth here; "" where nothing says. */
  readonly inherited: (name: string) => string
  /** Why the resource cannot have these values; `set` are the keys that the request gave a value. */
  readonly problem: (values: ReadonlyMap<string, string>, set: ReadonlyArray<string>) => Refusal | undefined
  /** Whether elements may be added to the key's value and taken from it. */
  readonly isList: (name: string) => boolean
  /** Kafka's sentence for an operation of lists on a key that is none. */
  readonly noList: (name: string, operation: "APPEND" | "SUBTRACT") => string
}

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
}

export const targetOf = (
  { resourceType, resourceName }: Resource,
  image: MetadataImage,
  broker: BrokerConfig
): Decision<ConfigTarget> => {
  switch (resourceType) {
    case ConfigResource.TOPIC:
      return topicTarget(resourceName, image, broker)
    case ConfigResource.BROKER:
      return brokerTarget(resourceName, image, broker)
    case ConfigResource.GROUP:
      return groupTarget(resourceName, image, broker)
    case ConfigResource.CLIENT_METRICS:
      return clientMetricsTarget(resourceName, image)
    default:
      return refuse(ErrorCode.INVALID_REQUEST, `Unknown resource type ${resourceType}`)
  }
}

const NONE: ReadonlyMap<string, string> = new Map()

const invalidConfig = (message: string | undefined): Refusal | undefined =>
  message === undefined ? undefined : { errorCode: ErrorCode.INVALID_CONFIG, message }

const invalidRequest = (message: string): Refusal => ({ errorCode: ErrorCode.INVALID_REQUEST, message })

const notAList = (name: string, operation: string): string =>
  `Can't ${operation} to key ${name} because its type is not LIST.`

const topicTarget = (name: string, image: MetadataImage, broker: BrokerConfig): Decision<ConfigTarget> => {
  if (name === "") return refuse(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
  const nameProblem = topicNameProblem(name)
  if (nameProblem !== undefined) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, nameProblem)
  const topic = image.topic(name)
  if (topic === undefined) return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`)
  return Result.succeed({
    resourceType: ConfigResource.TOPIC,
    resource: topic.topicId,
    overrides: topic.configs,
    inherited: (key) => {
      const definition = TOPIC_CONFIGS.get(key)
      return definition === undefined ? "" : brokerValueOf(definition, broker)
    },
    problem: (values) => invalidConfig(topicConfigsProblem(values, broker)),
    isList: (key) => TOPIC_CONFIGS.get(key)?.type === "list",
    noList: notAList
  })
}

// --- groups and subscriptions: any name will do, and it need not be known before

const groupTarget = (name: string, image: MetadataImage, broker: BrokerConfig): Decision<ConfigTarget> =>
  name === ""
    ? refuse(ErrorCode.INVALID_REQUEST, "Default group resources are not allowed.")
    : Result.succeed({
        ...namedTarget(ConfigResource.GROUP, name, image.groupConfigs, GROUP_CONFIGS),
        problem: (values) => tooMany(name, image.groupConfigs) ?? invalidConfig(groupConfigsProblem(values, broker))
      })

const clientMetricsTarget = (name: string, image: MetadataImage): Decision<ConfigTarget> =>
  name === ""
    ? refuse(ErrorCode.INVALID_REQUEST, "Subscription name can't be empty")
    : Result.succeed({
        ...namedTarget(ConfigResource.CLIENT_METRICS, name, image.clientMetrics, CLIENT_METRICS_CONFIGS),
        problem: (values) => {
          const problem = tooMany(name, image.clientMetrics) ?? tooLong(values)
          if (problem !== undefined) return problem
          const found = clientMetricsProblem(values)
          if (found === undefined) return undefined
          return found.kind === "config" ? invalidConfig(found.message) : invalidRequest(found.message)
        }
      })

type Named = HashMap.HashMap<string, ReadonlyMap<string, string>>

const namedTarget = (
  resourceType: ConfigResource,
  resource: string,
  known: Named,
  definitions: ReadonlyMap<string, ConfigDefinition>
): Omit<ConfigTarget, "problem"> => ({
  resourceType,
  resource,
  overrides: Option.getOrElse(HashMap.get(known, resource), () => NONE),
  inherited: (key) => definitions.get(key)?.default ?? "",
  // Kafka's controller has no schema of these: no key of theirs is a list to it.
  isList: () => false,
  noList: notAList
})

const tooMany = (name: string, known: Named): Refusal | undefined =>
  HashMap.has(known, name) || HashMap.size(known) < NAMED_RESOURCES_MAX
    ? undefined
    : {
        errorCode: ErrorCode.POLICY_VIOLATION,
        message: `${NAMED_RESOURCES_MAX} resources of this type have configs of their own, which is the most: remove some first.`
      }

// --- brokers

const brokerTarget = (name: string, image: MetadataImage, broker: BrokerConfig): Decision<ConfigTarget> => {
  const own = broker.text("node.id") ?? ""
  if (name !== "") {
    if (!/^[+-]?\d{1,10}$/.test(name)) {
      return refuse(ErrorCode.INVALID_REQUEST, `Node id must be an integer, but it is: ${shown(name)}`)
    }
    if (Number(name) !== Number(own)) {
      return refuse(ErrorCode.INVALID_REQUEST, `Unexpected broker id, expected ${own}, but received ${name}`)
    }
  }
  const resource = name === "" ? "" : own
  return Result.succeed({
    resourceType: ConfigResource.BROKER,
    resource,
    overrides: image.brokerConfigs.get(resource) ?? NONE,
    inherited: (key) => broker.text(key) ?? "",
    problem: (values, set) => {
      const problem = fixedKeys(resource, set) ?? tooLong(values) ?? brokerValuesProblem(values)
      if (problem !== undefined) return problem
      const changed =
        resource === ""
          ? broker.withDynamic(values, broker.dynamicOwn)
          : broker.withDynamic(broker.dynamicDefault, values)
      const broken = brokerRulesProblem(changed)
      return broken === undefined ? undefined : invalidRequest(broken)
    },
    isList: (key) => BROKER_CONFIGS.get(key)?.type === "list",
    noList: (key, operation) => `Config value ${operation.toLowerCase()} is not allowed for config key: ${key}`
  })
}

const fixedKeys = (resource: string, set: ReadonlyArray<string>): Refusal | undefined => {
  const those = (is: (definition: ConfigDefinition | undefined) => boolean) =>
    set.filter((name) => is(BROKER_CONFIGS.get(name))).join(", ")
  const fixed = those((definition) => definition?.mutability === "read-only")
  if (fixed !== "") return invalidRequest(`Cannot update these configs dynamically: [${fixed}]`)
  const own = those((definition) => definition?.mutability === "per-broker")
  if (own !== "" && resource === "") {
    return invalidRequest(`Cannot update these configs at default cluster level, broker id must be specified: [${own}]`)
  }
  const secret = those((definition) => definition?.type === "password")
  return secret === ""
    ? undefined
    : invalidRequest(
        `These security configs can be dynamically updated only per-listener using the listener prefix: [${secret}]`
      )
}

/** Unknown keys are legal: Kafka keeps them for plugins and shows them as secrets. */
const brokerValuesProblem = (values: ReadonlyMap<string, string>): Refusal | undefined => {
  if (values.size > BROKER_KEYS_MAX) {
    return invalidRequest(`A broker may have at most ${BROKER_KEYS_MAX} keys set at run time.`)
  }
  for (const [name, text] of values) {
    const definition = BROKER_CONFIGS.get(name)
    const reason = definition === undefined ? undefined : invalidReason(definition, text)
    if (reason !== undefined) return invalidRequest(reason)
  }
  return undefined
}

const tooLong = (values: ReadonlyMap<string, string>): Refusal | undefined => {
  for (const [name, text] of values) {
    if (name === "" || name.length > KEY_LENGTH_MAX) {
      return invalidRequest(`The name of a config key has 1 to ${KEY_LENGTH_MAX} characters: ${shown(name)}`)
    }
    if (isTooLong(text)) {
      return invalidRequest(`The value of ${shown(name)} has more than ${VALUE_BYTES_MAX} bytes.`)
    }
  }
  return undefined
}
