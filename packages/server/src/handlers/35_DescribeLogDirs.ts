/**
 * DescribeLogDirs (key 35): the data directory of this node, the room on its file system, and what each partition takes.
 *
 * Versions: 2 flexible; 3 an error code for the whole answer; 4 total and usable bytes, -1 where the file system does not tell
 * (an ephemeral node has none); 5 cordoned directories, which we do not have. Null topics ask for all.
 *
 * There is always exactly one directory, so no replica moves between two: `isFutureKey` is false, and `offsetLag` is how far
 * the log end lies behind the high watermark, which on a leader is 0. Partitions that are not hosted here are left out, as
 * Kafka does. A size counts batches in segment files and in the write-ahead log, not indexes.
 * @see KIP-113, KIP-784, KIP-827
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeLogDirsApi,
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponse
} from "@chronik-effect/core/protocol/messages/35_DescribeLogDirs.ts"
import { Effect } from "effect"
import type { Partition } from "../replication/Partition.ts"
import { Partitions } from "../replication/Partitions.ts"
import { PartitionStores } from "../storage/PartitionStores.ts"
import type { Handler } from "./Handler.ts"

type TopicAnswer = DescribeLogDirsResponse["results"][number]["topics"][number]

/** Partitions measured before the event loop gets its turn: each looks at its batches in the WAL. */
const PARTITIONS_A_TURN = 256
const UNKNOWN_BYTES = -1

export const make = Effect.gen(function* () {
  const partitions = yield* Partitions
  const { context } = yield* PartitionStores
  const { disk, dataDirectory } = context

  const describe = Effect.fnUntraced(function* (asked: Iterable<Partition>) {
    const topics = new Map<string, Array<TopicAnswer["partitions"][number]>>()
    let seen = 0
    for (const partition of asked) {
      const answers = topics.get(partition.topic) ?? []
      topics.set(partition.topic, answers)
      answers.push({
        partitionIndex: partition.partition,
        partitionSize: partition.store.sizeBytes,
        offsetLag: Math.max(0, partition.highWatermark - partition.logEndOffset),
        isFutureKey: false
      })
      if (++seen % PARTITIONS_A_TURN === 0) yield* Effect.yieldNow
    }
    return [...topics].map(([name, answers]): TopicAnswer => ({ name, partitions: answers }))
  })

  const handler: Handler<DescribeLogDirsRequest, DescribeLogDirsResponse> = {
    api: DescribeLogDirsApi,
    handle: ({ topics }) =>
      Effect.map(describe([...(topics === null ? partitions.all() : named(partitions, topics))]), (answers) => {
        const space = disk.space(dataDirectory)
        return {
          throttleTimeMs: 0,
          errorCode: ErrorCode.NONE,
          results: [
            {
              errorCode: ErrorCode.NONE,
              logDir: disk.absolute(dataDirectory),
              topics: answers,
              totalBytes: space?.totalBytes ?? UNKNOWN_BYTES,
              usableBytes: space?.usableBytes ?? UNKNOWN_BYTES,
              isCordoned: false
            }
          ]
        }
      })
  }
  return handler
})

/** Each once, whatever the request repeats. */
const named = (
  partitions: Partitions["Service"],
  topics: NonNullable<DescribeLogDirsRequest["topics"]>
): ReadonlySet<Partition> => {
  const found = new Set<Partition>()
  for (const { topic, partitions: indexes } of topics) {
    for (const index of indexes) {
      const partition = partitions.find(topic, index)
      if (partition !== undefined) found.add(partition)
    }
  }
  return found
}
