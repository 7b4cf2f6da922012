/**
 * Applying changes of partitions: what a `PartitionOp` must satisfy when its turn comes, and what follows from a change of a
 * node for the partitions that it holds.
 *
 * | rule | here |
 * |---|---|
 * | 13, 19 an election names a current epoch, a counted replica, its directory and a live broker | `electionApplies` |
 * | 17 one counted replica at a time, never the leader, never beside an election | `replicasApply` |
 * | 18 a counted replica keeps its directory, a learner follows its node | `directoriesAfter`, `movedDirectories` |
 * | 30 in-sync sets hold counted replicas that are not fenced | `withinCounted`, `withoutInSync` |
 *
 * Whether a majority had promised and whether the leader had confirmed is the controller's evidence, not looked at here.
 */
import { HashMap } from "effect"
import { assert } from "../base/Assert.ts"
import type { NewPartition, PartitionOp, PartitionOps } from "./Command.ts"
import { EMPTY_DELTA, type MetadataDelta } from "./MetadataDelta.ts"
import type { BrokerImage, MetadataFields, MetadataImage, PartitionImage, TopicImage } from "./MetadataImage.ts"
import type { Outcome } from "./Outcome.ts"
import { countedReplicas, mayBeInSync } from "./Replicas.ts"

type Brokers = ReadonlyMap<number, BrokerImage>

/** A new partition starts under leader epoch 0; its creation counts as its first election. */
export const newPartitions = (
  image: MetadataImage,
  partitions: ReadonlyArray<NewPartition>,
  from: number,
  endOffset: number
): ReadonlyArray<PartitionImage> =>
  partitions.map((partition, i) => ({
    partition: from + i,
    stream: image.nextStream + i,
    replicas: partition.replicas,
    directories: partition.replicas.map((node) => image.brokers.get(node)?.directoryId ?? ""),
    // Whoever was fenced since the command was decided is not in sync (rule 30).
    isr: partition.isr.filter((node) => image.brokers.get(node)?.fenced !== true),
    leader: partition.leader,
    leaderEpoch: 0,
    unclean: false,
    configVersion: 0,
    adding: [],
    removing: [],
    target: [],
    electedAt: endOffset
  }))

export const partitionOps = (image: MetadataImage, command: PartitionOps, endOffset: number): Outcome => {
  const refused: Array<readonly [string, number]> = []
  const touched = new Map<string, Array<PartitionImage>>()
  const changes: Array<readonly [topicId: string, partition: number]> = []
  for (const op of command.ops) {
    const partitions = touched.get(op.topicId) ?? [...(image.topicById(op.topicId)?.partitions ?? [])]
    const current = partitions[op.partition]
    if (current === undefined || !applies(op, current, image.brokers)) {
      refused.push([op.topicId, op.partition])
      continue
    }
    partitions[op.partition] = changedPartition(op, current, image.brokers, endOffset)
    touched.set(op.topicId, partitions)
    changes.push([op.topicId, op.partition])
  }
  const { fields, topics } = withPartitions(image, touched)
  return {
    fields,
    delta: {
      ...EMPTY_DELTA,
      partitionsChanged: changes.map(([topicId, partition]) => ({ topic: topics.get(topicId)!, partition }))
    },
    result: { _tag: "PartitionsChanged", refused }
  }
}

/** The two maps of topics with some partitions replaced: one transient copy of each, however many topics change. */
const withPartitions = (
  image: MetadataImage,
  touched: ReadonlyMap<string, ReadonlyArray<PartitionImage>>
): { readonly fields: Partial<MetadataFields>; readonly topics: ReadonlyMap<string, TopicImage> } => {
  const topics = new Map<string, TopicImage>()
  for (const [topicId, partitions] of touched) topics.set(topicId, { ...image.topicById(topicId)!, partitions })
  const { topicsByName, topicsById } = image.fields
  return {
    topics,
    fields: {
      topicsByName: HashMap.mutate(topicsByName, (map) => {
        for (const topic of topics.values()) HashMap.set(map, topic.name, topic)
      }),
      topicsById: HashMap.mutate(topicsById, (map) => {
        for (const topic of topics.values()) HashMap.set(map, topic.topicId, topic)
      })
    }
  }
}

