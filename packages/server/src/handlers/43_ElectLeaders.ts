/**
 * ElectLeaders (key 43): let the preferred replica of partitions lead, or any replica.
 *
 * Versions: 0 preferred only; 1 election type and top-level error; 2 flexible. Null asks for all partitions: then those that
 * need no election are left out, and their topics stand there with empty lists, as with Kafka.
 *
 * A node on its own leads whatever it holds, so there is nothing to elect: ELECTION_NOT_NEEDED. It does not carry out
 * elections between several replicas; where one would be needed the answer is that the wanted leader is not available.
 * @see KIP-183, KIP-460
 */
import type { MetadataImage, PartitionImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  ElectLeadersApi,
  type ElectLeadersRequest,
  type ElectLeadersResponse
} from "@chronik-effect/core/protocol/messages/43_ElectLeaders.ts"
import { Effect } from "effect"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

type TopicResult = ElectLeadersResponse["replicaElectionResults"][number]
type PartitionResult = TopicResult["partitionResult"][number]

const PREFERRED = 0
const UNCLEAN = 1

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const handler: Handler<ElectLeadersRequest, ElectLeadersResponse> = {
    api: ElectLeadersApi,
    handle: ({ electionType, topicPartitions }) =>
      Effect.sync(() => {
        if (electionType !== PREFERRED && electionType !== UNCLEAN) return unknownType(electionType, topicPartitions)
        const image = store.image()
        const replicaElectionResults =
          topicPartitions === null
            ? [...image.topics()].map(({ name, partitions }) => ({
                topic: name,
                partitionResult: partitions
                  .map((partition) => elect(image, name, partition.partition, electionType))
                  .filter(({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED)
              }))
            : topicPartitions.map(({ topic, partitions }) => ({
                topic,
                partitionResult: partitions.map((partition) => elect(image, topic, partition, electionType))
              }))
        return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, replicaElectionResults }
      })
  }
  return handler
})

const unknownType = (electionType: number, asked: ElectLeadersRequest["topicPartitions"]) => ({
  throttleTimeMs: 0,
  errorCode: ErrorCode.INVALID_REQUEST,
  replicaElectionResults: (asked ?? []).map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) =>
      result(
        partitionId,
        ErrorCode.INVALID_REQUEST,
        `There is no election type ${electionType}: 0 is preferred, 1 unclean.`
      )
    )
  }))
})

const elect = (image: MetadataImage, topic: string, partitionId: number, electionType: number): PartitionResult => {
  const found = image.topic(topic)
  if (found === undefined) {
    return result(partitionId, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic '${topic}'.`)
  }
  const partition = found.partitions[partitionId]
  if (partition === undefined) {
    const message = `The topic '${topic}' has no partition ${partitionId}.`
    return result(partitionId, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
  }
  return electionType === PREFERRED ? preferred(partition) : unclean(partition)
}

const preferred = ({ partition, leader, replicas }: PartitionImage): PartitionResult =>
  leader === replicas[0]
    ? result(partition, ErrorCode.ELECTION_NOT_NEEDED, "The preferred replica leads already.")
    : result(
        partition,
        ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        `The preferred replica ${replicas[0]} cannot be made leader by this node.`
      )

const unclean = ({ partition, leader }: PartitionImage): PartitionResult =>
  leader === -1
    ? result(partition, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "No replica can be made leader by this node.")
    : result(partition, ErrorCode.ELECTION_NOT_NEEDED, "The partition has a leader.")

const result = (partitionId: number, errorCode: ErrorCode, errorMessage: string): PartitionResult => ({
  partitionId,
  errorCode,
  errorMessage
})
