import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { make } from "@chronik-effect/server/handlers/21_DeleteRecords.ts"
import { AppendFailed } from "@chronik-effect/server/replication/Append.ts"
import type { Partition } from "@chronik-effect/server/replication/Partition.ts"
import { Partitions } from "@chronik-effect/server/replication/Partitions.ts"
import { WalFailed } from "@chronik-effect/server/storage/Wal.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { ask } from "./ClusterHarness.ts"

/** A partition of ten records whose log start moves as `deleteRecords` says. The cast: the handler asks for nothing else. */
const layerOf = (deleteRecords: Partition["deleteRecords"]) => {
  const partition = { internal: false, settings: { deletes: true }, highWatermark: 10, deleteRecords }
  return Layer.succeed(Partitions, Partitions.of({ find: () => partition } as unknown as Partitions["Service"]))
}

const cut = (timeoutMs: number) =>
  Effect.gen(function* () {
    const topics = [{ name: "t", partitions: [{ partitionIndex: 3, offset: 5 }] }]
    const answer = yield* ask(yield* make, 2, { topics, timeoutMs })
    const { partitionIndex, lowWatermark, errorCode } = answer.topics[0]!.partitions[0]!
    return [partitionIndex, lowWatermark, errorCode]
  })

describe("DeleteRecords", () => {
  it.effect("waits for the disk as long as the request says, and then says that it does not know", () =>
    Effect.gen(function* () {
      const asking = yield* Effect.forkChild(cut(2_000), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      expect(asking.pollUnsafe()).toBe(undefined)
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(asking)).toEqual([3, -1, ErrorCode.REQUEST_TIMED_OUT])
    }).pipe(Effect.provide(layerOf(() => Effect.never)))
  )

  it.effect("waits for its one sync also where the request has no patience", () =>
    Effect.gen(function* () {
      const asking = yield* Effect.forkChild(cut(0), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(asking)).toEqual([3, 5, ErrorCode.NONE])
    }).pipe(Effect.provide(layerOf((offset) => Effect.as(Effect.sleep("1 second"), offset))))
  )

  it.effect("answers what stopped the log", () =>
    Effect.gen(function* () {
      expect(yield* cut(1_000)).toEqual([3, -1, ErrorCode.NOT_LEADER_OR_FOLLOWER])
    }).pipe(
      Effect.provide(layerOf(() => Effect.fail(new AppendFailed({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER }))))
    )
  )

  it.effect("answers KAFKA_STORAGE_ERROR when the write-ahead log has failed", () =>
    Effect.gen(function* () {
      expect(yield* cut(1_000)).toEqual([3, -1, ErrorCode.KAFKA_STORAGE_ERROR])
    }).pipe(Effect.provide(layerOf(() => Effect.fail(new WalFailed({ reason: "EIO" })))))
  )
})
