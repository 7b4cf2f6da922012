/**
 * ListOffsets (key 2): offsets by time, and the two ends of a partition.
 *
 * Special timestamps: -1 latest (high watermark, or last stable offset for readers of committed records), -2 earliest,
 * -3 the record with the largest timestamp (v7), -4 earliest local (v8), -5 latest tiered (v9) and -6 earliest pending
 * upload (v11), which say "none" since nothing is tiered. A special value that the request's version does not know is
 * UNSUPPORTED_VERSION for that partition, also where there is none. A time finds the first record at or after it, exact to the record; what lies at
 * or beyond the readable end is hidden. Ends carry no timestamp.
 *
 * Traps: a partition that is named twice is answered once, with INVALID_REQUEST; an isolation level that there is not makes
 * every partition an UNKNOWN_SERVER_ERROR, Kafka's code for it. The start of a log without records belongs to the current
 * leader epoch.
 * @see KIP-79, KIP-207, KIP-734
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Descriptor.ts"
import {
  ListOffsetsApi,
  type ListOffsetsRequest,
  type ListOffsetsResponse
} from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { Cause, Effect } from "effect"
import type { Partition } from "../replication/Partition.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { Handler } from "./Handler.ts"
import { leaderEpochError } from "./LeaderEpochCheck.ts"

type Asked = ListOffsetsRequest["topics"][number]["partitions"][number]
type Answer = NonNullable<NonNullable<Partially<ListOffsetsResponse>["topics"]>[number]["partitions"]>[number]

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6
/** First version of the request that knows the special timestamp. */
const SINCE: ReadonlyMap<number, number> = new Map([
  [LATEST, 0],
  [EARLIEST, 0],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11]
])
const READ_COMMITTED = 1

const isKnown = (timestamp: number, apiVersion: number): boolean => {
  const since = timestamp < 0 ? SINCE.get(timestamp) : 0
  return since !== undefined && apiVersion >= since
}

export const make = Effect.gen(function* () {
  const partitions = yield* Partitions
  const handler: Handler<ListOffsetsRequest, ListOffsetsResponse> = {
    api: ListOffsetsApi,
    handle: Effect.fnUntraced(function* (request, { apiVersion }) {
      const repeated = repeatedPartitions(request)
      const answered = new Set<string>()
      const topics = yield* Effect.forEach(request.topics, ({ name, partitions: asked }) =>
        Effect.map(
          Effect.forEach(asked.filter(oncePerPartition(name, answered)), (one) => {
            if (repeated.has(`${name}/${one.partitionIndex}`)) {
              return Effect.succeed(refused(one.partitionIndex, ErrorCode.INVALID_REQUEST))
            }
            if (request.isolationLevel !== 0 && request.isolationLevel !== READ_COMMITTED) {
              return Effect.succeed(refused(one.partitionIndex, ErrorCode.UNKNOWN_SERVER_ERROR))
            }
            if (!isKnown(one.timestamp, apiVersion)) {
              return Effect.succeed(refused(one.partitionIndex, ErrorCode.UNSUPPORTED_VERSION))
            }
            const partition = partitions.find(name, one.partitionIndex)
            if (partition === undefined) {
              return Effect.succeed(refused(one.partitionIndex, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            }
            return listOne(partition, one, request.isolationLevel === READ_COMMITTED)
          }),
          (answers) => ({ name, partitions: answers })
        )
      )
      return { throttleTimeMs: 0, topics: apiVersion < EPOCH_SINCE ? topics.map(withoutEpochs) : topics }
    })
  }
  return handler
})

/** The answer has leader epochs from this version on, and they must not be given before. */
const EPOCH_SINCE = 4

const withoutEpochs = ({ name, partitions }: { name: string; partitions: ReadonlyArray<Answer> }) => ({
  name,
  partitions: partitions.map((answer) => ({ ...answer, leaderEpoch: -1 }))
})

const repeatedPartitions = (request: ListOffsetsRequest): ReadonlySet<string> => {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}/${partitionIndex}`
      if (seen.has(key)) repeated.add(key)
      seen.add(key)
    }
  }
  return repeated
}

const oncePerPartition =
  (topic: string, seen: Set<string>) =>
  ({ partitionIndex }: Asked): boolean => {
    const key = `${topic}/${partitionIndex}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  }

const refused = (partitionIndex: number, errorCode: ErrorCode): Answer => ({
  partitionIndex,
  errorCode,
  timestamp: -1,
  offset: -1,
  leaderEpoch: -1
})

const found = (partition: Partition, offset: number, timestamp: number, leaderEpoch: number): Answer => ({
  partitionIndex: partition.partition,
  errorCode: ErrorCode.NONE,
  timestamp,
  offset,
  leaderEpoch
})

const epochOfStart = ({ logStartOffset, logEndOffset, leaderEpoch, store }: Partition): number =>
  logStartOffset === logEndOffset ? leaderEpoch : store.epochs.epochAt(logStartOffset)

const listOne = (partition: Partition, asked: Asked, committedOnly: boolean): Effect.Effect<Answer> => {
  const stale = leaderEpochError(asked.currentLeaderEpoch, partition.leaderEpoch)
  if (stale !== ErrorCode.NONE) return Effect.succeed(refused(asked.partitionIndex, stale))
  const { timestamp } = asked
  const end = committedOnly ? partition.lastStableOffset : partition.highWatermark
  const nothing = found(partition, -1, -1, -1)
  switch (timestamp) {
    case LATEST:
      return Effect.succeed(found(partition, end, -1, partition.leaderEpoch))
    case EARLIEST:
    case EARLIEST_LOCAL:
      return Effect.succeed(found(partition, partition.logStartOffset, -1, epochOfStart(partition)))
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return Effect.succeed(nothing)
  }
  const search =
    timestamp === MAX_TIMESTAMP ? partition.store.maxTimestamp(end) : partition.store.offsetForTimestamp(timestamp, end)
  return search.pipe(
    Effect.map((hit) => (hit === undefined ? nothing : found(partition, hit.offset, hit.timestamp, hit.leaderEpoch))),
    Effect.catchCause((cause) =>
      Effect.as(
        Effect.logError(`A search by time in ${partition.topic}-${partition.partition} failed: ${Cause.pretty(cause)}`),
        refused(asked.partitionIndex, ErrorCode.KAFKA_STORAGE_ERROR)
      )
    )
  )
}
