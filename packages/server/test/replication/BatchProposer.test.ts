import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import * as BatchProposerModule from "@chronik-effect/server/replication/BatchProposer.ts"
import { BatchProposer } from "@chronik-effect/server/replication/BatchProposer.ts"
import { type BatchNotification, WalEvents, WalFailed } from "@chronik-effect/server/storage/Wal.ts"
import { Context, Effect, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { Answers, batchOf, run, startNode, turns, until } from "./PartitionHarness.ts"

const notification = (streams: Array<number>, endOffsets: Array<number>): BatchNotification => ({
  sequence: 1,
  count: streams.length,
  streams,
  endOffsets,
  endAddress: 0,
  writtenAtMicros: 10,
  durableAtMicros: 20
})

const services = Effect.gen(function* () {
  const built = yield* Layer.build(BatchProposerModule.layer)
  return { proposer: Context.get(built, BatchProposer), events: Context.get(built, WalEvents) }
})

/** An owner that notes what it is told. */
const noting = (name: string, told: Array<string>) => ({
  durable: (endOffset: number) => void told.push(`${name} ${endOffset}`),
  failed: () => void told.push(`${name} failed`)
})

describe("BatchProposer", () => {
  it("makes one proposal a flight, however many producers and partitions are in it", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk)
        const partitions = [1, 2, 3, 4].map((stream) => node.partition(stream))
        yield* turns(20)
        const { proposals, frames } = node.proposer.stats
        const answers = new Answers()
        for (let round = 1; round <= 5; round++) {
          disk.manualSyncs = true
          for (let i = 0; i < 64; i++) answers.send(partitions[i % 4]!, `${round}/${i}`, batchOf(1))
          yield* until("a sync under way", () => disk.pendingSyncs.length > 0)
          disk.manualSyncs = false
          disk.finishSync()
          yield* until("all answers", () => answers.told.length === 64 * round)
        }
        expect(node.proposer.stats.frames - frames).toBe(320)
        expect(node.proposer.stats.proposals - proposals).toBe(5)
        for (const partition of partitions) expect(partition.highWatermark).toBe(80)
      })
    ))

  it("puts what comes during a sync into the next flight", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk)
        const partition = node.partition(1)
        yield* turns(20)
        const { proposals } = node.proposer.stats
        const answers = new Answers()
        disk.manualSyncs = true
        for (let i = 0; i < 64; i++) {
          answers.send(partition, `${i}`, batchOf(1))
          yield* turns(2)
        }
        // Two are in flight; the other sixty and more share the third.
        expect(disk.pendingSyncs.length).toBe(2)
        disk.manualSyncs = false
        while (disk.pendingSyncs.length > 0) disk.finishSync()
        yield* until("all answers", () => answers.told.length === 64)
        expect(node.proposer.stats.proposals - proposals).toBe(3)
        expect(answers.told).toEqual(Array.from({ length: 64 }, (_, i) => `${i}: at ${i}`))
      })
    ))

  it("informs the others when an owner throws, and goes on", () =>
    run(
      Effect.gen(function* () {
        const { proposer, events } = yield* services
        const told: Array<string> = []
        proposer.register(1, noting("a", told))
        proposer.register(2, {
          durable: () => {
            throw new Error("planted")
          },
          failed: () => {}
        })
        proposer.register(3, noting("c", told))
        events.committed(notification([1, 2, 3], [1, 1, 1]))
        events.committed(notification([3, 2, 1], [2, 2, 2]))
        yield* until("all news", () => told.length === 4)
        expect(told).toEqual(["a 1", "c 1", "c 2", "a 2"])
        expect(proposer.stats).toEqual({ proposals: 2, frames: 6 })
      })
    ))

  it("keeps its own copy of what it cannot look at at once", () =>
    run(
      Effect.gen(function* () {
        const { proposer, events } = yield* services
        const told: Array<string> = []
        const streams = [1]
        proposer.register(1, {
          durable: (endOffset) => {
            told.push(`a ${endOffset}`)
            // The next one comes while this one is being looked at; then the committer uses its arrays again.
            if (endOffset !== 1) return
            const ends = [2]
            events.committed(notification(streams, ends))
            streams[0] = ends[0] = 99
          },
          failed: () => {}
        })
        events.committed(notification([1], [1]))
        yield* until("both", () => told.length === 2)
        expect(told).toEqual(["a 1", "a 2"])
      })
    ))

  it("ignores frames without an offset, and streams that nobody owns any more", () =>
    run(
      Effect.gen(function* () {
        const { proposer, events } = yield* services
        const told: Array<string> = []
        proposer.register(1, noting("a", told))
        proposer.register(2, noting("b", told))
        proposer.unregister(2)
        events.committed(notification([1, 2, 7, 1], [0, 5, 5, 4]))
        yield* until("the news", () => told.length > 0)
        yield* turns(5)
        expect(told).toEqual(["a 4"])
      })
    ))

  it("tells everyone of a failure once, also when an owner throws, and completes `failure`", () =>
    run(
      Effect.gen(function* () {
        const { proposer, events } = yield* services
        const told: Array<string> = []
        proposer.register(1, noting("a", told))
        proposer.register(2, {
          durable: () => {},
          failed: () => {
            throw new Error("planted")
          }
        })
        proposer.register(3, noting("c", told))
        events.failed(new WalFailed({ reason: "EIO" }))
        expect(told).toEqual(["a failed", "c failed"])
        expect((yield* proposer.failure).reason).toBe("EIO")
      })
    ))

  it("stands between a failed sync and the producers: each hears of it once", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk)
        const partitions = [1, 2].map((stream) => node.partition(stream))
        yield* turns(20)
        disk.manualSyncs = true
        const answers = new Answers()
        for (let i = 0; i < 10; i++) answers.send(partitions[i % 2]!, `${i}`, batchOf(1))
        yield* until("a sync under way", () => disk.pendingSyncs.length > 0)
        disk.finishSync(0, "EIO")
        yield* node.proposer.failure
        yield* turns(10)
        expect(answers.told.map((line) => line.slice(line.indexOf(":") + 2))).toEqual(
          Array.from({ length: 10 }, () => `error ${ErrorCode.KAFKA_STORAGE_ERROR}`)
        )
        disk.manualSyncs = false
      })
    ))
})
