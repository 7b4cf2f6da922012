/** Records and answers of the group machine as the lines of a scenario's trace. */
import type { GroupResult } from "../../src/group/Commands.ts"
import {
  type ConsumerRecord,
  type EpochPartitions,
  isConsumerRecord,
  MemberState,
  type Partitions
} from "../../src/group/consumer/ConsumerRecord.ts"
import type { TopicPartitions } from "../../src/group/consumer/PartitionSets.ts"
import type { GroupRecord } from "../../src/group/GroupRecord.ts"
import { errorName } from "../../src/model/ErrorCode.ts"
import { ConsumerProtocolAssignment } from "../../src/protocol/records/ConsumerProtocol.ts"
import { decodeVersionedLenient } from "../../src/protocol/records/CoordinatorRecord.ts"

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Binary metadata is not shown. */
export const shownMetadata = (metadata: Uint8Array): string => (metadata[0] === 0 ? "…" : text(metadata))

/** Assignments are text in most scenarios, and those of consumers where the server makes them. */
export const shownAssignment = (assignment: Uint8Array): string => {
  if (assignment[0] !== 0) return text(assignment)
  const { assignedPartitions } = decodeVersionedLenient(ConsumerProtocolAssignment, assignment)
  return assignedPartitions.map(({ topic, partitions }) => `${topic}:${partitions.join(",")}`).join("/") || "-"
}

export const showResult = (response: Exclude<GroupResult, { _tag: "Done" }>): string => {
  switch (response._tag) {
    case "Join": {
      if (response.errorCode !== 0) return `${errorName(response.errorCode)} member=${response.memberId}`
      const members = response.members.map((m) => `${m.memberId}:${shownMetadata(m.metadata)}`).join(" ")
      const skip = response.skipAssignment ? " skipAssignment" : ""
      return `generation=${response.generationId} member=${response.memberId} leader=${response.leader} protocol=${response.protocolName}${skip} members=[${members}]`
    }
    case "Sync":
      return response.errorCode === 0
        ? `assignment="${shownAssignment(response.assignment)}" protocol=${response.protocolName}`
        : errorName(response.errorCode)
    case "Leave":
      return `${errorName(response.errorCode)} [${response.members.map((m) => `${m.memberId || m.groupInstanceId}:${errorName(m.errorCode)}`).join(" ")}]`
    case "Commit":
      return response.errorCodes.map(errorName).join(" ")
    case "ConsumerHeartbeat": {
      if (response.errorCode !== 0) return `${errorName(response.errorCode)} "${response.errorMessage}"`
      const assignment = response.assignment === null ? "" : ` assignment=${showOwned(response.assignment)}`
      return `member=${response.memberId} epoch=${response.memberEpoch} interval=${response.heartbeatIntervalMs}${assignment}`
    }
    case "Heartbeat":
    case "DeleteGroup":
      return errorName(response.errorCode)
    case "DeleteOffsets": {
      const partitions = response.topics.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, errorCode }) => ` ${topic}-${partition}:${errorName(errorCode)}`)
      )
      return errorName(response.errorCode) + partitions.join("")
    }
  }
}

export const showRecord = (record: GroupRecord): string => {
  if (isConsumerRecord(record)) return showConsumerRecord(record)
  if (record._tag === "Offset") {
    const at = `offset ${record.groupId} ${record.topic}-${record.partition}`
    return record.value === null ? `${at} tombstone` : `${at} = ${record.value.offset} "${record.value.metadata}"`
  }
  if (record.value === null) return `group ${record.groupId} tombstone`
  const { generation, protocol, leader, members } = record.value
  return `group ${record.groupId} generation=${generation} protocol=${protocol} leader=${leader} [${members.map((m) => `${m.memberId}:${shownAssignment(m.assignment)}`).join(" ")}]`
}

const STATES = new Map<number, string>(Object.entries(MemberState).map(([name, number]) => [number, name]))

const showConsumerRecord = (record: ConsumerRecord): string => {
  const of = record.groupId
  switch (record._tag) {
    case "ConsumerGroupMetadata":
      return `epoch ${of} ${record.value === null ? "tombstone" : record.value.epoch}`
    case "ConsumerGroupTargetAssignmentMetadata":
      return `target-epoch ${of} ${record.value === null ? "tombstone" : record.value.assignmentEpoch}`
    case "ConsumerGroupMemberMetadata": {
      const { value } = record
      if (value === null) return `member ${of} ${record.memberId} tombstone`
      const parts = [
        `topics=${value.subscribedTopicNames.join(",")}`,
        value.subscribedTopicRegex ? `regex=${value.subscribedTopicRegex}` : "",
        value.instanceId === null ? "" : `instance=${value.instanceId}`,
        value.serverAssignor === null ? "" : `assignor=${value.serverAssignor}`,
        value.classic === null ? "" : `classic=${value.classic.supportedProtocols.map(({ name }) => name).join(",")}`
      ]
      return `member ${of} ${record.memberId} ${parts.filter((part) => part !== "").join(" ")}`
    }
    case "ConsumerGroupTargetAssignmentMember":
      return `target ${of} ${record.memberId} ${record.value === null ? "tombstone" : showPartitions(record.value)}`
    case "ConsumerGroupCurrentMemberAssignment": {
      const { value } = record
      if (value === null) return `current ${of} ${record.memberId} tombstone`
      const owes = value.pendingRevocation.size === 0 ? "" : ` owes=${showEpochs(value.pendingRevocation)}`
      return `current ${of} ${record.memberId} epoch=${value.memberEpoch} before=${value.previousMemberEpoch} ${STATES.get(value.state) ?? value.state} has=${showEpochs(value.assigned)}${owes}`
    }
    case "ConsumerGroupRegularExpression":
      return `regex ${of} ${record.regularExpression} ${record.value === null ? "tombstone" : `= ${record.value.topics.join(",")}`}`
  }
}

/** Topic ids of scenarios are the names, filled up with A, the zero of their alphabet. */
export const topicOf = (topicId: string): string => topicId.replace(/A*$/, "")

const list = (topics: Iterable<readonly [string, Iterable<number | string>]>): string => {
  const parts = Array.from(topics, ([topicId, partitions]) => `${topicOf(topicId)}:${[...partitions].join(",")}`).sort()
  return parts.length === 0 ? "-" : parts.join("/")
}

export const showOwned = (owned: ReadonlyArray<TopicPartitions>): string =>
  list(owned.map(({ topicId, partitions }) => [topicId, partitions]))

export const showPartitions = (partitions: Partitions): string => list(partitions)

/** Each partition with the epoch at which it was given. */
export const showEpochs = (partitions: EpochPartitions): string =>
  list(
    Array.from(partitions, ([topicId, epochs]) => [
      topicId,
      Array.from(epochs, ([partition, epoch]) => `${partition}@${epoch}`)
    ])
  )
