/**
 * Reports of nodes about partitions. One that speaks of an epoch, a config version or a leader that is no longer current is
 * dropped (rule 30): the node reports again when it has applied what has changed.
 *
 * A node may be ahead of the image here: the log's leader applies only what is durable on its own disk, and others may be
 * quicker. Such reports wait until the image has come as far. Bounded: one of each kind a node and partition.
 */
import { countedReplicas } from "../metadata/Replicas.ts"
import type { Balance } from "./Balance.ts"
import type { Elections } from "./Elections.ts"
import type { NodeHeartbeat, PartitionReport } from "./Messages.ts"
import type { Tracked } from "./PartitionTable.ts"
import type { Work } from "./Work.ts"

interface Ahead {
  readonly incarnation: number
  appliedOffset: number
  readonly reports: Map<string, PartitionReport>
}

export class Reports {
  readonly #work: Work
  readonly #elections: Elections
  readonly #balance: Balance
  readonly #ahead = new Map<number, Ahead>()

  constructor(work: Work, elections: Elections, balance: Balance) {
    this.#work = work
    this.#elections = elections
    this.#balance = balance
  }

  clear(): void {
    this.#ahead.clear()
  }

  /** Of a heartbeat that was accepted. */
  heard(heartbeat: NodeHeartbeat): void {
    const isAhead = heartbeat.appliedOffset > this.#work.image.offset
    for (const report of heartbeat.partitions) {
      if (isAhead && this.#speaksOfMore(report)) this.#keep(heartbeat, report)
      else this.#handle(heartbeat.nodeId, report)
    }
  }

  /** The image has moved on. */
  followed(): void {
    for (const [nodeId, ahead] of this.#ahead) {
      if (ahead.appliedOffset > this.#work.image.offset) continue
      this.#ahead.delete(nodeId)
      if (this.#work.image.brokers.get(nodeId)?.incarnation !== ahead.incarnation) continue
      for (const report of ahead.reports.values()) this.#handle(nodeId, report)
    }
  }

  #speaksOfMore(report: PartitionReport): boolean {
    const tracked = this.#work.partitions.get(report.topicId, report.partition)
    if (tracked === undefined) return true
    const { leaderEpoch, configVersion } = tracked.image
    return report.epoch > leaderEpoch || (report.epoch === leaderEpoch && report.configVersion > configVersion)
  }

  #keep(heartbeat: NodeHeartbeat, report: PartitionReport): void {
    const { nodeId, incarnation, appliedOffset } = heartbeat
    let ahead = this.#ahead.get(nodeId)
    if (ahead?.incarnation !== incarnation) ahead = { incarnation, appliedOffset, reports: new Map() }
    this.#ahead.set(nodeId, ahead)
    ahead.appliedOffset = appliedOffset
    ahead.reports.set(`${report.topicId}/${report.partition}/${report.report._tag}`, report)
  }

  #handle(nodeId: number, report: PartitionReport): void {
    const tracked = this.#work.partitions.get(report.topicId, report.partition)
    if (tracked === undefined) return
    const { promised } = report.report._tag === "PromiseAhead" ? report.report : { promised: undefined }
    const isNews =
      promised === undefined
        ? ofCurrentLeader(tracked, nodeId, report) && this.#fromLeader(tracked, report)
        : this.#promiseAhead(tracked, nodeId, promised)
    if (isNews) this.#work.dirty.add(tracked)
  }

  /** True when it says something that was not known: what is repeated costs nothing. */
  #fromLeader(tracked: Tracked, { report }: PartitionReport): boolean {
    switch (report._tag) {
      case "InSync": {
        const before = tracked.inSync
        tracked.inSync = report.isr
        return before === undefined || before.join() !== report.isr.join()
      }
      case "Confirmed":
        return this.#set(tracked, "confirmed", true)
      case "CaughtUp": {
        const { node, directoryId } = report
        if (tracked.caughtUp?.node === node && tracked.caughtUp.directoryId === directoryId) return false
        tracked.caughtUp = { node, directoryId }
        return true
      }
      case "Quorum":
        return this.#set(tracked, "lacking", report.lacking)
      case "Offline":
        return this.#set(tracked, "offline", true)
      case "HandOver":
        return this.#balance.answered(tracked, report.target, report.ready)
      case "Serves":
        tracked.offline = false
        return this.#set(tracked, "serves", true)
      case "PromiseAhead":
        return false
    }
  }

  #set(tracked: Tracked, flag: "confirmed" | "lacking" | "offline" | "serves", value: boolean): boolean {
    const before = tracked[flag]
    tracked[flag] = value
    return before !== value
  }

  /** Rule 12. Of a replica on the disk that is counted: no other one has a promise that binds. */
  #promiseAhead(tracked: Tracked, nodeId: number, promised: number): boolean {
    const replica = countedReplicas(tracked.image).find((one) => one.node === nodeId)
    if (replica === undefined || this.#work.image.brokers.get(nodeId)?.directoryId !== replica.directoryId) return false
    return this.#elections.promiseAhead(tracked, promised)
  }
}

const ofCurrentLeader = (tracked: Tracked, nodeId: number, report: PartitionReport): boolean => {
  const { leader, leaderEpoch, configVersion } = tracked.image
  if (leader !== nodeId || report.epoch !== leaderEpoch) return false
  switch (report.report._tag) {
    // What speaks of the replica set holds for one version of it.
    case "InSync":
    case "Confirmed":
    case "CaughtUp":
      return report.configVersion === configVersion
    default:
      return true
  }
}
