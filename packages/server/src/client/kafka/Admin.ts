/**
 * Topics from the outside: create, list, describe, delete; offsets of partitions.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { DescribeConfigsApi } from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import * as Effect from "effect/Effect"
import { brokerError, type ClientError, notRetriable } from "./ClientError.ts"
import type { KafkaClient, TopicMetadata } from "./KafkaClient.ts"

export interface NewTopic {
  readonly name: string
  /** Absent: the broker's default. */
  readonly partitions?: number | undefined
  readonly replicationFactor?: number | undefined
  readonly configs?: ReadonlyMap<string, string> | undefined
}

export interface CreatedTopic {
  /** -1 from brokers that do not say. */
  readonly partitions: number
  readonly replicationFactor: number
}

export interface ConfigEntry {
  readonly name: string
  readonly value: string | null
  /** `ConfigSource` of Kafka: 1 is set on the topic itself, 5 a default. */
  readonly source: number
}

export const EARLIEST = -2
export const LATEST = -1

const TOPIC_RESOURCE = 2
const BROKER_DEFAULT = -1

export const createTopic = (client: KafkaClient, topic: NewTopic): Effect.Effect<CreatedTopic, ClientError> =>
  client.atController((connection) =>
    Effect.gen(function* () {
      const answer = yield* connection.request(
        CreateTopicsApi,
        {
          topics: [
            {
              name: topic.name,
              numPartitions: topic.partitions ?? BROKER_DEFAULT,
              replicationFactor: topic.replicationFactor ?? BROKER_DEFAULT,
              configs: [...(topic.configs ?? [])].map(([name, value]) => ({ name, value }))
            }
          ],
          timeoutMs: client.timeoutMs
        },
        client.timeoutMs
      )
      const made = answer.topics[0]
      const code = made?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (made === undefined || code !== ErrorCode.NONE) {
        return yield* brokerError(code, `Creating topic ${topic.name}`, made?.errorMessage)
      }
      return { partitions: made.numPartitions, replicationFactor: made.replicationFactor }
    })
  )

export const deleteTopic = (client: KafkaClient, name: string): Effect.Effect<void, ClientError> =>
  client.atController((connection) =>
    Effect.gen(function* () {
      const version = connection.versionOf(DeleteTopicsApi)
      if (typeof version !== "number") return yield* version
      const named = version >= 6 ? { topics: [{ name }] } : { topicNames: [name] }
      const request = { ...named, timeoutMs: client.timeoutMs }
      const answer = yield* connection.requestIn(DeleteTopicsApi, version, request, client.timeoutMs)
      const gone = answer.responses[0]
      const code = gone?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (code === ErrorCode.NONE) return
      const error = brokerError(code, `Deleting topic ${name}`, gone?.errorMessage)
      // Retriable for one who waits for a topic to appear; here it is the answer.
      return yield* code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? notRetriable(error) : error
    })
  )

/** All topics, by name. */
export const listTopics = (client: KafkaClient): Effect.Effect<ReadonlyArray<TopicMetadata>, ClientError> =>
  client.atAny(() =>
    Effect.map(client.metadata(null), (answer) =>
      [...answer.topics].sort((a, b) => ((a.name ?? "") < (b.name ?? "") ? -1 : 1))
    )
  )

/** The configs of a topic that the broker knows. */
export const topicConfigs = (
  client: KafkaClient,
  name: string
): Effect.Effect<ReadonlyArray<ConfigEntry>, ClientError> =>
  client.atAny((connection) =>
    Effect.gen(function* () {
      const answer = yield* connection.request(DescribeConfigsApi, {
        resources: [{ resourceType: TOPIC_RESOURCE, resourceName: name, configurationKeys: null }]
      })
      const result = answer.results[0]
      const code = result?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (result === undefined || code !== ErrorCode.NONE) {
        return yield* brokerError(code, `Describing the configs of ${name}`, result?.errorMessage)
      }
      return result.configs.map((config) => ({ name: config.name, value: config.value, source: config.configSource }))
    })
  )

/** The offset of one partition: `EARLIEST`, `LATEST`, or of the first record at or after a time in milliseconds. */
export const listOffset = (
  client: KafkaClient,
  name: string,
  partition: number,
  timestamp: number
): Effect.Effect<number, ClientError> =>
  client.atLeader(name, partition, (connection) =>
    Effect.gen(function* () {
      const answer = yield* connection.request(ListOffsetsApi, {
        replicaId: -1,
        topics: [{ name, partitions: [{ partitionIndex: partition, timestamp }] }],
        timeoutMs: client.timeoutMs
      })
      const found = answer.topics[0]?.partitions[0]
      const code = found?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (found === undefined || code !== ErrorCode.NONE) {
        return yield* brokerError(code, `The offset of ${name}-${partition}`)
      }
      return found.offset
    })
  )
