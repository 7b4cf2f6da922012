/**
 * Moving leaderships of healthy partitions: off a node that drains, off a replica that is to be removed, back to the preferred
 * replica. Always by graceful hand-over (rule 14): the leader parks its appends until the target holds everything, then the
 * elections promise it away. A hand-over that is given up leaves the leader where it was.
 *
 * At most `handOversMax` are under way. What cannot wait (drains, removals, an operator's wish) goes first; preferred replicas
 * get their leaderships back at an interval, with a timer only while some are elsewhere.
 */
import { countedReplicas } from "../metadata/Replicas.ts"
import type { HandOver, Tracked } from "./PartitionTable.ts"
import { Revisit } from "./Revisit.ts"
import type { Work } from "./Work.ts"

/** What the balance asks of the other parts. */
export interface BalancePort {
  readonly isDraining: (nodeId: number) => boolean
  readonly mustMoveLeader: (tracked: Tracked) => boolean
}

export class Balance {
  readonly #work: Work
  readonly #port: BalancePort
  readonly #underWay = new Set<Tracked>()
  readonly #waiting = new Set<Tracked>()
  /** Asked, and overdue when it is taken from here. */
  readonly #overdue: Revisit<Tracked>
  /** Given up a moment ago. */
  readonly #retry: Revisit<Tracked>
  readonly #elsewhere: Revisit<Tracked>

  constructor(work: Work, port: BalancePort) {
    this.#work = work
    this.#port = port
    this.#overdue = new Revisit(work.options.handOverMs)
    this.#retry = new Revisit(work.options.retryMs)
    this.#elsewhere = new Revisit(work.options.balanceIntervalMs)
  }

  clear(): void {
    this.#underWay.clear()
    this.#waiting.clear()
    for (const revisit of [this.#overdue, this.#retry, this.#elsewhere]) revisit.clear()
  }

  forget(tracked: Tracked): void {
    for (const revisit of [this.#overdue, this.#retry, this.#elsewhere]) revisit.delete(tracked)
    this.#waiting.delete(tracked)
    this.#end(tracked)
  }

  /** The partition has another epoch: whatever was asked of the leader before is over. */
  epochMoved(tracked: Tracked): void {
    this.#end(tracked)
  }

  /** `healthy`: a leader is there and no election is open. */
  review(tracked: Tracked, healthy: boolean): void {
    if (!healthy || tracked.handOver !== undefined || this.#retry.has(tracked)) return
    const target = this.#urgentTarget(tracked)
    if (target !== undefined) {
      this.#ask(tracked, target)
      return
    }
    if (this.#work.options.balanceIntervalMs === 0) return
    if (this.#preferredTarget(tracked) === undefined || tracked.image.target.length > 0) this.#elsewhere.delete(tracked)
    else if (!this.#elsewhere.has(tracked)) this.#elsewhere.add(this.#work.nowMs, tracked)
  }

  #urgentTarget(tracked: Tracked): number | undefined {
    if (tracked.wantsPreferred) {
      const preferred = this.#preferredTarget(tracked)
      if (preferred !== undefined) return preferred
      tracked.wantsPreferred = false
    }
    if (this.#port.mustMoveLeader(tracked)) {
      return this.#candidates(tracked).find((node) => tracked.image.target.includes(node))
    }
    return this.#port.isDraining(tracked.image.leader) ? this.#candidates(tracked)[0] : undefined
  }

  /** Who could take over now, in order of preference: live, in sync, and there to stay. */
  #candidates(tracked: Tracked): ReadonlyArray<number> {
    const { image } = tracked
    return countedReplicas(image)
      .filter((replica) => replica.node !== image.leader && image.isr.includes(replica.node))
      .filter((replica) => this.#work.isLive(replica) && !this.#port.isDraining(replica.node))
      .map((replica) => replica.node)
  }

  /** The preferred replica, if it could take over; undefined also when it leads already. */
  #preferredTarget(tracked: Tracked): number | undefined {
    const preferred = tracked.image.replicas[0]!
    return this.#candidates(tracked).includes(preferred) ? preferred : undefined
  }

  /** Whether somebody could take what a node leads. */
  canMove(nodeId: number): boolean {
    for (const tracked of this.#work.partitions.ledBy(nodeId)) {
      if (tracked.handOver !== undefined || this.#candidates(tracked).length > 0) return true
    }
    return false
  }

  /** False when the preferred replica cannot take over now. */
  wantPreferred(tracked: Tracked): boolean {
    if (this.#preferredTarget(tracked) === undefined) return false
    tracked.wantsPreferred = true
    this.#work.dirty.add(tracked)
    return true
  }

  #ask(tracked: Tracked, target: number): void {
    if (this.#underWay.size >= this.#work.options.handOversMax) {
      this.#waiting.add(tracked)
      return
    }
    this.#waiting.delete(tracked)
    this.#underWay.add(tracked)
    const handOver: HandOver = { target, ready: false }
    tracked.handOver = handOver
    this.#overdue.add(this.#work.nowMs, tracked)
    const { topicId, partition, image } = tracked
    this.#work.askHandOver({ nodeId: image.leader, topicId, partition, epoch: image.leaderEpoch, target })
  }

  /**
   * The leader's answer: parked for the target, or given up. True when that is news.
   *
   * **Gotchas** heartbeats may repeat how an earlier attempt ended, so a "given up" says something of this one only after it
   * was ready. Otherwise its time ends it.
   */
  answered(tracked: Tracked, target: number, ready: boolean): boolean {
    const { handOver } = tracked
    if (handOver === undefined || handOver.target !== target || handOver.ready === ready) return false
    if (ready) handOver.ready = true
    else this.#giveUp(tracked)
    return true
  }

  #giveUp(tracked: Tracked): void {
    tracked.wantsPreferred = false
    this.#retry.add(this.#work.nowMs, tracked)
    this.#end(tracked)
  }

  #end(tracked: Tracked): void {
    tracked.handOver = undefined
    this.#overdue.delete(tracked)
    if (!this.#underWay.delete(tracked)) return
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#work.dirty.add(next)
  }

  tick(nowMs: number): void {
    for (const tracked of this.#overdue.take(nowMs)) this.#giveUp(tracked)
    for (const tracked of this.#retry.take(nowMs)) this.#work.dirty.add(tracked)
    for (const tracked of this.#elsewhere.take(nowMs)) {
      if (!this.wantPreferred(tracked)) this.#work.dirty.add(tracked)
    }
  }

  nextDeadline(): number {
    return Math.min(this.#overdue.deadline, this.#retry.deadline, this.#elsewhere.deadline)
  }
}
