/**
 * Consensus on one log: a pure, synchronous machine for one participant (Raft, and Ongaro's dissertation for what goes beyond).
 *
 * **Contract.** Inputs (`tick`, `step`, `propose`, …) change the machine and return at once. `ready` hands out what it wants done:
 * write, send, apply, answer (`Ready.ts` gives the order). `advance` says what is durable, `applied` what the state machine has
 * taken. Any number of writes may be under way: votes, answers to the leader and this node's own place in the quorum wait here
 * until `advance`; entries are applied when they are committed *and* durable here. Payloads are opaque.
 *
 * It has no clock, no disk, no network, no chance of its own: time is an argument (milliseconds of one monotonic clock, never
 * falling), chance comes from a generator. Expected outcomes are values; an assertion that fails is a defect, and the node stops.
 * It makes no snapshots (`snapshotSaved` tells it of one), never retries a write, and does not know what a command means.
 *
 * **Start.** `recovered.snapshot` comes back as the first `apply`; then entries, as the leader of the day commits them. A voter
 * alone is told to `campaign` and leads after one write; its first entry and everything recovered are committed by the next one.
 * While it is alone it has no timers and sends nothing.
 *
 * **Where the rules are.** Figures and sections are Raft's (USENIX ATC 2014), "d." the dissertation's, "rule" the project's
 * replication rules.
 *
 * | rule | module |
 * |---|---|
 * | terms, roles, votes, one leader a term (5.2), up-to-date logs (5.4.1) | `Election`, `RaftLog.isUpToDate` |
 * | pre-vote (d. 9.6), loyalty to a live leader (d. 4.2.3), rule 28 after a restart | `Election` |
 * | check-quorum (d. 6.2) | `Leadership.heardFromMajority`, `Raft.tick` |
 * | log matching (5.3), rules 1-3: what is verified, when to cut, what commit a follower believes | `Following` |
 * | probing (rule 8), pipelining, flow control (d. 10.2) | `Replication`, `Progress` |
 * | commit by counting, own term only (5.4.2, figure 8) | `Replication.commitByQuorum`, `Quorum` |
 * | configuration in force on append (d. 4.1), allowed changes, rule 18 | `Membership`, `Proposing`, `Participant.append` |
 * | learners (d. 4.2.1), a leader that removes itself (d. 4.2.2) | `Proposing.isCaughtUp`, `Replication.retire`, `Participant.mayCampaign` |
 * | leadership transfer (d. 3.10) | `Proposing.transferLeadership`, `Replication.orderCampaign`, `Election.onTimeoutNow` |
 * | snapshots (7, d. 5) | `SnapshotTransfer` (leader), `Following` and `SnapshotAssembly` (follower) |
 * | ReadIndex (d. 6.4), lease (d. 6.4.1, rule 28) | `ReadIndexing`, `Reads` |
 * | asynchronous persistence (d. 10.2.1), cut entries under way | `Persistence` |
 * | fates of proposals | `Proposals` |
 * | automatic bootstrap (rule 18) | `Bootstrap` |
 *
 * The shell owns one instance and calls it from one place; nothing that it hands out may be changed.
 */
import { assert } from "../base/Assert.ts"
import type { Prng } from "../base/Prng.ts"
import * as Election from "./Election.ts"
import { type Configuration, type Entry, type Member, sameMember } from "./Entry.ts"
import * as Following from "./Following.ts"
import type { Leadership } from "./Leadership.ts"
import { type MembershipChange, sameConfiguration } from "./Membership.ts"
import type { Message } from "./Message.ts"
import { Participant, type Role } from "./Participant.ts"
import * as Proposing from "./Proposing.ts"
import type { RaftOptions, Recovered, SnapshotSource } from "./RaftOptions.ts"
import * as ReadIndexing from "./ReadIndexing.ts"
import type { Apply, Ready } from "./Ready.ts"
import * as Replication from "./Replication.ts"
import { snapshotWanted } from "./SnapshotTransfer.ts"

export type { MembershipChange } from "./Membership.ts"
export type { ChangeOutcome, ProposeOutcome, TransferOutcome } from "./Proposing.ts"

