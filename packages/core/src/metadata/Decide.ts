/**
 * Judging requests that change topics and configs: a request and the current image in, the command that does it or the reason
 * against it out. Changes nothing; ids and chance are arguments.
 *
 * A command decided here may meet another state when it is applied (commands in flight, other nodes): `replay` then refuses it.
 * Codes and wording follow Kafka's controller, since clients' tools show them to people.
 */
import { Result } from "effect"
import type { BrokerConfig } from "../config/BrokerConfig.ts"
import { topicConfigsProblem } from "../config/TopicConfig.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import type { CreatePartitions, CreateTopic, NewPartition, PartitionOp, PartitionOps } from "./Command.ts"
import type { MetadataImage, TopicImage } from "./MetadataImage.ts"
import { place } from "./Placement.ts"

export interface Refusal {
  readonly errorCode: number
  readonly message: string
}

export type Decision<A> = Result.Result<A, Refusal>

export const refuse = (errorCode: number, message: string): Result.Result<never, Refusal> =>
  Result.fail({ errorCode, message })

/** What decisions look at beside the request. */
export interface DecisionContext {
  readonly image: MetadataImage
  /** Defaults of the deciding broker. */
  readonly broker: BrokerConfig
  /** Place in the ring of brokers where the new partitions begin; the image's next stream spreads topics evenly. */
  readonly start: number
}

/** Most partitions that one request may make, as in Kafka. */
export const NEW_PARTITIONS_MAX = 10_000

const TOPIC_NAME_LENGTH_MAX = 249
const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state"
])
/** Logs that are not topics: their names would mislead tools. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(["__cluster_metadata", "__chronik_metadata"])

export const isInternalTopic = (name: string): boolean => INTERNAL_TOPICS.has(name)

/** Why no topic can have this name, as Kafka words it; undefined when it is legal. */
export const topicNameProblem = (name: string): string | undefined => {
  if (name === "") return "Topic name is invalid: the empty string is not allowed"
  if (name === "." || name === "..") return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${TOPIC_NAME_LENGTH_MAX}`
  }
  return /^[a-zA-Z0-9._-]+$/.test(name)
    ? undefined
    : `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
}

export interface Assignment {
  readonly partition: number
  readonly replicas: ReadonlyArray<number>
}

export interface TopicRequest {
  readonly name: string
  /** Chosen once, by the caller, at random. */
  readonly topicId: string
  /** -1: the broker's default. */
  readonly numPartitions: number
  /** -1: the broker's default. */
  readonly replicationFactor: number
  /** Empty: placed by the cluster. */
  readonly assignments: ReadonlyArray<Assignment>
  readonly configs: ReadonlyArray<{ readonly name: string; readonly value: string | null }>
}

/** Checks a creation and chooses its assignments. */
export const decideCreateTopic = (request: TopicRequest, context: DecisionContext): Decision<CreateTopic> => {
  const { image } = context
  const named = checkName(request.name, image)
  if (Result.isFailure(named)) return Result.fail(named.failure)
  const configs = decideConfigs(request.configs, context.broker)
  if (Result.isFailure(configs)) return Result.fail(configs.failure)
  const partitions =
    request.assignments.length > 0 ? assignedPartitions(request, image) : placedPartitions(request, context)
  return Result.map(partitions, (made) => ({
    _tag: "CreateTopic",
    name: request.name,
    topicId: request.topicId,
    internal: isInternalTopic(request.name),
    partitions: made,
    configs: [...configs.success]
  }))
}

const checkName = (name: string, image: MetadataImage): Decision<void> => {
  const problem = topicNameProblem(name)
  if (problem !== undefined) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
  if (RESERVED_NAMES.has(name))
    return refuse(ErrorCode.INVALID_REQUEST, `Creation of internal topic ${name} is prohibited.`)
  if (image.topic(name) !== undefined) {
    return refuse(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
  }
  const colliding = image.collidingTopic(name)
  return colliding === undefined
    ? Result.void
    : refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${colliding}`)
}

const decideConfigs = (
  configs: TopicRequest["configs"],
  broker: BrokerConfig
): Decision<ReadonlyMap<string, string>> => {
  const values = new Map<string, string>()
  for (const { name, value } of configs) {
    if (value === null) {
      return refuse(ErrorCode.INVALID_CONFIG, `Null value not supported for topic configs: ${name}`)
    }
    values.set(name, value)
  }
  const problem = topicConfigsProblem(values, broker)
  return problem === undefined ? Result.succeed(values) : refuse(ErrorCode.INVALID_CONFIG, problem)
}

// --- assignments

const placedPartitions = (request: TopicRequest, context: DecisionContext): Decision<ReadonlyArray<NewPartition>> => {
  const { numPartitions, replicationFactor } = request
  if (replicationFactor === 0 || replicationFactor < -1) {
    return refuse(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      "Replication factor must be larger than 0, or -1 to use the default value."
    )
  }
  if (numPartitions === 0 || numPartitions < -1) {
    return refuse(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
  }
  const count = numPartitions === -1 ? context.broker.integer("num.partitions") : numPartitions
  const factor = replicationFactor === -1 ? context.broker.integer("default.replication.factor") : replicationFactor
  return placeNew(context, count, factor, context.start)
}

const placeNew = (
  context: DecisionContext,
  count: number,
  factor: number,
  start: number
): Decision<ReadonlyArray<NewPartition>> => {
  if (count > NEW_PARTITIONS_MAX) {
    return refuse(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
  }
  const live = context.image.liveBrokers()
  if (factor > live.length) {
    return refuse(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${factor} time(s): The target replication factor of ${factor} cannot be reached ` +
        `because only ${live.length} broker(s) are registered.`
    )
  }
  return Result.succeed(
    place(live, count, factor, start).map((replicas) => ({ replicas, isr: replicas, leader: replicas[0]! }))
  )
}

