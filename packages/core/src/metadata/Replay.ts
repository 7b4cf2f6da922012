/**
 * Applying a command: image and entry in, next image and what changed out. Total and deterministic: every node that applies
 * the same entries has the same image, whatever its configuration, clock or version of `decide`.
 *
 * Proposals are decided against an image that may be behind those still in flight, so a command is checked again here
 * against what it depends on (the name is free, the epoch is current); one that no longer fits changes nothing and its result
 * says `Rejected`. What `decide` alone can judge (limits, config values) is not looked at again.
 */
import { HashMap } from "effect"
import { assert, unreachable } from "../base/Assert.ts"
import { listElements } from "../config/ConfigDefinition.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import {
  type AlterConfigs,
  type Command,
  type ConfigChange,
  ConfigOp,
  ConfigResource,
  type CreatePartitions,
  type CreateTopic,
  type DeleteTopic,
  type FenceNode,
  type NewPartition,
  type PartitionOp,
  type PartitionOps,
  type RegisterNode
} from "./Command.ts"
import { EMPTY_DELTA, type MetadataDelta } from "./MetadataDelta.ts"
import {
  type CommandResult,
  foldedName,
  type MetadataFields,
  type MetadataImage,
  type PartitionImage,
  type TopicImage
} from "./MetadataImage.ts"

/** How many log entries an applied command's id is remembered: far more than any forward can be behind. */
export const COMMAND_ID_WINDOW = 65_536

export interface Replayed {
  readonly image: MetadataImage
  readonly delta: MetadataDelta
  readonly result: CommandResult
}

/** What one command does: the fields that change, and the rest of `Replayed`. */
interface Outcome {
  readonly fields: Partial<MetadataFields>
  readonly delta: MetadataDelta
  readonly result: CommandResult
}

const APPLIED: CommandResult = { _tag: "Applied" }

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

const rejected = (errorCode: number, message: string): Outcome => ({
  fields: {},
  delta: EMPTY_DELTA,
  result: { _tag: "Rejected", errorCode, message }
})

// --- nodes

const registerNode = (image: MetadataImage, command: RegisterNode, endOffset: number): Outcome => {
  const known = image.brokers.get(command.nodeId)
  if (known !== undefined && known.incarnation > command.incarnation) {
    return rejected(
      ErrorCode.DUPLICATE_BROKER_REGISTRATION,
      `Node ${command.nodeId} has registered with incarnation ${known.incarnation}, which is newer than ${command.incarnation}: ` +
        "another process runs under this id, or an old copy of its disk was restored."
    )
  }
  const { nodeId, incarnation, directoryId, endpoints, rack } = command
  const brokers = new Map(image.brokers)
  brokers.set(nodeId, { nodeId, incarnation, directoryId, endpoints, rack, fenced: false, registeredAt: endOffset })
  return { fields: { brokers }, delta: { ...EMPTY_DELTA, brokersChanged: true }, result: APPLIED }
}

/** Only the flag: the elections and in-sync sets that follow from it come as one `PartitionOps` of the controller. */
const fenceNode = (image: MetadataImage, command: FenceNode): Outcome => {
  const known = image.brokers.get(command.nodeId)
  if (known === undefined || known.incarnation !== command.incarnation) {
    return rejected(
      ErrorCode.STALE_BROKER_EPOCH,
      `Node ${command.nodeId} is not registered with incarnation ${command.incarnation}.`
    )
  }
  if (known.fenced === command.fenced) return { fields: {}, delta: EMPTY_DELTA, result: APPLIED }
  const brokers = new Map(image.brokers)
  brokers.set(command.nodeId, { ...known, fenced: command.fenced })
  return { fields: { brokers }, delta: { ...EMPTY_DELTA, brokersChanged: true }, result: APPLIED }
}

