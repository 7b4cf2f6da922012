/**
 * Judging changes of configuration: AlterConfigs and IncrementalAlterConfigs of a topic, a broker, a group or a client metrics
 * subscription. All of one resource's changes are accepted, or none.
 */
import { HashMap, Option, Result } from "effect"
import type { BrokerConfig } from "../config/BrokerConfig.ts"
import { BROKER_CONFIGS } from "../config/BrokerConfigDefinitions.ts"
import { CLIENT_METRICS_CONFIGS, clientMetricsConfigsProblem } from "../config/ClientMetricsConfig.ts"
import { type ConfigDefinition, invalidReason } from "../config/ConfigDefinition.ts"
import { GROUP_CONFIGS, groupConfigsProblem } from "../config/GroupConfig.ts"
import { brokerValueOf, TOPIC_CONFIGS, topicConfigsProblem } from "../config/TopicConfig.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import { type AlterConfigs, type ConfigChange, ConfigOp, ConfigResource } from "./Command.ts"
import { type Decision, refuse, topicNameProblem } from "./Decide.ts"
import type { MetadataImage } from "./MetadataImage.ts"
import { changedConfigs } from "./ReplayConfigs.ts"

/** Most groups, and most client metrics subscriptions, that may have configs of their own. */
export const NAMED_RESOURCES_MAX = 10_000

export interface ConfigsRequest {
  readonly resourceType: number
  readonly resourceName: string
  /** As on the wire: operations and values are not yet checked. */
  readonly changes: ReadonlyArray<{ readonly name: string; readonly op: number; readonly value: string | null }>
}

export const decideAlterConfigs = (
  request: ConfigsRequest,
  image: MetadataImage,
  broker: BrokerConfig
): Decision<AlterConfigs> => {
  const duplicate = request.changes.find(({ name }, i) => request.changes.findIndex((c) => c.name === name) !== i)
  if (duplicate !== undefined) {
    return refuse(ErrorCode.INVALID_REQUEST, `Error due to duplicate config keys: ${duplicate.name}`)
  }
  switch (request.resourceType) {
    case ConfigResource.TOPIC:
      return decideTopic(request, image, broker)
    case ConfigResource.BROKER:
      return decideBroker(request, image, broker)
    case ConfigResource.GROUP:
      return decideNamed(request, image.groupConfigs, GROUP_CONFIGS, ConfigResource.GROUP, (values) =>
        groupConfigsProblem(values, broker)
      )
    case ConfigResource.CLIENT_METRICS:
      return decideNamed(
        request,
        image.clientMetrics,
        CLIENT_METRICS_CONFIGS,
        ConfigResource.CLIENT_METRICS,
        clientMetricsConfigsProblem
      )
    default:
      return refuse(ErrorCode.INVALID_REQUEST, `Unsupported config resource type ${request.resourceType}.`)
  }
}

