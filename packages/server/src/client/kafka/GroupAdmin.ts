/**
 * Groups from the outside: list, describe, delete; their committed offsets, read and set.
 *
 * A group of the consumer protocol (KIP-848) is described by another API than a classic one; both come out as one shape here.
 * Deliberately absent: being a member of a group.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { DescribeGroupsApi } from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { ListGroupsApi, type ListGroupsResponse } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { ConsumerGroupDescribeApi } from "@chronik-effect/core/protocol/messages/69_ConsumerGroupDescribe.ts"
import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import { ConsumerProtocolAssignment } from "@chronik-effect/core/protocol/records/ConsumerProtocol.ts"
import { decodeVersionedLenient } from "@chronik-effect/core/protocol/records/CoordinatorRecord.ts"
import * as Effect from "effect/Effect"
import { brokerError, type ClientError } from "./ClientError.ts"
import type { Connection } from "./Connection.ts"
import type { KafkaClient } from "./KafkaClient.ts"

export type GroupListing = ListGroupsResponse["groups"][number]

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface GroupMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly assignment: ReadonlyArray<TopicPartition>
}

export interface DescribedGroup {
  readonly groupId: string
  readonly type: "classic" | "consumer"
  readonly state: string
  /** Classic: the protocol that the members chose. Consumer: the assignor of the broker. */
  readonly assignor: string
  readonly members: ReadonlyArray<GroupMember>
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number
  readonly metadata: string
}

/** Versions that name topics; the later ones need topic ids. */
const BY_NAME_MAX = 9
const MANY_GROUPS_FROM = 8
const CONSUMER_PROTOCOL = "consumer"

/** All groups of the cluster, by id. */
export const listGroups = (client: KafkaClient): Effect.Effect<ReadonlyArray<GroupListing>, ClientError> =>
  client
    .atEach((connection) =>
      Effect.gen(function* () {
        const answer = yield* connection.request(ListGroupsApi, {})
        if (answer.errorCode !== ErrorCode.NONE) return yield* brokerError(answer.errorCode, "Listing the groups")
        return answer.groups
      })
    )
    .pipe(Effect.map((answers) => answers.flat().sort((a, b) => (a.groupId < b.groupId ? -1 : 1))))

/** A group that nobody knows is the error GROUP_ID_NOT_FOUND. */
export const describeGroup = (client: KafkaClient, groupId: string): Effect.Effect<DescribedGroup, ClientError> =>
  client.atCoordinator(groupId, (connection) =>
    Effect.gen(function* () {
      const offersConsumer = typeof connection.versionOf(ConsumerGroupDescribeApi) === "number"
      const consumer = offersConsumer ? yield* describeConsumer(connection, groupId) : undefined
      return consumer ?? (yield* describeClassic(connection, groupId))
    })
  )

/** undefined: there is no such group under the consumer protocol. */
const describeConsumer = Effect.fnUntraced(function* (
  connection: Connection,
  groupId: string
): Effect.fn.Return<DescribedGroup | undefined, ClientError> {
  const answer = yield* connection.request(ConsumerGroupDescribeApi, { groupIds: [groupId] })
  const group = answer.groups[0]
  const code = group?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
  if (code === ErrorCode.GROUP_ID_NOT_FOUND) return undefined
  if (group === undefined || code !== ErrorCode.NONE) return yield* refused(code, groupId, group?.errorMessage)
  return {
    groupId,
    type: "consumer",
    state: group.groupState,
    assignor: group.assignorName,
    members: group.members.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
      memberId,
      instanceId,
      clientId,
      clientHost,
      assignment: assignment.topicPartitions.flatMap(({ topicName, partitions }) =>
        partitions.map((partition) => ({ topic: topicName, partition }))
      )
    }))
  }
})

