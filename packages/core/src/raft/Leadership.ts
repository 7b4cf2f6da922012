/**
 * What exists only while this participant leads one term: peers, rounds, the timers of a leader. Thrown away when it steps down.
 *
 * A round is one broadcast. Its send time is kept, since an acknowledged round proves leadership from *then* on, not from when
 * the answer came: the lease (rule 28) and ReadIndex count it so.
 */
import { assert } from "../base/Assert.ts"
import { type Configuration, type Member, sameMember } from "./Entry.ts"
import { Progress } from "./Progress.ts"
import { majority, reachedByMajority } from "./Quorum.ts"
import type { LeaderReads } from "./Reads.ts"

/** Rounds whose send time is remembered. An acknowledgement that is older extends no lease. */
const ROUNDS_REMEMBERED = 64

export interface Handover {
  readonly target: Member
  readonly deadlineMs: number
  /** TimeoutNow is out. */
  ordered: boolean
}

export class Leadership {
  readonly term: number
  /** The entry of this term that must be committed before anything counts as known to be committed (dissertation 3.6.2, 6.4). */
  readonly firstIndex: number
  /** In the order of the configuration: voters, then learners. */
  peers: ReadonlyArray<Progress> = []
  readonly reads: LeaderReads
  round = 0
  /** The newest round that reads asked for. */
  readRound = 0
  roundWanted = true
  heartbeatDueMs: number
  checkQuorumDueMs: number
  handover: Handover | undefined = undefined
  /**
   * Once TimeoutNow was sent, its receiver may campaign past everybody's loyalty at any later moment of this term: there is no
   * lease any more in this term, even if the handover is abandoned (rule 28).
   */
  leaseGivenUp = false
  readonly #roundSentAtMs = new Float64Array(ROUNDS_REMEMBERED)
  readonly #scratch: Array<number> = []

  constructor(term: number, firstIndex: number, nowMs: number, electionTimeoutMs: number, reads: LeaderReads) {
    this.term = term
    this.firstIndex = firstIndex
    this.heartbeatDueMs = nowMs
    this.checkQuorumDueMs = nowMs + electionTimeoutMs
    this.reads = reads
  }

  peer(member: Member): Progress | undefined {
    for (const peer of this.peers) if (sameMember(peer.member, member)) return peer
    return undefined
  }

  /** Peers follow the configuration in force; one that stays keeps its progress. */
  follow(configuration: Configuration, self: Member, next: number): void {
    const peers: Array<Progress> = []
    for (const member of [...configuration.voters, ...configuration.learners]) {
      if (!sameMember(member, self)) peers.push(this.peer(member) ?? new Progress(member, next))
    }
    this.peers = peers
  }

  beginRound(nowMs: number): void {
    this.round++
    this.roundWanted = false
    this.#roundSentAtMs[this.round % ROUNDS_REMEMBERED] = nowMs
  }

  /** The newest round that a majority of the voters answered; this leader counts for itself only while it is a voter. */
  confirmedRound(configuration: Configuration, self: Member): number {
    const values = this.#scratch
    values.length = 0
    for (const voter of configuration.voters) {
      values.push(sameMember(voter, self) ? this.round : (this.peer(voter)?.acknowledgedRound ?? 0))
    }
    return reachedByMajority(values)
  }

  /** What a majority of the voters holds durably. Learners do not count; a leader that removes itself does not either. */
  quorumMatch(configuration: Configuration, self: Member, persistedIndex: number): number {
    const values = this.#scratch
    values.length = 0
    for (const voter of configuration.voters) {
      values.push(sameMember(voter, self) ? persistedIndex : (this.peer(voter)?.match ?? 0))
    }
    return reachedByMajority(values)
  }

  /** When `round` was sent; undefined when it is too long ago or none was. */
  roundSentAtMs(round: number): number | undefined {
    assert(round <= this.round, "a round must be sent before it is confirmed")
    if (round === 0 || this.round - round >= ROUNDS_REMEMBERED) return undefined
    return this.#roundSentAtMs[round % ROUNDS_REMEMBERED]!
  }

  /** Check-quorum (dissertation 6.2): did a majority answer since the last time? Asks and starts over. */
  heardFromMajority(configuration: Configuration, self: Member): boolean {
    let heard = 0
    for (const voter of configuration.voters) {
      if (sameMember(voter, self) || this.peer(voter)?.active === true) heard++
    }
    for (const peer of this.peers) {
      if (!peer.active && !peer.silent) peer.becomeSilent()
      peer.active = false
    }
    return heard >= majority(configuration.voters.length)
  }
}
