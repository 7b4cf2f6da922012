/**
 * DescribeProducers (key 61): the producers that a partition remembers, for whoever looks for hanging transactions or wonders
 * about a sequence.
 *
 * One version. The last timestamp is when this node appended the producer's last batch. There are no transactions yet, so
 * the coordinator's epoch and the start of the open transaction are -1. An impossible topic name is INVALID_TOPIC_EXCEPTION.
 * @see KIP-664
 */
import { topicNameProblem } from "@chronik-effect/core/metadata/Decide.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeProducersApi,
  type DescribeProducersRequest,
  type DescribeProducersResponse
} from "@chronik-effect/core/protocol/messages/61_DescribeProducers.ts"
import { Effect } from "effect"
import { Partitions } from "../replication/Partitions.ts"
import { PartitionStores } from "../storage/PartitionStores.ts"
import type { Handler } from "./Handler.ts"

type Answer = DescribeProducersResponse["topics"][number]["partitions"][number]

const NONE = -1

export const make = Effect.gen(function* () {
  const partitions = yield* Partitions
  const { context } = yield* PartitionStores

  const describe = (topic: string, partitionIndex: number): Answer => {
    const refused = (errorCode: ErrorCode, errorMessage: string | null): Answer => ({
      partitionIndex,
      errorCode,
      errorMessage,
      activeProducers: []
    })
    const problem = topicNameProblem(topic)
    if (problem !== undefined) return refused(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    const partition = partitions.find(topic, partitionIndex)
    if (partition === undefined) {
      const message = partitions.knows(topic) ? null : "This server does not host this topic-partition."
      return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
    }
    const activeProducers = [...partition.store.producers.active(context.nowMillis())].map((producer) => ({
      producerId: producer.producerId,
      producerEpoch: producer.epoch,
      lastSequence: producer.lastSequence,
      lastTimestamp: producer.lastAppendMillis,
      coordinatorEpoch: NONE,
      currentTxnStartOffset: NONE
    }))
    return { partitionIndex, errorCode: ErrorCode.NONE, errorMessage: null, activeProducers }
  }

  const handler: Handler<DescribeProducersRequest, DescribeProducersResponse> = {
    api: DescribeProducersApi,
    handle: ({ topics }) =>
      Effect.sync(() => ({
        throttleTimeMs: 0,
        topics: topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((index) => describe(name, index))
        }))
      }))
  }
  return handler
})