const describeClassic = Effect.fnUntraced(function* (
  connection: Connection,
  groupId: string
): Effect.fn.Return<DescribedGroup, ClientError> {
  const answer = yield* connection.request(DescribeGroupsApi, { groups: [groupId] })
  const group = answer.groups[0]
  // Before version 6 a group that is not there is answered as a dead one.
  const code =
    group?.groupState === "Dead" && group.errorCode === ErrorCode.NONE
      ? ErrorCode.GROUP_ID_NOT_FOUND
      : (group?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR)
  if (group === undefined || code !== ErrorCode.NONE) return yield* refused(code, groupId, group?.errorMessage)
  return {
    groupId,
    type: "classic",
    state: group.groupState,
    assignor: group.protocolData,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      assignment: group.protocolType === CONSUMER_PROTOCOL ? assignmentOf(member.memberAssignment) : []
    }))
  }
})

const refused = (code: number, groupId: string, detail: string | null | undefined): ClientError =>
  brokerError(code, `Group ${groupId}`, detail)

/** The bytes are the clients' own: what does not read as an assignment is shown as none. */
const assignmentOf = (bytes: Uint8Array): ReadonlyArray<TopicPartition> => {
  if (bytes.length === 0) return []
  try {
    const { assignedPartitions } = decodeVersionedLenient(ConsumerProtocolAssignment, bytes)
    return assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
  } catch (error) {
    if (error instanceof ProtocolError) return []
    throw error
  }
}

/** Everything that the group has committed, by topic and partition. */
export const groupOffsets = (
  client: KafkaClient,
  groupId: string
): Effect.Effect<ReadonlyArray<CommittedOffset>, ClientError> =>
  client.atCoordinator(groupId, (connection) =>
    Effect.gen(function* () {
      const offered = connection.versionOf(OffsetFetchApi)
      if (typeof offered !== "number") return yield* offered
      const version = Math.min(offered, BY_NAME_MAX)
      const many = version >= MANY_GROUPS_FROM
      const request = many ? { groups: [{ groupId, topics: null }] } : { groupId, topics: null }
      const answer = yield* connection.requestIn(OffsetFetchApi, version, request)
      const group = many ? answer.groups[0] : answer
      const code = group?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (group === undefined || code !== ErrorCode.NONE) return yield* refused(code, groupId, null)
      const offsets: Array<CommittedOffset> = []
      for (const { name, partitions } of group.topics) {
        for (const { partitionIndex, committedOffset, metadata, errorCode } of partitions) {
          if (errorCode !== ErrorCode.NONE)
            return yield* brokerError(errorCode, `The offset of ${name}-${partitionIndex}`)
          if (committedOffset < 0) continue
          offsets.push({ topic: name, partition: partitionIndex, offset: committedOffset, metadata: metadata ?? "" })
        }
      }
      return offsets.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
    })
  )

/** Commits offsets as an operator does: the broker takes them only while the group has no members. */
export const setGroupOffsets = (
  client: KafkaClient,
  groupId: string,
  offsets: ReadonlyArray<TopicPartition & { readonly offset: number }>
): Effect.Effect<void, ClientError> =>
  client.atCoordinator(groupId, (connection) =>
    Effect.gen(function* () {
      const offered = connection.versionOf(OffsetCommitApi)
      if (typeof offered !== "number") return yield* offered
      const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, partitions]) => ({
        name,
        partitions: partitions.map(({ partition, offset }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedMetadata: ""
        }))
      }))
      const answer = yield* connection.requestIn(OffsetCommitApi, Math.min(offered, BY_NAME_MAX), { groupId, topics })
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex, errorCode } of partitions) {
          if (errorCode !== ErrorCode.NONE) {
            return yield* brokerError(errorCode, `Committing the offset of ${name}-${partitionIndex} for ${groupId}`)
          }
        }
      }
    })
  )

export const deleteGroup = (client: KafkaClient, groupId: string): Effect.Effect<void, ClientError> =>
  client.atCoordinator(groupId, (connection) =>
    Effect.gen(function* () {
      const answer = yield* connection.request(DeleteGroupsApi, { groupsNames: [groupId] })
      const gone = answer.results[0]
      const code = gone?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (code !== ErrorCode.NONE) return yield* refused(code, groupId, gone?.errorMessage)
    })
  )
