/**
 * The clock of elections. Those that begin in one turn form a round with one deadline: first the end of the grace that starts
 * when one of them has a majority, then the time at which whoever has not answered is asked again.
 */
import { assert } from "../base/Assert.ts"
import { type DeadlineHandle, DeadlineHeap } from "../base/DeadlineHeap.ts"
import type { ControllerOptions } from "./ControllerOptions.ts"
import type { Tracked } from "./PartitionTable.ts"

export interface Round {
  readonly attempt: number
  /** Those that have left it are still listed; `Election.round` says who is in. */
  readonly members: Array<Tracked>
  /** Members still in it. At 0 the round is over. */
  open: number
  readonly endsMs: number
  /** Its grace has begun, and is over. */
  graceMs: number | undefined
  settled: boolean
  handle: DeadlineHandle<Round> | undefined
}

export class RoundClock {
  readonly #options: ControllerOptions
  readonly #heap = new DeadlineHeap<Round>()

  constructor(options: ControllerOptions) {
    this.#options = options
  }

  /** `jitter`: 0 … 1, so that two rounds that hinder each other come apart. */
  begin(nowMs: number, attempt: number, jitter: number): Round {
    const { electionTimeoutMs, electionTimeoutMsMax } = this.#options
    const timeoutMs = Math.min(electionTimeoutMs * 2 ** Math.min(attempt, 16), electionTimeoutMsMax)
    const endsMs = nowMs + timeoutMs * (1 + jitter / 4)
    const round: Round = {
      attempt,
      members: [],
      open: 0,
      endsMs,
      graceMs: undefined,
      settled: false,
      handle: undefined
    }
    round.handle = this.#heap.add(endsMs, round)
    return round
  }

  enter(round: Round, tracked: Tracked): void {
    round.members.push(tracked)
    round.open++
  }

  leave(round: Round): void {
    assert(round.open > 0, "nobody is left to leave this round")
    round.open--
    if (round.open === 0 && round.handle !== undefined) this.#heap.remove(round.handle)
  }

  /** A majority is there for the first time: the others are waited for a little. */
  startGrace(nowMs: number, round: Round): void {
    if (round.graceMs !== undefined || round.handle === undefined) return
    round.graceMs = Math.min(nowMs + this.#options.electionGraceMs, round.endsMs)
    this.#heap.move(round.handle, round.graceMs)
  }

  /** A round whose deadline has come: its grace is over, or (`ended`) its time. */
  expired(nowMs: number): { readonly round: Round; readonly ended: boolean } | undefined {
    const round = this.#heap.popExpired(nowMs)
    if (round === undefined) return undefined
    round.settled ||= round.graceMs !== undefined
    const ended = nowMs >= round.endsMs
    round.handle = ended ? undefined : this.#heap.add(round.endsMs, round)
    return { round, ended }
  }

  clear(): void {
    while (this.#heap.popExpired(Number.POSITIVE_INFINITY) !== undefined);
  }

  nextDeadline(): number {
    return this.#heap.nextDeadline()
  }
}
