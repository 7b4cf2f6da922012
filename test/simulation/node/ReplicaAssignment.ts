/** What the metadata image says to one replica: its assignment, as the machine takes it. */
import type { MetadataImage, PartitionImage, TopicImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import type { Assignment } from "../../../packages/core/src/replication/Assignment.ts"
import type { ReplicaId } from "../../../packages/core/src/replication/Frame.ts"

export const assignmentOf = (
  image: MetadataImage,
  topic: TopicImage,
  partition: PartitionImage,
  self: { readonly node: number; readonly incarnation: number }
): Assignment => {
  const all = partition.replicas.map((node, i): ReplicaId => ({ node, directoryId: partition.directories[i]! }))
  const counted = all.filter(({ node }) => !partition.adding.includes(node))
  const broker = image.brokers.get(self.node)
  return {
    epoch: partition.leaderEpoch,
    configVersion: partition.configVersion,
    leader: counted.find(({ node }) => node === partition.leader) ?? null,
    unclean: partition.unclean,
    counted,
    learners: all.filter(({ node }) => partition.adding.includes(node)),
    minInSync: Number(topic.configs.get("min.insync.replicas") ?? "1"),
    mayLead:
      broker !== undefined && broker.incarnation === self.incarnation && partition.electedAt > broker.registeredAt
  }
}
