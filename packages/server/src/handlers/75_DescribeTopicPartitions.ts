/**
 * DescribeTopicPartitions (key 75, KIP-966): topics page by page, in the order of their names. A cursor names the first topic
 * and partition of the next page.
 *
 * Traps: an empty list asks for all topics; a page never has more than
 * `max.request.partition.size.limit` partitions whatever the client asks for; topics
 * before the cursor are left out; where topics are named the cursor's must be one of them (INVALID_REQUEST for each); where
 * all are asked for, a cursor at a topic that is gone goes on with the next one. It never creates a topic.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { isInternalTopic, topicNameProblem } from "@chronik-effect/core/metadata/Decide.ts"
import type { MetadataImage, TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeTopicPartitionsApi,
  type DescribeTopicPartitionsRequest,
  type DescribeTopicPartitionsResponse
} from "@chronik-effect/core/protocol/messages/75_DescribeTopicPartitions.ts"
import { Effect } from "effect"
import {
  liveBrokerViews,
  nodeIds,
  OPERATIONS_NOT_ASKED,
  partitionView,
  TOPIC_OPERATIONS
} from "../metadata/ClusterView.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

type TopicAnswer = DescribeTopicPartitionsResponse["topics"][number]
type Cursor = NonNullable<DescribeTopicPartitionsResponse["nextCursor"]>

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const handler: Handler<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse> = {
    api: DescribeTopicPartitionsApi,
    handle: (request) =>
      Effect.sync(() => {
        const image = store.image()
        if (!isPlace(request)) return invalid(request)
        const most = store.brokerConfig().integer("max.request.partition.size.limit")
        const limit = Math.max(1, Math.min(most, request.responsePartitionLimit))
        return { throttleTimeMs: 0, ...page(namesOf(request, image), image, request.cursor, limit) }
      })
  }
  return handler
})

/** Whether the cursor, if there is one, is a place among what was asked for. */
const isPlace = ({ cursor, topics }: DescribeTopicPartitionsRequest): boolean =>
  cursor === null ||
  (cursor.partitionIndex >= 0 && (topics.length === 0 || topics.some(({ name }) => name === cursor.topicName)))

/** Names of the page's candidates: sorted, each once, from the cursor on. */
const namesOf = (request: DescribeTopicPartitionsRequest, image: MetadataImage): ReadonlyArray<string> => {
  const named = request.topics.map(({ name }) => name)
  const all = named.length > 0 ? named : Array.from(image.topics(), (topic) => topic.name)
  const from = request.cursor?.topicName ?? ""
  return [...new Set(all)].filter((name) => name >= from).sort()
}

const page = (
  names: ReadonlyArray<string>,
  image: MetadataImage,
  cursor: DescribeTopicPartitionsRequest["cursor"],
  limit: number
): Pick<DescribeTopicPartitionsResponse, "topics" | "nextCursor"> => {
  const live = nodeIds(liveBrokerViews(image))
  const topics: Array<TopicAnswer> = []
  let room = limit
  for (const name of names) {
    if (room === 0) return { topics, nextCursor: cursorAt(name, 0) }
    const topic = image.topic(name)
    if (topic === undefined) {
      topics.push(unknown(name))
      continue
    }
    const from = cursor?.topicName === name ? cursor.partitionIndex : 0
    const shown = topic.partitions.slice(from, from + room)
    topics.push(answerOf(topic, shown, live))
    room -= shown.length
    if (from + shown.length < topic.partitions.length) {
      return { topics, nextCursor: cursorAt(name, from + shown.length) }
    }
  }
  return { topics, nextCursor: null }
}

const cursorAt = (topicName: string, partitionIndex: number): Cursor => ({ topicName, partitionIndex })

const answerOf = (topic: TopicImage, partitions: TopicImage["partitions"], live: ReadonlySet<number>): TopicAnswer => ({
  errorCode: ErrorCode.NONE,
  name: topic.name,
  topicId: topic.topicId,
  isInternal: topic.internal,
  partitions: partitions.map((partition) => ({
    ...partitionView(partition, live),
    eligibleLeaderReplicas: [],
    lastKnownElr: []
  })),
  topicAuthorizedOperations: TOPIC_OPERATIONS
})

const failed = (name: string, errorCode: ErrorCode, operations: number): TopicAnswer => ({
  errorCode,
  name,
  topicId: ZERO_UUID,
  isInternal: isInternalTopic(name),
  partitions: [],
  topicAuthorizedOperations: operations
})

const unknown = (name: string): TopicAnswer =>
  failed(
    name,
    topicNameProblem(name) === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION,
    TOPIC_OPERATIONS
  )

const invalid = (request: DescribeTopicPartitionsRequest): DescribeTopicPartitionsResponse => ({
  throttleTimeMs: 0,
  topics: request.topics.map(({ name }) => failed(name, ErrorCode.INVALID_REQUEST, OPERATIONS_NOT_ASKED)),
  nextCursor: null
})
