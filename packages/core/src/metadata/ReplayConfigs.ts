/**
 * Applying changes of configuration and of client quotas. Part of `replay`: total, deterministic, nothing is judged again but
 * whether the topic is still there.
 */
import { HashMap, Option } from "effect"
import { listElements } from "../config/ConfigDefinition.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import { entityKey } from "./ClientQuotas.ts"
import { type AlterClientQuotas, type AlterConfigs, type ConfigChange, ConfigOp, ConfigResource } from "./Command.ts"
import { EMPTY_DELTA } from "./MetadataDelta.ts"
import type { MetadataFields, MetadataImage, TopicImage } from "./MetadataImage.ts"
import { APPLIED, type Outcome, rejected } from "./Outcome.ts"

export const withTopic = (image: MetadataImage, topic: TopicImage): Partial<MetadataFields> => ({
  topicsByName: HashMap.set(image.fields.topicsByName, topic.name, topic),
  topicsById: HashMap.set(image.fields.topicsById, topic.topicId, topic)
})

export const alterConfigs = (image: MetadataImage, command: AlterConfigs): Outcome => {
  switch (command.resourceType) {
    case ConfigResource.TOPIC:
      return alterTopic(image, command)
    case ConfigResource.BROKER:
      return alterBroker(image, command)
    case ConfigResource.GROUP:
      return {
        fields: { groupConfigs: alterNamed(image.groupConfigs, command) },
        delta: { ...EMPTY_DELTA, groupConfigsChanged: [command.resource] },
        result: APPLIED
      }
    case ConfigResource.CLIENT_METRICS:
      return {
        fields: { clientMetrics: alterNamed(image.clientMetrics, command) },
        delta: EMPTY_DELTA,
        result: APPLIED
      }
    default:
      return rejected(ErrorCode.INVALID_REQUEST, `The resource type ${command.resourceType} has no configs.`)
  }
}

const alterTopic = (image: MetadataImage, command: AlterConfigs): Outcome => {
  const topic = image.topicById(command.resource)
  if (topic === undefined) {
    return rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic with the id ${command.resource}.`)
  }
  const changed = { ...topic, configs: changedConfigs(topic.configs, command.changes, () => "") }
  return {
    fields: withTopic(image, changed),
    delta: { ...EMPTY_DELTA, topicConfigsChanged: [changed] },
    result: APPLIED
  }
}

const alterBroker = (image: MetadataImage, command: AlterConfigs): Outcome => {
  const brokerConfigs = new Map(image.brokerConfigs)
  const values = changedConfigs(brokerConfigs.get(command.resource) ?? new Map(), command.changes, () => "")
  if (values.size === 0) brokerConfigs.delete(command.resource)
  else brokerConfigs.set(command.resource, values)
  return { fields: { brokerConfigs }, delta: { ...EMPTY_DELTA, brokerConfigsChanged: true }, result: APPLIED }
}

type Named = HashMap.HashMap<string, ReadonlyMap<string, string>>

/** A resource without values is gone. */
const alterNamed = (all: Named, { resource, changes }: AlterConfigs): Named => {
  const before = Option.getOrElse(HashMap.get(all, resource), () => new Map<string, string>())
  const values = changedConfigs(before, changes, () => "")
  return values.size === 0 ? HashMap.remove(all, resource) : HashMap.set(all, resource, values)
}

/**
 * Overrides after the changes. `inherited` gives the value that a list without an override starts from; `decide` resolves it
 * into the command (as a SET), so that replay depends on the image only.
 */
export const changedConfigs = (
  overrides: ReadonlyMap<string, string>,
  changes: ReadonlyArray<ConfigChange>,
  inherited: (name: string) => string
): ReadonlyMap<string, string> => {
  const values = new Map(overrides)
  for (const { name, op, value } of changes) {
    if (op === ConfigOp.DELETE) values.delete(name)
    else if (op === ConfigOp.SET) values.set(name, value ?? "")
    else {
      const elements = listElements(values.get(name) ?? inherited(name))
      const named = listElements(value ?? "")
      const next =
        op === ConfigOp.APPEND
          ? [...elements, ...named.filter((element, i) => !elements.includes(element) && named.indexOf(element) === i)]
          : elements.filter((element) => !named.includes(element))
      values.set(name, next.join(","))
    }
  }
  return values
}

export const alterClientQuotas = (image: MetadataImage, { entity, changes }: AlterClientQuotas): Outcome => {
  const id = entityKey(entity)
  const before = Option.getOrUndefined(HashMap.get(image.clientQuotas, id))
  const values = new Map(before?.values)
  for (const { key, value } of changes) {
    if (value === null) values.delete(key)
    else values.set(key, value)
  }
  const clientQuotas =
    values.size === 0 ? HashMap.remove(image.clientQuotas, id) : HashMap.set(image.clientQuotas, id, { entity, values })
  return { fields: { clientQuotas }, delta: { ...EMPTY_DELTA, clientQuotasChanged: true }, result: APPLIED }
}