const applies = (op: PartitionOp, partition: PartitionImage, brokers: Brokers): boolean =>
  partition.leaderEpoch === op.expectedEpoch &&
  partition.configVersion === op.expectedConfigVersion &&
  replicasApply(op, partition) &&
  electionApplies(op, partition, brokers)

const countedOf = (replicas: ReadonlyArray<number>, adding: ReadonlyArray<number>): ReadonlyArray<number> =>
  replicas.filter((node) => !adding.includes(node))

const distinct = (nodes: ReadonlyArray<number>): boolean => new Set(nodes).size === nodes.length

const replicasApply = (op: PartitionOp, partition: PartitionImage): boolean => {
  const replicas = op.replicas ?? partition.replicas
  const adding = op.adding ?? partition.adding
  const before = countedOf(partition.replicas, partition.adding)
  const after = countedOf(replicas, adding)
  if (after.length === 0 || !distinct(replicas) || !distinct(adding) || !distinct(op.target ?? [])) return false
  if (!adding.every((node) => replicas.includes(node))) return false
  if (op.isr !== null && !op.isr.every((node) => after.includes(node))) return false
  const gained = after.filter((node) => !before.includes(node))
  const lost = before.filter((node) => !after.includes(node))
  if (gained.length + lost.length === 0) return true
  // Rule 17. One at a time; beside an election the promises would be those of another set; offline nobody has confirmed.
  if (gained.length + lost.length > 1 || op.election !== null || partition.leader === -1) return false
  // Rule 17: a removal of the current leader does not apply.
  if (lost.includes(partition.leader)) return false
  return gained.every((node) => countable(op, partition, node))
}

/** A replica is counted only out of the learners, and only on the disk that had caught up (rule 18). */
const countable = (op: PartitionOp, partition: PartitionImage, node: number): boolean => {
  if (!partition.adding.includes(node)) return false
  const directory = partition.directories[partition.replicas.indexOf(node)]
  return op.countedDirectory == null || op.countedDirectory === directory
}

const electionApplies = (op: PartitionOp, partition: PartitionImage, brokers: Brokers): boolean => {
  if (op.election === null) return true
  const { leader, leaderEpoch, directoryId } = op.election
  if (leaderEpoch <= op.expectedEpoch) return false
  if (leader === -1) return true
  const counted = countedOf(partition.replicas, partition.adding)
  const broker = brokers.get(leader)
  return (
    counted.includes(leader) &&
    partition.directories[partition.replicas.indexOf(leader)] === directoryId &&
    broker !== undefined &&
    !broker.fenced &&
    broker.directoryId === directoryId
  )
}

const changedPartition = (
  op: PartitionOp,
  partition: PartitionImage,
  brokers: Brokers,
  endOffset: number
): PartitionImage => {
  const replicas = op.replicas ?? partition.replicas
  const adding = op.adding ?? partition.adding
  const counted = countedOf(replicas, adding)
  const before = countedOf(partition.replicas, partition.adding)
  const sameCounted = counted.length === before.length && counted.every((node) => before.includes(node))
  // A replica that was removed and is added again begins anew: the version tells its two lives apart.
  const sameLearners = adding.every((node) => partition.adding.includes(node))
  const next: PartitionImage = {
    ...partition,
    replicas,
    directories: directoriesAfter(replicas, partition, brokers),
    adding,
    removing: (op.removing ?? partition.removing).filter((node) => counted.includes(node)),
    target: op.target ?? partition.target,
    isr: op.isr ?? partition.isr,
    configVersion: partition.configVersion + (sameCounted && sameLearners ? 0 : 1),
    ...(op.election === null
      ? {}
      : {
          leader: op.election.leader,
          leaderEpoch: op.election.leaderEpoch,
          unclean: op.election.unclean,
          electedAt: endOffset
        })
  }
  const changed = withinCounted(next, brokers)
  assert(changed.directories.length === replicas.length, "each replica has a directory")
  assert(changed.leader === -1 || counted.includes(changed.leader), "a leader is a counted replica")
  assert(changed.leaderEpoch >= partition.leaderEpoch, "leader epochs never fall")
  return changed
}

