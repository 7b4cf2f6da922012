/**
 * CreateTopics (key 19). Every topic of the request is judged by itself; all that pass are proposed at once and share a commit.
 * The answer for a topic comes when its partitions serve on this node.
 *
 * Versions: 5 flexible, and the answer tells partitions, replication factor and all configs of the new topic (KIP-525);
 * 6 THROTTLING_QUOTA_EXCEEDED; 7 topic id.
 *
 * Traps: a name given twice is answered once, after all others, with INVALID_REQUEST, and not created; -1 asks for the broker's
 * default; `validateOnly` gives the same answer and creates nothing; configs are sorted by name; a request for more than 10,000
 * partitions in all creates none of them (POLICY_VIOLATION).
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import type { BrokerConfig } from "@chronik-effect/core/config/BrokerConfig.ts"
import type { CreateTopic } from "@chronik-effect/core/metadata/Command.ts"
import { NEW_PARTITIONS_MAX, type Refusal } from "@chronik-effect/core/metadata/Decide.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  CreateTopicsApi,
  type CreateTopicsRequest,
  type CreateTopicsResponse
} from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { Effect, Result } from "effect"
import { topicEntries } from "../metadata/ConfigEntries.ts"
import { MetadataStore, PROPOSE_TIMEOUT_MS } from "../metadata/MetadataStore.ts"
import { commit, decide, type NewTopic } from "../metadata/TopicCreation.ts"
import { ClientQuotas, type MutationQuota } from "../quota/ClientQuotas.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { Handler } from "./Handler.ts"

type AskedTopic = CreateTopicsRequest["topics"][number]
type TopicAnswer = CreateTopicsResponse["topics"][number]

/** Creations of one request that are on their way at once; the metadata log has room for those of many requests. */
const CREATIONS_AT_ONCE = 1_000

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const partitions = yield* Partitions
  const quotas = yield* ClientQuotas

  const create = Effect.fnUntraced(function* (
    asked: AskedTopic,
    timeoutMs: number,
    validateOnly: boolean,
    quota: MutationQuota
  ) {
    const decision = yield* decide(store, requestOf(asked))
    if (Result.isFailure(decision)) return refused(asked.name, decision.failure)
    const command = decision.success
    if (!quota.take(command.partitions.length)) return refused(asked.name, QUOTA_EXCEEDED)
    if (validateOnly) return created(command, store.brokerConfig())
    const made = yield* commit(store, command, timeoutMs)
    if (Result.isFailure(made)) return refused(asked.name, made.failure)
    return yield* partitions.awaitServing(command.topicId).pipe(
      Effect.map(() => created(command, store.brokerConfig())),
      Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.succeed(notServing(asked.name, timeoutMs)) })
    )
  })

  const handler: Handler<CreateTopicsRequest, CreateTopicsResponse> = {
    api: CreateTopicsApi,
    handle: (request, { apiVersion, clientId }) => {
      const quota = quotas.mutations(clientId, apiVersion >= 6)
      const timeoutMs = request.timeoutMs > 0 ? request.timeoutMs : PROPOSE_TIMEOUT_MS
      const { once, twice } = byOccurrence(request.topics)
      const tooMany = partitionsOf(once, store.brokerConfig()) > NEW_PARTITIONS_MAX
      return Effect.forEach(
        once,
        (topic) =>
          tooMany
            ? Effect.succeed(refused(topic.name, TOO_MANY))
            : create(topic, timeoutMs, request.validateOnly, quota),
        { concurrency: CREATIONS_AT_ONCE }
      ).pipe(
        Effect.map((topics) => ({
          throttleTimeMs: quota.throttleMs(),
          topics: [...topics, ...twice.map((name) => refused(name, DUPLICATE))]
        }))
      )
    }
  }
  return handler
})

const QUOTA_EXCEEDED: Refusal = {
  errorCode: ErrorCode.THROTTLING_QUOTA_EXCEEDED,
  message: "The quota controller_mutation_rate is used up for now: ask again after the throttle time."
}
const DUPLICATE: Refusal = { errorCode: ErrorCode.INVALID_REQUEST, message: "Duplicate topic name." }

const TOO_MANY: Refusal = {
  errorCode: ErrorCode.POLICY_VIOLATION,
  message: "Excessively large number of partitions per request."
}

const byOccurrence = (
  topics: ReadonlyArray<AskedTopic>
): { readonly once: ReadonlyArray<AskedTopic>; readonly twice: ReadonlyArray<string> } => {
  const times = new Map<string, number>()
  for (const { name } of topics) times.set(name, (times.get(name) ?? 0) + 1)
  return {
    once: topics.filter(({ name }) => times.get(name) === 1),
    twice: [...times].filter(([, count]) => count > 1).map(([name]) => name)
  }
}

/** What all of them would have; each counts for one at least, so that this bounds their number too. */
const partitionsOf = (topics: ReadonlyArray<AskedTopic>, broker: BrokerConfig): number => {
  const fallback = broker.integer("num.partitions")
  return topics.reduce((sum, { numPartitions, assignments }) => {
    const count = numPartitions === -1 && assignments.length === 0 ? fallback : numPartitions
    return sum + Math.max(1, count, assignments.length)
  }, 0)
}

const requestOf = (asked: AskedTopic): NewTopic => ({
  name: asked.name,
  numPartitions: asked.numPartitions,
  replicationFactor: asked.replicationFactor,
  assignments: asked.assignments.map(({ partitionIndex, brokerIds }) => ({
    partition: partitionIndex,
    replicas: brokerIds
  })),
  configs: asked.configs
})

const refused = (name: string, refusal: Refusal): TopicAnswer => ({
  name,
  topicId: ZERO_UUID,
  errorCode: refusal.errorCode,
  errorMessage: refusal.message,
  topicConfigErrorCode: ErrorCode.NONE,
  numPartitions: -1,
  replicationFactor: -1,
  configs: []
})

const notServing = (name: string, timeoutMs: number): TopicAnswer =>
  refused(name, {
    errorCode: ErrorCode.REQUEST_TIMED_OUT,
    message: `The topic was created, but not all of its partitions serve after ${timeoutMs} ms: ask Metadata for it again.`
  })

const created = (command: CreateTopic, broker: BrokerConfig): TopicAnswer => ({
  name: command.name,
  topicId: command.topicId,
  errorCode: ErrorCode.NONE,
  errorMessage: null,
  topicConfigErrorCode: ErrorCode.NONE,
  numPartitions: command.partitions.length,
  replicationFactor: command.partitions[0]!.replicas.length,
  configs: topicEntries(new Map(command.configs), broker).map((entry) => ({
    name: entry.name,
    value: entry.value,
    readOnly: entry.readOnly,
    configSource: entry.configSource,
    isSensitive: entry.isSensitive
  }))
})
