import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { DescribeClusterApi } from "@chronik-effect/core/protocol/messages/60_DescribeCluster.ts"
import { make } from "@chronik-effect/server/handlers/60_DescribeCluster.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const FENCED = [
  registration(1),
  registration(2),
  { _tag: "FenceNode", nodeId: 2, incarnation: 1, fenced: true }
] as const

describe("DescribeCluster", () => {
  it.effect("tells id, controller and live brokers in every version", () =>
    onCluster({ commands: FENCED }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const version of versionsOf(DescribeClusterApi)) {
          const answer = yield* ask(handler, version, {})
          expect(answer).toMatchObject({ errorCode: 0, clusterId: "test-cluster", controllerId: 1 })
          expect(answer.brokers).toMatchObject([{ brokerId: 1, host: "127.0.0.1", port: 9092, isFenced: false }])
          expect(answer.clusterAuthorizedOperations).toBe(-2147483648)
        }
        expect((yield* ask(handler, 0, { includeClusterAuthorizedOperations: true })).clusterAuthorizedOperations).toBe(
          8096
        )
      })
    )
  )

  it.effect("shows fenced brokers when asked", () =>
    onCluster({ commands: FENCED }, () =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 2, { includeFencedBrokers: true })
        expect(answer.brokers.map((b) => [b.brokerId, b.isFenced])).toEqual([
          [1, false],
          [2, true]
        ])
      })
    )
  )

  it.effect("refuses to name controllers, and unknown endpoint types", () =>
    onCluster({}, () =>
      Effect.gen(function* () {
        const handler = yield* make
        expect((yield* ask(handler, 1, { endpointType: 2 })).errorCode).toBe(ErrorCode.MISMATCHED_ENDPOINT_TYPE)
        expect((yield* ask(handler, 1, { endpointType: 3 })).errorCode).toBe(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)
      })
    )
  )

  it.effect("names no broker before one has registered with an address", () =>
    onCluster({ commands: [{ ...registration(1), endpoints: [] } as never] }, () =>
      Effect.gen(function* () {
        expect(yield* ask(yield* make, 1, {})).toMatchObject({ brokers: [], controllerId: -1 })
      })
    )
  )
})
