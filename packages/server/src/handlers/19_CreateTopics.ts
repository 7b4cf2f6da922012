/**
 * CreateTopics (key 19). Every topic of the request is judged by itself; all that pass are proposed at once and share a commit.
 * The answer for a topic comes when its partitions serve on this node.
 *
 * Versions: 5 flexible, and the answer tells partitions, replication factor and all configs of the new topic (KIP-525);
 * 6 THROTTLING_QUOTA_EXCEEDED; 7 topic id.
 *
 * Traps: a name given twice is answered once, with INVALID_REQUEST, and not created; -1 asks for the broker's default;
 * `validateOnly` gives the same answer and creates nothing; configs are sorted by name.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import type { BrokerConfig } from "@chronik-effect/core/config/BrokerConfig.ts"
import type { CreateTopic } from "@chronik-effect/core/metadata/Command.ts"
import type { Refusal } from "@chronik-effect/core/metadata/Decide.ts"
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
      return Effect.forEach(
        firstOfEach(request.topics),
        ({ topic, twice }) =>
          twice
            ? Effect.succeed(refused(topic.name, DUPLICATE))
            : create(topic, timeoutMs, request.validateOnly, quota),
        { concurrency: "unbounded" }
      ).pipe(Effect.map((topics) => ({ throttleTimeMs: quota.throttleMs(), topics })))
    }
  }
  return handler
})

const QUOTA_EXCEEDED: Refusal = {
  errorCode: ErrorCode.THROTTLING_QUOTA_EXCEEDED,
  message: "The quota controller_mutation_rate is used up for now: ask again after the throttle time."
}
const DUPLICATE: Refusal = { errorCode: ErrorCode.INVALID_REQUEST, message: "Duplicate topic name." }

const firstOfEach = (
  topics: ReadonlyArray<AskedTopic>
): ReadonlyArray<{ readonly topic: AskedTopic; readonly twice: boolean }> => {
  const times = new Map<string, number>()
  for (const { name } of topics) times.set(name, (times.get(name) ?? 0) + 1)
  const seen = new Set<string>()
  return topics.flatMap((topic) => {
    if (seen.has(topic.name)) return []
    seen.add(topic.name)
    return [{ topic, twice: times.get(topic.name)! > 1 }]
  })
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
