/**
 * The rebalance of a classic group: gathering the members (join phase), beginning a generation, and waiting for the
 * assignment (sync phase).
 *
 * A rebalance begins in `prepareRebalance` and ends when the leader's assignment is committed (`Sync.ts`). Both phases
 * end by time, so that no member waits for ever: the join phase drops dynamic members that did not come back, the sync
 * phase drops those that never sync. The first rebalance of an empty group is held open for `initialRebalanceDelayMs`,
 * extended while members arrive.
 */
import type { DeadlineHeap } from "../../base/DeadlineHeap.ts"
import { NO_TICKET, type Turn } from "../../coordinator/Decision.ts"
import { ErrorCode } from "../../model/ErrorCode.ts"
import { type GroupResult, type JoinResult, joinError, NO_BYTES, type SyncResult, syncError } from "../Commands.ts"
import type { GroupConfig } from "../GroupConfig.ts"
import type { GroupRecord } from "../GroupRecord.ts"
import type { ClassicGroup, GroupTimerEvent } from "./ClassicGroup.ts"
import type { Member } from "./Member.ts"

export type GroupTurn = Turn<GroupRecord, GroupResult>

export interface ClassicContext {
  readonly config: GroupConfig
  readonly timers: DeadlineHeap<GroupTimerEvent>
}

const NO_ASSIGNMENTS: ReadonlyMap<string, Uint8Array> = new Map()

/** Restarts the member's session: it was just heard of. */
export const renewSession = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  memberId: string,
  timeoutMs: number
): void => {
  const running = group.sessions.get(memberId)
  if (running !== undefined && context.timers.move(running, turn.now + timeoutMs)) return
  const event = { _tag: "Session", groupId: group.groupId, memberId } as const
  group.sessions.set(memberId, context.timers.add(turn.now + timeoutMs, event))
}

export const endSession = (context: ClassicContext, group: ClassicGroup, memberId: string): void => {
  const session = group.sessions.get(memberId)
  if (session === undefined) return
  context.timers.remove(session)
  group.sessions.delete(memberId)
}

export const answerJoin = (turn: GroupTurn, group: ClassicGroup, member: Member, result: JoinResult): void =>
  turn.answer(group.setJoinTicket(member, NO_TICKET), result)

export const answerSync = (turn: GroupTurn, member: Member, result: SyncResult): void => {
  turn.answer(member.syncTicket, result)
  member.syncTicket = NO_TICKET
}

/** What a member is told of the current generation. */
export const joinedResult = (group: ClassicGroup, member: Member): JoinResult => ({
  _tag: "Join",
  errorCode: ErrorCode.NONE,
  generationId: group.generation,
  protocolType: group.protocolType,
  protocolName: group.protocolName,
  leader: group.leader ?? "",
  skipAssignment: false,
  memberId: member.memberId,
  members: group.isLeader(member.memberId) ? group.membersForLeader() : []
})

/** Takes a member out of the group, answering what it waits for. What follows for the group is the caller's business. */
export const removeMember = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup, memberId: string): void => {
  endSession(context, group, memberId)
  const member = group.members.get(memberId)
  if (member !== undefined) {
    // A client that still lives and waits learns so that it is out, and joins as a new member.
    answerJoin(turn, group, member, joinError(ErrorCode.UNKNOWN_MEMBER_ID, ""))
    answerSync(turn, member, syncError(ErrorCode.UNKNOWN_MEMBER_ID))
  }
  group.remove(memberId)
}

/** After a change of members or of what they offer: a rebalance begins, or the one that runs may now be complete. */
export const rebalanceOrComplete = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup): void => {
  if (group.state === "PreparingRebalance") maybeCompleteJoinPhase(context, turn, group)
  else prepareRebalance(context, turn, group)
}

export const prepareRebalance = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup): void => {
  dropAssignments(context, turn, group, ErrorCode.REBALANCE_IN_PROGRESS)
  cancelSyncPhase(context, group)
  group.pendingSyncs.clear()
  const first = group.state === "Empty"
  group.enter("PreparingRebalance", turn.now)
  if (!first) {
    if (group.allJoined()) completeJoinPhase(context, turn, group)
    else scheduleJoinPhase(context, turn, group, group.rebalanceTimeoutMs())
    return
  }
  const delayMs = context.config.initialRebalanceDelayMs
  if (delayMs === 0) {
    completeJoinPhase(context, turn, group)
    return
  }
  const remainingMs = Math.max(group.rebalanceTimeoutMs() - delayMs, 0)
  group.initialDelay = { delayMs, remainingMs, newMemberAdded: false }
  scheduleJoinPhase(context, turn, group, delayMs)
}

