/**
 * Staying in a classic group and leaving it: heartbeats, departures, sessions that ran out.
 *
 * A member whose connection dies stays: only its session ends it, since clients reconnect. A heartbeat is answered with
 * REBALANCE_IN_PROGRESS to make the member join again, and counts as a sign of life all the same.
 */
import { NO_TICKET } from "../../coordinator/Decision.ts"
import { ErrorCode } from "../../model/ErrorCode.ts"
import type { HeartbeatCommand, LeaveCommand, LeaveResult, LeavingMember } from "../Commands.ts"
import type { ClassicGroup } from "./ClassicGroup.ts"
import {
  type ClassicContext,
  type GroupTurn,
  maybeCompleteJoinPhase,
  rebalanceOrComplete,
  removeMember,
  renewSession
} from "./Rebalance.ts"

/** Whether the request comes from a member, and for a static one from its present process. */
export const validateMember = (group: ClassicGroup, memberId: string, instanceId: string | null): ErrorCode => {
  if (instanceId !== null) {
    const current = group.staticMembers.get(instanceId)
    if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    if (current !== memberId) return ErrorCode.FENCED_INSTANCE_ID
  }
  return group.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID
}

export const heartbeat = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  command: HeartbeatCommand
): ErrorCode => {
  const error = validateMember(group, command.memberId, command.groupInstanceId)
  if (error !== ErrorCode.NONE) return error
  if (command.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
  heardOf(context, turn, group, command.memberId)
  return group.state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
}

export const heardOf = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup, memberId: string): void => {
  const member = group.members.get(memberId)
  if (member !== undefined) renewSession(context, turn, group, memberId, member.sessionTimeoutMs)
}

export const leave = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  command: LeaveCommand
): LeaveResult => {
  const before = group.members.size
  const members = command.members.map((identity) => {
    const errorCode = leaveOne(context, turn, group, identity)
    return { memberId: identity.memberId, groupInstanceId: identity.groupInstanceId, errorCode }
  })
  afterRemoval(context, turn, group, group.members.size < before)
  return { _tag: "Leave", errorCode: ErrorCode.NONE, members }
}

const leaveOne = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  { memberId, groupInstanceId }: LeavingMember
): ErrorCode => {
  if (memberId === "") {
    // An operator removes a static member by its instance id alone.
    const current = groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId)
    if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    removeMember(context, turn, group, current)
    return ErrorCode.NONE
  }
  if (!group.pendingJoins.has(memberId)) {
    const error = validateMember(group, memberId, groupInstanceId)
    if (error !== ErrorCode.NONE) return error
  }
  removeMember(context, turn, group, memberId)
  return ErrorCode.NONE
}

/** A session ran out. Whoever waits for an answer of ours cannot heartbeat and is spared, unless it is new. */
export const sessionExpired = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  memberId: string
): void => {
  group.sessions.delete(memberId)
  const member = group.members.get(memberId)
  if (member !== undefined && !member.isNew) {
    if (member.joinTicket !== NO_TICKET || member.syncTicket !== NO_TICKET) return
  }
  removeMember(context, turn, group, memberId)
  afterRemoval(context, turn, group, member !== undefined)
}

/** An id that was given out and never used held nothing: at most a join phase waited for it. */
const afterRemoval = (context: ClassicContext, turn: GroupTurn, group: ClassicGroup, memberGone: boolean): void => {
  if (memberGone && group.state !== "Empty") rebalanceOrComplete(context, turn, group)
  else maybeCompleteJoinPhase(context, turn, group)
}
