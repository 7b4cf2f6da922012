/**
 * SyncGroup under the classic protocol: the leader brings the assignment, everybody takes its share.
 *
 * The assignment becomes the group's state only when its record is committed and replayed; until then all members wait.
 * If a rebalance begins meanwhile, they are answered with it and the committed record is history.
 */
import { NO_TICKET, type Ticket } from "../../coordinator/Decision.ts"
import { ErrorCode } from "../../model/ErrorCode.ts"
import { NO_BYTES, type SyncCommand, type SyncResult, syncError } from "../Commands.ts"
import type { GroupMetadata } from "../GroupRecord.ts"
import type { ClassicGroup } from "./ClassicGroup.ts"
import type { Member } from "./Member.ts"
import { validateMember } from "./Membership.ts"
import {
  answerSync,
  type ClassicContext,
  cancelSyncPhase,
  dropAssignments,
  type GroupTurn,
  groupRecord,
  prepareRebalance,
  renewSession
} from "./Rebalance.ts"

export const sync = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket,
  command: SyncCommand
): void => {
  const error = validate(group, command)
  if (error !== ErrorCode.NONE) {
    turn.answer(ticket, syncError(error))
    return
  }
  const member = group.members.get(command.memberId)!
  if (group.state === "Stable") {
    synced(context, group, member)
    renewSession(context, turn, group, member.memberId, member.sessionTimeoutMs)
    turn.answer(ticket, assigned(group, member))
    return
  }
  // A sync that still waits was given up by its client, or it would not have sent another one.
  answerSync(turn, member, syncError(ErrorCode.REBALANCE_IN_PROGRESS))
  member.syncTicket = ticket
  synced(context, group, member)
  if (!group.isLeader(member.memberId) || group.writingGeneration === group.generation) return
  const assignments = new Map<string, Uint8Array>()
  for (const { memberId, assignment } of command.assignments) {
    if (group.members.has(memberId)) assignments.set(memberId, new Uint8Array(assignment))
  }
  group.writingGeneration = group.generation
  turn.append(groupRecord(group, assignments))
}

/** The record of an assignment is committed: it holds from now on, unless the group has moved on. */
export const assignmentCommitted = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  value: GroupMetadata
): void => {
  if (group.state !== "CompletingRebalance" || group.writingGeneration !== value.generation) return
  group.writingGeneration = -1
  group.enter("Stable", turn.now)
  for (const { memberId, assignment } of value.members) {
    const member = group.members.get(memberId)
    if (member !== undefined) member.assignment = assignment
  }
  for (const member of group.members.values()) {
    if (member.syncTicket === NO_TICKET) continue
    answerSync(turn, member, assigned(group, member))
    renewSession(context, turn, group, member.memberId, member.sessionTimeoutMs)
  }
}

/** The record of an assignment was not committed: the members learn it and join again. */
export const assignmentLost = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  value: GroupMetadata,
  errorCode: ErrorCode
): void => {
  if (group.state !== "CompletingRebalance" || group.writingGeneration !== value.generation) return
  dropAssignments(context, turn, group, errorCode)
  prepareRebalance(context, turn, group)
}

const validate = (group: ClassicGroup, command: SyncCommand): ErrorCode => {
  const error = validateMember(group, command.memberId, command.groupInstanceId)
  if (error !== ErrorCode.NONE) return error
  if (command.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
  if (differs(command.protocolType, group.protocolType) || differs(command.protocolName, group.protocolName)) {
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
  }
  if (group.state === "Empty") return ErrorCode.UNKNOWN_MEMBER_ID
  return group.state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
}

const differs = (asked: string | null, ours: string | null): boolean =>
  asked !== null && ours !== null && asked !== ours

const synced = (context: ClassicContext, group: ClassicGroup, member: Member): void => {
  group.pendingSyncs.delete(member.memberId)
  if (group.pendingSyncs.size === 0) cancelSyncPhase(context, group)
}

const assigned = (group: ClassicGroup, member: Member): SyncResult => ({
  _tag: "Sync",
  errorCode: ErrorCode.NONE,
  protocolType: group.protocolType,
  protocolName: group.protocolName,
  assignment: member.assignment ?? NO_BYTES
})