const decideTopic = (request: ConfigsRequest, image: MetadataImage, broker: BrokerConfig): Decision<AlterConfigs> => {
  const name = request.resourceName
  const nameProblem = topicNameProblem(name)
  if (nameProblem !== undefined) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, nameProblem)
  const topic = image.topic(name)
  if (topic === undefined) {
    return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`)
  }
  const inherited = (key: string) => {
    const definition = TOPIC_CONFIGS.get(key)
    return definition === undefined ? "" : brokerValueOf(definition, broker)
  }
  const changes = checkChanges(request.changes, TOPIC_CONFIGS, topic.configs, inherited)
  if (Result.isFailure(changes)) return Result.fail(changes.failure)
  const problem = topicConfigsProblem(changedConfigs(topic.configs, changes.success, inherited), broker)
  return problem === undefined
    ? Result.succeed({
        _tag: "AlterConfigs",
        resourceType: ConfigResource.TOPIC,
        resource: topic.topicId,
        changes: changes.success
      })
    : refuse(ErrorCode.INVALID_CONFIG, problem)
}

const decideBroker = (request: ConfigsRequest, image: MetadataImage, broker: BrokerConfig): Decision<AlterConfigs> => {
  const resource = request.resourceName
  if (resource !== "" && !(/^\d{1,9}$/.test(resource) && image.brokers.has(Number(resource)))) {
    return refuse(ErrorCode.INVALID_REQUEST, `'${resource}' is not the id of a registered broker.`)
  }
  const fixed = request.changes.find(({ name }) => BROKER_CONFIGS.get(name)?.mutability === "read-only")
  if (fixed !== undefined) {
    return refuse(ErrorCode.INVALID_REQUEST, `Cannot update these configs dynamically: ${fixed.name}`)
  }
  const shared = request.changes.find(({ name }) => BROKER_CONFIGS.get(name)?.mutability === "per-broker")
  if (resource === "" && shared !== undefined) {
    return refuse(
      ErrorCode.INVALID_REQUEST,
      `Cannot update these configs at default cluster level, only for one broker: ${shared.name}`
    )
  }
  const overrides = image.brokerConfigs.get(resource) ?? new Map<string, string>()
  const inherited = (key: string) => broker.text(key) ?? ""
  return Result.flatMap(checkChanges(request.changes, BROKER_CONFIGS, overrides, inherited), (changes) => {
    for (const [key, value] of changedConfigs(overrides, changes, inherited)) {
      const reason = invalidReason(BROKER_CONFIGS.get(key)!, value)
      if (reason !== undefined) return refuse(ErrorCode.INVALID_CONFIG, reason)
    }
    return Result.succeed<AlterConfigs>({
      _tag: "AlterConfigs",
      resourceType: ConfigResource.BROKER,
      resource,
      changes
    })
  })
}

/** A group or a subscription: any name will do, and it need not be known before. */
const decideNamed = (
  { resourceName, changes }: ConfigsRequest,
  known: HashMap.HashMap<string, ReadonlyMap<string, string>>,
  definitions: ReadonlyMap<string, ConfigDefinition>,
  resourceType: ConfigResource,
  problemOf: (values: ReadonlyMap<string, string>) => string | undefined
): Decision<AlterConfigs> => {
  if (resourceName === "") return refuse(ErrorCode.INVALID_REQUEST, "The name of the resource must not be empty.")
  const before = Option.getOrUndefined(HashMap.get(known, resourceName))
  if (before === undefined && HashMap.size(known) >= NAMED_RESOURCES_MAX) {
    return refuse(
      ErrorCode.POLICY_VIOLATION,
      `${NAMED_RESOURCES_MAX} resources of this type have configs of their own, which is the most: remove some first.`
    )
  }
  const overrides = before ?? new Map<string, string>()
  const inherited = (key: string) => definitions.get(key)?.default ?? ""
  return Result.flatMap(checkChanges(changes, definitions, overrides, inherited), (checked) => {
    const problem = problemOf(changedConfigs(overrides, checked, inherited))
    return problem === undefined
      ? Result.succeed<AlterConfigs>({ _tag: "AlterConfigs", resourceType, resource: resourceName, changes: checked })
      : refuse(ErrorCode.INVALID_CONFIG, problem)
  })
}

/** Operations made definite: an APPEND or SUBTRACT on an inherited list becomes the SET of its outcome. */
const checkChanges = (
  changes: ConfigsRequest["changes"],
  definitions: ReadonlyMap<string, ConfigDefinition>,
  overrides: ReadonlyMap<string, string>,
  inherited: (name: string) => string
): Decision<ReadonlyArray<ConfigChange>> => {
  const checked: Array<ConfigChange> = []
  for (const { name, op, value } of changes) {
    if (name === "") return refuse(ErrorCode.INVALID_REQUEST, "A config name must not be empty.")
    const definition = definitions.get(name)
    if (op === ConfigOp.DELETE) {
      checked.push({ name, op, value: null })
      continue
    }
    if (op !== ConfigOp.SET && op !== ConfigOp.APPEND && op !== ConfigOp.SUBTRACT) {
      return refuse(ErrorCode.INVALID_REQUEST, `Unknown operation ${op} for the config ${name}.`)
    }
    if (value === null) return refuse(ErrorCode.INVALID_REQUEST, `Null value not supported for : ${name}`)
    if (definition === undefined) return refuse(ErrorCode.INVALID_CONFIG, `Unknown config name: ${name}.`)
    if (op === ConfigOp.SET) {
      checked.push({ name, op, value })
      continue
    }
    if (definition.type !== "list") {
      const verb = op === ConfigOp.APPEND ? "append to" : "subtract from"
      return refuse(ErrorCode.INVALID_CONFIG, `Can't ${verb} key ${name} because its type is not LIST.`)
    }
    const change: ConfigChange = { name, op, value }
    if (overrides.has(name)) checked.push(change)
    else {
      const outcome = changedConfigs(overrides, [change], inherited).get(name) ?? ""
      checked.push({ name, op: ConfigOp.SET, value: outcome })
    }
  }
  return Result.succeed(checked)
}
