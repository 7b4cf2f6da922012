/**
 * In-sync sets: what leaders report becomes the image's. It informs clients and breaks ties of elections, and is never the
 * safety of a commit.
 *
 * The last report is kept while its epoch and config version are current (rule 30), so that a node that was fenced and comes
 * back is in the set again without another report.
 */
import { countedReplicas, mayBeInSync } from "../metadata/Replicas.ts"
import type { Tracked } from "./PartitionTable.ts"
import type { Work } from "./Work.ts"

/** One command at a time for a partition, so that a later report is never overtaken by an earlier one. */
export const reviewInSync = (work: Work, tracked: Tracked): void => {
  if (tracked.inSync === undefined || tracked.reporting) return
  // As `replay` would: a set that it cut down would be proposed for ever.
  const may = countedReplicas(tracked.image).filter((replica) => mayBeInSync(work.image.brokers, replica))
  const isr = tracked.inSync.filter((node) => may.some((replica) => replica.node === node))
  const { isr: committed } = tracked.image
  if (isr.length === committed.length && isr.every((node) => committed.includes(node))) return
  tracked.reporting = true
  work.propose("InSync", tracked, { isr })
}
