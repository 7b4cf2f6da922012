/**
 * Members of a consumer group go: by their own word, by an operator's, or because they were not heard of in time.
 *
 * Whoever goes gives up what it had at once, and the group's epoch rises. A static member may leave for a while: it keeps
 * everything until its session ends. When only members of the classic protocol remain, the group becomes a classic one.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import { type ConsumerHeartbeatCommand, type ConsumerHeartbeatResult, consumerHeartbeatError } from "../Commands.ts"
import type { GroupTurn } from "../classic/Rebalance.ts"
import { type ConsumerContext, currentOf, write } from "./ConsumerContext.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import { NO_EPOCH_PARTITIONS } from "./ConsumerRecord.ts"
import { STATIC_LEAVE_EPOCH } from "./HeartbeatValidation.ts"
import { refuseStranger, removeMember } from "./Membership.ts"
import { downgrade, shallDowngrade } from "./Migration.ts"
import { givenAt, partitionsOf } from "./PartitionSets.ts"
import { bumpForDeparture } from "./Subscriptions.ts"

export const leave = (
  context: ConsumerContext,
  turn: GroupTurn,
  command: ConsumerHeartbeatCommand
): ConsumerHeartbeatResult => {
  const { groupId, memberId, memberEpoch } = command
  const group = context.table.get(groupId)?.group
  if (group === undefined) {
    return consumerHeartbeatError(ErrorCode.GROUP_ID_NOT_FOUND, `Group ${groupId} not found.`)
  }
  if (group.type !== "consumer") {
    return consumerHeartbeatError(ErrorCode.GROUP_ID_NOT_FOUND, `Group ${groupId} is not a consumer group.`)
  }
  const stranger = refuseStranger(group, memberId, command.instanceId)
  if (stranger !== undefined) return stranger
  if (memberEpoch === STATIC_LEAVE_EPOCH) leaveForAWhile(context, turn, group, memberId)
  else remove(context, turn, group, new Set([memberId]))
  return {
    _tag: "ConsumerHeartbeat",
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    memberId,
    memberEpoch,
    heartbeatIntervalMs: 0,
    assignment: null
  }
}

/**
 * A process that is gone owns nothing: it has nothing to give up any more. What it kept is its successor's whatever epoch
 * that one commits with, so it counts as given in epoch 0, as in Kafka 4.3.
 */
const leaveForAWhile = (context: ConsumerContext, turn: GroupTurn, group: ConsumerGroup, memberId: string): void => {
  const { groupId } = group
  context.timers.stop("Rebalance", groupId, memberId)
  const current = currentOf(group, memberId)
  const value = {
    ...current,
    memberEpoch: STATIC_LEAVE_EPOCH,
    assigned: givenAt(partitionsOf(current.assigned), 0),
    pendingRevocation: NO_EPOCH_PARTITIONS
  }
  write(context, turn, { _tag: "ConsumerGroupCurrentMemberAssignment", groupId, memberId, value })
}

/** Takes the members out of the group, together. */
export const remove = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  memberIds: ReadonlySet<string>
): void => {
  if (memberIds.size === 0) return
  if (shallDowngrade(context, group, memberIds)) {
    downgrade(context, turn, group, memberIds)
    return
  }
  for (const memberId of memberIds) removeMember(context, turn, group, memberId)
  bumpForDeparture(context, turn, group)
}
