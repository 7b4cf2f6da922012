/**
 * What of a ConsumerGroupHeartbeat can be refused without looking at the group.
 *
 * Sentences and their order are Kafka's, since clients show them to people; the bounds at the end are ours.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import { type ConsumerHeartbeatCommand, type ConsumerHeartbeatResult, consumerHeartbeatError } from "../Commands.ts"
import {
  type ConsumerEnvironment,
  IDENTITY_LENGTH_MAX,
  SUBSCRIBED_CHARACTERS_MAX,
  SUBSCRIBED_TOPICS_MAX,
  TOPIC_NAME_LENGTH_MAX
} from "./ConsumerEnvironment.ts"

export const JOIN_EPOCH = 0
export const LEAVE_EPOCH = -1
/** A static member leaves for a while. */
export const STATIC_LEAVE_EPOCH = -2

export const validateHeartbeat = (
  environment: ConsumerEnvironment,
  command: ConsumerHeartbeatCommand
): ConsumerHeartbeatResult | undefined => {
  const problem = problemOf(command) ?? excessOf(command)
  if (problem !== undefined) return consumerHeartbeatError(ErrorCode.INVALID_REQUEST, problem)
  const { serverAssignor } = command
  if (serverAssignor !== null && !environment.assignors.some((name) => name === serverAssignor)) {
    const supported = environment.assignors.join(", ")
    return consumerHeartbeatError(
      ErrorCode.UNSUPPORTED_ASSIGNOR,
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${supported}.`
    )
  }
  return undefined
}

const isBlank = (text: string | null): boolean => text !== null && text.trim() === ""

const problemOf = (command: ConsumerHeartbeatCommand): string | undefined => {
  const { memberEpoch } = command
  const leaving = memberEpoch === LEAVE_EPOCH || memberEpoch === STATIC_LEAVE_EPOCH
  if (isBlank(command.memberId) && (command.requireMemberId || memberEpoch > JOIN_EPOCH || leaving)) {
    return "MemberId can't be empty."
  }
  if (isBlank(command.groupId)) return "GroupId can't be empty."
  if (isBlank(command.instanceId)) return "InstanceId can't be empty."
  if (isBlank(command.rackId)) return "RackId can't be empty."
  if (memberEpoch === JOIN_EPOCH) {
    if (command.rebalanceTimeoutMs === -1) return "RebalanceTimeoutMs must be provided in first request."
    if (command.topicPartitions === null || command.topicPartitions.length > 0) {
      return "TopicPartitions must be empty when (re-)joining."
    }
    if (command.subscribedTopicNames === null && command.subscribedTopicRegex === null) {
      return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
    }
  } else if (memberEpoch === STATIC_LEAVE_EPOCH) {
    if (command.instanceId === null) return "InstanceId can't be null."
  } else if (memberEpoch < STATIC_LEAVE_EPOCH) return "MemberEpoch is invalid."
  return undefined
}

const excessOf = (command: ConsumerHeartbeatCommand): string | undefined => {
  const identities = [command.memberId, command.instanceId, command.rackId]
  if (identities.some((text) => text !== null && text.length > IDENTITY_LENGTH_MAX)) {
    return `MemberId, InstanceId and RackId can have up to ${IDENTITY_LENGTH_MAX} characters.`
  }
  const names = command.subscribedTopicNames ?? []
  if (names.length > SUBSCRIBED_TOPICS_MAX) {
    return `SubscribedTopicNames can have up to ${SUBSCRIBED_TOPICS_MAX} names; a regular expression has no such limit.`
  }
  if (names.reduce((sum, name) => sum + name.length, 0) > SUBSCRIBED_CHARACTERS_MAX) {
    return `SubscribedTopicNames can have up to ${SUBSCRIBED_CHARACTERS_MAX} characters together; a regular expression needs fewer.`
  }
  if (names.some((name) => name.length > TOPIC_NAME_LENGTH_MAX)) {
    return `SubscribedTopicNames holds a name of more than ${TOPIC_NAME_LENGTH_MAX} characters, which no topic can have.`
  }
  return undefined
}

/** Asked last, when the member is known: compiling is the one check that costs anything. */
export const refuseRegex = (
  environment: ConsumerEnvironment,
  regex: string | null
): ConsumerHeartbeatResult | undefined => {
  if (regex === null || regex === "") return undefined
  if (regex.length > IDENTITY_LENGTH_MAX) {
    return consumerHeartbeatError(
      ErrorCode.INVALID_REGULAR_EXPRESSION,
      `SubscribedTopicRegex can have up to ${IDENTITY_LENGTH_MAX} characters.`
    )
  }
  const compiled = environment.compileRegex(regex)
  if (!("reason" in compiled)) return undefined
  return consumerHeartbeatError(
    ErrorCode.INVALID_REGULAR_EXPRESSION,
    `SubscribedTopicRegex \`${regex}\` is not a valid regular expression: ${compiled.reason}.`
  )
}
