/**
 * Applying a command: image and entry in, next image and what changed out. Total and deterministic: every node that applies
 * the same entries has the same image, whatever its configuration, clock or version of `decide`.
 *
 * Proposals are decided against an image that may be behind those still in flight, so a command is checked again here
 * against what it depends on (the name is free, the epoch is current); one that no longer fits changes nothing and its result
 * says `Rejected`. Nodes are applied in `ReplayNodes`, partitions in `ReplayPartitions`, configs and quotas in `ReplayConfigs`.
 * What `decide` alone can judge (limits, config values) is not looked at again.
 */
import { HashMap } from "effect"
import { assert, unreachable } from "../base/Assert.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import type { Command, CreatePartitions, CreateTopic, DeleteTopic } from "./Command.ts"
import { EMPTY_DELTA, type MetadataDelta } from "./MetadataDelta.ts"
import {
  type CommandResult,
  foldedName,
  type MetadataFields,
  type MetadataImage,
  type TopicImage
} from "./MetadataImage.ts"
import { APPLIED, type Outcome, rejected } from "./Outcome.ts"
import { alterClientQuotas, alterConfigs, withTopic } from "./ReplayConfigs.ts"
import { fenceNode, registerNode, unregisterNode } from "./ReplayNodes.ts"
import { newPartitions, partitionOps } from "./ReplayPartitions.ts"

/** How many log entries an applied command's id is remembered: far more than any forward can be behind. */
export const COMMAND_ID_WINDOW = 65_536

export interface Replayed {
  readonly image: MetadataImage
  readonly delta: MetadataDelta
  readonly result: CommandResult
}

/**
 * Applies the entry at `index`.
 *
 * **Gotchas** `index` may leave a gap (entries of the log's own, such as the first of a term, carry no command), never go back.
 */
export const replay = (image: MetadataImage, command: Command, index: number): Replayed => {
  assert(index >= image.offset, `metadata entry ${index} was applied before: the image is at ${image.offset}`)
  const endOffset = index + 1
  const id = command.commandId ?? null
  const before = id === null ? undefined : image.appliedCommand(id)
  if (before !== undefined) {
    return { image: image.with({ offset: endOffset }), delta: EMPTY_DELTA, result: before.result }
  }
  const outcome = apply(image, command, endOffset)
  const remembered = id === null ? {} : remember(image, id, endOffset, outcome.result)
  return {
    image: image.with({ ...outcome.fields, ...remembered, offset: endOffset }),
    delta: outcome.delta,
    result: outcome.result
  }
}

const apply = (image: MetadataImage, command: Command, endOffset: number): Outcome => {
  switch (command._tag) {
    case "RegisterNode":
      return registerNode(image, command, endOffset)
    case "FenceNode":
      return fenceNode(image, command)
    case "UnregisterNode":
      return unregisterNode(image, command.nodeId)
    case "CreateTopic":
      return createTopic(image, command, endOffset)
    case "DeleteTopic":
      return deleteTopic(image, command)
    case "CreatePartitions":
      return createPartitions(image, command, endOffset)
    case "PartitionOps":
      return partitionOps(image, command, endOffset)
    case "AlterConfigs":
      return alterConfigs(image, command)
    case "AlterClientQuotas":
      return alterClientQuotas(image, command)
    case "AllocateProducerIds":
      return {
        fields: { nextProducerId: image.nextProducerId + command.count },
        delta: EMPTY_DELTA,
        result: { _tag: "ProducerIds", first: image.nextProducerId, count: command.count }
      }
    case "SetFeature": {
      const features = new Map(image.features)
      if (command.level === 0) features.delete(command.name)
      else features.set(command.name, command.level)
      return { fields: { features }, delta: EMPTY_DELTA, result: APPLIED }
    }
    default:
      return unreachable(command)
  }
}

// --- topics

