/**
 * OffsetDelete (key 47): forgets single committed offsets of a group (KIP-496).
 *
 * Version 0 is all there is, and it is not flexible. A partition that does not exist is refused here; the group is asked all
 * the same, since an error of the whole group leaves no topics in the answer. As in Kafka a topic is answered once, its
 * refused partitions first.
 */
import type { OffsetsToDelete } from "@chronik-effect/core/group/Commands.ts"
import type { MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  OffsetDeleteApi,
  type OffsetDeleteRequest,
  type OffsetDeleteResponse
} from "@chronik-effect/core/protocol/messages/47_OffsetDelete.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

type AnsweredPartition = OffsetDeleteResponse["topics"][number]["partitions"][number]

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const metadata = yield* MetadataStore
  const handler: Handler<OffsetDeleteRequest, OffsetDeleteResponse> = {
    api: OffsetDeleteApi,
    handle: ({ groupId, topics }) => {
      const { answered, existing } = split(topics, metadata.image())
      return Effect.map(groups.ask({ _tag: "DeleteOffsets", groupId, topics: existing }), (result) => {
        if (result.errorCode !== ErrorCode.NONE) return { errorCode: result.errorCode, throttleTimeMs: 0, topics: [] }
        for (const { topic, partitions } of result.topics) {
          for (const { partition, errorCode } of partitions) {
            answered.get(topic)!.push({ partitionIndex: partition, errorCode })
          }
        }
        return {
          errorCode: ErrorCode.NONE,
          throttleTimeMs: 0,
          topics: Array.from(answered, ([name, partitions]) => ({ name, partitions }))
        }
      })
    }
  }
  return handler
})

const split = (
  topics: OffsetDeleteRequest["topics"],
  image: MetadataImage
): {
  /** By topic in the request's order: what is refused here. */
  readonly answered: Map<string, Array<AnsweredPartition>>
  readonly existing: ReadonlyArray<OffsetsToDelete>
} => {
  const answered = new Map<string, Array<AnsweredPartition>>()
  const existing: Array<OffsetsToDelete> = []
  for (const { name, partitions } of topics) {
    const refused = answered.get(name) ?? []
    answered.set(name, refused)
    const topic = image.topic(name)
    const known: Array<number> = []
    for (const { partitionIndex } of partitions) {
      if (topic?.partitions[partitionIndex] !== undefined) known.push(partitionIndex)
      else refused.push({ partitionIndex, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
    }
    if (known.length > 0) existing.push({ topic: name, partitions: known })
  }
  return { answered, existing }
}
