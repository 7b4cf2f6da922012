/**
 * The in-sync set of a leader: counted followers that held everything there was within `lagTimeMaxMs` (Kafka's definition), and
 * the leader. It informs clients, `min.insync.replicas` before an append, and tie-breaks; never the safety of a commit. Learners
 * are never in it.
 *
 * In epoch 0 all replicas of the creation are in sync: the log is empty. In later epochs a follower has to show it first.
 */
import type { Assignment } from "./Assignment.ts"
import type { FollowerProgress } from "./FollowerProgress.ts"
import { type Seat, sameReplica } from "./Seat.ts"

type Followers = ReadonlyArray<FollowerProgress>

export class InSyncSet<D> {
  readonly #seat: Seat<D>
  readonly #epoch: number
  /** In the order of the assignment. Made anew only when it may have changed: it is asked for at each append with acks=all. */
  #members: ReadonlyArray<number> = []
  #stale = true
  #reported: ReadonlyArray<number> | undefined
  /** The set is reported by then even if nothing has changed: the controller's may be older than the epoch. */
  #reportAtMs: number

  constructor(nowMs: number, seat: Seat<D>, epoch: number) {
    this.#seat = seat
    this.#epoch = epoch
    this.#reportAtMs = epoch === 0 ? Number.POSITIVE_INFINITY : nowMs + seat.options.lagTimeMaxMs
  }

  get members(): ReadonlyArray<number> {
    return this.#members
  }

  /** Other replicas are counted now. */
  assigned(): void {
    this.#stale = true
  }

  /** Followers that have caught up join; who falls behind leaves by `tick`. `offsetOf`: -1 when the marker is not held. */
  update(
    nowMs: number,
    assignment: Assignment,
    followers: Followers,
    offsetOf: (one: FollowerProgress) => number
  ): void {
    const end = this.#seat.log.end.offset
    for (const follower of followers) {
      if (!follower.counted || follower.inSync) continue
      const offset = offsetOf(follower)
      if (offset < 0) continue
      follower.inSync = offset >= end || nowMs < follower.lastCaughtUpMs + this.#seat.options.lagTimeMaxMs
      this.#stale ||= follower.inSync
    }
    if (!this.#stale) return
    this.#recount(assignment, followers)
    // Of the creation everybody knows; of a later epoch there is nothing to tell before somebody has answered.
    if (this.#reported === undefined && this.#epoch === 0) this.#reported = this.#members
    if (this.#reported === undefined && this.#members.length === 1 && assignment.counted.length > 1) return
    this.#report(assignment)
  }

  tick(nowMs: number, assignment: Assignment, followers: Followers, end: number): void {
    for (const follower of followers) {
      if (nowMs < this.#leavesAt(follower, end)) continue
      follower.inSync = false
      this.#stale = true
    }
    if (this.#stale) this.#recount(assignment, followers)
    if (this.#reported !== undefined || nowMs >= this.#reportAtMs) this.#report(assignment)
  }

  deadline(assignment: Assignment, followers: Followers, end: number): number {
    let deadline =
      this.#reported === undefined && assignment.counted.length > 1 ? this.#reportAtMs : Number.POSITIVE_INFINITY
    for (const follower of followers) deadline = Math.min(deadline, this.#leavesAt(follower, end))
    return deadline
  }

  #leavesAt(follower: FollowerProgress, end: number): number {
    const behind = follower.match?.epoch !== this.#epoch || follower.match.offset < end
    if (!follower.counted || !follower.inSync || !behind) return Number.POSITIVE_INFINITY
    return follower.lastCaughtUpMs + this.#seat.options.lagTimeMaxMs
  }

  #recount(assignment: Assignment, followers: Followers): void {
    this.#stale = false
    this.#members = assignment.counted
      .filter((replica) => {
        const follower = followers.find((one) => sameReplica(one.replica, replica))
        return follower === undefined ? sameReplica(replica, this.#seat.self) : follower.counted && follower.inSync
      })
      .map((replica) => replica.node)
  }

  #report(assignment: Assignment): void {
    const isr = this.#members
    if (this.#reported !== undefined && isr.join() === this.#reported.join()) return
    this.#reported = isr
    this.#reportAtMs = Number.POSITIVE_INFINITY
    // Rule 30: a report names the version that it speaks of.
    const { configVersion } = assignment
    this.#seat.event({ _tag: "InSync", epoch: this.#epoch, configVersion, isr })
  }
}