const createTopic = (image: MetadataImage, command: CreateTopic, endOffset: number): Outcome => {
  if (image.topic(command.name) !== undefined) {
    return rejected(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${command.name}' already exists.`)
  }
  // Ids are random, but a proposal repeated without a command id would bring its own again.
  const sameId = image.topicById(command.topicId)
  if (sameId !== undefined) {
    return rejected(ErrorCode.TOPIC_ALREADY_EXISTS, `The topic id ${command.topicId} belongs to '${sameId.name}'.`)
  }
  const colliding = image.collidingTopic(command.name)
  if (colliding !== undefined) {
    return rejected(
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      `Topic '${command.name}' collides with existing topic: ${colliding}`
    )
  }
  const topic: TopicImage = {
    name: command.name,
    topicId: command.topicId,
    internal: command.internal,
    partitions: newPartitions(image, command.partitions, 0, endOffset),
    configs: new Map(command.configs)
  }
  const { topicsByName, topicsById, foldedNames } = image.fields
  return {
    fields: {
      topicsByName: HashMap.set(topicsByName, topic.name, topic),
      topicsById: HashMap.set(topicsById, topic.topicId, topic),
      foldedNames: HashMap.set(foldedNames, foldedName(topic.name), topic.name),
      nextStream: image.nextStream + topic.partitions.length
    },
    delta: { ...EMPTY_DELTA, topicsCreated: [topic] },
    result: APPLIED
  }
}

const deleteTopic = (image: MetadataImage, command: DeleteTopic): Outcome => {
  const topic = image.topicById(command.topicId)
  if (topic === undefined) {
    return rejected(ErrorCode.UNKNOWN_TOPIC_ID, `There is no topic with the id ${command.topicId}.`)
  }
  const { topicsByName, topicsById, foldedNames } = image.fields
  return {
    fields: {
      topicsByName: HashMap.remove(topicsByName, topic.name),
      topicsById: HashMap.remove(topicsById, topic.topicId),
      foldedNames: HashMap.remove(foldedNames, foldedName(topic.name))
    },
    delta: { ...EMPTY_DELTA, topicsDeleted: [topic] },
    result: APPLIED
  }
}

const createPartitions = (image: MetadataImage, command: CreatePartitions, endOffset: number): Outcome => {
  const topic = image.topicById(command.topicId)
  if (topic === undefined) {
    return rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic with the id ${command.topicId}.`)
  }
  if (topic.partitions.length !== command.from) {
    return rejected(
      ErrorCode.INVALID_PARTITIONS,
      `Topic currently has ${topic.partitions.length} partitions: another request has changed it meanwhile.`
    )
  }
  const added = newPartitions(image, command.partitions, command.from, endOffset)
  const changed = { ...topic, partitions: [...topic.partitions, ...added] }
  return {
    fields: { ...withTopic(image, changed), nextStream: image.nextStream + added.length },
    delta: { ...EMPTY_DELTA, partitionsAdded: [{ topic: changed, from: command.from }] },
    result: APPLIED
  }
}

// --- command ids

const remember = (
  image: MetadataImage,
  id: string,
  endOffset: number,
  result: CommandResult
): Pick<MetadataFields, "commands" | "commandIds" | "firstCommand"> => {
  let commands = HashMap.set(image.fields.commands, id, { endOffset, result })
  let commandIds = HashMap.set(image.fields.commandIds, endOffset, id)
  let firstCommand = image.fields.firstCommand
  for (; firstCommand <= endOffset - COMMAND_ID_WINDOW; firstCommand++) {
    if (HashMap.isEmpty(image.fields.commands)) {
      firstCommand = endOffset
      break
    }
    const expired = HashMap.get(commandIds, firstCommand)
    if (expired._tag === "None") continue
    commandIds = HashMap.remove(commandIds, firstCommand)
    commands = HashMap.remove(commands, expired.value)
  }
  return { commands, commandIds, firstCommand }
}
