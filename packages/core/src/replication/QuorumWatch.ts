/**
 * Tells the controller of a leader that is alive and useless (rule 15): something waits to be committed, and fewer than Q counted
 * replicas have answered within `lagTimeMaxMs`. A follower that answers and is merely behind is no reason to elect anew, and a
 * set that is smaller than Q is not a fault of the leader.
 */
import type { Assignment } from "./Assignment.ts"
import { quorumOf } from "./CommitQuorum.ts"
import type { FollowerProgress } from "./FollowerProgress.ts"
import type { Seat } from "./Seat.ts"

type Followers = ReadonlyArray<FollowerProgress>

export class QuorumWatch<D> {
  readonly #seat: Seat<D>
  readonly #epoch: number
  /** Since when something has waited; undefined: everything is committed. */
  #sinceMs: number | undefined
  #lacking = false

  constructor(seat: Seat<D>, epoch: number) {
    this.#seat = seat
    this.#epoch = epoch
  }

  uncommitted(nowMs: number): void {
    this.#sinceMs ??= nowMs
  }

  settled(): void {
    this.#sinceMs = undefined
    if (this.#lacking) this.#report(false)
  }

  heard(nowMs: number, assignment: Assignment, followers: Followers): void {
    if (this.#lacking && nowMs < this.#lacksAt(assignment, followers)) this.#report(false)
  }

  tick(nowMs: number, assignment: Assignment, followers: Followers): void {
    if (!this.#lacking && nowMs >= this.#lacksAt(assignment, followers)) this.#report(true)
  }

  deadline(assignment: Assignment, followers: Followers): number {
    return this.#lacking ? Number.POSITIVE_INFINITY : this.#lacksAt(assignment, followers)
  }

  #lacksAt(assignment: Assignment, followers: Followers): number {
    const since = this.#sinceMs
    if (since === undefined) return Number.POSITIVE_INFINITY
    const size = assignment.counted.length
    const others = quorumOf(size, assignment.minInSync) - 1
    if (others <= 0) return Number.POSITIVE_INFINITY
    const heard = followers.filter((one) => one.counted).map((one) => Math.max(one.lastHeardMs, since))
    heard.sort((a, b) => b - a)
    return (heard[others - 1] ?? since) + this.#seat.options.lagTimeMaxMs
  }

  #report(lacking: boolean): void {
    this.#lacking = lacking
    this.#seat.event({ _tag: "Quorum", epoch: this.#epoch, lacking })
  }
}
