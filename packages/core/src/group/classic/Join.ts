/**
 * JoinGroup under the classic protocol.
 *
 * A dynamic member comes twice since KIP-394: first to be given an id, then with it. A static member (KIP-345) is known by
 * its instance id; coming back without a member id it takes its own old place over, and while the group is stable and
 * would choose the same protocol again, nobody else notices.
 */
import { NO_TICKET, type Ticket } from "../../coordinator/Decision.ts"
import { ErrorCode } from "../../model/ErrorCode.ts"
import { type JoinCommand, joinError, syncError } from "../Commands.ts"
import { MEMBERS_MAX, NEW_MEMBER_JOIN_TIMEOUT_MS, PENDING_MEMBERS_MAX, PROTOCOLS_MAX } from "../GroupConfig.ts"
import type { ClassicGroup } from "./ClassicGroup.ts"
import { type Member, makeMember, offersSame, ownProtocols } from "./Member.ts"
import { validateMember } from "./Membership.ts"
import {
  answerJoin,
  answerSync,
  type ClassicContext,
  endSession,
  type GroupTurn,
  groupRecord,
  joinedResult,
  maybeCompleteJoinPhase,
  prepareRebalance,
  rebalanceOrComplete,
  removeMember,
  renewSession
} from "./Rebalance.ts"

/** What can be refused without looking at the group. */
export const validateJoin = (context: ClassicContext, command: JoinCommand): ErrorCode => {
  const { sessionTimeoutMsMin, sessionTimeoutMsMax } = context.config
  if (command.groupId === "") return ErrorCode.INVALID_GROUP_ID
  if (command.sessionTimeoutMs < sessionTimeoutMsMin || command.sessionTimeoutMs > sessionTimeoutMsMax) {
    return ErrorCode.INVALID_SESSION_TIMEOUT
  }
  if (command.protocols.length > PROTOCOLS_MAX) return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
  return ErrorCode.NONE
}

export const join = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket,
  command: JoinCommand
): void => {
  if (!accepts(context, group, command.memberId)) {
    if (group.members.has(command.memberId) || group.pendingJoins.has(command.memberId)) {
      removeMember(context, turn, group, command.memberId)
      maybeCompleteJoinPhase(context, turn, group)
    }
    turn.answer(ticket, joinError(ErrorCode.GROUP_MAX_SIZE_REACHED, ""))
  } else if (!group.supportsProtocols(command.protocolType, command.protocols)) {
    turn.answer(ticket, joinError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, command.memberId))
  } else if (command.memberId === "") {
    if (command.groupInstanceId !== null) joinStatic(context, turn, group, ticket, command, command.groupInstanceId)
    else joinDynamic(context, turn, group, ticket, command)
  } else if (group.pendingJoins.has(command.memberId) && command.groupInstanceId === null) {
    addMember(context, turn, group, ticket, command, command.memberId)
  } else {
    const error = validateMember(group, command.memberId, command.groupInstanceId)
    if (error !== ErrorCode.NONE) turn.answer(ticket, joinError(error, command.memberId))
    else rejoin(context, turn, group, ticket, command, group.members.get(command.memberId)!)
  }
}

/** `group.max.size`: while a rebalance gathers its members the first to come are in, whoever was there before. */
const accepts = (context: ClassicContext, group: ClassicGroup, memberId: string): boolean => {
  const membersMax = Math.min(context.config.membersMax, MEMBERS_MAX)
  switch (group.state) {
    case "Empty":
      return true
    case "PreparingRebalance": {
      const joined = (group.members.get(memberId)?.joinTicket ?? NO_TICKET) !== NO_TICKET
      return joined || group.awaitingJoin < membersMax
    }
    case "CompletingRebalance":
    case "Stable":
      return group.members.has(memberId) || group.members.size < membersMax
  }
}

const joinDynamic = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket,
  command: JoinCommand
): void => {
  const memberId = `${command.clientId}-${command.uuid}`
  if (!command.requireKnownMemberId) {
    addMember(context, turn, group, ticket, command, memberId)
    return
  }
  if (group.pendingJoins.size >= PENDING_MEMBERS_MAX) {
    turn.answer(ticket, joinError(ErrorCode.GROUP_MAX_SIZE_REACHED, ""))
    return
  }
  group.pendingJoins.add(memberId)
  renewSession(context, turn, group, memberId, command.sessionTimeoutMs)
  turn.answer(ticket, joinError(ErrorCode.MEMBER_ID_REQUIRED, memberId))
}

