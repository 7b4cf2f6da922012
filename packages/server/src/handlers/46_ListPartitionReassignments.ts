/**
 * ListPartitionReassignments (key 46): the reassignments that are under way. Null topics asks for all of them.
 *
 * One version. Partitions without a reassignment, and those that do not exist, are left out. On a node on its own there are
 * none.
 * @see KIP-455
 */
import type { PartitionImage, TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  ListPartitionReassignmentsApi,
  type ListPartitionReassignmentsRequest,
  type ListPartitionReassignmentsResponse
} from "@chronik-effect/core/protocol/messages/46_ListPartitionReassignments.ts"
import { Effect } from "effect"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

type TopicAnswer = ListPartitionReassignmentsResponse["topics"][number]

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const handler: Handler<ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse> = {
    api: ListPartitionReassignmentsApi,
    handle: ({ topics }) =>
      Effect.sync(() => {
        const image = store.image()
        const asked: Array<TopicAnswer> = []
        if (topics === null) {
          for (const topic of image.topics()) asked.push(underWay(topic, topic.partitions))
        } else {
          for (const { name, partitionIndexes } of topics) {
            const topic = image.topic(name)
            const named = partitionIndexes.flatMap((index) => topic?.partitions[index] ?? [])
            if (topic !== undefined) asked.push(underWay(topic, named))
          }
        }
        return {
          throttleTimeMs: 0,
          errorCode: ErrorCode.NONE,
          errorMessage: null,
          topics: asked.filter(({ partitions }) => partitions.length > 0)
        }
      })
  }
  return handler
})

const underWay = ({ name }: TopicImage, partitions: ReadonlyArray<PartitionImage>): TopicAnswer => ({
  name,
  partitions: partitions
    .filter(({ target, adding, removing }) => target.length + adding.length + removing.length > 0)
    .map(({ partition, replicas, target, adding, removing }) => ({
      partitionIndex: partition,
      replicas: [...replicas],
      addingReplicas: target.filter((node) => adding.includes(node) || !replicas.includes(node)),
      removingReplicas: [...removing]
    }))
})
