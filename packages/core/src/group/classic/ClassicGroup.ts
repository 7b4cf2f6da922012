/**
 * The state of one group under the classic protocol, and the changes it can undergo one at a time.
 *
 * ```
 * Empty ──join──▶ PreparingRebalance ──all joined, or time is up──▶ CompletingRebalance ──assignment committed──▶ Stable
 *   ▲                  │      ▲                                            │                                      │
 *   └──nobody joined───┘      └───────────── join, leave, expiry ──────────┴──────────────────────────────────────┘
 * ```
 * A group that is in no machine's table is Dead; that state has no object.
 *
 * This class keeps its tables consistent; what to do in which state is decided by the modules beside it. It answers
 * nobody and sets no timer. Its members are ordered by their arrival, which makes every answer's order deterministic.
 */
import { assert } from "../../base/Assert.ts"
import type { DeadlineHandle } from "../../base/DeadlineHeap.ts"
import { NO_TICKET, type Ticket } from "../../coordinator/Decision.ts"
import { type JoinedMember, type JoinProtocol, NO_BYTES } from "../Commands.ts"
import type { GroupMetadata } from "../GroupRecord.ts"
import { type Member, metadataFor } from "./Member.ts"

export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable"

/** What a group wants to be woken for. */
export type GroupTimerEvent =
  /** A member, or an id that was given out, was not heard of in time. */
  | { readonly _tag: "Session"; readonly groupId: string; readonly memberId: string }
  /** The rebalance need not wait any longer for members to join. */
  | { readonly _tag: "JoinPhase"; readonly groupId: string }
  /** Members have had their time to sync. */
  | { readonly _tag: "SyncPhase"; readonly groupId: string }

export type GroupTimer = DeadlineHandle<GroupTimerEvent>

export class ClassicGroup {
  readonly type = "classic"
  readonly groupId: string
  state: GroupState = "Empty"
  /** When `state` was entered; -1 unknown. Offsets of an empty group age from here. */
  stateTimestamp = -1
  generation = 0
  protocolType: string | null = null
  protocolName: string | null = null
  leader: string | null = null
  readonly members = new Map<string, Member>()
  /** groupInstanceId → memberId. Invariant: each value is a key of `members`. */
  readonly staticMembers = new Map<string, string>()
  /** Ids given out under KIP-394 whose owner has not joined yet. Invariant: disjoint from `members`. */
  readonly pendingJoins = new Set<string>()
  /** Members that owe a SyncGroup in this generation. Invariant: a subset of `members`. */
  readonly pendingSyncs = new Set<string>()
  /** Only in the first rebalance of an empty group: how long it may still be extended. */
  initialDelay: { delayMs: number; remainingMs: number; newMemberAdded: boolean } | undefined
  /** The generation whose assignment is on its way into the log; -1 none. */
  writingGeneration = -1
  /** The log holds a record of this group: dropping it needs a tombstone. */
  persisted = false
  joinTimer: GroupTimer | undefined
  syncTimer: GroupTimer | undefined
  /** memberId, pending ids included → its session. */
  readonly sessions = new Map<string, GroupTimer>()
  /** Members whose JoinGroup waits. Counted, since it is asked for at every join. */
  #awaitingJoin = 0
  /** Protocol name → how many members offer it. */
  readonly #offers = new Map<string, number>()

  constructor(groupId: string) {
    this.groupId = groupId
  }

  enter(state: GroupState, now: number): void {
    this.state = state
    this.stateTimestamp = now
  }

  isLeader(memberId: string): boolean {
    return this.leader === memberId
  }

  add(member: Member): void {
    assert(!this.members.has(member.memberId), `${member.memberId} is already a member of ${this.groupId}`)
    assert(member.joinTicket === NO_TICKET, "a member is added before its join is parked")
    this.pendingJoins.delete(member.memberId)
    this.members.set(member.memberId, member)
    this.#count(member.protocols, 1)
    if (member.groupInstanceId !== null) {
      assert(
        !this.staticMembers.has(member.groupInstanceId),
        `instance ${member.groupInstanceId} is already in ${this.groupId}`
      )
      this.staticMembers.set(member.groupInstanceId, member.memberId)
    }
    this.leader ??= member.memberId
  }

  /** Forgets a member or a pending id. Its waiting requests must have been answered. */
  remove(memberId: string): void {
    this.pendingJoins.delete(memberId)
    this.pendingSyncs.delete(memberId)
    const member = this.members.get(memberId)
    if (member === undefined) return
    assert(
      member.joinTicket === NO_TICKET && member.syncTicket === NO_TICKET,
      "a removed member's requests are answered first"
    )
    this.members.delete(memberId)
    this.#count(member.protocols, -1)
    if (member.groupInstanceId !== null && this.staticMembers.get(member.groupInstanceId) === memberId) {
      this.staticMembers.delete(member.groupInstanceId)
    }
    if (this.leader === memberId) this.leader = this.members.keys().next().value ?? null
  }

