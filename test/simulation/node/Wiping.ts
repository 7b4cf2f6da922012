/** Which disks may be lost without breaking the promises: what a wipe takes must be what every quorum can spare (rule 18). */
import type { SimNode } from "./SimNode.ts"

const majority = (count: number): number => Math.floor(count / 2) + 1

/**
 * Whether, in the eyes of every node, each set that holds `lost` keeps a majority of members whose disks are their own. Nothing
 * may be on its way that changes the sets: all others are up, and their leader has applied all that it has.
 */
export const mayWipe = (nodes: ReadonlyArray<SimNode>, lost: number): boolean => {
  if (nodes.some((node) => node.node !== lost && !node.up)) return false
  const leaders = nodes.filter((node) => node.raft?.role === "leader" && node.node !== lost)
  const leader = leaders.sort((a, b) => b.raft!.term - a.raft!.term)[0]?.raft
  if (leader === undefined || leader.appliedIndex !== leader.lastIndex) return false
  const current = new Map(nodes.map(({ node, directoryId }) => [node, directoryId]))
  const survives = (members: ReadonlyArray<{ readonly node: number; readonly directoryId: string }>): boolean => {
    const intact = members.filter(({ node, directoryId }) => current.get(node) === directoryId)
    if (!intact.some(({ node }) => node === lost)) return true
    return intact.length - 1 >= majority(members.length)
  }
  return nodes.every((node) => {
    const { raft, image } = node
    if (raft === undefined) return true
    if (!survives(raft.configuration.voters)) return false
    for (const topic of image.topics()) {
      for (const partition of topic.partitions) {
        // On its way to fewer replicas the controller would count on a disk of whose loss it has not heard yet.
        if (partition.target.length + partition.adding.length > 0) return false
        const replicas = partition.replicas.map((id, i) => ({ node: id, directoryId: partition.directories[i]! }))
        if (!survives(replicas.filter((replica) => !partition.adding.includes(replica.node)))) return false
      }
    }
    return true
  })
}