/** Completes the join phase when nobody is missing. The first one of an empty group waits for its delay regardless. */
export const maybeCompleteJoinPhase = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup): void => {
  if (group.state !== "PreparingRebalance" || group.initialDelay !== undefined || !group.allJoined()) return
  completeJoinPhase(context, turn, group)
}

/** The join phase's time is up: the first one is extended if members came meanwhile, any other one ends. */
export const joinPhaseExpired = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup): void => {
  group.joinTimer = undefined
  if (group.state !== "PreparingRebalance") return
  const initial = group.initialDelay
  if (initial === undefined || !initial.newMemberAdded || initial.remainingMs === 0) {
    completeJoinPhase(context, turn, group)
    return
  }
  const delayMs = Math.min(context.config.initialRebalanceDelayMs, initial.remainingMs)
  const remainingMs = Math.max(initial.remainingMs - delayMs, 0)
  group.initialDelay = { delayMs, remainingMs, newMemberAdded: false }
  scheduleJoinPhase(context, turn, group, delayMs)
}

/** Members that owe a SyncGroup had the whole rebalance timeout: they go, and those that remain rebalance. */
export const syncPhaseExpired = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup): void => {
  group.syncTimer = undefined
  if (group.pendingSyncs.size === 0) return
  for (const memberId of [...group.pendingSyncs]) removeMember(context, turn, group, memberId)
  prepareRebalance(context, turn, group)
}

export const cancelSyncPhase = (context: ClassicContext, group: ClassicGroup): void => {
  if (group.syncTimer !== undefined) context.timers.remove(group.syncTimer)
  group.syncTimer = undefined
}

/**
 * Answers those that wait for their assignment. A share of the generation before stays to be looked at until there is a new
 * one; a generation that ends before it was assigned takes it back, as its members no longer own anything.
 */
export const dropAssignments = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  errorCode: ErrorCode
): void => {
  group.writingGeneration = -1
  for (const member of group.members.values()) {
    if (group.state === "CompletingRebalance") member.assignment = NO_BYTES
    if (member.syncTicket === NO_TICKET) continue
    answerSync(turn, member, syncError(errorCode))
    renewSession(context, turn, group, member.memberId, member.sessionTimeoutMs)
  }
}

const scheduleJoinPhase = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup, afterMs: number): void => {
  if (group.joinTimer !== undefined) context.timers.remove(group.joinTimer)
  group.joinTimer = context.timers.add(turn.now + afterMs, { _tag: "JoinPhase", groupId: group.groupId })
}

const completeJoinPhase = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup): void => {
  if (group.joinTimer !== undefined) context.timers.remove(group.joinTimer)
  group.joinTimer = undefined
  group.initialDelay = undefined
  for (const member of [...group.members.values()]) {
    if (member.joinTicket === NO_TICKET && member.groupInstanceId === null) {
      removeMember(context, turn, group, member.memberId)
    }
  }
  if (group.members.size > 0 && !group.electJoinedLeader()) {
    // Only static members are left and none came: each keeps its place until its session ends.
    scheduleJoinPhase(context, turn, group, group.rebalanceTimeoutMs())
    return
  }
  group.beginGeneration(turn.now)
  if (group.state === "Empty") {
    if (group.persisted) turn.append(groupRecord(group, NO_ASSIGNMENTS))
    return
  }
  for (const member of group.members.values()) {
    answerJoin(turn, group, member, joinedResult(group, member))
    member.isNew = false
    group.pendingSyncs.add(member.memberId)
    renewSession(context, turn, group, member.memberId, member.sessionTimeoutMs)
  }
  const event = { _tag: "SyncPhase", groupId: group.groupId } as const
  group.syncTimer = context.timers.add(turn.now + group.rebalanceTimeoutMs(), event)
}

export const groupRecord = (group: ClassicGroup, assignments: ReadonlyMap<string, Uint8Array>): GroupRecord => ({
  _tag: "GroupMetadata",
  groupId: group.groupId,
  value: group.toRecordValue(assignments)
})