  /** Gives a static member's place to `successor`, in the same position among the members. */
  replace(oldMemberId: string, successor: Member): void {
    const all = [...this.members.values()]
    const old = this.members.get(oldMemberId)
    assert(old !== undefined, `${oldMemberId} is a member of ${this.groupId}`)
    assert(
      old.joinTicket === NO_TICKET && old.syncTicket === NO_TICKET && successor.joinTicket === NO_TICKET,
      "a replaced member's requests are answered first"
    )
    this.#count(old.protocols, -1)
    this.#count(successor.protocols, 1)
    this.members.clear()
    for (const member of all) {
      const next = member.memberId === oldMemberId ? successor : member
      this.members.set(next.memberId, next)
    }
    if (successor.groupInstanceId !== null) this.staticMembers.set(successor.groupInstanceId, successor.memberId)
    if (this.pendingSyncs.delete(oldMemberId)) this.pendingSyncs.add(successor.memberId)
    if (this.leader === oldMemberId) this.leader = successor.memberId
  }

  /** True when the leader takes part in this rebalance, if need be a new one: the first member that does. */
  electJoinedLeader(): boolean {
    const leader = this.leader === null ? undefined : this.members.get(this.leader)
    if (leader === undefined) return false
    if (leader.joinTicket !== NO_TICKET) return true
    for (const member of this.members.values()) {
      if (member.joinTicket === NO_TICKET) continue
      this.leader = member.memberId
      return true
    }
    return false
  }

  get awaitingJoin(): number {
    return this.#awaitingJoin
  }

  /** Parks a member's JoinGroup, or with `NO_TICKET` takes it back. Returns the ticket that waited until now. */
  setJoinTicket(member: Member, ticket: Ticket): Ticket {
    const before = member.joinTicket
    if (before !== NO_TICKET) this.#awaitingJoin--
    if (ticket !== NO_TICKET) this.#awaitingJoin++
    member.joinTicket = ticket
    return before
  }

  setProtocols(member: Member, protocols: ReadonlyArray<JoinProtocol>): void {
    this.#count(member.protocols, -1)
    member.protocols = protocols
    this.#count(member.protocols, 1)
  }

  #count(protocols: ReadonlyArray<JoinProtocol>, by: number): void {
    for (const { name } of protocols) {
      const count = (this.#offers.get(name) ?? 0) + by
      if (count === 0) this.#offers.delete(name)
      else this.#offers.set(name, count)
    }
  }

  allJoined(): boolean {
    return this.pendingJoins.size === 0 && this.#awaitingJoin === this.members.size
  }

  /** The longest time that any member asked for. */
  rebalanceTimeoutMs(): number {
    let longest = 0
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs)
    return longest
  }

  supportsProtocols(protocolType: string, protocols: ReadonlyArray<JoinProtocol>): boolean {
    if (this.state === "Empty") return protocolType !== "" && protocols.length > 0
    if (protocolType !== this.protocolType) return false
    return protocols.some(({ name }) => this.isCommon(name))
  }

  /** Whether every member offers the protocol; true of any protocol while there is no member. */
  isCommon(protocol: string): boolean {
    return (this.#offers.get(protocol) ?? 0) === this.members.size
  }

  /** Each member votes for what it prefers of the common protocols; among equals the one voted for first wins. */
  selectProtocol(): string {
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const choice = member.protocols.find(({ name }) => this.isCommon(name))
      assert(choice !== undefined, `the members of ${this.groupId} have a protocol in common`)
      votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
    }
    let winner: string | undefined
    for (const [name, count] of votes) if (winner === undefined || count > votes.get(winner)!) winner = name
    assert(winner !== undefined, "only a group with members selects a protocol")
    return winner
  }

  /** Begins the next generation with the members that are there. */
  beginGeneration(now: number): void {
    this.generation = this.generation === 0x7fffffff ? 1 : this.generation + 1
    this.pendingSyncs.clear()
    if (this.members.size === 0) {
      this.protocolName = null
      this.leader = null
      this.enter("Empty", now)
      return
    }
    this.protocolName = this.selectProtocol()
    this.enter("CompletingRebalance", now)
  }

  membersForLeader(): ReadonlyArray<JoinedMember> {
    return Array.from(this.members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: metadataFor(member, this.protocolName)
    }))
  }

  /** The record that says what this group is, with `assignments` for its members. */
  toRecordValue(assignments: ReadonlyMap<string, Uint8Array>): GroupMetadata {
    return {
      protocolType: this.protocolType ?? "",
      generation: this.generation,
      protocol: this.protocolName,
      leader: this.leader,
      currentStateTimestamp: this.stateTimestamp,
      members: Array.from(this.members.values(), (member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        sessionTimeoutMs: member.sessionTimeoutMs,
        subscription: metadataFor(member, this.protocolName),
        assignment: assignments.get(member.memberId) ?? NO_BYTES
      }))
    }
  }

  currentAssignments(): ReadonlyMap<string, Uint8Array> {
    return new Map(Array.from(this.members.values(), (member) => [member.memberId, member.assignment]))
  }
}
