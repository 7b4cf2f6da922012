/**
 * Linearizable reads that wait (dissertation 6.4): at the leader for a confirmed round, at a follower for the leader's answer.
 *
 * A read is given the commit index once the leader has committed an entry of its own term, and is answered once a majority has
 * answered a round sent *after* the read came. Which rounds are sent and confirmed is `ReadIndexing`'s matter; these are queues,
 * bounded together by `pendingReadsMax`.
 */
import { assert } from "../base/Assert.ts"
import type { Member } from "./Entry.ts"

/** `from` is undefined for a read of this node (then `id` is its ticket), else the follower that forwarded it. */
export interface LeaderRead {
  readonly from: Member | undefined
  readonly id: number
}

interface Confirming {
  readonly read: LeaderRead
  readonly index: number
  readonly round: number
}

export class LeaderReads {
  /** No round was sent since these came. */
  #waiting: Array<LeaderRead> = []
  /** In the order of rounds. */
  #confirming: Array<Confirming> = []

  get count(): number {
    return this.#waiting.length + this.#confirming.length
  }
  get anyWaiting(): boolean {
    return this.#waiting.length > 0
  }

  add(read: LeaderRead): void {
    this.#waiting.push(read)
  }

  /** `round` is about to be sent: it confirms what has come so far, at `commitIndex`. */
  attach(round: number, commitIndex: number): void {
    for (const read of this.#waiting) this.#confirming.push({ read, index: commitIndex, round })
    this.#waiting = []
  }

  /** Reads that a majority's answer to `round` settles, with their index, in order. */
  confirmed(round: number, answer: (read: LeaderRead, index: number) => void): void {
    let done = 0
    for (const one of this.#confirming) {
      if (one.round > round) break
      answer(one.read, one.index)
      done++
    }
    if (done > 0) this.#confirming.splice(0, done)
  }

  /** All that wait, in order; the queues are empty afterwards. */
  takeAll(): ReadonlyArray<LeaderRead> {
    const all = [...this.#confirming.map((one) => one.read), ...this.#waiting]
    this.#waiting = []
    this.#confirming = []
    return all
  }
}

interface Forwarded {
  readonly id: number
  readonly tickets: Array<number>
  readonly deadlineMs: number
}

/** Reads that this follower forwarded or is about to forward: those of one turn share one question. */
export class ForwardedReads {
  #open: Forwarded | undefined
  #asked: Array<Forwarded> = []
  #nextId: number
  #count = 0

  /**
   * `firstId` is drawn by chance at each start: the leader may still answer a question that this node asked in its life before, in
   * the same term, and that answer must not be taken for one of now.
   */
  constructor(firstId: number) {
    this.#nextId = firstId
  }

  get count(): number {
    return this.#count
  }
  /** When the oldest gives up; the leader may be gone or the message lost. */
  get deadlineMs(): number {
    return (this.#asked[0] ?? this.#open)?.deadlineMs ?? Number.POSITIVE_INFINITY
  }

  add(ticket: number, deadlineMs: number): void {
    this.#open ??= { id: this.#nextId++, tickets: [], deadlineMs }
    this.#open.tickets.push(ticket)
    this.#count++
  }

  /** The id of the question to send now, if there is one. */
  ask(): number | undefined {
    const open = this.#open
    if (open === undefined) return undefined
    this.#asked.push(open)
    this.#open = undefined
    return open.id
  }

  /** The tickets of one question; empty when it is not asked any more. */
  answered(id: number): ReadonlyArray<number> {
    const at = this.#asked.findIndex((one) => one.id === id)
    if (at < 0) return []
    return this.#take(this.#asked.splice(at, 1))
  }

  expired(nowMs: number): ReadonlyArray<number> {
    let count = 0
    while (count < this.#asked.length && this.#asked[count]!.deadlineMs <= nowMs) count++
    const late = this.#asked.splice(0, count)
    if (this.#asked.length === 0 && this.#open !== undefined && this.#open.deadlineMs <= nowMs) {
      late.push(this.#open)
      this.#open = undefined
    }
    return this.#take(late)
  }

  takeAll(): ReadonlyArray<number> {
    const all = this.#asked
    if (this.#open !== undefined) all.push(this.#open)
    this.#asked = []
    this.#open = undefined
    return this.#take(all)
  }

  #take(questions: ReadonlyArray<Forwarded>): ReadonlyArray<number> {
    const tickets: Array<number> = []
    for (const question of questions) tickets.push(...question.tickets)
    this.#count -= tickets.length
    assert(this.#count >= 0, "a forwarded read must be answered once")
    return tickets
  }
}
