/**
 * All groups of one partition of `__consumer_offsets`: membership under the classic protocol, and committed offsets.
 *
 * Durable state (offsets, a generation with its assignment) moves in `replay` only. Who is joining, waiting or alive is
 * not in the log: after a restart the members of the last committed generation are taken as alive for one session.
 * A group that the log does not know and that nobody uses any more is dropped at once, or at the next search for what has
 * expired if it has lost its offsets.
 *
 * Reads (describe, list, fetch offsets) are in `GroupViews.ts`.
 */
import { assert } from "../base/Assert.ts"
import { DeadlineHeap } from "../base/DeadlineHeap.ts"
import { type CoordinatorMachine, type Decision, type Ticket, Turn } from "../coordinator/Decision.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import {
  type CommitCommand,
  type DeleteGroupCommand,
  type DeleteOffsetsCommand,
  type GroupCommand,
  type GroupResult,
  type HeartbeatCommand,
  type JoinCommand,
  type LeaveCommand,
  refusal,
  type SyncCommand
} from "./Commands.ts"
import { subscribedTopics } from "./ConsumerSubscription.ts"
import { ClassicGroup, type GroupTimerEvent } from "./classic/ClassicGroup.ts"
import { join, validateJoin } from "./classic/Join.ts"
import { makeMember } from "./classic/Member.ts"
import { heardOf, heartbeat, leave, sessionExpired } from "./classic/Membership.ts"
import {
  type ClassicContext,
  endSession,
  type GroupTurn,
  joinPhaseExpired,
  prepareRebalance,
  removeMember,
  renewSession,
  syncPhaseExpired
} from "./classic/Rebalance.ts"
import { assignmentCommitted, assignmentLost, sync } from "./classic/Sync.ts"
import { GROUPS_MAX, type GroupConfig } from "./GroupConfig.ts"
import type { GroupMetadata, GroupRecord } from "./GroupRecord.ts"
import { planCommit, validateCommit } from "./offsets/CommitOffsets.ts"
import { planGroupDeletion, planOffsetDeletion } from "./offsets/Deletion.ts"
import { planExpiry } from "./offsets/Expiry.ts"
import { OffsetTable } from "./offsets/OffsetTable.ts"

/** A group as the machine keeps it. Readers must not change it. */
export interface GroupEntry {
  readonly group: ClassicGroup
  readonly offsets: OffsetTable
}

type MemberCommand = JoinCommand | SyncCommand | HeartbeatCommand | LeaveCommand
type GroupDecision = Decision<GroupRecord, GroupResult>

export class GroupMachine implements CoordinatorMachine<GroupCommand, GroupRecord, GroupResult> {
  readonly #config: GroupConfig
  readonly #context: ClassicContext
  readonly #timers = new DeadlineHeap<GroupTimerEvent>()
  readonly #groups = new Map<string, GroupEntry>()

  constructor(config: GroupConfig) {
    this.#config = config
    this.#context = { config, timers: this.#timers }
  }

  /** In the order in which they came to be. */
  get groups(): ReadonlyMap<string, GroupEntry> {
    return this.#groups
  }

  load(record: GroupRecord): void {
    if (record._tag === "Offset") {
      this.#applyOffset(record)
    } else if (record.value === null) {
      this.#removeGroup(record.groupId)
    } else {
      const offsets = this.#groups.get(record.groupId)?.offsets ?? new OffsetTable()
      this.#groups.set(record.groupId, { group: fromRecord(record.groupId, record.value), offsets })
    }
  }