const joinStatic = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket,
  command: JoinCommand,
  instanceId: string
): void => {
  const memberId = `${instanceId}-${command.uuid}`
  const oldMemberId = group.staticMembers.get(instanceId)
  if (oldMemberId === undefined) addMember(context, turn, group, ticket, command, memberId)
  else replaceMember(context, turn, group, ticket, command, group.members.get(oldMemberId)!, memberId)
}

const addMember = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket,
  command: JoinCommand,
  memberId: string
): void => {
  const member = makeMember({
    memberId,
    groupInstanceId: command.groupInstanceId,
    clientId: command.clientId,
    clientHost: command.clientHost,
    rebalanceTimeoutMs: command.rebalanceTimeoutMs,
    sessionTimeoutMs: command.sessionTimeoutMs,
    protocols: ownProtocols(command.protocols)
  })
  member.isNew = true
  if (group.initialDelay !== undefined) group.initialDelay.newMemberAdded = true
  if (group.members.size === 0) group.protocolType = command.protocolType
  group.add(member)
  group.setJoinTicket(member, ticket)
  renewSession(context, turn, group, memberId, NEW_MEMBER_JOIN_TIMEOUT_MS)
  rebalanceOrComplete(context, turn, group)
}

const rejoin = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket,
  command: JoinCommand,
  member: Member
): void => {
  const unchanged = offersSame(member, command.protocols)
  switch (group.state) {
    case "Empty":
      turn.answer(ticket, joinError(ErrorCode.UNKNOWN_MEMBER_ID, command.memberId))
      return
    case "CompletingRebalance":
      // The answer of the join before may have been lost: it is given again, this generation stands.
      if (unchanged) {
        turn.answer(ticket, joinedResult(group, member))
        return
      }
      break
    case "Stable":
      // A leader that joins again wants a new assignment, for reasons that its metadata need not show.
      if (unchanged && !group.isLeader(member.memberId)) {
        turn.answer(ticket, joinedResult(group, member))
        return
      }
      break
    case "PreparingRebalance":
      break
  }
  update(turn, group, ticket, command, member)
  rebalanceOrComplete(context, turn, group)
}

/** Takes over what the member now offers and parks its join. */
const update = (turn: GroupTurn, group: ClassicGroup, ticket: Ticket, command: JoinCommand, member: Member): void => {
  // A join that still waits was given up by its client, or it would not have sent another one.
  answerJoin(turn, group, member, joinError(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId))
  group.setProtocols(member, ownProtocols(command.protocols))
  member.rebalanceTimeoutMs = command.rebalanceTimeoutMs
  member.sessionTimeoutMs = command.sessionTimeoutMs
  group.setJoinTicket(member, ticket)
}

const replaceMember = (
  context: ClassicContext,
  turn: GroupTurn,
  group: ClassicGroup,
  ticket: Ticket,
  command: JoinCommand,
  old: Member,
  memberId: string
): void => {
  const leaderBefore = group.leader
  // Two processes under one instance id: the later one stays, the earlier one learns that it is fenced.
  answerJoin(turn, group, old, joinError(ErrorCode.FENCED_INSTANCE_ID, old.memberId))
  answerSync(turn, old, syncError(ErrorCode.FENCED_INSTANCE_ID))
  endSession(context, group, old.memberId)
  const member: Member = {
    ...old,
    memberId,
    clientId: command.clientId,
    clientHost: command.clientHost,
    rebalanceTimeoutMs: command.rebalanceTimeoutMs,
    sessionTimeoutMs: command.sessionTimeoutMs,
    protocols: ownProtocols(command.protocols),
    isNew: false
  }
  group.replace(old.memberId, member)
  renewSession(context, turn, group, memberId, member.sessionTimeoutMs)
  if (group.state !== "Stable" || group.selectProtocol() !== group.protocolName) {
    group.setJoinTicket(member, ticket)
    if (group.state === "PreparingRebalance") maybeCompleteJoinPhase(context, turn, group)
    // The leader of a generation that awaits its assignment knows the old id only: nothing would be assigned to the new one.
    else prepareRebalance(context, turn, group)
    return
  }
  turn.append(groupRecord(group, group.currentAssignments()))
  const leads = group.isLeader(memberId)
  if (command.supportsSkippingAssignment) {
    turn.answer(ticket, { ...joinedResult(group, member), skipAssignment: leads })
    return
  }
  // An older client must not take itself for the leader: it would compute an assignment that nobody waits for.
  turn.answer(ticket, { ...joinedResult(group, member), leader: leaderBefore ?? "", members: [] })
}