/** What is held in memory, for the checks that it is bounded. */
export interface RaftMemory {
  readonly cacheBytes: number
  readonly inflightBytes: number
  readonly pendingReads: number
  readonly pendingProposals: number
  /** Received so far of a snapshot that is coming in. */
  readonly snapshotBytes: number
  /** Messages that wait until term and vote are durable. */
  readonly held: number
}

export class Raft {
  readonly #p: Participant

  constructor(options: RaftOptions, recovered: Recovered, snapshots: SnapshotSource, random: Prng, nowMs: number) {
    assert(
      options.heartbeatMs > 0 && options.heartbeatMs < options.electionTimeoutMs,
      "heartbeats must beat the timeout"
    )
    assert(options.clockDriftMax >= 0 && options.clockDriftMax < 1, "the clock drift must be a fraction")
    this.#p = new Participant(options, recovered, snapshots, random, nowMs)
  }

  get self(): Member {
    return this.#p.self
  }
  get role(): Role {
    return this.#p.role
  }
  get term(): number {
    return this.#p.term
  }
  /** Known to be committed. Never falls. */
  get commitIndex(): number {
    return this.#p.log.commitIndex
  }
  /** What `applied` confirmed. Invariant: appliedIndex <= min(commitIndex, persistedIndex). */
  get appliedIndex(): number {
    return this.#p.log.appliedIndex
  }
  get lastIndex(): number {
    return this.#p.log.lastIndex
  }
  get lastTerm(): number {
    return this.#p.log.lastTerm
  }
  /** The log as it stands is durable up to here. */
  get persistedIndex(): number {
    return this.#p.persistence.persistedIndex
  }
  /** Whom this node follows in this term, itself when it leads. */
  get leader(): Member | undefined {
    return this.#p.leader
  }
  /** In force: the latest in the log, committed or not. */
  get configuration(): Configuration {
    return this.#p.membership.configuration
  }
  /** Index of the entry that the configuration in force came with; 0: the bootstrap or a snapshot. */
  get configurationIndex(): number {
    return this.#p.membership.fromIndex
  }
  /** First index that the newest snapshot does not cover. */
  get firstIndex(): number {
    return this.#p.log.snapshot.index + 1
  }
  /** Bytes of entries behind the newest snapshot, to the accuracy that a decision to make the next one needs. */
  get bytesSinceSnapshot(): number {
    return this.#p.log.bytesSinceSnapshot
  }
  /** A peer waits for a snapshot that is newer than the newest: make one now, whatever its size. */
  get snapshotWanted(): boolean {
    return snapshotWanted(this.#p)
  }
  /** Leader, and an entry of its own term is committed. */
  get leaderReady(): boolean {
    return this.#p.leaderReady
  }
  get memory(): RaftMemory {
    const p = this.#p
    let inflightBytes = 0
    for (const peer of p.leadership?.peers ?? []) inflightBytes += peer.inflightBytes
    return {
      cacheBytes: p.log.cacheBytes,
      inflightBytes,
      pendingReads: (p.leadership?.reads.count ?? 0) + p.forwarded.count,
      pendingProposals: p.proposals.count,
      snapshotBytes: p.following.assembly?.receivedBytes ?? 0,
      held: p.persistence.heldCount
    }
  }

  /** Undefined: compacted or beyond the end. */
  termAt(index: number): number | undefined {
    return this.#p.log.termAt(index)
  }

  /** While it is cached. */
  entryAt(index: number): Entry | undefined {
    return this.#p.log.entryAt(index)
  }

  /** The configuration in force at `index`, which a snapshot up to there must carry; undefined before the newest snapshot. */
  configurationAt(index: number): Configuration | undefined {
    return this.#p.membership.at(index)
  }

  /** When `tick` has something to do. Infinity while there is nothing to wait for. */
  nextDeadline(): number {
    const p = this.#p
    const leadership = p.leadership
    if (leadership === undefined)
      return Math.min(p.mayCampaign ? p.electionDueMs : Number.POSITIVE_INFINITY, p.forwarded.deadlineMs)
    if (leadership.peers.length === 0) return Number.POSITIVE_INFINITY
    const handoverDueMs = leadership.handover?.deadlineMs ?? Number.POSITIVE_INFINITY
    return Math.min(leadership.heartbeatDueMs, leadership.checkQuorumDueMs, handoverDueMs)
  }

  /** Time has passed. Serves timeouts only: messages and proposals are handled when they come. */
  tick(nowMs: number): void {
    if (nowMs < this.nextDeadline()) return
    const p = this.#p
    this.#at(nowMs)
    ReadIndexing.expireForwarded(p)
    if (p.leadership !== undefined) this.#tickLeader(p.leadership)
    else if (p.mayCampaign && p.nowMs >= p.electionDueMs) Election.electionTimedOut(p)
  }

  #tickLeader(leadership: Leadership): void {
    const p = this.#p
    if (p.nowMs >= leadership.checkQuorumDueMs) {
      leadership.checkQuorumDueMs = p.nowMs + p.options.electionTimeoutMs
      // Check-quorum (dissertation 6.2): a leader that nobody answers makes room, and fails what waits for it.
      if (!leadership.heardFromMajority(p.membership.configuration, p.self)) {
        Election.becomeFollower(p, p.term, undefined)
        return
      }
    }
    if (leadership.handover !== undefined && p.nowMs >= leadership.handover.deadlineMs) leadership.handover = undefined
    if (p.nowMs < leadership.heartbeatDueMs) return
    leadership.roundWanted = true
    leadership.heartbeatDueMs = p.nowMs + p.options.heartbeatMs
  }

