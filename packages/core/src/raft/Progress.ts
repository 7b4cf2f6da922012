/**
 * What the leader knows of one peer, and how fast it may send to it.
 *
 * - `probe`: the place where the logs agree is unknown; one Append in flight until it is found.
 * - `replicate`: agreed up to `match`; Appends go out optimistically from `next` on, bounded by bytes in flight.
 * - `snapshot`: what the peer needs is no longer in the cache; only chunks and heartbeats go out.
 *
 * Owned by the leadership, gone with it. Knows nothing of logs or messages.
 */
import { assert } from "../base/Assert.ts"
import type { Configuration, Member } from "./Entry.ts"

/** A snapshot on its way to one peer. */
export interface SnapshotSend {
  readonly index: number
  readonly term: number
  readonly configuration: Configuration
  readonly totalBytes: number
  /** Invariant: 0 <= acknowledgedBytes <= nextOffset <= totalBytes. */
  acknowledgedBytes: number
  nextOffset: number
  /** The last chunk (also the only one of an empty snapshot) is out. */
  complete: boolean
  /** Where the transfer last went back to, so that one lost chunk is answered once and not once for each chunk behind it. */
  wentBackTo: number
  /** When a peer that said it had less than before was last believed. */
  begunAnewAtMs: number
  /** When the peer last acknowledged something new, or the transfer was last tried again. */
  progressAtMs: number
}

export class Progress {
  readonly member: Member
  state: "probe" | "replicate" | "snapshot" = "probe"
  /** Durable on the peer and checked against this leader in this term. Invariant: 0 <= match < next. */
  match = 0
  next: number
  /** An Append is out whose answer says where the logs agree. */
  probing = false
  /** The newest round of this leader that the peer answered. */
  acknowledgedRound = 0
  /** Answered since the last check of the quorum. */
  active = true
  /** Did not answer between two checks: only heartbeats go out until it does. */
  silent = false
  /** The newest commit index that the peer could use and was told. */
  commitSent = 0
  transfer: SnapshotSend | undefined = undefined
  #inflightLast: Array<number> = []
  #inflightBytes: Array<number> = []
  #inflightTotal = 0

  constructor(member: Member, next: number) {
    assert(next >= 1, "a peer's next index must be positive")
    this.member = member
    this.next = next
  }

  get inflightBytes(): number {
    const transfer = this.transfer
    return this.#inflightTotal + (transfer === undefined ? 0 : transfer.nextOffset - transfer.acknowledgedBytes)
  }

  sent(lastIndex: number, bytes: number): void {
    assert(lastIndex >= this.next, "an Append with entries must move the next index on")
    this.#inflightLast.push(lastIndex)
    this.#inflightBytes.push(bytes)
    this.#inflightTotal += bytes
    this.next = lastIndex + 1
  }

  /** The peer answered. */
  heard(round: number): void {
    this.active = true
    this.silent = false
    if (round > this.acknowledgedRound) this.acknowledgedRound = round
  }

  /** Nothing was heard for an election timeout: what is in flight is taken for lost, and nothing new is sent blindly. */
  becomeSilent(): void {
    this.silent = true
    if (this.state === "snapshot") this.becomeSnapshot()
    else this.becomeProbe(this.match + 1)
  }

  /** The peer holds everything up to `match`, durably. A late, lower answer is no news. */
  matched(match: number): boolean {
    let freed = 0
    while (freed < this.#inflightLast.length && this.#inflightLast[freed]! <= match) {
      this.#inflightTotal -= this.#inflightBytes[freed++]!
    }
    if (freed > 0) {
      this.#inflightLast.splice(0, freed)
      this.#inflightBytes.splice(0, freed)
    }
    if (match <= this.match) return false
    this.match = match
    if (this.next <= match) this.next = match + 1
    return true
  }

  becomeProbe(next: number): void {
    this.#reset("probe")
    this.next = Math.max(next, this.match + 1)
  }

  becomeReplicate(): void {
    this.#reset("replicate")
    this.next = this.match + 1
  }

  becomeSnapshot(): void {
    this.#reset("snapshot")
    this.next = this.match + 1
  }

  #reset(state: "probe" | "replicate" | "snapshot"): void {
    this.state = state
    this.probing = false
    this.transfer = undefined
    this.#inflightLast = []
    this.#inflightBytes = []
    this.#inflightTotal = 0
  }
}
