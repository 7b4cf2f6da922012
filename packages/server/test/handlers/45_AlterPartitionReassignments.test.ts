import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { make } from "@chronik-effect/server/handlers/45_AlterPartitionReassignments.ts"
import { make as makeList } from "@chronik-effect/server/handlers/46_ListPartitionReassignments.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { creation, registration, topicId } from "../metadata/MetadataHarness.ts"
import { ask, onCluster } from "./ClusterHarness.ts"

/** Topic b is on its way from node 1 to node 2, which has its learner. */
const moving: Command = {
  _tag: "PartitionOps",
  ops: [
    {
      topicId: topicId(2),
      partition: 1,
      expectedEpoch: 0,
      expectedConfigVersion: 0,
      election: null,
      isr: null,
      replicas: [1, 2],
      adding: [2],
      removing: [1],
      target: [2]
    }
  ]
}
const BASE = [registration(1), registration(2), creation("a", 1, 2), creation("b", 2, 2)]
const {
  INVALID_REPLICA_ASSIGNMENT,
  INVALID_REPLICATION_FACTOR,
  INVALID_REQUEST,
  NONE,
  NO_REASSIGNMENT_IN_PROGRESS,
  UNKNOWN_TOPIC_OR_PARTITION
} = ErrorCode

describe("AlterPartitionReassignments", () => {
  const cases: ReadonlyArray<readonly [string, string, number, ReadonlyArray<number> | null, ErrorCode]> = [
    ["the replicas that are there", "a", 0, [1], NONE],
    ["cancelling nothing", "a", 0, null, NO_REASSIGNMENT_IN_PROGRESS],
    ["no replicas", "a", 0, [], INVALID_REPLICA_ASSIGNMENT],
    ["a broker that does not exist", "a", 0, [9], INVALID_REPLICA_ASSIGNMENT],
    ["a negative broker", "a", 0, [-1], INVALID_REPLICA_ASSIGNMENT],
    ["a broker twice", "a", 0, [1, 1], INVALID_REPLICA_ASSIGNMENT],
    ["what would have to be moved", "a", 1, [2], INVALID_REQUEST],
    ["an unknown topic", "none", 0, [1], UNKNOWN_TOPIC_OR_PARTITION],
    ["an unknown topic, cancelled", "none", 0, null, UNKNOWN_TOPIC_OR_PARTITION],
    ["an unknown partition", "a", 2, [1], UNKNOWN_TOPIC_OR_PARTITION],
    ["a negative partition, cancelled", "a", -1, null, UNKNOWN_TOPIC_OR_PARTITION],
    ["where one under way leads already", "b", 1, [2], NONE],
    ["cancelling one under way", "b", 1, null, INVALID_REQUEST]
  ]

  for (const [what, name, partitionIndex, replicas, expected] of cases) {
    it.effect(`${what}: ${expected}`, () =>
      onCluster({ commands: [...BASE, moving] }, () =>
        Effect.gen(function* () {
          const handler = yield* make
          for (const version of [0, 1]) {
            const partitions = [{ partitionIndex, replicas: replicas === null ? null : [...replicas] }]
            const answer = yield* ask(handler, version, { topics: [{ name, partitions }] })
            expect(answer.errorCode).toBe(NONE)
            expect(answer.responses.map(({ name }) => name)).toEqual([name])
            expect(answer.responses[0]!.partitions.map((p) => [p.partitionIndex, p.errorCode])).toEqual([
              [partitionIndex, expected]
            ])
          }
        })
      )
    )
  }

  it.effect("another number of replicas only where the request allows it, which its version must say", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const code = (version: number, more: object, replicas: Array<number>) =>
          Effect.map(
            ask(handler, version, {
              topics: [{ name: "a", partitions: [{ partitionIndex: 0, replicas }] }],
              ...more
            }),
            ({ allowReplicationFactorChange, responses }) => [
              allowReplicationFactorChange,
              responses[0]!.partitions[0]!.errorCode
            ]
          )
        const forbidden = { allowReplicationFactorChange: false }
        expect(yield* code(1, forbidden, [1, 2])).toEqual([false, INVALID_REPLICATION_FACTOR])
        expect(yield* code(1, forbidden, [1])).toEqual([false, NONE])
        expect(yield* code(1, { allowReplicationFactorChange: true }, [1, 2])).toEqual([true, INVALID_REQUEST])
        expect(yield* code(0, {}, [1, 2])).toEqual([true, INVALID_REQUEST])
      })
    )
  )
})

describe("ListPartitionReassignments", () => {
  type Asked = Array<{ name: string; partitionIndexes: Array<number> }> | null
  const list = (commands: ReadonlyArray<Command>, topics: Asked) =>
    onCluster({ commands }, () => Effect.flatMap(makeList, (handler) => ask(handler, 0, { topics })))

  it.effect("nothing is under way on a node alone, whatever is asked for", () =>
    Effect.gen(function* () {
      const asked: ReadonlyArray<Asked> = [
        null,
        [],
        [{ name: "a", partitionIndexes: [0, 77, -1] }],
        [{ name: "none", partitionIndexes: [0] }]
      ]
      for (const topics of asked) {
        expect(yield* list(BASE, topics)).toMatchObject({ errorCode: NONE, errorMessage: null, topics: [] })
      }
    })
  )

  it.effect("what is under way is shown, and only where it was asked for", () =>
    Effect.gen(function* () {
      const shown = [
        {
          name: "b",
          partitions: [{ partitionIndex: 1, replicas: [1, 2], addingReplicas: [2], removingReplicas: [1] }]
        }
      ]
      expect((yield* list([...BASE, moving], null)).topics).toEqual(shown)
      expect((yield* list([...BASE, moving], [{ name: "b", partitionIndexes: [0, 1] }])).topics).toEqual(shown)
      expect((yield* list([...BASE, moving], [{ name: "b", partitionIndexes: [0] }])).topics).toEqual([])
    })
  )
})