  /** A message from a peer. Late, doubled, misdirected and foreign ones change nothing. */
  step(nowMs: number, message: Message): void {
    const p = this.#p
    this.#at(nowMs)
    // Rule 18: meant for the directory that was here before, or sent by a participant that takes itself for this one.
    if (!sameMember(message.to, p.self) || sameMember(message.from, p.self)) return
    switch (message._tag) {
      case "PreVote":
        return Election.onPreVote(p, message)
      case "PreVoteResponse":
        return Election.onPreVoteResponse(p, message)
      case "Vote":
        return Election.onVote(p, message)
      case "VoteResponse":
        return Election.onVoteResponse(p, message)
      case "TimeoutNow":
        return Election.onTimeoutNow(p, message)
      case "Append":
        // A leader is followed even before this node's configuration knows it (dissertation 4.1).
        if (message.term > p.term) Election.becomeFollower(p, message.term, message.from)
        return Following.onAppend(p, message)
      case "SnapshotChunk":
        if (message.term > p.term) Election.becomeFollower(p, message.term, message.from)
        return Following.onSnapshotChunk(p, message)
      case "AppendResponse":
        return this.#isNews(message) ? undefined : Replication.onAppendResponse(p, message)
      case "SnapshotResponse":
        return this.#isNews(message) ? undefined : Replication.onSnapshotResponse(p, message)
      case "ReadIndex":
        return this.#isNews(message) ? undefined : ReadIndexing.onReadIndex(p, message)
      case "ReadIndexResponse":
        return this.#isNews(message) ? undefined : ReadIndexing.onReadIndexResponse(p, message)
    }
  }

