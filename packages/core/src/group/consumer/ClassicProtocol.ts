/**
 * The bytes that members of the classic protocol exchange, written and read by the coordinator on behalf of a consumer group.
 */

import { ProtocolError } from "../../protocol/ProtocolError.ts"
import { ConsumerProtocolAssignment, ConsumerProtocolSubscription } from "../../protocol/records/ConsumerProtocol.ts"
import { decodeVersionedLenient, encodeVersioned } from "../../protocol/records/CoordinatorRecord.ts"
import type { TopicsView } from "./ConsumerEnvironment.ts"
import type { Partitions } from "./ConsumerRecord.ts"
import type { TopicPartitions } from "./PartitionSets.ts"

/** undefined: the bytes are not those of a consumer. */
export const readSubscription = (metadata: Uint8Array): ConsumerProtocolSubscription | undefined => {
  try {
    return decodeVersionedLenient(ConsumerProtocolSubscription, metadata)
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/** What the member says that it owns, as far as the topics still exist. */
export const ownedOf = (
  subscription: ConsumerProtocolSubscription,
  topics: TopicsView
): ReadonlyArray<TopicPartitions> => {
  const owned: Array<TopicPartitions> = []
  for (const { topic, partitions } of subscription.ownedPartitions) {
    const topicId = topics.topic(topic)?.topicId
    if (topicId !== undefined) owned.push({ topicId, partitions })
  }
  return owned
}

/** In the version of the member's own subscription. Topics that are gone have no name and are left out. */
export const assignmentFor = (partitions: Partitions, topics: TopicsView, metadata: Uint8Array): Uint8Array => {
  const { first, last } = ConsumerProtocolAssignment.versions
  const wanted = metadata.length < 2 ? first : new DataView(metadata.buffer, metadata.byteOffset).getInt16(0)
  const assignedPartitions = Array.from(partitions, ([topicId, numbers]) => ({
    topic: topics.topicById(topicId)?.name,
    partitions: [...numbers]
  })).filter((entry): entry is { topic: string; partitions: Array<number> } => entry.topic !== undefined)
  const version = Math.max(first, Math.min(last, wanted))
  return encodeVersioned(ConsumerProtocolAssignment, version, { assignedPartitions, userData: null })
}
