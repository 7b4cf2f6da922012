/**
 * OffsetCommit (key 8): how far a group has got. Answered when the offsets are committed in `__consumer_offsets`.
 *
 * Versions: 2-4 the client may ask for a retention of its own; 6 leader epoch; 7 group instance id (KIP-345); 8 flexible;
 * 9 the generation may be a member epoch of the consumer protocol, and GROUP_ID_NOT_FOUND, which older clients are told as
 * ILLEGAL_GENERATION; 10 topic ids instead of names (KIP-848).
 *
 * Partitions that do not exist are refused here (UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID); the others are committed all
 * the same. The topic's id is kept with the offset, also when the client named the topic.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import type { OffsetToCommit } from "@chronik-effect/core/group/Commands.ts"
import type { MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  OffsetCommitApi,
  type OffsetCommitRequest,
  type OffsetCommitResponse
} from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

const GROUP_NOT_FOUND_FROM = 9
const MEMBER_EPOCHS_FROM = 9
const BY_ID_FROM = 10

/** Answers in the request's order: an error, or a place among the offsets that go to the coordinator. */
interface Planned {
  readonly name: string
  readonly topicId: string
  readonly partitions: ReadonlyArray<{
    readonly partitionIndex: number
    readonly errorCode: ErrorCode
    /** -1: refused here. */
    readonly slot: number
  }>
}

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const metadata = yield* MetadataStore
  const handler: Handler<OffsetCommitRequest, OffsetCommitResponse> = {
    api: OffsetCommitApi,
    handle: (request, { apiVersion }) => {
      const { planned, offsets } = plan(request, metadata.image(), apiVersion >= BY_ID_FROM)
      if (offsets.length === 0) return Effect.succeed(answer(planned, [], apiVersion))
      const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch, retentionTimeMs } = request
      return Effect.map(
        groups.ask({
          _tag: "Commit",
          groupId,
          generationId: generationIdOrMemberEpoch,
          memberId,
          groupInstanceId,
          beforeMemberEpochs: apiVersion < MEMBER_EPOCHS_FROM,
          retentionTimeMs,
          offsets
        }),
        ({ errorCodes }) => answer(planned, errorCodes, apiVersion)
      )
    }
  }
  return handler
})

const plan = (
  request: OffsetCommitRequest,
  image: MetadataImage,
  byId: boolean
): { readonly planned: ReadonlyArray<Planned>; readonly offsets: ReadonlyArray<OffsetToCommit> } => {
  const offsets: Array<OffsetToCommit> = []
  const planned = request.topics.map((asked): Planned => {
    const topic = byId ? image.topicById(asked.topicId) : image.topic(asked.name)
    const missing = byId && topic === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    const partitions = asked.partitions.map((one) => {
      const { partitionIndex } = one
      if (topic?.partitions[partitionIndex] === undefined) return { partitionIndex, errorCode: missing, slot: -1 }
      offsets.push({
        topic: topic.name,
        topicId: topic.topicId,
        partition: partitionIndex,
        offset: one.committedOffset,
        leaderEpoch: one.committedLeaderEpoch,
        metadata: one.committedMetadata ?? ""
      })
      return { partitionIndex, errorCode: ErrorCode.NONE, slot: offsets.length - 1 }
    })
    return { name: asked.name ?? "", topicId: asked.topicId ?? ZERO_UUID, partitions }
  })
  return { planned, offsets }
}

const answer = (planned: ReadonlyArray<Planned>, errorCodes: ReadonlyArray<ErrorCode>, apiVersion: number) => ({
  throttleTimeMs: 0,
  topics: planned.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex, errorCode, slot }) => ({
      partitionIndex,
      errorCode: slot < 0 ? errorCode : inVersion(errorCodes[slot] ?? ErrorCode.UNKNOWN_SERVER_ERROR, apiVersion)
    }))
  }))
})

const inVersion = (errorCode: ErrorCode, apiVersion: number): ErrorCode =>
  errorCode === ErrorCode.GROUP_ID_NOT_FOUND && apiVersion < GROUP_NOT_FOUND_FROM
    ? ErrorCode.ILLEGAL_GENERATION
    : errorCode
