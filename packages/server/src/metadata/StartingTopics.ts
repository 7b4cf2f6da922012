/**
 * Topics that this node has seen come into being and whose partitions nobody has yet seen serving.
 *
 * The first answer that names such a topic waits for its partitions, so that a client that acts on the answer at once finds
 * them. All later answers, and answers about older topics, wait for nothing.
 */
import type { MetadataDelta } from "@chronik-effect/core/metadata/MetadataDelta.ts"
import { Effect } from "effect"
import type { MetadataStore } from "./MetadataStore.ts"

export interface StartingTopics {
  /**
   * Waits until the topic's partitions serve, at most `timeoutMs`. False when time was up.
   */
  readonly awaitServing: (topicId: string, timeoutMs: number) => Effect.Effect<boolean>
}

/** `awaitServing`: of `Partitions`, on the floor above. */
export const make = (
  store: MetadataStore["Service"],
  awaitServing: (topicId: string) => Effect.Effect<void>
): StartingTopics => {
  const starting = new Set<string>()
  store.subscribe((delta: MetadataDelta) => {
    for (const topic of delta.topicsCreated) starting.add(topic.topicId)
    for (const { topic } of delta.partitionsAdded) starting.add(topic.topicId)
    for (const topic of delta.topicsDeleted) starting.delete(topic.topicId)
  })
  return {
    awaitServing: (topicId, timeoutMs) =>
      Effect.suspend(() => {
        if (!starting.has(topicId)) return Effect.succeed(true)
        return awaitServing(topicId).pipe(
          Effect.map(() => {
            starting.delete(topicId)
            return true
          }),
          Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.succeed(false) })
        )
      })
  }
}