  /** A member is in a newer term: this participant follows it there. A stranger's term is ignored (rule 18). */
  #isNews(message: Message): boolean {
    const p = this.#p
    if (message.term <= p.term) return false
    if (p.membership.isMember(message.from)) Election.becomeFollower(p, message.term, undefined)
    return true
  }

  /** Appends a command. `ticket` comes back with `apply` or in `fates`. */
  propose(nowMs: number, ticket: number, payload: Uint8Array): Proposing.ProposeOutcome {
    this.#at(nowMs)
    return Proposing.propose(this.#p, ticket, payload)
  }

  /** Appends a configuration that differs by one member. */
  changeMembership(nowMs: number, ticket: number, change: MembershipChange): Proposing.ChangeOutcome {
    this.#at(nowMs)
    return Proposing.changeMembership(this.#p, ticket, change)
  }

  /** Asks for an index that a linearizable read waits for; the outcome comes in `reads`. A follower asks its leader. */
  readIndex(nowMs: number, ticket: number): void {
    this.#at(nowMs)
    ReadIndexing.readIndex(this.#p, ticket)
  }

  /** Asked *after* the image was read, with the time of then (rule 28). False while leases are off. */
  leaseHolds(nowMs: number): boolean {
    return ReadIndexing.leaseHolds(this.#p, nowMs)
  }

  /** Hands over to another voter; abandoned after an election timeout. Proposals are refused meanwhile. */
  transferLeadership(nowMs: number, target: Member): Proposing.TransferOutcome {
    this.#at(nowMs)
    return Proposing.transferLeadership(this.#p, target)
  }

  /** Begins an election at once (still with a pre-vote), if this node is a voter and nobody's lease forbids it. */
  campaign(nowMs: number): void {
    this.#at(nowMs)
    Election.campaign(this.#p)
  }

  /** Everything produced since the last call; undefined when there is nothing. */
  ready(): Ready | undefined {
    const p = this.#p
    if (p.leadership !== undefined) Replication.flush(p, p.leadership)
    else ReadIndexing.forwardReads(p)
    const write = p.persistence.take(p.log)
    const apply = this.#takeApply()
    const { messages, fates, reads } = p
    if (write === undefined && messages.length + apply.length + fates.length + reads.length === 0) return undefined
    p.messages = []
    p.fates = []
    p.reads = []
    return { write, messages, apply, fates, reads }
  }

  /** Committed *and* durable here, in log order. */
  #takeApply(): ReadonlyArray<Apply> {
    const p = this.#p
    const { persistedIndex } = p.persistence
    const apply: Array<Apply> = []
    const snapshot = p.snapshotToApply
    if (snapshot !== undefined) {
      if (persistedIndex < snapshot.index) return apply
      assert(snapshot.index > p.handedIndex, "a snapshot must not take the state machine back")
      apply.push({ _tag: "Snapshot", snapshot })
      p.handedIndex = snapshot.index
      p.snapshotToApply = undefined
    }
    const last = Math.min(p.log.commitIndex, persistedIndex)
    for (let index = p.handedIndex + 1; index <= last; index++) {
      const entry = p.log.entryAt(index)
      assert(entry !== undefined && entry.index === index, "an entry must stay in memory until it is applied")
      apply.push({ _tag: "Entry", entry, ticket: p.proposals.committed(index, entry.term, p.fates) })
      p.handedIndex = index
    }
    return apply
  }

  /** The write `sequence`, and all before it, are durable. */
  advance(sequence: number): void {
    const p = this.#p
    p.persistence.advance(sequence)
    if (p.persistence.hardStateDurable) Election.voteBecameDurable(p)
    if (p.leadership !== undefined) Replication.commitByQuorum(p)
    else Following.answerLeader(p)
  }

  /** The state machine has taken everything up to `index`. */
  applied(index: number): void {
    const p = this.#p
    assert(index <= p.handedIndex, "only what was handed out can be applied")
    if (index <= p.log.appliedIndex) return
    p.log.appliedTo(index)
    p.log.evict(p.isAlone ? 0 : p.options.cacheBytesMax)
  }

  /** The newest snapshot is durable and can be read by the `SnapshotSource`. One that is older than the newest is no news. */
  snapshotSaved(snapshot: {
    readonly index: number
    readonly term: number
    readonly configuration: Configuration
    readonly totalBytes: number
  }): void {
    const p = this.#p
    const { index, term, configuration, totalBytes } = snapshot
    if (index <= p.log.snapshot.index) return
    const inForce = p.membership.at(index)
    assert(
      inForce !== undefined && sameConfiguration(inForce, configuration),
      "a snapshot must carry the configuration in force at its index"
    )
    p.log.compacted({ index, term, configuration, totalBytes })
    p.membership.compacted(index)
  }

  #at(nowMs: number): void {
    if (nowMs > this.#p.nowMs) this.#p.nowMs = nowMs
  }
}