  loaded(now: number): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    for (const groupId of [...this.#groups.keys()]) this.#dropIfUnused(groupId)
    for (const { group } of this.#groups.values()) {
      for (const member of group.members.values()) {
        renewSession(this.#context, turn, group, member.memberId, member.sessionTimeoutMs)
      }
      if (group.members.size > this.#config.membersMax) prepareRebalance(this.#context, turn, group)
    }
    return turn
  }

  decide(ticket: Ticket, command: GroupCommand, now: number): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    switch (command._tag) {
      case "ExpireOffsets":
        this.#expireOffsets(turn)
        turn.answer(ticket, { _tag: "Done" })
        return turn
      case "TopicsDeleted":
        this.#topicsDeleted(turn, command.topics)
        turn.answer(ticket, { _tag: "Done" })
        return turn
      case "ConsumerHeartbeat":
        turn.answer(ticket, refusal(command, ErrorCode.UNSUPPORTED_VERSION))
        return turn
      case "TopicsChanged":
        turn.answer(ticket, { _tag: "Done" })
        return turn
      case "Commit":
        this.#commit(turn, ticket, command)
        return turn
      case "DeleteGroup":
        this.#deleteGroup(turn, ticket, command)
        return turn
      case "DeleteOffsets":
        this.#deleteOffsets(turn, ticket, command)
        return turn
      default:
        this.#member(turn, ticket, command)
        this.#dropIfUnused(command.groupId)
        return turn
    }
  }

  replay(record: GroupRecord, now: number): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    if (record._tag === "Offset") {
      this.#applyOffset(record)
      return turn
    }
    const group = this.#groups.get(record.groupId)?.group
    if (record.value === null) {
      // Members may have come while the tombstone was on its way; their generation will be written again.
      if (group !== undefined) group.persisted = false
      this.#dropIfUnused(record.groupId)
    } else if (group !== undefined) {
      group.persisted = true
      assignmentCommitted(this.#context, turn, group, record.value)
    }
    return turn
  }

  reject(ticket: Ticket, command: GroupCommand, decision: GroupDecision, error: ErrorCode, now: number): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    // Only commits have a word for "too large for the log".
    const told =
      error === ErrorCode.INVALID_COMMIT_OFFSET_SIZE && command._tag !== "Commit"
        ? ErrorCode.UNKNOWN_SERVER_ERROR
        : error
    for (const answer of decision.answers) {
      if (answer.ticket !== ticket) turn.answer(answer.ticket, answer.response)
    }
    const answered = decision.answers.some((answer) => answer.ticket === ticket)
    if (answered) turn.answer(ticket, refusal(command, told))
    for (const record of decision.records) {
      if (record._tag !== "GroupMetadata" || record.value === null) continue
      const group = this.#groups.get(record.groupId)?.group
      if (group !== undefined) assignmentLost(this.#context, turn, group, record.value, told)
    }
    return turn
  }

  nextDeadline(): number | undefined {
    const next = this.#timers.nextDeadline()
    return next === Number.POSITIVE_INFINITY ? undefined : next
  }

  tick(now: number): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    for (let event = this.#timers.popExpired(now); event !== undefined; event = this.#timers.popExpired(now)) {
      const group = this.#groups.get(event.groupId)?.group
      assert(group !== undefined, `a timer of the group ${event.groupId} outlived it`)
      if (event._tag === "Session") sessionExpired(this.#context, turn, group, event.memberId)
      else if (event._tag === "JoinPhase") joinPhaseExpired(this.#context, turn, group)
      else syncPhaseExpired(this.#context, turn, group)
      this.#dropIfUnused(event.groupId)
    }
    return turn
  }

  #member(turn: GroupTurn, ticket: Ticket, command: MemberCommand): void {
    const error = command._tag === "Join" ? validateJoin(this.#context, command) : ErrorCode.NONE
    if (command.groupId === "" || error !== ErrorCode.NONE) {
      turn.answer(ticket, refusal(command, error === ErrorCode.NONE ? ErrorCode.INVALID_GROUP_ID : error))
      return
    }
    const creates = command._tag === "Join" && command.memberId === ""
    const group = this.#groups.get(command.groupId)?.group ?? (creates ? this.#create(command.groupId) : undefined)
    if (group === undefined) {
      turn.answer(ticket, creates ? refusal(command, ErrorCode.COORDINATOR_NOT_AVAILABLE) : noSuchGroup(command))
      return
    }
    switch (command._tag) {
      case "Join":
        join(this.#context, turn, group, ticket, command)
        return
      case "Sync":
        sync(this.#context, turn, group, ticket, command)
        return
      case "Heartbeat":
        turn.answer(ticket, { _tag: "Heartbeat", errorCode: heartbeat(this.#context, turn, group, command) })
        return
      case "Leave":
        turn.answer(ticket, leave(this.#context, turn, group, command))
        return
    }
  }

  #commit(turn: GroupTurn, ticket: Ticket, command: CommitCommand): void {
    const entry = this.#groups.get(command.groupId)
    const error = validateCommit(entry?.group, command)
    if (error !== ErrorCode.NONE) {
      turn.answer(ticket, refusal(command, error))
      return
    }
    if (entry === undefined && this.#groups.size >= GROUPS_MAX) {
      turn.answer(ticket, refusal(command, ErrorCode.COORDINATOR_NOT_AVAILABLE))
      return
    }
    // While a group completes a rebalance a commit is refused, so any member that gets here is alive.
    if (entry !== undefined) heardOf(this.#context, turn, entry.group, command.memberId)
    const { records, errorCodes } = planCommit(this.#config, command, turn.now)
    for (const record of records) turn.append(record)
    turn.answer(ticket, { _tag: "Commit", errorCodes })
  }

  #deleteGroup(turn: GroupTurn, ticket: Ticket, { groupId }: DeleteGroupCommand): void {
    const entry = this.#groups.get(groupId)
    const { records, errorCode } = planGroupDeletion(groupId, entry?.group, entry?.offsets)
    turn.divisible = true
    for (const record of records) turn.append(record)
    if (entry !== undefined && errorCode === ErrorCode.NONE) {
      for (const memberId of [...entry.group.pendingJoins]) removeMember(this.#context, turn, entry.group, memberId)
    }
    turn.answer(ticket, { _tag: "DeleteGroup", errorCode })
  }

  #deleteOffsets(turn: GroupTurn, ticket: Ticket, command: DeleteOffsetsCommand): void {
    const entry = this.#groups.get(command.groupId)
    const { records, result } = planOffsetDeletion(entry?.group, entry?.offsets, command)
    turn.divisible = true
    for (const record of records) turn.append(record)
    turn.answer(ticket, result)
  }

  #expireOffsets(turn: GroupTurn): void {
    turn.divisible = true
    for (const { group, offsets } of this.#groups.values()) {
      const plan = planExpiry(group, offsets, subscribedTopics(group), turn.now, this.#config.offsetsRetentionMs)
      for (const record of plan.records) turn.append(record)
    }
  }

  #topicsDeleted(turn: GroupTurn, topics: ReadonlyArray<string>): void {
    turn.divisible = true
    for (const [groupId, { offsets }] of this.#groups) {
      for (const topic of topics) {
        for (const partition of offsets.partitionsOf(topic)) {
          turn.append({ _tag: "Offset", groupId, topic, partition, value: null })
        }
      }
    }
  }

  #applyOffset({ groupId, topic, partition, value }: GroupRecord & { _tag: "Offset" }): void {
    const entry = this.#groups.get(groupId)
    // A group that has lost its last offset stays until the next search for what has expired, as in Kafka.
    if (entry !== undefined) entry.offsets.set(topic, partition, value)
    // A commit for a group that is not there makes a simple group.
    else if (value !== null) this.#make(groupId).offsets.set(topic, partition, value)
  }

  #create(groupId: string): ClassicGroup | undefined {
    return this.#groups.size >= GROUPS_MAX ? undefined : this.#make(groupId).group
  }

  #make(groupId: string): GroupEntry {
    const entry = { group: new ClassicGroup(groupId), offsets: new OffsetTable() }
    this.#groups.set(groupId, entry)
    return entry
  }

  #removeGroup(groupId: string): void {
    const entry = this.#groups.get(groupId)
    if (entry === undefined) return
    // Offsets that were committed after the group's tombstone keep a simple group alive.
    if (entry.offsets.isEmpty) this.#groups.delete(groupId)
    else this.#groups.set(groupId, { group: new ClassicGroup(groupId), offsets: entry.offsets })
  }

  #dropIfUnused(groupId: string): void {
    const entry = this.#groups.get(groupId)
    if (entry === undefined) return
    const { group, offsets } = entry
    if (group.state !== "Empty" || group.persisted || group.pendingJoins.size > 0 || !offsets.isEmpty) return
    for (const memberId of [...group.sessions.keys()]) endSession(this.#context, group, memberId)
    assert(group.joinTimer === undefined && group.syncTimer === undefined, "an empty group has no phase to wait for")
    this.#groups.delete(groupId)
  }
}

/** Of a group that is not there nobody is a member; LeaveGroup says so for each. */
const noSuchGroup = (command: MemberCommand): GroupResult => {
  const errorCode = ErrorCode.UNKNOWN_MEMBER_ID
  if (command._tag !== "Leave") return refusal(command, errorCode)
  const members = command.members.map((member) => ({ ...member, errorCode }))
  return { _tag: "Leave", errorCode: ErrorCode.NONE, members }
}

const fromRecord = (groupId: string, value: GroupMetadata): ClassicGroup => {
  const group = new ClassicGroup(groupId)
  group.persisted = true
  group.generation = value.generation
  group.protocolType = value.protocolType === "" ? null : value.protocolType
  group.enter(value.members.length === 0 ? "Empty" : "Stable", value.currentStateTimestamp)
  group.protocolName = value.members.length === 0 ? null : value.protocol
  for (const saved of value.members) {
    const member = makeMember({
      memberId: saved.memberId,
      groupInstanceId: saved.groupInstanceId,
      clientId: saved.clientId,
      clientHost: saved.clientHost,
      rebalanceTimeoutMs: saved.rebalanceTimeoutMs < 0 ? saved.sessionTimeoutMs : saved.rebalanceTimeoutMs,
      sessionTimeoutMs: saved.sessionTimeoutMs,
      protocols: [{ name: value.protocol ?? "", metadata: saved.subscription }]
    })
    member.assignment = saved.assignment
    group.add(member)
  }
  if (value.leader !== null && group.members.has(value.leader)) group.leader = value.leader
  return group
}
