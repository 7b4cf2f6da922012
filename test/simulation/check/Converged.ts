/**
 * Whether a healed cluster has come to rest: everything that must be equal is equal, everybody who should lead leads, and
 * nobody waits for anything.
 *
 * The logs are compared as they lie on the disks. What a machine says of itself is asked only where rest itself is the question
 * (roles, watermarks, queues), and then by every node for itself.
 */
import type { MetadataImage, PartitionImage, TopicImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { encodeSnapshot } from "../../../packages/core/src/metadata/Snapshot.ts"
import type { NodeView } from "../World.ts"
import type { WorkloadOptions } from "../workload/Connection.ts"
import { dataTopics } from "../workload/Workload.ts"
import { type ClusterView, partitionKey } from "./Checker.ts"
import { describeBatch, sameBatch } from "./CommittedLog.ts"
import { DiskModel, type Fold, type PartitionFold } from "./DiskModel.ts"
import { sameBytes, sameEntry } from "./LogMatching.ts"

/** What is missing, the first of it; undefined when nothing is. */
export const converged = (view: ClusterView, options: Pick<WorkloadOptions, "topics">): string | undefined => {
  const nodes = view.nodes.map((node) => view.node(node))
  const quiet = processesMissing(nodes) ?? raftMissing(nodes)
  if (quiet !== undefined) return quiet
  const { image } = nodes[0]!
  const lacking = dataTopics(options).find((name) => image.topic(name) === undefined)
  if (lacking !== undefined) return `the topic ${lacking} is not there`
  const partitions = partitionsOf(image).filter(({ partition }) => !isBeyondRepair(view, partition))
  for (const { topic, partition } of partitions) {
    const missing = assignmentMissing(view, image, topic, partition) ?? replicasMissing(view, topic, partition)
    if (missing !== undefined) return `${topic.name}-${partition.partition} (${topic.topicId}): ${missing}`
  }
  return hostingMissing(nodes) ?? imagesMissing(nodes) ?? logsMissing(view, partitions)
}

interface Placed {
  readonly topic: TopicImage
  readonly partition: PartitionImage
}

const partitionsOf = (image: MetadataImage): ReadonlyArray<Placed> =>
  [...image.topics()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((topic) => topic.partitions.map((partition) => ({ topic, partition })))

const processesMissing = (nodes: ReadonlyArray<NodeView>): string | undefined => {
  for (const { node, up, paused, pendingWaiters } of nodes) {
    if (!up || paused) return `node ${node} is ${up ? "paused" : "down"}`
    if (pendingWaiters > 0) return `node ${node} still has ${pendingWaiters} waiters`
  }
  return undefined
}

// --- metadata

const raftMissing = (nodes: ReadonlyArray<NodeView>): string | undefined => {
  const leaders = nodes.filter(({ raft }) => raft!.role === "leader")
  if (leaders.length !== 1) return `${leaders.length} nodes lead the metadata log`
  const leader = leaders[0]!
  const { term, lastIndex, configuration } = leader.raft!
  if (!leader.raft!.leaderReady) return `node ${leader.node} has committed nothing in its term ${term}`
  const members = [...configuration.voters, ...configuration.learners]
  for (const { node, directoryId } of members) {
    if (nodes.find((other) => other.node === node)?.directoryId === directoryId) continue
    return `the metadata log has a member ${node} (${directoryId}) that is gone`
  }
  for (const { node, raft } of nodes) {
    if (!members.some((member) => member.node === node)) return `node ${node} is no member of the metadata log`
    const { commitIndex, appliedIndex, memory } = raft!
    if (raft!.term !== term) return `node ${node} is in term ${raft!.term}, the leader in ${term}`
    if (raft!.leader?.node !== leader.node) return `node ${node} takes ${raft!.leader?.node} for the leader`
    if (raft!.lastIndex !== lastIndex || commitIndex !== lastIndex || appliedIndex !== lastIndex) {
      return `node ${node} has applied ${appliedIndex} and committed ${commitIndex} of ${raft!.lastIndex}, leader ${lastIndex}`
    }
    const { pendingProposals, pendingReads } = memory
    if (pendingProposals + pendingReads > 0)
      return `node ${node} has ${pendingProposals} proposals, ${pendingReads} reads`
  }
  return undefined
}

const imagesMissing = (nodes: ReadonlyArray<NodeView>): string | undefined => {
  const first = encodeSnapshot(nodes[0]!.image)
  const other = nodes.find(({ image }) => !sameBytes(first, encodeSnapshot(image)))
  return other === undefined ? undefined : `the images of nodes ${nodes[0]!.node} and ${other.node} differ`
}

// --- partitions

/**
 * Of whose counted disks no majority is left: nobody may be elected (rule 26) and nothing is lost. It comes when a disk is lost
 * while a removal is under way and before anybody has missed its node.
 */
const isBeyondRepair = (view: ClusterView, { replicas, directories, adding }: PartitionImage): boolean => {
  const counted = replicas.map((node, i) => ({ node, directoryId: directories[i]! }))
  const votes = counted.filter(({ node }) => !adding.includes(node))
  const intact = votes.filter(({ node, directoryId }) => view.node(node).directoryId === directoryId)
  return intact.length * 2 <= votes.length
}

const assignmentMissing = (
  view: ClusterView,
  image: MetadataImage,
  topic: TopicImage,
  partition: PartitionImage
): string | undefined => {
  const { leader, leaderEpoch, replicas, directories, isr, adding, removing } = partition
  if (adding.length + removing.length > 0) return `adding ${adding.join(" ")}, removing ${removing.join(" ")}`
  if (leader < 0) return "nobody leads it"
  if (!replicas.includes(leader)) return `its leader ${leader} is no replica`
  for (const [i, node] of replicas.entries()) {
    if (view.node(node).directoryId !== directories[i]) return `the disk ${directories[i]} of replica ${node} is gone`
    if (image.brokers.get(node)?.fenced !== false) return `replica ${node} is fenced`
    if (!isr.includes(node)) return `in sync are ${isr.join(" ")} of ${replicas.join(" ")}`
  }
  if (isr.length !== replicas.length) return `in sync are ${isr.join(" ")} of ${replicas.join(" ")}`
  const led = view.node(leader).replica(topic.topicId, partition.partition)
  if (led?.role !== "leader" || led.epoch !== leaderEpoch || !led.serves) {
    return `node ${leader} is ${led?.role} in epoch ${led?.epoch}, named for ${leaderEpoch}, serves: ${led?.serves}`
  }
  return undefined
}

const replicasMissing = (view: ClusterView, topic: TopicImage, partition: PartitionImage): string | undefined => {
  const end = view.node(partition.leader).replica(topic.topicId, partition.partition)!.logEndOffset
  for (const node of partition.replicas) {
    const replica = view.node(node).replica(topic.topicId, partition.partition)
    if (replica === undefined) return `node ${node} does not host it`
    const { epoch, logEndOffset, highWatermark, promised, memory } = replica
    if (epoch !== partition.leaderEpoch) return `node ${node} is in epoch ${epoch} of ${partition.leaderEpoch}`
    if (promised > epoch) return `node ${node} has promised ${promised}, the epoch is ${epoch}`
    if (logEndOffset !== end) return `node ${node} ends at ${logEndOffset}, the leader at ${end}`
    // A follower that restarted while nothing was written has heard of no watermark yet, and nobody waits for it (rule 23).
    const unheard = replica.role === "follower" && replica.verified === undefined
    if (highWatermark !== end && !unheard) return `the high watermark of node ${node} is ${highWatermark} of ${end}`
    if (memory > 0) return `node ${node} still holds ${memory} queued items of it`
  }
  return undefined
}

const hostingMissing = (nodes: ReadonlyArray<NodeView>): string | undefined => {
  for (const view of nodes) {
    for (const { topicId, partition } of view.replicas()) {
      const placed = view.image.topicById(topicId)?.partitions[partition]
      if (placed?.replicas.includes(view.node) === true) continue
      return `node ${view.node} hosts ${partitionKey(topicId, partition)}, which is not its own`
    }
  }
  return undefined
}

// --- logs, by the disks

const logsMissing = (view: ClusterView, partitions: ReadonlyArray<Placed>): string | undefined => {
  const disks = new DiskModel(view)
  const [first, ...others] = view.nodes.map((node) => disks.appended(node))
  for (const other of others) {
    const missing = raftLogsMissing(first!, other)
    if (missing !== undefined) return missing
  }
  for (const { topic, partition } of partitions) {
    const key = partitionKey(topic.topicId, partition.partition)
    const folds = partition.replicas.map((node) => disks.appended(node).partition(key))
    for (const [i, node] of partition.replicas.entries()) {
      const missing =
        partitionLogsMissing(folds[0]!, folds[i]!) ?? servedMissing(view.node(node), topic, partition, folds[i]!)
      if (missing !== undefined) return `${key}, nodes ${partition.replicas[0]} and ${node}: ${missing}`
    }
  }
  return undefined
}

const raftLogsMissing = (a: Fold, b: Fold): string | undefined => {
  const first = Math.max(a.snapshotIndex, b.snapshotIndex) + 1
  const last = Math.max(a.lastIndex, b.lastIndex)
  for (let index = first; index <= last; index++) {
    const mine = a.entryAt(index)
    const other = b.entryAt(index)
    if (mine === undefined || other === undefined || !sameEntry(mine, other)) {
      return `the metadata logs of nodes ${a.node} and ${b.node} differ at ${index}`
    }
  }
  return undefined
}

const partitionLogsMissing = (a: PartitionFold, b: PartitionFold): string | undefined => {
  if (a.endOffset !== b.endOffset || a.lastEpoch !== b.lastEpoch) {
    return `the logs end at (${a.lastEpoch}, ${a.endOffset}) and (${b.lastEpoch}, ${b.endOffset})`
  }
  const start = Math.max(a.startOffset, b.startOffset)
  let at = b.indexOf(start)
  for (let i = a.indexOf(start); i < a.batches.length; i++, at++) {
    const other = b.batches[at]
    if (other === undefined || !sameBatch(a.batches[i]!, other)) {
      return `the logs differ: ${describeBatch(a.batches[i])} and ${describeBatch(other)}`
    }
  }
  return undefined
}

/** What the node serves from is what its disk has. */
const servedMissing = (
  view: NodeView,
  topic: TopicImage,
  partition: PartitionImage,
  fold: PartitionFold
): string | undefined => {
  const served = view.log(topic.topicId, partition.partition).filter(({ endOffset }) => endOffset > fold.startOffset)
  const held = fold.batches.slice(fold.indexOf(fold.startOffset))
  const differs = served.length !== held.length || served.some((batch, i) => !sameBatch(batch, held[i]!))
  return differs
    ? `node ${view.node} serves ${served.length} batches, its disk has ${held.length}, or others`
    : undefined
}
