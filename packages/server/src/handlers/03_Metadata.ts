/**
 * Metadata (key 3): brokers, topics, and who leads which partition, all from local memory. A topic that is named and does not
 * exist is created, if broker and client allow it.
 *
 * Versions: 0 empty list = all topics, from 1 null = all and empty = none; 4 the client may forbid auto-creation; 8 authorized
 * operations (of the cluster in 8-10 only); 10 topic ids in answers; 12 topics asked for by id; 13 an error of its own.
 *
 * Traps: a topic without a name is INVALID_REQUEST, by itself; Kafka gives up the whole request for it, brokers and all.
 *
 * Unlike Kafka, which answers UNKNOWN_TOPIC_OR_PARTITION to the very request that creates a topic and lets the client try
 * again, the answer waits up to 2 s until the new topic's partitions serve; only when time is up it is Kafka's. Creations of one name
 * that arrive together share one command.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { isInternalTopic, topicNameProblem } from "@chronik-effect/core/metadata/Decide.ts"
import type { MetadataImage, TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  MetadataApi,
  type MetadataRequest,
  type MetadataResponse
} from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { Deferred, Effect, Exit, Result } from "effect"
import { NodeConfig } from "../config/NodeConfig.ts"
import {
  CLUSTER_OPERATIONS,
  controllerId,
  liveBrokerViews,
  nodeIds,
  OPERATIONS_NOT_ASKED,
  partitionView,
  TOPIC_OPERATIONS
} from "../metadata/ClusterView.ts"
import { MetadataStore, PROPOSE_TIMEOUT_MS } from "../metadata/MetadataStore.ts"
import * as StartingTopics from "../metadata/StartingTopics.ts"
import { createTopic } from "../metadata/TopicCreation.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { Handler } from "./Handler.ts"

type TopicAnswer = MetadataResponse["topics"][number]

/** A topic of the request after it was looked up: what is there, or the error of a name or id. */
type Found =
  | { readonly topic: TopicImage; readonly serves: boolean }
  | { readonly topic: undefined; readonly name: string | null; readonly topicId: string; readonly errorCode: ErrorCode }