/** A replica that stays keeps its directory; one that comes lies where its node is registered now (rule 18). */
const directoriesAfter = (
  replicas: ReadonlyArray<number>,
  partition: PartitionImage,
  brokers: Brokers
): ReadonlyArray<string> =>
  replicas.map((node) => {
    const at = partition.replicas.indexOf(node)
    return at >= 0 ? partition.directories[at]! : (brokers.get(node)?.directoryId ?? "")
  })

/** The in-sync set as it may stand: counted replicas whose node is there with their disk. */
const withinCounted = (partition: PartitionImage, brokers: Brokers): PartitionImage => {
  const may = countedReplicas(partition).filter((replica) => mayBeInSync(brokers, replica))
  return { ...partition, isr: partition.isr.filter((node) => may.some((replica) => replica.node === node)) }
}

// --- what follows from a change of a node

interface PartitionsMoved {
  readonly fields: Partial<MetadataFields>
  readonly partitionsChanged: MetadataDelta["partitionsChanged"]
}

/** Every partition for which `change` answers another image; undefined leaves one as it is. */
const changePartitions = (
  image: MetadataImage,
  change: (partition: PartitionImage) => PartitionImage | undefined
): PartitionsMoved => {
  const touched = new Map<string, Array<PartitionImage>>()
  const changes: Array<readonly [topicId: string, partition: number]> = []
  for (const topic of image.topics()) {
    for (const partition of topic.partitions) {
      const changed = change(partition)
      if (changed === undefined) continue
      const partitions = touched.get(topic.topicId) ?? [...topic.partitions]
      partitions[partition.partition] = changed
      touched.set(topic.topicId, partitions)
      changes.push([topic.topicId, partition.partition])
    }
  }
  if (touched.size === 0) return { fields: {}, partitionsChanged: [] }
  const { fields, topics } = withPartitions(image, touched)
  return {
    fields,
    partitionsChanged: changes.map(([topicId, partition]) => ({ topic: topics.get(topicId)!, partition }))
  }
}

const without = (nodes: ReadonlyArray<number>, gone: number): ReadonlyArray<number> =>
  nodes.filter((node) => node !== gone)

/** A node that is fenced or gone is in no in-sync set (rule 30). */
export const withoutInSync = (image: MetadataImage, node: number): PartitionsMoved =>
  changePartitions(image, (partition) =>
    partition.isr.includes(node) ? { ...partition, isr: without(partition.isr, node) } : undefined
  )

/**
 * A node has come with this directory. Learners follow it there and begin anew; a counted replica stays where it was, and
 * with a wiped disk stays lost until it is removed (rule 18). One whose directory was never known has held nothing yet, so
 * it takes the first.
 */
export const movedDirectories = (image: MetadataImage, node: number, directoryId: string): PartitionsMoved =>
  changePartitions(image, (partition) => {
    const at = partition.replicas.indexOf(node)
    if (at < 0 || partition.directories[at] === directoryId) return undefined
    if (partition.directories[at] !== "" && !partition.adding.includes(node)) {
      // Lost. What it had is not in sync with anybody any more.
      return partition.isr.includes(node) ? { ...partition, isr: without(partition.isr, node) } : undefined
    }
    return { ...partition, directories: partition.directories.map((was, i) => (i === at ? directoryId : was)) }
  })

/** How many partitions have a replica on this node. */
export const replicasOn = (image: MetadataImage, node: number): number => {
  let count = 0
  for (const topic of image.topics()) {
    for (const partition of topic.partitions) if (partition.replicas.includes(node)) count++
  }
  return count
}
