/**
 * The next step of a reassignment, from the image alone: one replica at a time (rule 17).
 *
 * A missing replica is added as a learner, counted when it has caught up, and then one that is no longer wanted is removed,
 * the leader last and never while it leads. A replica whose disk was lost is removed first and then added like any other
 * (rule 18). `target` of the image remembers where this leads, so a new controller goes on where the last one stopped.
 */
import type { BrokerImage, PartitionImage } from "../metadata/MetadataImage.ts"
import { countedReplicas, isLive, majorityOf } from "../metadata/Replicas.ts"
import type { ReplicaId } from "../replication/Frame.ts"

export type Step =
  | { readonly _tag: "None" }
  /** Needs a confirmation, and the report that it has caught up. */
  | { readonly _tag: "Count"; readonly learner: ReplicaId }
  /** Needs a confirmation. */
  | { readonly _tag: "Remove"; readonly node: number; readonly target: ReadonlyArray<number> }
  | { readonly _tag: "Add"; readonly node: number }
  | { readonly _tag: "DropLearners"; readonly nodes: ReadonlyArray<number> }
  /** Only the leader is left to be removed: somebody of the target must lead first. */
  | { readonly _tag: "MoveLeader" }
  | { readonly _tag: "Finish" }

const NONE: Step = { _tag: "None" }

export const nextStep = (partition: PartitionImage, brokers: ReadonlyMap<number, BrokerImage>): Step => {
  const counted = countedReplicas(partition)
  const lost = lostReplica(partition, counted, brokers)
  if (partition.target.length === 0 && lost === undefined) return NONE
  const wanted = partition.target.length > 0 ? partition.target : counted.map(({ node }) => node)
  const keepsQuorum = (after: ReadonlyArray<ReplicaId>) => hasLiveMajority(after, brokers)
  const without = (gone: ReplicaId) => counted.filter((replica) => replica !== gone)
  if (lost !== undefined) {
    return keepsQuorum(without(lost)) ? { _tag: "Remove", node: lost.node, target: wanted } : NONE
  }
  const strays = partition.adding.filter((node) => !wanted.includes(node))
  if (strays.length > 0) return { _tag: "DropLearners", nodes: strays }
  const learning = partition.adding[0]
  if (learning !== undefined) {
    const directoryId = partition.directories[partition.replicas.indexOf(learning)]!
    const learner = { node: learning, directoryId }
    return keepsQuorum([...counted, learner]) && isLive(brokers, learner) ? { _tag: "Count", learner } : NONE
  }
  const surplus = counted.filter(({ node }) => !wanted.includes(node))
  const missing = wanted.filter((node) => !partition.replicas.includes(node))
  // Nodes that are registered can be added; the others are waited for.
  const addable = missing.find((node) => brokers.has(node))
  if (surplus.length > 0 && (counted.length > wanted.length || missing.length === 0)) {
    const others = surplus.filter(({ node }) => node !== partition.leader)
    const going = others.find((replica) => !isLive(brokers, replica)) ?? others[0]
    if (going === undefined) return { _tag: "MoveLeader" }
    return keepsQuorum(without(going)) ? { _tag: "Remove", node: going.node, target: wanted } : NONE
  }
  if (addable !== undefined) return { _tag: "Add", node: addable }
  return missing.length === 0 ? { _tag: "Finish" } : NONE
}

/**
 * Whether the set would have a quorum as things are. A step that leaves none is not taken: the partition could neither commit
 * nor confirm the next one, and a disk that is lost then could never be repaired.
 */
const hasLiveMajority = (set: ReadonlyArray<ReplicaId>, brokers: ReadonlyMap<number, BrokerImage>): boolean =>
  set.filter((replica) => isLive(brokers, replica)).length >= majorityOf(set.length)

/**
 * A counted replica whose node is back with another disk (rule 18). Not one whose node is away: it may come back with its
 * data. Never the last one, nor the leader: without them there is nothing to copy from.
 */
const lostReplica = (
  partition: PartitionImage,
  counted: ReadonlyArray<ReplicaId>,
  brokers: ReadonlyMap<number, BrokerImage>
): ReplicaId | undefined => {
  if (counted.length === 1) return undefined
  return counted.find(({ node, directoryId }) => {
    const broker = brokers.get(node)
    return node !== partition.leader && broker !== undefined && !broker.fenced && broker.directoryId !== directoryId
  })
}

/** Where a cancelled reassignment ends: what is counted stays, and as many go as are more than were wanted. */
export const cancelledTarget = (partition: PartitionImage): ReadonlyArray<number> => {
  const counted = countedReplicas(partition).map(({ node }) => node)
  const excess = Math.max(0, counted.length - partition.target.length)
  const surplus = counted.filter((node) => !partition.target.includes(node))
  // The leader goes last: it would have to hand over first.
  const order = [...surplus.filter((node) => node !== partition.leader), ...surplus]
  const going = order.slice(0, excess)
  return counted.filter((node) => !going.includes(node))
}