const assignedPartitions = (request: TopicRequest, image: MetadataImage): Decision<ReadonlyArray<NewPartition>> => {
  if (request.replicationFactor !== -1) {
    return refuse(
      ErrorCode.INVALID_REQUEST,
      "A manual partition assignment was specified, but replication factor was not set to -1."
    )
  }
  if (request.numPartitions !== -1) {
    return refuse(
      ErrorCode.INVALID_REQUEST,
      "A manual partition assignment was specified, but numPartitions was not set to -1."
    )
  }
  const byPartition = new Map<number, ReadonlyArray<number>>()
  for (const { partition, replicas } of request.assignments) {
    if (byPartition.has(partition)) {
      return refuse(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `Found multiple manual partition assignments for partition ${partition}`
      )
    }
    byPartition.set(partition, replicas)
  }
  const ordered: Array<ReadonlyArray<number>> = []
  for (let partition = 0; partition < byPartition.size; partition++) {
    const replicas = byPartition.get(partition)
    if (replicas === undefined) {
      return refuse(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence")
    }
    ordered.push(replicas)
  }
  return checkAssignments(ordered, undefined, image)
}

/** `factor`: the replication factor that all must have; taken from the first where undefined. */
const checkAssignments = (
  assignments: ReadonlyArray<ReadonlyArray<number>>,
  factor: number | undefined,
  image: MetadataImage
): Decision<ReadonlyArray<NewPartition>> => {
  const bad = (message: string) => refuse(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
  const made: Array<NewPartition> = []
  if (assignments.length > NEW_PARTITIONS_MAX) {
    return refuse(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
  }
  for (const replicas of assignments) {
    if (replicas.length === 0) return bad("The manual partition assignment includes an empty replica list.")
    const twice = replicas.find((node, i) => replicas.indexOf(node) !== i)
    if (twice !== undefined) return bad(`The manual partition assignment includes the broker ${twice} more than once.`)
    const unknown = replicas.find((node) => !image.brokers.has(node))
    if (unknown !== undefined) {
      return bad(`The manual partition assignment includes broker ${unknown}, but no such broker is registered.`)
    }
    const expected = factor ?? assignments[0]!.length
    if (replicas.length !== expected) {
      return bad(
        `The manual partition assignment includes a partition with ${replicas.length} replica(s), but this is not ` +
          `consistent with previous partitions, which have ${expected} replica(s).`
      )
    }
    const isr = replicas.filter((node) => image.brokers.get(node)?.fenced === false)
    if (isr.length === 0) return bad("All brokers specified in the manual partition assignment are fenced.")
    made.push({ replicas, isr, leader: isr[0]! })
  }
  return Result.succeed(made)
}

// --- partitions

export interface PartitionsRequest {
  readonly topic: TopicImage
  /** Number of partitions wanted in all. */
  readonly count: number
  /** Null: placed by the cluster. One replica set a new partition. */
  readonly assignments: ReadonlyArray<ReadonlyArray<number>> | null
}

export const decideCreatePartitions = (
  request: PartitionsRequest,
  context: DecisionContext
): Decision<CreatePartitions> => {
  const { topic, count, assignments } = request
  const from = topic.partitions.length
  if (count === from) return refuse(ErrorCode.INVALID_PARTITIONS, `Topic already has ${from} partition(s).`)
  if (count < from) {
    return refuse(
      ErrorCode.INVALID_PARTITIONS,
      `The topic ${topic.name} currently has ${from} partition(s); ${count} would not be an increase.`
    )
  }
  const added = count - from
  if (assignments !== null && assignments.length !== added) {
    return refuse(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) were specified.`
    )
  }
  const factor = topic.partitions[0]!.replicas.length
  const made =
    assignments === null
      ? placeNew(context, added, factor, context.start)
      : checkAssignments(assignments, factor, context.image)
  return Result.map(made, (partitions) => ({ _tag: "CreatePartitions", topicId: topic.topicId, from, partitions }))
}

const OPS_A_COMMAND_MAX = 10_000

/**
 * New epochs for the partitions whose only replica is this node and which it was elected for before it registered with its
 * current incarnation: a restarted node never leads on in an epoch from before its start.
 */
export const decideElectionsAfterRestart = (image: MetadataImage, nodeId: number): ReadonlyArray<PartitionOps> => {
  const broker = image.brokers.get(nodeId)
  const registeredAt = broker?.registeredAt ?? 0
  const ops: Array<PartitionOp> = []
  for (const topic of image.topics()) {
    for (const partition of topic.partitions) {
      const alone = partition.replicas.length === 1 && partition.replicas[0] === nodeId
      if (!alone || partition.electedAt > registeredAt) continue
      ops.push({
        topicId: topic.topicId,
        partition: partition.partition,
        expectedEpoch: partition.leaderEpoch,
        expectedConfigVersion: partition.configVersion,
        election: {
          leader: nodeId,
          leaderEpoch: partition.leaderEpoch + 1,
          unclean: false,
          directoryId: broker?.directoryId ?? ""
        },
        isr: [nodeId],
        replicas: null,
        adding: null,
        removing: null
      })
    }
  }
  return Array.from({ length: Math.ceil(ops.length / OPS_A_COMMAND_MAX) }, (_, i) => ({
    _tag: "PartitionOps",
    ops: ops.slice(i * OPS_A_COMMAND_MAX, (i + 1) * OPS_A_COMMAND_MAX)
  }))
}
