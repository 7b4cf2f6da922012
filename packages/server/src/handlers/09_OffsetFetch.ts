/**
 * OffsetFetch (key 9): what a group has committed. Nothing committed is offset -1 without an error, also for a group that
 * is not there.
 *
 * Versions: 2 an error of the whole answer, and null topics = all that the group has committed; 3 throttle time; 5 leader
 * epoch; 6 flexible; 7 requireStable (KIP-447); 8 many groups, each with its own error; 9 member id and epoch (consumer
 * protocol only); 10 topic ids instead of names (KIP-848).
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import type { FetchedTopic, OffsetsOfTopic } from "@chronik-effect/core/group/GroupViews.ts"
import type { MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  OffsetFetchApi,
  type OffsetFetchRequest,
  type OffsetFetchResponse
} from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

const TOP_LEVEL_ERROR_FROM = 2
const MANY_GROUPS_FROM = 8
const BY_ID_FROM = 10

type AskedGroup = OffsetFetchRequest["groups"][number]

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const metadata = yield* MetadataStore

  const fetchGroup = (asked: AskedGroup, requireStable: boolean, byId: boolean) =>
    Effect.suspend(() => {
      const image = metadata.image()
      const topics = asked.topics === null ? null : asked.topics.map((topic) => resolve(topic, image, byId))
      const known = topics?.filter((topic) => topic !== undefined) ?? null
      // Versions without them leave null and -1, which is what a tool sends.
      const { groupId, memberId, memberEpoch } = asked
      const reader = { memberId, memberEpoch }
      return Effect.map(groups.fetchOffsets(groupId, known, requireStable, reader), ({ errorCode, value }) => {
        if (value === undefined) return { groupId, errorCode, topics: [] }
        return { groupId, errorCode, topics: byId ? withIds(asked.topics, value, image) : value }
      })
    })

  const handler: Handler<OffsetFetchRequest, OffsetFetchResponse> = {
    api: OffsetFetchApi,
    handle: (request, { apiVersion }) => {
      if (apiVersion >= MANY_GROUPS_FROM) {
        const byId = apiVersion >= BY_ID_FROM
        return Effect.map(
          Effect.forEach(request.groups, (asked) => fetchGroup(asked, request.requireStable, byId)),
          (answers) => ({ throttleTimeMs: 0, groups: answers })
        )
      }
      const topics = request.topics?.map(({ name, partitionIndexes }) => ({
        name,
        topicId: ZERO_UUID,
        partitionIndexes
      }))
      return Effect.map(
        groups.fetchOffsets(request.groupId, topics ?? null, request.requireStable),
        ({ errorCode, value }) => ({
          throttleTimeMs: 0,
          errorCode,
          topics: value ?? (apiVersion < TOP_LEVEL_ERROR_FROM ? refusedTopics(topics ?? [], errorCode) : [])
        })
      )
    }
  }
  return handler
})

/** undefined: no topic has the id. */
const resolve = (
  asked: NonNullable<AskedGroup["topics"]>[number],
  image: MetadataImage,
  byId: boolean
): OffsetsOfTopic | undefined => {
  const { partitionIndexes } = asked
  if (!byId) return { name: asked.name, topicId: ZERO_UUID, partitionIndexes }
  const topic = image.topicById(asked.topicId)
  return topic === undefined ? undefined : { name: topic.name, topicId: topic.topicId, partitionIndexes }
}

/** The answer by ids: in the request's order with the unknown ones refused; of "all" only topics that still exist. */
const withIds = (
  asked: AskedGroup["topics"],
  fetched: ReadonlyArray<FetchedTopic>,
  image: MetadataImage
): ReadonlyArray<FetchedTopic> => {
  if (asked === null) {
    return fetched.flatMap((topic) => {
      const known = image.topic(topic.name)
      return known === undefined ? [] : [{ ...topic, topicId: known.topicId }]
    })
  }
  let next = 0
  return asked.map(({ topicId, partitionIndexes }) =>
    image.topicById(topicId) === undefined
      ? refusedTopic({ name: "", topicId, partitionIndexes }, ErrorCode.UNKNOWN_TOPIC_ID)
      : fetched[next++]!
  )
}

const refusedTopics = (topics: ReadonlyArray<OffsetsOfTopic>, errorCode: ErrorCode): ReadonlyArray<FetchedTopic> =>
  topics.map((topic) => refusedTopic(topic, errorCode))

const refusedTopic = ({ name, topicId, partitionIndexes }: OffsetsOfTopic, errorCode: ErrorCode): FetchedTopic => ({
  name,
  topicId,
  partitions: partitionIndexes.map((partitionIndex) => ({
    partitionIndex,
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: "",
    errorCode
  }))
})
