/**
 * All groups of one partition of `__consumer_offsets`: membership under either protocol, and committed offsets.
 *
 * Durable state (offsets, a generation with its assignment) moves in `replay` only; that of consumer groups is one step
 * ahead of the log while its records are in flight (`consumer/Journal.ts`), and no answer shows it. Who is joining, waiting or alive is
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
import { type ConsumerEnvironment, defaultConsumerEnvironment } from "./consumer/ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./consumer/ConsumerGroup.ts"
import { ConsumerGroups } from "./consumer/ConsumerGroups.ts"
import { validateConsumerCommit } from "./consumer/ConsumerOffsets.ts"
import { GROUPS_MAX, type GroupConfig } from "./GroupConfig.ts"
import type { GroupRecord } from "./GroupRecord.ts"
import type { Group, GroupEntry } from "./GroupTable.ts"
import { planCommit, validateCommit } from "./offsets/CommitOffsets.ts"
import { planGroupDeletion, planOffsetDeletion } from "./offsets/Deletion.ts"
import { planExpiry } from "./offsets/Expiry.ts"

type MemberCommand = JoinCommand | SyncCommand | HeartbeatCommand | LeaveCommand
type GroupDecision = Decision<GroupRecord, GroupResult>

export class GroupMachine implements CoordinatorMachine<GroupCommand, GroupRecord, GroupResult> {
  readonly #config: GroupConfig
  readonly #context: ClassicContext
  readonly #timers = new DeadlineHeap<GroupTimerEvent>()
  readonly #consumers: ConsumerGroups
  readonly #groups: Map<string, GroupEntry>
  /** What the machine's views look things up in. */
  readonly environment: ConsumerEnvironment

  constructor(config: GroupConfig, environment: ConsumerEnvironment = defaultConsumerEnvironment) {
    this.#config = config
    this.#context = { config, timers: this.#timers }
    this.#consumers = new ConsumerGroups(environment, this.#context)
    this.#groups = this.#consumers.table.entries
    this.environment = environment
  }

  /** In the order in which they came to be. */
  get groups(): ReadonlyMap<string, GroupEntry> {
    return this.#groups
  }

  /** undefined: no such group, or one of the other protocol. */
  classicGroup(groupId: string): ClassicGroup | undefined {
    const group = this.#groups.get(groupId)?.group
    return group?.type === "classic" ? group : undefined
  }

  /** undefined: no such group, or one of the other protocol. */
  consumerGroup(groupId: string): ConsumerGroup | undefined {
    const group = this.#groups.get(groupId)?.group
    return group?.type === "consumer" ? group : undefined
  }

  load(record: GroupRecord): void {
    if (record._tag === "Offset") this.#applyOffset(record)
    else this.#consumers.table.apply(record)
  }

  loaded(now: number): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    for (const groupId of [...this.#groups.keys()]) this.#dropIfUnused(groupId)
    this.#consumers.loaded(turn)
    for (const { group } of this.#groups.values()) {
      if (group.type !== "classic") continue
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
        this.#consumers.heartbeat(turn, ticket, command)
        this.#dropIfUnused(command.groupId)
        return turn
      case "TopicsChanged":
        this.#consumers.topicsChanged()
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
    if (this.#consumers.confirm(record)) {
      this.#dropIfUnused(record.groupId)
      return turn
    }
    const group = this.#groups.get(record.groupId)?.group
    if (record._tag !== "GroupMetadata" || group?.type === "consumer") {
      // Written while the group was of the other protocol; what made it one of this one is behind it in the log.
      assert(record._tag === "GroupMetadata", "a record of a consumer group is in effect before it is replayed")
      return turn
    }
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

  holds(decision: GroupDecision): boolean {
    return this.#consumers.holds(decision.records)
  }

  reject(
    ticket: Ticket,
    command: GroupCommand | undefined,
    decision: GroupDecision,
    error: ErrorCode,
    now: number
  ): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    // Only commits have a word for "too large for the log".
    const told =
      error === ErrorCode.INVALID_COMMIT_OFFSET_SIZE && command?._tag !== "Commit"
        ? ErrorCode.UNKNOWN_SERVER_ERROR
        : error
    for (const answer of decision.answers) {
      if (answer.ticket !== ticket) turn.answer(answer.ticket, answer.response)
    }
    const answered = decision.answers.some((answer) => answer.ticket === ticket)
    if (answered && command !== undefined) turn.answer(ticket, refusal(command, told))
    this.#consumers.takeBack(turn, decision.records, told)
    for (const record of decision.records) {
      this.#dropIfUnused(record.groupId)
      if (record._tag !== "GroupMetadata" || record.value === null) continue
      const group = this.#groups.get(record.groupId)?.group
      if (group?.type === "classic") assignmentLost(this.#context, turn, group, record.value, told)
    }
    return turn
  }

  nextDeadline(): number | undefined {
    const next = Math.min(this.#timers.nextDeadline(), this.#consumers.nextDeadline())
    return next === Number.POSITIVE_INFINITY ? undefined : next
  }

  tick(now: number): GroupDecision {
    const turn: GroupTurn = new Turn(now)
    turn.divisible = true
    for (let event = this.#timers.popExpired(now); event !== undefined; event = this.#timers.popExpired(now)) {
      const group = this.#groups.get(event.groupId)?.group
      assert(group?.type === "classic", `a timer of the group ${event.groupId} outlived it`)
      if (event._tag === "Session") sessionExpired(this.#context, turn, group, event.memberId)
      else if (event._tag === "JoinPhase") joinPhaseExpired(this.#context, turn, group)
      else syncPhaseExpired(this.#context, turn, group)
      this.#dropIfUnused(event.groupId)
    }
    for (let groupId = this.#consumers.tick(turn); groupId !== undefined; groupId = this.#consumers.tick(turn)) {
      this.#dropIfUnused(groupId)
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
    if (group.type === "consumer") {
      this.#consumers.member(turn, ticket, group, command)
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
    const group = entry?.group
    const allowed =
      group?.type === "consumer"
        ? validateConsumerCommit(group, this.environment.topics(), command)
        : validateCommit(group, command)
    if (typeof allowed === "number" && allowed !== ErrorCode.NONE) {
      turn.answer(ticket, refusal(command, allowed))
      return
    }
    if (entry === undefined && this.#groups.size >= GROUPS_MAX) {
      turn.answer(ticket, refusal(command, ErrorCode.COORDINATOR_NOT_AVAILABLE))
      return
    }
    // While a group completes a rebalance a commit is refused, so any member that gets here is alive.
    if (group?.type === "classic") heardOf(this.#context, turn, group, command.memberId)
    const check = typeof allowed === "number" ? undefined : allowed
    const { records, errorCodes } = planCommit(this.#config, command, turn.now, check)
    for (const record of records) turn.append(record)
    turn.answer(ticket, { _tag: "Commit", errorCodes })
  }

  #deleteGroup(turn: GroupTurn, ticket: Ticket, { groupId }: DeleteGroupCommand): void {
    const entry = this.#groups.get(groupId)
    const group = entry?.group
    turn.divisible = true
    const { records, errorCode } = planGroupDeletion(groupId, group, entry?.offsets)
    for (const record of records) turn.append(record)
    if (group !== undefined && errorCode === ErrorCode.NONE) {
      if (group.type === "consumer") this.#consumers.delete(turn, group)
      else for (const memberId of [...group.pendingJoins]) removeMember(this.#context, turn, group, memberId)
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
    for (const { group, offsets } of [...this.#groups.values()]) {
      if (group.type === "consumer") {
        this.#consumers.expire(turn, group, offsets, this.#config.offsetsRetentionMs)
        continue
      }
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

  #create(groupId: string): Group | undefined {
    return this.#groups.size >= GROUPS_MAX ? undefined : this.#make(groupId).group
  }

  #make(groupId: string): GroupEntry {
    return this.#consumers.table.make(groupId)
  }

  #dropIfUnused(groupId: string): void {
    const entry = this.#groups.get(groupId)
    if (entry === undefined || this.#consumers.isInFlight(groupId)) return
    const { group, offsets } = entry
    if (group.type === "consumer") {
      if (group.isPersisted) return
      // What committed offsets without being a group is a simple group, and those are classic.
      if (offsets.isEmpty) this.#groups.delete(groupId)
      else entry.group = new ClassicGroup(groupId)
      return
    }
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
