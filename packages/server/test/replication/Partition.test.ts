import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ByteWait } from "@chronik-effect/core/purgatory/ByteWait.ts"
import { restarts } from "@chronik-effect/server/actor/Supervisor.ts"
import { Deferred, Effect, Exit, type Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { Answers, batchOf, readOffsets, run, startNode, turns, until } from "./PartitionHarness.ts"

const SILENT = Logger.layer([])
const { KAFKA_STORAGE_ERROR, OUT_OF_ORDER_SEQUENCE_NUMBER, UNKNOWN_SERVER_ERROR, UNKNOWN_TOPIC_OR_PARTITION } =
  ErrorCode

describe("Partition", () => {
  it("gives dense offsets in the order of the calls, whoever calls, and answers in that order", () =>
    run(
      Effect.gen(function* () {
        const node = yield* startNode(new DiskFaulty(1))
        const partition = node.partition(1)
        const answers = new Answers()
        for (let i = 0; i < 200; i++) {
          answers.send(partition, `${i}`, batchOf(1 + (i % 3)))
          if (i % 17 === 0) yield* Effect.yieldNow
        }
        yield* until("all answers", () => answers.told.length === 200)
        let next = 0
        const expected = Array.from({ length: 200 }, (_, i) => {
          const base = next
          next += 1 + (i % 3)
          return `${i}: at ${base}`
        })
        expect(answers.told).toEqual(expected)
        expect(partition.highWatermark).toBe(next)
        expect(readOffsets(partition)).toEqual(expected.map((line) => Number(line.split(" at ")[1])))
        expect(answers.copied).toBe(200)
      })
    ))

  it("answers nobody, and shows nothing, before the sync", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk)
        const partition = node.partition(1)
        yield* turns(20)
        disk.manualSyncs = true
        const answers = new Answers()
        answers.send(partition, "one", batchOf(1), 1)
        answers.send(partition, "all", batchOf(1), -1)
        yield* until("a sync under way", () => disk.pendingSyncs.length > 0)
        expect(answers.told).toEqual([])
        expect([partition.highWatermark, partition.logEndOffset]).toEqual([0, 2])
        disk.manualSyncs = false
        disk.finishSync()
        yield* until("both answers", () => answers.told.length === 2)
        expect(answers.told).toEqual(["one: at 0", "all: at 1"])
      })
    ))

  it("lets a duplicate wait for the original's sync, and answers with the original's offset", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk)
        const partition = node.partition(1)
        yield* turns(20)
        disk.manualSyncs = true
        const answers = new Answers()
        answers.send(partition, "first", batchOf(2, 40, { id: 9, sequence: 0 }))
        answers.send(partition, "again", batchOf(2, 40, { id: 9, sequence: 0 }))
        answers.send(partition, "gap", batchOf(1, 40, { id: 9, sequence: 5 }))
        yield* turns(20)
        expect(answers.told).toEqual([`gap: error ${OUT_OF_ORDER_SEQUENCE_NUMBER}`])
        disk.manualSyncs = false
        disk.finishSync()
        yield* until("the answers", () => answers.told.length === 3)
        expect(answers.told.slice(1)).toEqual(["first: at 0", "again: at 0"])
        answers.send(partition, "late", batchOf(2, 40, { id: 9, sequence: 0 }))
        expect(answers.told.at(-1)).toBe("late: at 0")
        expect(partition.logEndOffset).toBe(2)
      })
    ))

  it("waits for room when the ring is full, keeps the order, and takes everything when the disk is done", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk, { pendingBytesMax: 16 * 1024 })
        const partition = node.partition(1)
        yield* turns(20)
        disk.manualSyncs = true
        const answers = new Answers()
        for (let i = 0; i < 60; i++) answers.send(partition, `${i}`, batchOf(1, 1_000))
        yield* turns(20)
        expect(partition.logEndOffset).toBeLessThan(30)
        expect(answers.copied).toBe(partition.logEndOffset)
        disk.manualSyncs = false
        while (disk.pendingSyncs.length > 0) disk.finishSync()
        yield* until("all answers", () => answers.told.length === 60)
        expect(answers.told).toEqual(Array.from({ length: 60 }, (_, i) => `${i}: at ${i}`))
        expect(readOffsets(partition)).toEqual(Array.from({ length: 60 }, (_, i) => i))
      })
    ))

  it("fails what waits when it is closed, whether copied or not, once; and everything later", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk, { pendingBytesMax: 16 * 1024 })
        const partition = node.partition(1)
        yield* turns(20)
        disk.manualSyncs = true
        const answers = new Answers()
        let woken = 0
        const wait = new ByteWait(() => void woken++)
        wait.at(partition.readable(false), 1)
        wait.park(1)
        for (let i = 0; i < 40; i++) answers.send(partition, `${i}`, batchOf(1, 1_000))
        yield* turns(20)
        partition.close(UNKNOWN_TOPIC_OR_PARTITION)
        partition.close(KAFKA_STORAGE_ERROR)
        expect(new Set(answers.told).size).toBe(40)
        expect(answers.told).toHaveLength(40)
        expect(answers.told.every((line) => line.endsWith(`error ${UNKNOWN_TOPIC_OR_PARTITION}`))).toBe(true)
        expect(answers.copied).toBe(40)
        expect(woken).toBe(1)
        disk.manualSyncs = false
        while (disk.pendingSyncs.length > 0) disk.finishSync()
        yield* node.wal.flushed
        yield* turns(20)
        expect(answers.told).toHaveLength(40)
        answers.send(partition, "late", batchOf(1))
        expect(answers.told.at(-1)).toBe(`late: error ${UNKNOWN_TOPIC_OR_PARTITION}`)
      })
    ))

  it("ends its fiber when it is closed", () =>
    run(
      Effect.gen(function* () {
        const node = yield* startNode(new DiskFaulty(1))
        const partition = node.partition(1)
        const ran = Deferred.makeUnsafe<Fiber.Fiber<unknown, unknown>>()
        partition.control(
          Effect.withFiber((fiber) => Effect.sync(() => void Deferred.doneUnsafe(ran, Exit.succeed(fiber))))
        )
        const fiber = yield* Deferred.await(ran)
        yield* turns(5)
        partition.close(UNKNOWN_TOPIC_OR_PARTITION)
        yield* until("the end of the fiber", () => fiber.pollUnsafe() !== undefined)
      })
    ))

  it("completes what a dying fiber owed, starts it again, and keeps offsets dense", () =>
    run(
      Effect.gen(function* () {
        const node = yield* startNode(new DiskFaulty(1))
        const partition = node.partition(3)
        const answers = new Answers()
        const before = restarts.get("partition t-3") ?? 0
        answers.send(partition, "before", batchOf(1))
        partition.control(Effect.andThen(Effect.yieldNow, Effect.die(new Error("planted"))))
        answers.send(partition, "behind", batchOf(1))
        yield* until("both answers", () => answers.told.length === 2)
        expect([...answers.told].sort()).toEqual(["before: at 0", `behind: error ${UNKNOWN_SERVER_ERROR}`])
        answers.send(partition, "after", batchOf(1))
        yield* until("the answer", () => answers.told.length === 3)
        expect(answers.told.at(-1)).toBe("after: at 1")
        expect((restarts.get("partition t-3") ?? 0) - before).toBe(1)
      })
    ))

  it("goes offline after too many defects within a minute, and leaves the others alone", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const node = yield* startNode(new DiskFaulty(1))
          const sick = node.partition(4)
          const healthy = node.partition(5)
          for (let i = 0; i < 6; i++) {
            sick.control(Effect.die(new Error("planted")))
            yield* turns(5)
            yield* TestClock.adjust("1 second")
          }
          yield* turns(20)
          expect(sick.closedWith).toBe(KAFKA_STORAGE_ERROR)
          const answers = new Answers()
          answers.send(sick, "sick", batchOf(1))
          answers.send(healthy, "healthy", batchOf(1))
          yield* until("both answers", () => answers.told.length === 2)
          expect([...answers.told].sort()).toEqual(["healthy: at 0", `sick: error ${KAFKA_STORAGE_ERROR}`])
        })
      ).pipe(Effect.provide(Layer.mergeAll(TestClock.layer(), SILENT)))
    ))

  it("wakes parked readers when the high watermark or the log start moves", () =>
    run(
      Effect.gen(function* () {
        const node = yield* startNode(new DiskFaulty(1))
        const partition = node.partition(1)
        const seen: Array<readonly [number, number]> = []
        const wait = new ByteWait(() => void seen.push([partition.logStartOffset, partition.highWatermark]))
        wait.at(partition.readable(false), 1000)
        wait.park(1)
        const answers = new Answers()
        answers.send(partition, "a", batchOf(3))
        yield* until("the answer", () => answers.told.length === 1)
        partition.startAt(2)
        expect(seen).toEqual([
          [0, 3],
          [2, 3]
        ])
        wait.cancel()
        partition.startAt(3)
        expect(seen).toHaveLength(2)
      })
    ))

  it("wakes parked readers of either isolation when enough bytes are committed, and not for those in flight", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk)
        const partition = node.partition(1)
        const answers = new Answers()
        const batch = batchOf(1, 500)
        const woken: Array<string> = []
        const park = (name: string, committedOnly: boolean, missing: number) => {
          const wait = new ByteWait(() => void woken.push(name))
          wait.at(partition.readable(committedOnly), 1e9)
          wait.park(missing)
        }
        answers.send(partition, "before", batch)
        yield* until("the answer", () => answers.told.length === 1)
        park("all", false, 2 * batch.length)
        park("committed", true, 2 * batch.length)
        park("much", false, 2 * batch.length + 1)
        answers.send(partition, "first", batch)
        yield* until("the answer", () => answers.told.length === 2)
        expect(woken).toEqual([])
        disk.manualSyncs = true
        answers.send(partition, "second", batch)
        yield* turns(20)
        expect(woken).toEqual([])
        disk.manualSyncs = false
        while (disk.pendingSyncs.length > 0) disk.finishSync()
        yield* until("the answer", () => answers.told.length === 3)
        expect(woken).toEqual(["all", "committed"])
        answers.send(partition, "third", batch)
        yield* until("the answer", () => answers.told.length === 4)
        expect(woken).toEqual(["all", "committed", "much"])
      })
    ))
})
