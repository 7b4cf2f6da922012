import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { make } from "@chronik-effect/server/handlers/43_ElectLeaders.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { creation, registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster } from "./ClusterHarness.ts"

const spread = (name: string, n: number, replicas: ReadonlyArray<number>, leader: number): Command => ({
  ...creation(name, n),
  partitions: [{ replicas, isr: leader === -1 ? replicas : [leader], leader }]
})
const BASE = [
  registration(1),
  registration(2),
  creation("a", 1, 2),
  spread("second", 2, [1, 2], 2),
  spread("nobody", 3, [1], -1)
]
const {
  ELECTION_NOT_NEEDED,
  ELIGIBLE_LEADERS_NOT_AVAILABLE,
  INVALID_REQUEST,
  PREFERRED_LEADER_NOT_AVAILABLE,
  UNKNOWN_TOPIC_OR_PARTITION
} = ErrorCode

const PREFERRED = 0
const UNCLEAN = 1

describe("ElectLeaders", () => {
  const elect = (
    version: number,
    electionType: number,
    asked: ReadonlyArray<readonly [string, ReadonlyArray<number>]>
  ) =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const topicPartitions = asked.map(([topic, partitions]) => ({ topic, partitions: [...partitions] }))
        // Version 0 has no election type.
        const type = version === 0 ? {} : { electionType }
        return yield* ask(yield* make, version, { ...type, topicPartitions, timeoutMs: 1000 })
      })
    )
  const told = (answer: Effect.Success<ReturnType<typeof elect>>) =>
    answer.replicaElectionResults.map(({ topic, partitionResult }) => [
      topic,
      ...partitionResult.map(({ partitionId, errorCode }) => `${partitionId}: ${errorCode}`)
    ])

  it.effect("a leader that leads needs no election; in every version", () =>
    Effect.gen(function* () {
      for (const version of [0, 1, 2]) {
        const answer = yield* elect(version, PREFERRED, [["a", [0, 1, 0]]])
        expect(told(answer)).toEqual([
          ["a", `0: ${ELECTION_NOT_NEEDED}`, `1: ${ELECTION_NOT_NEEDED}`, `0: ${ELECTION_NOT_NEEDED}`]
        ])
        expect(answer.errorCode).toBe(0)
      }
      expect(told(yield* elect(2, UNCLEAN, [["second", [0]]]))).toEqual([["second", `0: ${ELECTION_NOT_NEEDED}`]])
    })
  )

  it.effect("a leader that this node cannot make is not available", () =>
    Effect.gen(function* () {
      expect(
        told(
          yield* elect(2, PREFERRED, [
            ["second", [0]],
            ["nobody", [0]]
          ])
        )
      ).toEqual([
        ["second", `0: ${PREFERRED_LEADER_NOT_AVAILABLE}`],
        ["nobody", `0: ${PREFERRED_LEADER_NOT_AVAILABLE}`]
      ])
      expect(told(yield* elect(2, UNCLEAN, [["nobody", [0]]]))).toEqual([
        ["nobody", `0: ${ELIGIBLE_LEADERS_NOT_AVAILABLE}`]
      ])
    })
  )

  it.effect("unknown topics, partitions and election types", () =>
    Effect.gen(function* () {
      expect(
        told(
          yield* elect(2, PREFERRED, [
            ["none", [0, 3]],
            ["a", [7, -1]],
            ["", [0]]
          ])
        )
      ).toEqual([
        ["none", `0: ${UNKNOWN_TOPIC_OR_PARTITION}`, `3: ${UNKNOWN_TOPIC_OR_PARTITION}`],
        ["a", `7: ${UNKNOWN_TOPIC_OR_PARTITION}`, `-1: ${UNKNOWN_TOPIC_OR_PARTITION}`],
        ["", `0: ${UNKNOWN_TOPIC_OR_PARTITION}`]
      ])
      for (const type of [2, -1]) {
        const answer = yield* elect(2, type, [["a", [0]]])
        expect(answer.errorCode).toBe(INVALID_REQUEST)
        expect(told(answer)).toEqual([["a", `0: ${INVALID_REQUEST}`]])
      }
    })
  )

  it.effect("all partitions: only those are named that need a leader", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const all = (electionType: number) => ask(handler, 2, { electionType, topicPartitions: null, timeoutMs: 1000 })
        const named = (topic: string, ...results: ReadonlyArray<string>) => [topic, ...results]
        expect(told(yield* all(PREFERRED)).sort()).toEqual([
          named("a"),
          named("nobody", `0: ${PREFERRED_LEADER_NOT_AVAILABLE}`),
          named("second", `0: ${PREFERRED_LEADER_NOT_AVAILABLE}`)
        ])
        expect(told(yield* all(UNCLEAN)).sort()).toEqual([
          named("a"),
          named("nobody", `0: ${ELIGIBLE_LEADERS_NOT_AVAILABLE}`),
          named("second")
        ])
        expect(told(yield* all(9))).toEqual([])
      })
    )
  )
})
