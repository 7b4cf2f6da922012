/**
 * CreatePartitions (key 37): more partitions for existing topics. The answer comes when the new ones serve on this node.
 *
 * Versions: 2 flexible; 3 THROTTLING_QUOTA_EXCEEDED. `assignments`: one replica set for each new partition, or null.
 *
 * Traps: a count that is no increase is INVALID_PARTITIONS; a topic given twice is answered once, with INVALID_REQUEST; a
 * request for more than 10,000 new partitions in all makes none of them (POLICY_VIOLATION).
 */

import type { CreatePartitions } from "@chronik-effect/core/metadata/Command.ts"
import {
  type Decision,
  decideCreatePartitions,
  NEW_PARTITIONS_MAX,
  type Refusal
} from "@chronik-effect/core/metadata/Decide.ts"
import type { MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  CreatePartitionsApi,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse
} from "@chronik-effect/core/protocol/messages/37_CreatePartitions.ts"
import { Effect, Result } from "effect"
import { MetadataStore, PROPOSE_TIMEOUT_MS } from "../metadata/MetadataStore.ts"
import { refusalOf } from "../metadata/TopicCreation.ts"
import { ClientQuotas } from "../quota/ClientQuotas.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { Handler } from "./Handler.ts"

type AskedTopic = CreatePartitionsRequest["topics"][number]
type TopicAnswer = CreatePartitionsResponse["results"][number]

/** Changes of one request that are on their way at once; the metadata log has room for those of many requests. */
const CHANGES_AT_ONCE = 1_000

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const partitions = yield* Partitions
  const quotas = yield* ClientQuotas

  const decide = (asked: AskedTopic): Decision<CreatePartitions> => {
    const image = store.image()
    const topic = image.topic(asked.name)
    if (topic === undefined) {
      return Result.fail({
        errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        message: `The topic '${asked.name}' does not exist.`
      })
    }
    const assignments = asked.assignments === null ? null : asked.assignments.map(({ brokerIds }) => brokerIds)
    return decideCreatePartitions(
      { topic, count: asked.count, assignments },
      { image, broker: store.brokerConfig(), start: topic.partitions.length }
    )
  }

  const apply = (name: string, command: CreatePartitions, timeoutMs: number): Effect.Effect<TopicAnswer> =>
    store.propose(command, timeoutMs).pipe(
      Effect.flatMap((result) =>
        result._tag === "Rejected"
          ? Effect.succeed(answer(name, result))
          : partitions
              .awaitServing(command.topicId)
              .pipe(
                Effect.as(answer(name, DONE)),
                Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.succeed(answer(name, NOT_SERVING)) })
              )
      ),
      Effect.catchTag("MetadataError", (error) =>
        Effect.sync(() => {
          const count = store.image().topicById(command.topicId)?.partitions.length ?? 0
          return answer(name, count === command.from + command.partitions.length ? DONE : refusalOf(error))
        })
      )
    )

  const handler: Handler<CreatePartitionsRequest, CreatePartitionsResponse> = {
    api: CreatePartitionsApi,
    handle: (request, { apiVersion, clientId }) => {
      const quota = quotas.mutations(clientId, apiVersion >= 3)
      const timeoutMs = request.timeoutMs > 0 ? request.timeoutMs : PROPOSE_TIMEOUT_MS
      const times = new Map<string, number>()
      for (const { name } of request.topics) times.set(name, (times.get(name) ?? 0) + 1)
      const once = request.topics.filter(({ name }) => times.get(name) === 1)
      const twice = [...times].filter(([, count]) => count > 1).map(([name]) => answer(name, DUPLICATE))
      const tooMany = addedBy(once, store.image()) > NEW_PARTITIONS_MAX
      return Effect.forEach(
        once,
        (asked) => {
          if (tooMany) return Effect.succeed(answer(asked.name, TOO_MANY))
          const decision = decide(asked)
          if (Result.isFailure(decision)) return Effect.succeed(answer(asked.name, decision.failure))
          if (!quota.take(decision.success.partitions.length)) return Effect.succeed(answer(asked.name, QUOTA_EXCEEDED))
          if (request.validateOnly) return Effect.succeed(answer(asked.name, DONE))
          return apply(asked.name, decision.success, timeoutMs)
        },
        { concurrency: CHANGES_AT_ONCE }
      ).pipe(Effect.map((results) => ({ throttleTimeMs: quota.throttleMs(), results: [...twice, ...results] })))
    }
  }
  return handler
})

type Outcome = Refusal | { readonly errorCode: number; readonly message: null }

const DONE: Outcome = { errorCode: ErrorCode.NONE, message: null }
const NOT_SERVING: Outcome = {
  errorCode: ErrorCode.REQUEST_TIMED_OUT,
  message: "The partitions were created, but not all of them serve in time: ask Metadata for them again."
}
const QUOTA_EXCEEDED: Outcome = {
  errorCode: ErrorCode.THROTTLING_QUOTA_EXCEEDED,
  message: "The quota controller_mutation_rate is used up for now: ask again after the throttle time."
}
const TOO_MANY: Outcome = {
  errorCode: ErrorCode.POLICY_VIOLATION,
  message: "Excessively large number of partitions per request."
}
const DUPLICATE: Outcome = { errorCode: ErrorCode.INVALID_REQUEST, message: "Duplicate topic name." }

const addedBy = (topics: ReadonlyArray<AskedTopic>, image: MetadataImage): number =>
  topics.reduce((sum, { name, count }) => {
    const topic = image.topic(name)
    return topic === undefined ? sum : sum + Math.max(0, count - topic.partitions.length)
  }, 0)

const answer = (name: string, outcome: Outcome): TopicAnswer => ({
  name,
  errorCode: outcome.errorCode,
  errorMessage: outcome.message
})
