/**
 * OffsetForLeaderEpoch (key 23): where the log of an epoch ended, so that a client can find out whether what it read was
 * later truncated.
 *
 * The answer names the largest epoch that is not above the asked one, and the offset where the next one begins; the
 * current epoch ends at the log's end as clients see it, the high watermark. An epoch that is not known is (-1, -1)
 * without an error; one from before the first that is known ended where that one began.
 * @see KIP-101, KIP-320
 */
import type { EpochEnd } from "@chronik-effect/core/log/LeaderEpochs.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  OffsetForLeaderEpochApi,
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse
} from "@chronik-effect/core/protocol/messages/23_OffsetForLeaderEpoch.ts"
import { Effect } from "effect"
import type { Partition } from "../replication/Partition.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { Handler } from "./Handler.ts"
import { leaderEpochError } from "./LeaderEpochCheck.ts"

/** An epoch in which nothing was written yet has begun all the same, where the log ends. */
const endOf = (partition: Partition, epoch: number): EpochEnd =>
  epoch === partition.leaderEpoch
    ? { leaderEpoch: epoch, endOffset: partition.highWatermark }
    : partition.store.epochs.endOffsetFor(epoch, partition.highWatermark)

type AskedPartition = OffsetForLeaderEpochRequest["topics"][number]["partitions"][number]

export const make = Effect.gen(function* () {
  const partitions = yield* Partitions

  const answer = (topic: string, asked: AskedPartition) => {
    const refused = (errorCode: ErrorCode) => ({
      partition: asked.partition,
      errorCode,
      leaderEpoch: -1,
      endOffset: -1
    })
    const partition = partitions.find(topic, asked.partition)
    if (partition === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const stale = leaderEpochError(asked.currentLeaderEpoch, partition.leaderEpoch)
    if (stale !== ErrorCode.NONE) return refused(stale)
    const found = endOf(partition, asked.leaderEpoch)
    return {
      partition: asked.partition,
      errorCode: ErrorCode.NONE,
      leaderEpoch: found.leaderEpoch,
      endOffset: found.endOffset
    }
  }

  const handler: Handler<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse> = {
    api: OffsetForLeaderEpochApi,
    handle: (request) =>
      Effect.sync(() => ({
        throttleTimeMs: 0,
        topics: request.topics.map((topic) => ({
          topic: topic.topic,
          partitions: topic.partitions.map((asked) => answer(topic.topic, asked))
        }))
      }))
  }
  return handler
})