const BY_ID_FROM = 12
/** Topics that one request may create at once; the rest is created by the client's next ones. */
const CREATIONS_AT_ONCE = 256

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const partitions = yield* Partitions
  const { nodeId } = yield* NodeConfig
  const starting = StartingTopics.make(store, partitions.awaitServing)
  const create = yield* makeAutoCreation(store)

  const byName = (name: string, mayCreate: boolean): Effect.Effect<Found> =>
    Effect.suspend(() => {
      const known = store.image().topic(name)
      if (known !== undefined) return whenServing(known)
      const problem = topicNameProblem(name)
      if (problem !== undefined) return Effect.succeed(missing(name, ZERO_UUID, ErrorCode.INVALID_TOPIC_EXCEPTION))
      if (!mayCreate) return Effect.succeed(missing(name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
      return Effect.flatMap(create(name), (errorCode) => {
        const made = store.image().topic(name)
        return made === undefined ? Effect.succeed(missing(name, ZERO_UUID, errorCode)) : whenServing(made)
      })
    })

  const byId = (topicId: string): Effect.Effect<Found> =>
    Effect.suspend(() => {
      // Neither a name nor an id, or an id before ids were known.
      if (topicId === ZERO_UUID) return Effect.succeed(missing("", ZERO_UUID, ErrorCode.INVALID_REQUEST))
      const known = store.image().topicById(topicId)
      return known === undefined
        ? Effect.succeed(missing(null, topicId, ErrorCode.UNKNOWN_TOPIC_ID))
        : whenServing(known)
    })

  const whenServing = (topic: TopicImage): Effect.Effect<Found> =>
    Effect.map(starting.awaitServing(topic.topicId, PROPOSE_TIMEOUT_MS), (serves): Found => {
      // Partitions may have been added, or the topic deleted, while we waited.
      const now = store.image().topicById(topic.topicId)
      return now === undefined
        ? missing(topic.name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        : { topic: now, serves }
    })

  const find = (request: MetadataRequest, apiVersion: number): Effect.Effect<ReadonlyArray<Found>> => {
    const asked = request.topics
    if (asked === null || (apiVersion === 0 && asked.length === 0)) {
      return Effect.sync(() => Array.from(store.image().topics(), (topic) => ({ topic, serves: true })))
    }
    const mayCreate =
      (apiVersion < 4 || request.allowAutoTopicCreation) && store.brokerConfig().boolean("auto.create.topics.enable")
    return Effect.forEach(
      distinct(asked, apiVersion),
      ({ name, topicId }) => (name === null ? byId(topicId) : byName(name, mayCreate)),
      { concurrency: CREATIONS_AT_ONCE }
    )
  }

  const handler: Handler<MetadataRequest, MetadataResponse> = {
    api: MetadataApi,
    handle: (request, { apiVersion }) =>
      Effect.map(find(request, apiVersion), (found) => responseTo(request, found, store.image(), nodeId))
  }
  return handler
})

const responseTo = (
  request: MetadataRequest,
  found: ReadonlyArray<Found>,
  image: MetadataImage,
  nodeId: number
): MetadataResponse => {
  const brokers = liveBrokerViews(image)
  const live = nodeIds(brokers)
  const operations = request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : OPERATIONS_NOT_ASKED
  return {
    throttleTimeMs: 0,
    brokers: brokers.map(({ nodeId, endpoint, rack }) => ({ nodeId, host: endpoint.host, port: endpoint.port, rack })),
    clusterId: image.clusterId,
    controllerId: controllerId(nodeId, brokers),
    topics: found.map((one) => answerOf(one, live, operations)),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : OPERATIONS_NOT_ASKED,
    errorCode: ErrorCode.NONE
  }
}

/** Creates a topic by name once for all who ask at the same time; gives the error code for those who find nothing after it. */
const makeAutoCreation = Effect.fnUntraced(function* (store: MetadataStore["Service"]) {
  const scope = yield* Effect.scope
  const creating = new Map<string, Deferred.Deferred<ErrorCode>>()
  const attempt = (name: string) =>
    createTopic(store, { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] }).pipe(
      Effect.map((made) => (Result.isSuccess(made) ? ErrorCode.NONE : answerTo(made.failure.errorCode)))
    )
  return (name: string): Effect.Effect<ErrorCode> =>
    Effect.suspend(() => {
      const others = creating.get(name)
      if (others !== undefined) return Deferred.await(others)
      const done = Deferred.makeUnsafe<ErrorCode>()
      creating.set(name, done)
      // In a fiber of its own: the client that asked first may hang up while others wait.
      return attempt(name).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            creating.delete(name)
            Deferred.doneUnsafe(done, Exit.isSuccess(exit) ? exit : Exit.succeed(ErrorCode.UNKNOWN_SERVER_ERROR))
          })
        ),
        Effect.forkIn(scope, { startImmediately: true }),
        Effect.andThen(Deferred.await(done))
      )
    })
})

/** Kafka's client retries these two; a name that cannot be is final. Whoever else created it meanwhile made it exist. */
const answerTo = (errorCode: number): ErrorCode => {
  switch (errorCode) {
    case ErrorCode.INVALID_TOPIC_EXCEPTION:
    case ErrorCode.INVALID_REQUEST:
      return ErrorCode.INVALID_TOPIC_EXCEPTION
    case ErrorCode.INVALID_REPLICATION_FACTOR:
      return ErrorCode.INVALID_REPLICATION_FACTOR
    default:
      return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  }
}

const distinct = (
  asked: NonNullable<MetadataRequest["topics"]>,
  apiVersion: number
): ReadonlyArray<{ readonly name: string | null; readonly topicId: string }> => {
  const found = new Map<string, { readonly name: string | null; readonly topicId: string }>()
  for (const { name, topicId } of asked) {
    // Before 12 an id in the request has no meaning.
    const byId = apiVersion >= BY_ID_FROM && topicId !== ZERO_UUID && name === null
    if (byId) found.set(`id ${topicId}`, { name: null, topicId })
    else found.set(`name ${name}`, { name, topicId: ZERO_UUID })
  }
  return [...found.values()]
}

const missing = (name: string | null, topicId: string, errorCode: ErrorCode): Found => ({
  topic: undefined,
  name,
  topicId,
  errorCode
})

const answerOf = (found: Found, live: ReadonlySet<number>, operations: number): TopicAnswer => {
  if (found.topic === undefined) {
    return {
      errorCode: found.errorCode,
      name: found.name,
      topicId: found.topicId,
      isInternal: found.name !== null && isInternalTopic(found.name),
      partitions: [],
      topicAuthorizedOperations: OPERATIONS_NOT_ASKED
    }
  }
  const { topic, serves } = found
  return {
    errorCode: serves ? ErrorCode.NONE : ErrorCode.LEADER_NOT_AVAILABLE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.internal,
    partitions: topic.partitions.map((partition) => partitionView(partition, live)),
    topicAuthorizedOperations: operations
  }
}
