import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { DescribeTopicPartitionsResponse } from "@chronik-effect/core/protocol/messages/75_DescribeTopicPartitions.ts"
import { make } from "@chronik-effect/server/handlers/75_DescribeTopicPartitions.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { creation, registration, topicId } from "../metadata/MetadataHarness.ts"
import { ask, onCluster } from "./ClusterHarness.ts"

const BASE = [registration(1), creation("b", 2, 3), creation("a", 1, 2), creation("c", 3, 1)]
const shape = (answer: {
  topics: ReadonlyArray<{
    name: string | null
    errorCode: number
    partitions: ReadonlyArray<{ partitionIndex: number }>
  }>
}) => answer.topics.map((t) => [t.name, t.errorCode, t.partitions.map((p) => p.partitionIndex)])

describe("DescribeTopicPartitions", () => {
  it.effect("lists all topics by name with everything about them", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 0, {})
        expect(shape(answer)).toEqual([
          ["a", 0, [0, 1]],
          ["b", 0, [0, 1, 2]],
          ["c", 0, [0]]
        ])
        expect(answer.nextCursor).toBe(null)
        expect(answer.topics[0]).toMatchObject({
          topicId: topicId(1),
          isInternal: false,
          topicAuthorizedOperations: 3576
        })
        expect(answer.topics[0]!.partitions[0]).toMatchObject({
          leaderId: 1,
          leaderEpoch: 0,
          isrNodes: [1],
          eligibleLeaderReplicas: [],
          lastKnownElr: []
        })
      })
    )
  )

  it.effect("pages through everything once, for every size of page", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        for (let limit = 0; limit <= 7; limit++) {
          const seen: Array<string> = []
          let cursor: DescribeTopicPartitionsResponse["nextCursor"] = null
          do {
            const answer: DescribeTopicPartitionsResponse = yield* ask(handler, 0, {
              responsePartitionLimit: limit,
              cursor
            })
            const page = answer.topics.flatMap((t) => t.partitions.map((p) => `${t.name}-${p.partitionIndex}`))
            expect(page.length, `limit ${limit}`).toBeLessThanOrEqual(Math.max(limit, 1))
            seen.push(...page)
            cursor = answer.nextCursor
          } while (cursor !== null)
          expect(seen, `limit ${limit}`).toEqual(["a-0", "a-1", "b-0", "b-1", "b-2", "c-0"])
        }
      })
    )
  )

  it.effect("answers unknown and illegal names, creates nothing", () =>
    onCluster({ commands: BASE }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const named = yield* ask(handler, 0, {
          topics: [{ name: "zz" }, { name: "a b" }, { name: "a" }, { name: "a" }]
        })
        expect(shape(named)).toEqual([
          ["a", 0, [0, 1]],
          ["a b", ErrorCode.INVALID_TOPIC_EXCEPTION, []],
          ["zz", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, []]
        ])
        expect(named.topics.map((t) => t.topicAuthorizedOperations)).toEqual([3576, 3576, 3576])
        expect(store.image().topicCount).toBe(3)
      })
    )
  )

  it.effect("goes on behind a cursor's topic that is gone; one that was asked for is answered", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const cursor = { topicName: "aa", partitionIndex: 2 }
        expect(shape(yield* ask(handler, 0, { topics: [], cursor }))).toEqual([
          ["b", 0, [0, 1, 2]],
          ["c", 0, [0]]
        ])
        const named = yield* ask(handler, 0, { topics: [{ name: "a" }, { name: "aa" }, { name: "c" }], cursor })
        expect(shape(named)).toEqual([
          ["aa", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, []],
          ["c", 0, [0]]
        ])
      })
    )
  )

  it.effect("refuses a cursor at a topic that is not among those asked for", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 0, {
          topics: [{ name: "a" }, { name: "c" }],
          cursor: { topicName: "b", partitionIndex: 0 }
        })
        expect(shape(answer)).toEqual([
          ["a", ErrorCode.INVALID_REQUEST, []],
          ["c", ErrorCode.INVALID_REQUEST, []]
        ])
      })
    )
  )

  it.effect("gives no more partitions than the broker allows", () =>
    onCluster({ commands: BASE, config: { broker: new Map([["max.request.partition.size.limit", "2"]]) } }, () =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 0, { topics: [], responsePartitionLimit: 2000 })
        expect(shape(answer)).toEqual([["a", 0, [0, 1]]])
        expect(answer.nextCursor).toEqual({ topicName: "b", partitionIndex: 0 })
      })
    )
  )

  it.effect("refuses a cursor before the first partition", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 0, {
          topics: [{ name: "a" }],
          cursor: { topicName: "a", partitionIndex: -1 }
        })
        expect(shape(answer)).toEqual([["a", ErrorCode.INVALID_REQUEST, []]])
      })
    )
  )
})
