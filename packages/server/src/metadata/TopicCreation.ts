/**
 * Creating a topic, for everybody who does: CreateTopics, the Metadata request that names an unknown topic, and the
 * coordinators that need their internal topic. One command carries the topic with all of its assignments.
 *
 * Completes when the command is applied on this node. Whether the partitions serve is asked of `Partitions.awaitServing`.
 */
import { makeUuid } from "@chronik-effect/core/base/Uuid.ts"
import type { CreateTopic } from "@chronik-effect/core/metadata/Command.ts"
import {
  type Decision,
  decideCreateTopic,
  type Refusal,
  type TopicRequest
} from "@chronik-effect/core/metadata/Decide.ts"
import type { CommandResult, MetadataImage, TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Effect, Random, Result } from "effect"
import type { MetadataError, MetadataStore } from "./MetadataStore.ts"

export type NewTopic = Omit<TopicRequest, "topicId">

/** Sixteen bytes of Effect's Random: seeded in a simulation. */
const randomUuid: Effect.Effect<string> = Effect.gen(function* () {
  const bytes = new Uint8Array(16)
  for (let i = 0; i < 16; i++) bytes[i] = yield* Random.nextIntBetween(0, 255)
  return makeUuid(bytes)
})

/** Checks the request against the current image and chooses id and assignments; nothing is changed yet. */
export const decide = (store: MetadataStore["Service"], request: NewTopic): Effect.Effect<Decision<CreateTopic>> =>
  Effect.map(randomUuid, (topicId) => {
    const image = store.image()
    return decideCreateTopic(
      { ...request, topicId },
      { image, broker: store.brokerConfig(), start: image.nextStream - 1 }
    )
  })

/**
 * Proposes a decided creation and waits for its apply.
 *
 * When time is up the image is read once more: present is success, absent REQUEST_TIMED_OUT.
 */
export const commit = (
  store: MetadataStore["Service"],
  command: CreateTopic,
  timeoutMs?: number
): Effect.Effect<Decision<TopicImage>> =>
  store.propose(command, timeoutMs).pipe(
    Effect.map((result) => created(store.image(), command, result)),
    Effect.catchTag("MetadataError", (error) =>
      Effect.sync(() => {
        const topic = store.image().topicById(command.topicId)
        return topic === undefined ? Result.fail(refusalOf(error)) : Result.succeed(topic)
      })
    )
  )

const created = (image: MetadataImage, command: CreateTopic, result: CommandResult): Decision<TopicImage> => {
  if (result._tag === "Rejected") return Result.fail({ errorCode: result.errorCode, message: result.message })
  const topic = image.topicById(command.topicId)
  return topic === undefined
    ? Result.fail({
        errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        message: "The topic was deleted while it was created."
      })
    : Result.succeed(topic)
}

/** Decides and commits. */
export const createTopic = (
  store: MetadataStore["Service"],
  request: NewTopic,
  timeoutMs?: number
): Effect.Effect<Decision<TopicImage>> =>
  Effect.flatMap(decide(store, request), (decision) =>
    Result.isFailure(decision)
      ? Effect.succeed(Result.fail(decision.failure))
      : commit(store, decision.success, timeoutMs)
  )

/** What a client is told when its change did not get into the log. */
export const refusalOf = (error: MetadataError): Refusal => {
  switch (error.reason) {
    case "timeout":
    case "busy":
      return { errorCode: ErrorCode.REQUEST_TIMED_OUT, message: error.message }
    case "too-large":
      return { errorCode: ErrorCode.POLICY_VIOLATION, message: error.message }
    case "stopped":
      return { errorCode: ErrorCode.NOT_CONTROLLER, message: error.message }
  }
}
