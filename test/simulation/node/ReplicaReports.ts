/**
 * What a node tells its controller of its replicas: what was noted for this epoch, and what their state says now. Derived from
 * state each time, so that a report that was lost, or that went to an old controller, is made again.
 */
import type { PartitionReport, Report } from "../../../packages/core/src/controller/Messages.ts"
import type { MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import type { HostedReplica } from "./HostedReplica.ts"

export const reportsOf = (hosted: Iterable<HostedReplica>, metadata: MetadataImage): ReadonlyArray<PartitionReport> => {
  const reports: Array<PartitionReport> = []
  for (const { replica, reports: held } of hosted) {
    reports.push(...held.values())
    const { topicId, partition, ahead: promised, epoch } = replica
    const image = metadata.topicById(topicId)?.partitions[partition]
    if (image === undefined) continue
    const tell = (report: Report) =>
      reports.push({ topicId, partition, epoch: image.leaderEpoch, configVersion: image.configVersion, report })
    if (promised > image.leaderEpoch) tell({ _tag: "PromiseAhead", promised })
    if (replica.role !== "leader" || epoch !== image.leaderEpoch) continue
    // Also when a fencing took somebody out of the image's set who never fell behind.
    if (replica.isr.join() !== image.isr.join()) tell({ _tag: "InSync", isr: replica.isr })
    if (replica.confirmed) tell({ _tag: "Confirmed" })
    for (const learner of replica.caughtUp) tell({ _tag: "CaughtUp", ...learner })
  }
  return reports
}
