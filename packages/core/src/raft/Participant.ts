/**
 * The state of one participant, shared by the modules of this folder and by nobody else.
 *
 * `Raft` owns it; `Election`, `Following`, `Replication`, `Proposing`, `ReadIndexing` and `SnapshotTransfer` are functions over it.
 * What can be kept consistent in one place is a method here: the log moves together with the configuration that it implies and
 * with what is known of its durability.
 */
import { assert } from "../base/Assert.ts"
import type { Prng } from "../base/Prng.ts"
import { decodeConfiguration } from "./ConfigurationCodec.ts"
import { EMPTY_CONFIGURATION, type Entry, EntryKind, type Member, type Snapshot, sameMember } from "./Entry.ts"
import type { Leadership } from "./Leadership.ts"
import { RaftLog } from "./Log.ts"
import { Membership, voterDifference } from "./Membership.ts"
import type { AppendResponse, Message, SnapshotResponse } from "./Message.ts"
import { Persistence } from "./Persistence.ts"
import { Proposals } from "./Proposals.ts"
import type { RaftOptions, Recovered, SnapshotSource } from "./RaftOptions.ts"
import { ForwardedReads } from "./Reads.ts"
import type { ProposalFate, ReadOutcome } from "./Ready.ts"
import type { Assembly } from "./SnapshotAssembly.ts"

/** First ids of forwarded reads are drawn from so many. */
const QUESTION_IDS = 2 ** 48

export type Role = "follower" | "preCandidate" | "candidate" | "leader"

/** What is known of the leader that is followed in this term. */
export interface Following {
  /** End of the prefix that frames of this leader, in this term, proved equal to its log; durable or not. */
  verifiedIndex: number
  /** The newest round heard. */
  round: number
  answeredRound: number
  answeredMatch: number
  /** Answers that wait until term and vote are durable; a newer one takes the place of an older one. */
  owesAppend: boolean
  owedMismatch: AppendResponse["mismatch"]
  owedChunk: Pick<SnapshotResponse, "snapshotIndex" | "receivedBytes"> | undefined
  /** "Installed" is owed for this index, as soon as the log is durable up to it; 0: none. */
  owedSnapshotIndex: number
  /** The snapshot that is coming in. */
  assembly: Assembly | undefined
}

const nobodyFollowed = (): Following => ({
  verifiedIndex: 0,
  round: 0,
  answeredRound: 0,
  answeredMatch: 0,
  owesAppend: false,
  owedMismatch: null,
  owedChunk: undefined,
  owedSnapshotIndex: 0,
  assembly: undefined
})

export class Participant {
  readonly options: RaftOptions
  readonly self: Member
  readonly random: Prng
  readonly snapshots: SnapshotSource
  readonly startedAtMs: number
  /** The time of the last input. Never falls. */
  nowMs: number

  readonly log: RaftLog
  readonly persistence: Persistence
  readonly membership: Membership
  readonly proposals = new Proposals()
  readonly forwarded: ForwardedReads

  role: Role = "follower"
  leader: Member | undefined
  /** When `leader` was last heard. */
  heardAtMs = Number.NEGATIVE_INFINITY
  electionDueMs: number
  /** Who granted the (pre-)vote under way. */
  votes: Array<Member> = []
  following: Following = nobodyFollowed()
  /** Invariant: defined exactly while `role` is "leader". */
  leadership: Leadership | undefined

  /** Everything up to here was handed to the state machine. Invariant: appliedIndex <= handedIndex <= commitIndex. */
  handedIndex = 0
  /** Handed to the state machine before any entry, once it is durable. */
  snapshotToApply: Snapshot | undefined

  messages: Array<Message> = []
  fates: Array<ProposalFate> = []
  reads: Array<ReadOutcome> = []

  constructor(options: RaftOptions, recovered: Recovered, snapshots: SnapshotSource, random: Prng, nowMs: number) {
    this.options = options
    this.self = options.self
    this.random = random
    this.snapshots = snapshots
    this.forwarded = new ForwardedReads(1 + random.below(QUESTION_IDS))
    this.startedAtMs = nowMs
    this.nowMs = nowMs
    const { snapshot } = recovered
    this.log = new RaftLog(
      snapshot === undefined
        ? { index: 0, term: 0, configuration: EMPTY_CONFIGURATION, totalBytes: 0 }
        : { ...snapshot, totalBytes: snapshot.payload.length }
    )
    this.membership = new Membership(0, snapshot?.configuration ?? recovered.bootstrap)
    this.persistence = new Persistence(recovered.hardState, this.log.lastIndex)
    for (const entry of recovered.entries) if (entry.index > this.log.lastIndex) this.append(entry)
    this.persistence.recovered(this.log.lastIndex)
    this.snapshotToApply = snapshot
    assert(recovered.hardState.term >= this.log.lastTerm, "the durable term must not be older than the durable log")
    this.electionDueMs = 0
    this.leader = undefined
    this.leadership = undefined
    this.restartElectionTimer()
  }

  get term(): number {
    return this.persistence.hardState.term
  }
  get isVoter(): boolean {
    return this.membership.isVoter(this.self)
  }
  /**
   * Voters, and one whose removal is in its log and not known to be committed: it may be the only one that has the entry, so
   * that nobody else can win (dissertation 4.2.2, figure 4.6). It counts votes by the new configuration, its own not among them.
   */
  get mayCampaign(): boolean {
    if (this.isVoter) return true
    return this.membership.fromIndex > this.log.commitIndex && this.membership.wasVoter(this.self)
  }
  /** Nobody else takes part, voting or listening. */
  get isAlone(): boolean {
    const { voters, learners } = this.membership.configuration
    return voters.length === 1 && learners.length === 0 && sameMember(voters[0]!, this.self)
  }
  get hasOtherVoters(): boolean {
    for (const voter of this.membership.configuration.voters) if (!sameMember(voter, this.self)) return true
    return false
  }
  /** Leader, and an entry of its own term is committed: only then is it known what is committed (dissertation 3.6.2, 6.4). */
  get leaderReady(): boolean {
    return this.leadership !== undefined && this.log.commitIndex >= this.leadership.firstIndex
  }

  send(message: Message): void {
    assert(!sameMember(message.to, this.self), "a participant must not write to itself")
    this.messages.push(message)
  }

  readRefused(ticket: number): void {
    this.reads.push({ ticket, index: null, lease: false })
  }

  restartElectionTimer(): void {
    this.electionDueMs = this.nowMs + this.options.electionTimeoutMs * (1 + this.random.fraction())
  }

  /** A new term or another leader: what was verified or owed before says nothing of it. */
  forgetFollowed(): void {
    this.following = nobodyFollowed()
  }

  /** A configuration takes effect with its entry, committed or not (dissertation 4.1). */
  append(entry: Entry): void {
    this.log.append(entry)
    if (entry.kind !== EntryKind.Configuration) return
    const configuration = decodeConfiguration(entry.payload)
    assert(configuration !== undefined, "a configuration entry must hold a configuration")
    const before = this.membership.configuration
    assert(
      before.voters.length === 0 || voterDifference(before, configuration) <= 1,
      "successive configurations must differ by one voter at most (dissertation 4.1)"
    )
    this.membership.appended(entry.index, configuration)
  }

  /** Cuts the log; the configuration that was cut with it is taken back. */
  truncateFrom(index: number): void {
    assert(index > this.handedIndex, "what was handed to the state machine must not be cut")
    assert(index > this.following.verifiedIndex, "a leader must not contradict what it sent in this term")
    this.log.truncateFrom(index)
    this.persistence.truncatedFrom(index)
    this.membership.truncatedFrom(index)
  }
}
