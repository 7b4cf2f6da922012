import * as DiskMemory from "@chronik-effect/server/io/DiskMemory.ts"
import { Cause, Effect, Exit, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import {
  append,
  appendWaiting,
  ModelLog,
  makeBatch,
  openStream,
  readAll,
  start,
  type World
} from "./PartitionStoreWorld.ts"

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(Logger.layer([]))))

/** Bytes of another partition until everything before them has left the WAL. */
const pushOut = (world: World, rounds: number) =>
  Effect.gen(function* () {
    const filler = openStream(world, 99)
    for (let i = 0; i < rounds * 30; i++) yield* appendWaiting(world, filler, makeBatch({ records: 1, bytes: 30_000 }))
    yield* world.wal.flushed
    yield* world.settler.idle
  })

describe("recovery of partition logs", () => {
  it("epochs, marks, log start and high watermark survive the recycling of the segments that held them", () =>
    run(
      Effect.gen(function* () {
        let disk = new DiskFaulty(3)
        for (const end of ["stop", "crash"] as const) {
          const first = yield* start(disk.service)
          first.settler.begin()
          const store = openStream(first, end === "stop" ? 1 : 2)
          for (let i = 0; i < 5; i++) append(first, store, makeBatch({ records: 1, bytes: 20 }))
          expect(store.beginEpoch(3)).toBe(true)
          append(first, store, makeBatch({ records: 1, bytes: 20 }), 3)
          expect(store.beginEpoch(4)).toBe(true)
          expect(store.beginEpoch(4)).toBe(true)
          store.startAt(2)
          expect(store.noteHighWatermark(5)).toBe(true)
          yield* pushOut(first, 3)
          if (end === "crash") {
            const next = disk.crash(1)
            yield* first.close
            disk = next
          } else yield* first.close
          const world = yield* start(disk.service)
          const again = openStream(world, store.stream)
          expect(again.epochs.toPairs()).toEqual([0, 2, 3, 5, 4, 6])
          expect([again.logStartOffset, again.logEndOffset, again.notedHighWatermark]).toEqual([2, 6, 5])
          expect(again.endOffsetForEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: 5 })
          expect(again.endOffsetForEpoch(4)).toEqual({ leaderEpoch: 4, endOffset: 6 })
          yield* world.close
        }
      })
    ))

  it("a cut of settled files stays a cut after the WAL has forgotten it", () =>
    run(
      Effect.gen(function* () {
        let disk = new DiskFaulty(4)
        let world = yield* start(disk.service)
        world.settler.begin()
        const store = openStream(world, 1)
        const log = new ModelLog()
        for (let i = 0; i < 100; i++)
          log.add(yield* appendWaiting(world, store, makeBatch({ records: 1, bytes: 9000 })))
        yield* pushOut(world, 2)
        expect(store.segments.endOffset).toBe(100)
        expect(store.truncateTo(37)).toBe(true)
        log.truncateTo(37)
        log.add(append(world, store, makeBatch({ records: 1, bytes: 50 }))!)
        yield* pushOut(world, 3)
        const next = disk.crash(9)
        yield* world.close
        disk = next
        world = yield* start(disk.service)
        const again = openStream(world, 1)
        expect(again.logEndOffset).toBe(38)
        expect(Buffer.compare(yield* readAll(again, 0, 38, 50_000), log.from(0))).toBe(0)
        yield* world.close
      })
    ))

  it("copies carried forward are not taken for the end of a log whose rest went to files", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(8)
        let world = yield* start(disk.service)
        const store = openStream(world, 1)
        const filler = openStream(world, 99)
        const log = new ModelLog()
        const fill = Effect.gen(function* () {
          for (let i = 0; i < 9; i++) yield* appendWaiting(world, filler, makeBatch({ records: 1, bytes: 30_000 }))
        })
        // A little in the first segment, much in the second: when both are settled, the little lies in the third.
        for (let i = 0; i < 3; i++) log.add(yield* appendWaiting(world, store, makeBatch({ records: 1, bytes: 100 })))
        yield* fill
        for (let i = 0; i < 9; i++) log.add(yield* appendWaiting(world, store, makeBatch({ records: 1, bytes: 9000 })))
        yield* fill
        yield* world.wal.flushed
        world.settler.begin()
        yield* world.settler.idle
        expect(world.settler.stats.carriedBatches).toBeGreaterThanOrEqual(3)
        expect([store.segments.endOffset, store.index.size]).toEqual([12, 0])
        while (world.wal.segments().length > 1) yield* Effect.yieldNow
        for (let i = 0; i < 50; i++) yield* Effect.yieldNow
        const next = disk.crash(4)
        yield* world.close
        world = yield* start(next.service)
        const again = openStream(world, 1)
        expect(again.logEndOffset).toBe(12)
        expect(Buffer.compare(yield* readAll(again, 0, 12, 50_000), log.from(0))).toBe(0)
        yield* world.close
      })
    ))

  it("a damaged checkpoint stops the start with a sentence", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(5)
        const world = yield* start(disk.service)
        append(world, openStream(world, 1), makeBatch({ records: 1, bytes: 10 }))
        yield* world.close
        disk.damage("/data/partitions.checkpoint", 60, 4)
        const exit = yield* Effect.exit(start(disk.service))
        expect(Exit.isFailure(exit) && (Cause.squash(exit.cause) as Error).message).toContain("checkpoint is damaged")
      })
    ))

  it("a missing segment file is an error of reads that need it, and no offset is used twice", () =>
    run(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        let world = yield* start(disk)
        world.settler.begin()
        const store = openStream(world, 1)
        for (let i = 0; i < 200; i++) yield* appendWaiting(world, store, makeBatch({ records: 1, bytes: 9000 }))
        yield* pushOut(world, 2)
        const files = store.segments.files.map((file) => file)
        yield* world.close
        disk.remove("/data/partitions.checkpoint")
        for (const path of files[1]!.paths) disk.remove(path)
        world = yield* start(disk)
        const again = openStream(world, 1)
        expect(again.logEndOffset).toBe(200)
        const read = (offset: number) => Effect.exit(readAll(again, offset, 200, 20_000))
        expect(Exit.isSuccess(yield* read(files[2]!.baseOffset))).toBe(true)
        for (const offset of [0, files[1]!.baseOffset]) {
          expect(Exit.isFailure(yield* read(offset)), `offset ${offset}`).toBe(true)
        }
        yield* world.close
      })
    ))

  it("duplicates are known after a crash, whether the first copy is in files or in the WAL", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(6)
        const world = yield* start(disk.service)
        world.settler.begin()
        const store = openStream(world, 1)
        const sent: Array<Uint8Array> = []
        for (let i = 0; i < 60; i++) {
          const batch = makeBatch({ records: 1, bytes: 9000, producer: { id: 5, epoch: 0, sequence: i } })
          sent.push(yield* appendWaiting(world, store, batch))
        }
        yield* pushOut(world, 2)
        expect(store.index.size).toBe(0)
        const next = disk.crash(2)
        yield* world.close
        const second = yield* start(next.service)
        const again = openStream(second, 1)
        const duplicate = again.producers.check(sent[58]!, 0, 1000)
        expect(duplicate.duplicate).toEqual({ baseOffset: 58, endOffset: 59 })
        expect(again.producers.check(sent[3]!, 0, 1000).errorCode).toBe(45)
        yield* second.close
      })
    ))

  it("ten thousand partitions open within a second, after a stop and after a crash", () =>
    run(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        const options = { chunkBytes: 4 * 1024 * 1024 }
        const count = 10_000
        let world = yield* start(disk, options)
        for (let stream = 1; stream <= count; stream++) {
          const store = openStream(world, stream)
          if (stream % 100 === 0) yield* Effect.yieldNow
          yield* appendWaiting(world, store, makeBatch({ records: 1, bytes: 20 }))
        }
        world.stores.sweep(() => true)
        yield* world.close
        for (const kind of ["clean", "after a crash"]) {
          if (kind !== "clean") disk.remove("/data/partitions.checkpoint")
          const before = performance.now()
          world = yield* start(disk, options)
          for (let stream = 1; stream <= count; stream++) openStream(world, stream)
          const took = performance.now() - before
          expect(took, kind).toBeLessThan(1500)
          expect(world.stores.find(count)!.logEndOffset).toBe(1)
          world.stores.sweep(() => true)
          yield* world.close
        }
      })
    ))
})