const unregisterNode = (image: MetadataImage, nodeId: number): Outcome => {
  if (!image.brokers.has(nodeId)) {
    return rejected(ErrorCode.BROKER_ID_NOT_REGISTERED, `Node ${nodeId} is not registered.`)
  }
  const brokers = new Map(image.brokers)
  brokers.delete(nodeId)
  return { fields: { brokers }, delta: { ...EMPTY_DELTA, brokersChanged: true }, result: APPLIED }
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
    partitions: newPartitions(command.partitions, 0, image.nextStream, endOffset),
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

/** A new partition starts under leader epoch 0; its creation counts as its first election. */
const newPartitions = (
  partitions: ReadonlyArray<NewPartition>,
  from: number,
  nextStream: number,
  endOffset: number
): ReadonlyArray<PartitionImage> =>
  partitions.map((partition, i) => ({
    partition: from + i,
    stream: nextStream + i,
    replicas: partition.replicas,
    isr: partition.isr,
    leader: partition.leader,
    leaderEpoch: 0,
    configVersion: 0,
    adding: [],
    removing: [],
    electedAt: endOffset
  }))

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
  const added = newPartitions(command.partitions, command.from, image.nextStream, endOffset)
  const changed = { ...topic, partitions: [...topic.partitions, ...added] }
  return {
    fields: { ...withTopic(image, changed), nextStream: image.nextStream + added.length },
    delta: { ...EMPTY_DELTA, partitionsAdded: [{ topic: changed, from: command.from }] },
    result: APPLIED
  }
}

const withTopic = (image: MetadataImage, topic: TopicImage): Partial<MetadataFields> => ({
  topicsByName: HashMap.set(image.fields.topicsByName, topic.name, topic),
  topicsById: HashMap.set(image.fields.topicsById, topic.topicId, topic)
})

// --- partitions

const partitionOps = (image: MetadataImage, command: PartitionOps, endOffset: number): Outcome => {
  const refused: Array<readonly [string, number]> = []
  const touched = new Map<string, Array<PartitionImage>>()
  const changes: Array<readonly [topicId: string, partition: number]> = []
  for (const op of command.ops) {
    const partitions = touched.get(op.topicId) ?? [...(image.topicById(op.topicId)?.partitions ?? [])]
    const current = partitions[op.partition]
    if (current === undefined || !stillExpected(op, current)) {
      refused.push([op.topicId, op.partition])
      continue
    }
    partitions[op.partition] = changedPartition(op, current, endOffset)
    touched.set(op.topicId, partitions)
    changes.push([op.topicId, op.partition])
  }
  let next = image
  for (const [topicId, partitions] of touched) {
    next = next.with(withTopic(next, { ...image.topicById(topicId)!, partitions }))
  }
  return {
    fields: next.fields,
    delta: {
      ...EMPTY_DELTA,
      partitionsChanged: changes.map(([topicId, partition]) => ({ topic: next.topicById(topicId)!, partition }))
    },
    result: { _tag: "PartitionsChanged", refused }
  }
}

const stillExpected = (op: PartitionOp, partition: PartitionImage): boolean =>
  partition.leaderEpoch === op.expectedEpoch &&
  partition.configVersion === op.expectedConfigVersion &&
  (op.election === null ||
    (op.election.leaderEpoch > op.expectedEpoch &&
      (op.election.leader === -1 || (op.replicas ?? partition.replicas).includes(op.election.leader))))

const changedPartition = (op: PartitionOp, partition: PartitionImage, endOffset: number): PartitionImage => {
  const replicas = op.replicas ?? partition.replicas
  const adding = op.adding ?? partition.adding
  const removing = op.removing ?? partition.removing
  return {
    ...partition,
    replicas,
    adding,
    removing,
    isr: op.isr ?? partition.isr,
    configVersion: partition.configVersion + (sameCounted(partition, replicas, adding) ? 0 : 1),
    ...(op.election === null
      ? {}
      : { leader: op.election.leader, leaderEpoch: op.election.leaderEpoch, electedAt: endOffset })
  }
}

/** Counted replicas are the set without those still being added. */
const sameCounted = (
  before: PartitionImage,
  replicas: ReadonlyArray<number>,
  adding: ReadonlyArray<number>
): boolean => {
  const was = before.replicas.filter((node) => !before.adding.includes(node))
  const is = replicas.filter((node) => !adding.includes(node))
  return was.length === is.length && is.every((node) => was.includes(node))
}

// --- configs

const alterConfigs = (image: MetadataImage, command: AlterConfigs): Outcome => {
  if (command.resourceType === ConfigResource.BROKER) {
    const brokerConfigs = new Map(image.brokerConfigs)
    const values = changedConfigs(brokerConfigs.get(command.resource) ?? new Map(), command.changes, () => "")
    if (values.size === 0) brokerConfigs.delete(command.resource)
    else brokerConfigs.set(command.resource, values)
    return { fields: { brokerConfigs }, delta: { ...EMPTY_DELTA, brokerConfigsChanged: true }, result: APPLIED }
  }
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
