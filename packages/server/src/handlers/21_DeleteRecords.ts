/**
 * DeleteRecords (key 21): moves the log start of partitions forward. The answer comes when the new start is durable, and
 * names it as the low watermark.
 *
 * Versions: 2 flexible. Offset -1 stands for the high watermark. An offset at or below the log start changes nothing and is
 * no error.
 *
 * Traps: only topics that delete may be cut: where `cleanup.policy` is `compact` alone the answer is POLICY_VIOLATION. The
 * broker's own topics are INVALID_TOPIC_EXCEPTION. A low watermark of -1 stands beside every error.
 * @see KIP-107
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DeleteRecordsApi,
  type DeleteRecordsRequest,
  type DeleteRecordsResponse
} from "@chronik-effect/core/protocol/messages/21_DeleteRecords.ts"
import { Effect } from "effect"
import { PROPOSE_TIMEOUT_MS } from "../metadata/MetadataStore.ts"
import type { Partition } from "../replication/Partition.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { Handler } from "./Handler.ts"

type Asked = DeleteRecordsRequest["topics"][number]["partitions"][number]
type Answer = DeleteRecordsResponse["topics"][number]["partitions"][number]

const HIGH_WATERMARK = -1
const NO_WATERMARK = -1

export const make = Effect.gen(function* () {
  const partitions = yield* Partitions
  const handler: Handler<DeleteRecordsRequest, DeleteRecordsResponse> = {
    api: DeleteRecordsApi,
    handle: ({ topics, timeoutMs }) =>
      Effect.forEach(
        lastWords(topics),
        ([name, asked]) =>
          Effect.forEach(asked.values(), (one) => cut(partitions.find(name, one.partitionIndex), one, timeoutMs), {
            concurrency: "unbounded"
          }).pipe(Effect.map((answers) => ({ name, partitions: answers }))),
        { concurrency: "unbounded" }
      ).pipe(Effect.map((answers) => ({ throttleTimeMs: 0, topics: answers })))
  }
  return handler
})

/** Of a partition that is asked for several times the last one counts, and is answered. */
const lastWords = (topics: DeleteRecordsRequest["topics"]): ReadonlyMap<string, ReadonlyMap<number, Asked>> => {
  const words = new Map<string, Map<number, Asked>>()
  for (const { name, partitions } of topics) {
    const asked = words.get(name) ?? new Map<number, Asked>()
    words.set(name, asked)
    for (const one of partitions) asked.set(one.partitionIndex, one)
  }
  return words
}

const refused = ({ partitionIndex }: Asked, errorCode: ErrorCode): Answer => ({
  partitionIndex,
  lowWatermark: NO_WATERMARK,
  errorCode
})

const refusalOf = (partition: Partition, offset: number): ErrorCode => {
  if (partition.internal) return ErrorCode.INVALID_TOPIC_EXCEPTION
  if (!partition.settings.deletes) return ErrorCode.POLICY_VIOLATION
  if (offset < HIGH_WATERMARK || offset > partition.highWatermark) return ErrorCode.OFFSET_OUT_OF_RANGE
  return ErrorCode.NONE
}

const cut = (partition: Partition | undefined, asked: Asked, timeoutMs: number): Effect.Effect<Answer> => {
  if (partition === undefined) return Effect.succeed(refused(asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
  const refusal = refusalOf(partition, asked.offset)
  if (refusal !== ErrorCode.NONE) return Effect.succeed(refused(asked, refusal))
  const offset = asked.offset === HIGH_WATERMARK ? partition.highWatermark : asked.offset
  return partition.deleteRecords(offset).pipe(
    Effect.map(
      (lowWatermark): Answer => ({ partitionIndex: asked.partitionIndex, lowWatermark, errorCode: ErrorCode.NONE })
    ),
    Effect.timeoutOrElse({
      // A request without patience still waits for its one sync: Kafka waits for followers only.
      duration: timeoutMs > 0 ? timeoutMs : PROPOSE_TIMEOUT_MS,
      orElse: () => Effect.succeed(refused(asked, ErrorCode.REQUEST_TIMED_OUT))
    }),
    Effect.catchTags({
      AppendFailed: ({ errorCode }) => Effect.succeed(refused(asked, errorCode)),
      WalFailed: () => Effect.succeed(refused(asked, ErrorCode.KAFKA_STORAGE_ERROR))
    })
  )
}
