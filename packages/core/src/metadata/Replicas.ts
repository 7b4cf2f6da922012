/**
 * Who holds a partition, read from its image: replicas are a node *and* a directory (rule 18), and only counted ones are
 * candidates, answers and denominators. Learners are those being added.
 */
import { assert } from "../base/Assert.ts"
import type { ReplicaId } from "../replication/Frame.ts"
import type { BrokerImage, PartitionImage } from "./MetadataImage.ts"

/** The voters of the partition, in order of preference. */
export const countedReplicas = (partition: PartitionImage): ReadonlyArray<ReplicaId> =>
  replicasWhere(partition, (node) => !partition.adding.includes(node))

/** Replicas that get the log and count for nothing yet. */
export const learners = (partition: PartitionImage): ReadonlyArray<ReplicaId> =>
  replicasWhere(partition, (node) => partition.adding.includes(node))

const replicasWhere = (partition: PartitionImage, wanted: (node: number) => boolean): ReadonlyArray<ReplicaId> => {
  const found: Array<ReplicaId> = []
  partition.replicas.forEach((node, i) => {
    if (wanted(node)) found.push({ node, directoryId: partition.directories[i]! })
  })
  return found
}

/** Null while the partition is offline. */
export const leaderReplica = (partition: PartitionImage): ReplicaId | null => {
  if (partition.leader === -1) return null
  const at = partition.replicas.indexOf(partition.leader)
  assert(at >= 0, `the leader ${partition.leader} of partition ${partition.partition} is not one of its replicas`)
  return { node: partition.leader, directoryId: partition.directories[at]! }
}

/** How many of `counted` replicas must promise before one may be elected: never shrunk, whatever the topic says (rule 26). */
export const majorityOf = (counted: number): number => Math.floor(counted / 2) + 1

/** Whether the node runs with the disk that holds this replica, and takes part in the cluster. */
export const isLive = (brokers: ReadonlyMap<number, BrokerImage>, replica: ReplicaId): boolean => {
  const broker = brokers.get(replica.node)
  return broker !== undefined && !broker.fenced && broker.directoryId === replica.directoryId
}

/**
 * Whether a counted replica may be in the in-sync set: not while its node is fenced (rule 30), nor when it is back with another
 * disk (rule 18). A node that has not registered yet is taken at the leader's word.
 */
export const mayBeInSync = (brokers: ReadonlyMap<number, BrokerImage>, replica: ReplicaId): boolean =>
  !brokers.has(replica.node) || isLive(brokers, replica)
