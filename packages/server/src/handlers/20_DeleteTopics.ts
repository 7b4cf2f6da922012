/**
 * DeleteTopics (key 20), by name or, from version 6, by topic id. The answer for a topic comes when the deletion is applied on
 * this node: its partitions refuse everything from then on.
 *
 * Versions: 3 TOPIC_DELETION_DISABLED (INVALID_REQUEST before); 4 flexible; 5 error messages; 6 topic ids.
 *
 * Traps: name and id together, neither of them, and a topic named twice (also once by name and once by id) are INVALID_REQUEST;
 * what is named twice is answered once, whether it exists or not.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import type { MetadataImage, TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DeleteTopicsApi,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse
} from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { Effect } from "effect"
import { MetadataStore, PROPOSE_TIMEOUT_MS } from "../metadata/MetadataStore.ts"
import { refusalOf } from "../metadata/TopicCreation.ts"
import { ClientQuotas, type MutationQuota } from "../quota/ClientQuotas.ts"
import type { Handler } from "./Handler.ts"

type TopicAnswer = DeleteTopicsResponse["responses"][number]

interface Asked {
  readonly name: string | null
  readonly topicId: string
}

/** A topic of the request that was found, or the answer to one that was not. */
type Resolved =
  | { readonly topic: TopicImage; readonly answer?: undefined }
  | { readonly topic?: undefined; readonly answer: TopicAnswer }

/** Deletions of one request that are on their way at once; the metadata log has room for those of many requests. */
const DELETIONS_AT_ONCE = 1_000

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const quotas = yield* ClientQuotas

  const remove = (topic: TopicImage, timeoutMs: number, quota: MutationQuota): Effect.Effect<TopicAnswer> => {
    if (!quota.take(topic.partitions.length)) return Effect.succeed(quotaExceeded(topic))
    return store.propose({ _tag: "DeleteTopic", topicId: topic.topicId }, timeoutMs).pipe(
      Effect.map((result) =>
        result._tag === "Rejected"
          ? answer(topic, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "Another request has deleted the topic meanwhile.")
          : answer(topic, ErrorCode.NONE, null)
      ),
      Effect.catchTag("MetadataError", (error) =>
        Effect.sync(() => {
          if (store.image().topicById(topic.topicId) === undefined) return answer(topic, ErrorCode.NONE, null)
          const refusal = refusalOf(error)
          return answer(topic, refusal.errorCode, refusal.message)
        })
      )
    )
  }

  const handler: Handler<DeleteTopicsRequest, DeleteTopicsResponse> = {
    api: DeleteTopicsApi,
    handle: (request, { apiVersion, clientId }) =>
      Effect.suspend(() => {
        const quota = quotas.mutations(clientId, apiVersion >= 5)
        const asked: ReadonlyArray<Asked> =
          apiVersion >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))
        const timeoutMs = request.timeoutMs > 0 ? request.timeoutMs : PROPOSE_TIMEOUT_MS
        const resolved: ReadonlyArray<Resolved> = store.brokerConfig().boolean("delete.topic.enable")
          ? resolve(asked, store.image())
          : asked.map((one) => ({ answer: disabled(one, apiVersion) }))
        return Effect.forEach(
          resolved,
          (one) => (one.topic === undefined ? Effect.succeed(one.answer) : remove(one.topic, timeoutMs, quota)),
          { concurrency: DELETIONS_AT_ONCE }
        ).pipe(Effect.map((responses) => ({ throttleTimeMs: quota.throttleMs(), responses })))
      })
  }
  return handler
})

const answer = (topic: Asked, errorCode: number, errorMessage: string | null): TopicAnswer => ({
  name: topic.name,
  topicId: topic.topicId,
  errorCode,
  errorMessage
})

const quotaExceeded = (topic: Asked): TopicAnswer =>
  answer(
    topic,
    ErrorCode.THROTTLING_QUOTA_EXCEEDED,
    "The quota controller_mutation_rate is used up for now: ask again after the throttle time."
  )

const disabled = (asked: Asked, apiVersion: number): TopicAnswer =>
  answer(
    asked,
    apiVersion >= 3 ? ErrorCode.TOPIC_DELETION_DISABLED : ErrorCode.INVALID_REQUEST,
    "Topic deletion is disabled: set delete.topic.enable=true to allow it."
  )

const resolve = (asked: ReadonlyArray<Asked>, image: MetadataImage): ReadonlyArray<Resolved> => {
  const names = counted(asked.map(({ name }) => name))
  const ids = counted(asked.map(({ topicId }) => (topicId === ZERO_UUID ? null : topicId)))
  const answered = new Set<string>()
  return asked.flatMap((one): ReadonlyArray<Resolved> => {
    const found = lookUp(one, image)
    const key = one.name ?? one.topicId
    const byName = one.name !== null
    const twice = byName ? (names.get(one.name) ?? 0) > 1 : (ids.get(one.topicId) ?? 0) > 1
    // Neither, or both: answered each time, for there is nothing to be named twice.
    if (isAmbiguous(one)) return [found]
    if (twice) {
      if (answered.has(key)) return []
      answered.add(key)
      return [{ answer: answer(one, ErrorCode.INVALID_REQUEST, `Duplicate topic ${byName ? "name" : "id"}.`) }]
    }
    if (found.topic === undefined || !(byName ? ids.has(found.topic.topicId) : names.has(found.topic.name))) {
      return [found]
    }
    return byName ? [{ answer: answer(found.topic, ErrorCode.INVALID_REQUEST, TWO_WAYS) }] : []
  })
}

const TWO_WAYS = "The provided topic name maps to an ID that was already supplied."

const counted = (values: ReadonlyArray<string | null>): ReadonlyMap<string, number> => {
  const times = new Map<string, number>()
  for (const value of values) if (value !== null) times.set(value, (times.get(value) ?? 0) + 1)
  return times
}

const isAmbiguous = ({ name, topicId }: Asked): boolean => (name !== null) === (topicId !== ZERO_UUID)

const lookUp = (asked: Asked, image: MetadataImage): Resolved => {
  const bad = (errorCode: ErrorCode, message: string): Resolved => ({ answer: answer(asked, errorCode, message) })
  const byId = asked.topicId !== ZERO_UUID
  if (asked.name !== null && byId) {
    return bad(ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
  }
  if (asked.name === null && !byId) return bad(ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
  const topic = asked.name === null ? image.topicById(asked.topicId) : image.topic(asked.name)
  if (topic !== undefined) return { topic }
  return byId
    ? bad(ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
    : bad(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
}
