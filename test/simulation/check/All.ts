/** Every checker of a run, in the order in which they are to be told: the shared models first. */
import type { Options } from "../kernel/Options.ts"
import { machineOptions } from "../node/Machines.ts"
import type { World } from "../World.ts"
import { BoundedMemory } from "./BoundedMemory.ts"
import type { Checker, ClusterView } from "./Checker.ts"
import { AcknowledgedRecords, Reads } from "./ClientHistories.ts"
import { CommittedLogs } from "./CommittedLog.ts"
import { Confirmations } from "./Confirmations.ts"
import { ControllerDecisions } from "./ControllerDecisions.ts"
import { DiskModel } from "./DiskModel.ts"
import { ElectionSafety } from "./ElectionSafety.ts"
import { Linearizability } from "./Linearizability.ts"
import { LogMatching } from "./LogMatching.ts"
import { PartitionCommits } from "./PartitionCommits.ts"
import { RaftCommits } from "./RaftCommits.ts"

export const allCheckers = (
  world: Pick<World, "cover" | "nowMs">,
  view: ClusterView,
  options: Options
): ReadonlyArray<Checker> => {
  const disks = new DiskModel(view)
  const logs = new CommittedLogs()
  const { raft, replicas } = machineOptions(options, { node: view.nodes[0]!, directoryId: "" })
  return [
    disks,
    new ElectionSafety(),
    new LogMatching(),
    new RaftCommits(disks),
    // What is committed is known before clients hear of it.
    new PartitionCommits(disks, logs, world.cover),
    new Confirmations(disks, logs, world.cover),
    new ControllerDecisions(disks, options, world.nowMs),
    new AcknowledgedRecords(logs),
    new Reads(logs),
    new Linearizability(world.cover),
    new BoundedMemory(view, { raft, replicas })
  ]
}
