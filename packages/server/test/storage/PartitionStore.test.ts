import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { StorageError } from "@chronik-effect/server/storage/PartitionStore.ts"
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

const withWorld = <A>(
  use: (world: World, disk: DiskFaulty) => Effect.Effect<A, unknown>,
  options: Parameters<typeof start>[1] = {}
) =>
  run(
    Effect.gen(function* () {
      const disk = new DiskFaulty(1)
      const world = yield* start(disk.service, options)
      world.settler.begin()
      yield* use(world, disk)
      yield* world.close
    })
  )

/** A partition with `count` batches of about `bytes` bytes; everything that can be is in files. */
const settled = (world: World, count: number, bytes: number, more: Partial<Parameters<typeof makeBatch>[0]> = {}) =>
  Effect.gen(function* () {
    const store = openStream(world, 1)
    const log = new ModelLog()
    for (let i = 0; i < count; i++) {
      log.add(yield* appendWaiting(world, store, makeBatch({ records: 2, bytes, timestamp: 1000 + i * 10, ...more })))
    }
    // Quiet bytes of another partition push the last segment over its end.
    const other = openStream(world, 2)
    for (let i = 0; i < 10; i++) yield* appendWaiting(world, other, makeBatch({ records: 1, bytes: 50_000 }))
    yield* world.wal.flushed
    yield* world.settler.idle
    expect(store.segments.endOffset).toBe(log.end)
    return { store, log }
  })

describe("PartitionStore.read", () => {
  it("returns whole batches from the one that contains the offset, within the limits", () =>
    withWorld((world) =>
      Effect.gen(function* () {
        for (const inFiles of [false, true]) {
          const { store, log } = inFiles
            ? yield* settled(world, 60, 3000)
            : { store: openStream(world, 9), log: new ModelLog() }
          for (let i = 0; !inFiles && i < 20; i++)
            log.add(append(world, store, makeBatch({ records: 2, bytes: 3000 }))!)
          const size = log.batches[3]!.bytes.length
          const read = (offset: number, end: number, maxBytes: number, minOne: boolean) => {
            const result = store.read(offset, end, maxBytes, minOne)
            for (const lease of result.leases) lease.release()
            return [result.bytes, result.slices.reduce((sum, slice) => sum + slice.length, 0), result.nextOffset]
          }
          // Offset 7 lies in the middle of the fourth batch.
          expect(read(7, log.end, size, false)).toEqual([size, size, 8])
          expect(read(7, log.end, size - 1, false)).toEqual([0, 0, 7])
          expect(read(7, log.end, size - 1, true)).toEqual([size, size, 8])
          expect(read(7, log.end, 0, true)).toEqual([size, size, 8])
          expect(read(7, log.end, 2 * size + 5, true)).toEqual([2 * size, 2 * size, 10])
          // A batch that goes beyond the end (a high watermark in its middle cannot be) is not returned.
          expect(read(6, 7, 1e6, true)).toEqual([0, 0, 6])
          expect(read(6, 8, 1e6, true)).toEqual([size, size, 8])
          expect(read(log.end, log.end, 1e6, true)).toEqual([0, 0, log.end])
          expect(read(log.end + 5, log.end + 9, 1e6, true)).toEqual([0, 0, log.end + 5])
        }
      })
    ))

  it("goes on from files into the WAL within one read", () =>
    withWorld((world) =>
      Effect.gen(function* () {
        const { store, log } = yield* settled(world, 60, 3000)
        for (let i = 0; i < 3; i++) log.add(yield* appendWaiting(world, store, makeBatch({ records: 1, bytes: 100 })))
        const from = log.batches[58]!.base
        const read = store.read(from, log.end, 1e6, true)
        expect(read.nextOffset).toBe(log.end)
        expect(Buffer.compare(Buffer.concat(read.slices), Buffer.from(log.from(from)))).toBe(0)
        for (const lease of read.leases) lease.release()
      })
    ))

  it("keeps the bytes of a slice until its lease is released, and leaks no buffer", () =>
    withWorld((world) =>
      Effect.gen(function* () {
        const { store, log } = yield* settled(world, 60, 3000)
        const read = store.read(0, log.end, 50_000, true)
        const before = Buffer.concat(read.slices)
        for (let i = 0; i < 40; i++) {
          const other = store.read(i * 2, log.end, 50_000, true)
          for (const lease of other.leases) lease.release()
        }
        expect(Buffer.compare(Buffer.concat(read.slices), before)).toBe(0)
        expect(world.stores.context.buffers.leased).toBe(1)
        for (const lease of read.leases) lease.release()
        expect(world.stores.context.buffers.leased).toBe(0)
      })
    ))

  it("offers what is probably not in the page cache as a cold read, with the same bytes", () =>
    withWorld(
      (world) =>
        Effect.gen(function* () {
          const { store, log } = yield* settled(world, 60, 3000)
          const read = store.read(9, log.end, 20_000, true)
          expect(read.slices).toEqual([])
          expect(read.bytes).toBeGreaterThan(0)
          const warm = yield* store.readCold(read.cold!)
          expect(Buffer.compare(Buffer.concat(warm.slices), Buffer.from(log.from(9)).subarray(0, warm.bytes))).toBe(0)
          for (const lease of warm.leases) lease.release()
          expect(Buffer.compare(yield* readAll(store, 0, log.end, 9_000), log.from(0))).toBe(0)
          // The log is cut while a read is under way.
          const stale = store.read(9, log.end, 20_000, true).cold!
          const fiber = yield* Effect.forkChild(Effect.exit(store.readCold(stale)), { startImmediately: true })
          store.truncateTo(4)
          expect(failureOf(yield* fiber.pipe(joined))?.message).toContain("cut while it was read")
          expect(world.stores.context.buffers.leased).toBe(0)
        }),
      { warmBytes: 0 }
    ))
})

const joined = <A, E>(fiber: import("effect").Fiber.Fiber<A, E>) => Effect.promise(() => fiberResult(fiber))
const fiberResult = <A, E>(fiber: import("effect").Fiber.Fiber<A, E>): Promise<A> =>
  new Promise((resolve, reject) =>
    fiber.addObserver((exit) => (Exit.isSuccess(exit) ? resolve(exit.value) : reject(Cause.squash(exit.cause))))
  )

const failureOf = (exit: Exit.Exit<unknown, unknown>): Error | undefined =>
  Exit.isFailure(exit) ? (Cause.squash(exit.cause) as Error) : undefined

describe("a flipped bit", () => {
  it("anywhere in a segment file is an error of that read, never other data", () =>
    withWorld(
      (world, disk) =>
        Effect.gen(function* () {
          const { store, log } = yield* settled(world, 40, 2000)
          const file = store.segments.files[0]!
          const first = log.batches[0]!.bytes.length
          // Every byte of the second batch's header, and some of its records.
          const places = [...Array(RecordBatch.HEADER_BYTES).keys(), 70, 500, first - 1].map((byte) => first + byte)
          for (const place of places) {
            disk.damage(file.logPath, place, 1 << (place % 8))
            const exit = yield* Effect.exit(readAll(store, 0, log.end, 100_000))
            expect(failureOf(exit), `byte ${place - first} of the batch`).toBeInstanceOf(StorageError)
            disk.damage(file.logPath, place, 1 << (place % 8))
          }
          expect(Buffer.compare(yield* readAll(store, 0, log.end, 100_000), log.from(0))).toBe(0)
          expect(world.stores.context.buffers.leased).toBe(0)
        }),
      { warmBytes: 0 }
    ))

  it("in an index is noticed: the index is made anew", () =>
    run(
      Effect.gen(function* () {
        let disk = new DiskFaulty(1)
        let world = yield* start(disk.service)
        world.settler.begin()
        const { store, log } = yield* settled(world, 60, 1500)
        const { path } = store.segments.files[0]!
        yield* world.close
        for (const [suffix, place] of [
          [".index", 3],
          [".index", 7],
          [".index", 5],
          [".timeindex", 6]
        ] as const) {
          disk.damage(path + suffix, place, 0x41)
          world = yield* start(disk.service)
          const again = openStream(world, 1)
          expect(Buffer.compare(yield* readAll(again, 0, log.end, 10_000), log.from(0))).toBe(0)
          for (const offset of [1, 30, 59, 77]) {
            expect(Buffer.compare(yield* readAll(again, offset, log.end, 5_000), log.from(offset))).toBe(0)
          }
          const next = disk.crash(1)
          yield* world.close
          disk = next
        }
      })
    ))
})

describe("PartitionStore by time", () => {
  it("finds the first record at or after a timestamp, in files and in the WAL, compressed or not", () =>
    withWorld((world) =>
      Effect.gen(function* () {
        const { store, log } = yield* settled(world, 60, 2000)
        for (const codec of [RecordBatch.Codec.NONE, RecordBatch.Codec.GZIP, RecordBatch.Codec.ZSTD]) {
          const timestamp = 1000 + log.batches.length * 10
          log.add(yield* appendWaiting(world, store, makeBatch({ records: 3, bytes: 300, timestamp, codec })))
        }
        // Batch i has records with timestamps 1000 + 10 i and + 1 (+ 2).
        for (let i = 0; i < log.batches.length; i++) {
          const base = log.batches[i]!.base
          const find = (timestamp: number) => store.offsetForTimestamp(timestamp, log.end)
          expect(yield* find(1000 + i * 10)).toEqual({ offset: base, timestamp: 1000 + i * 10, leaderEpoch: 0 })
          expect(yield* find(1001 + i * 10)).toEqual({ offset: base + 1, timestamp: 1001 + i * 10, leaderEpoch: 0 })
          const next =
            i + 1 < log.batches.length ? { offset: log.batches[i + 1]!.base, timestamp: 1010 + i * 10 } : undefined
          const after = yield* find(1005 + i * 10)
          expect(after && { offset: after.offset, timestamp: after.timestamp }).toEqual(next)
        }
        expect((yield* store.offsetForTimestamp(0, log.end))!.offset).toBe(0)
        // A hit at or beyond the end that the reader may see is hidden.
        expect(yield* store.offsetForTimestamp(1001, 1)).toBeUndefined()
        expect((yield* store.maxTimestamp(log.end))!.offset).toBe(log.end - 1)
        expect(yield* store.maxTimestamp(20)).toEqual({ offset: 19, timestamp: 1091, leaderEpoch: 0 })
        expect(yield* store.maxTimestamp(0)).toBeUndefined()
      })
    ))

  it("answers from the log start on, also when timestamps fall", () =>
    withWorld((world) =>
      Effect.gen(function* () {
        const store = openStream(world, 1)
        for (const timestamp of [500, 900, 300, 700])
          append(world, store, makeBatch({ records: 1, bytes: 10, timestamp }))
        expect((yield* store.offsetForTimestamp(600, 4))!.offset).toBe(1)
        expect((yield* store.maxTimestamp(4))!.offset).toBe(1)
        store.startAt(2)
        expect((yield* store.offsetForTimestamp(0, 4))!.offset).toBe(2)
        expect((yield* store.offsetForTimestamp(600, 4))!.offset).toBe(3)
        expect((yield* store.maxTimestamp(4))!.offset).toBe(3)
      })
    ))

  it("takes the largest timestamp from what is left of a batch that begins before the log start", () =>
    withWorld((world) =>
      Effect.gen(function* () {
        const store = openStream(world, 1)
        append(world, store, buildBatch([900, 300, 700].map((timestamp) => ({ timestamp, value: new Uint8Array(1) }))))
        store.startAt(1)
        expect(yield* store.maxTimestamp(3)).toEqual({ offset: 2, timestamp: 700, leaderEpoch: 0 })
      })
    ))
})

describe("deletion and orphans", () => {
  it("a deleted topic is unreadable at once and its directory goes; unknown topics are swept at the start", () =>
    run(
      Effect.gen(function* () {
        const disk = (yield* Effect.promise(() => import("@chronik-effect/server/io/DiskMemory.ts"))).make()
        let world = yield* start(disk)
        world.settler.begin()
        const { store } = yield* settled(world, 60, 3000)
        expect(disk.list("/data/topics").length).toBe(2)
        world.stores.delete(store)
        expect(store.read(0, store.logEndOffset, 1e6, true).bytes).toBe(0)
        while (disk.list("/data/topics").length > 1) yield* Effect.yieldNow
        yield* world.close
        world = yield* start(disk)
        expect(world.stores.sweep((topicId) => topicId.startsWith("topic9"))).toBe(1)
        while (disk.list("/data/topics").length > 0) yield* Effect.yieldNow
        yield* world.close
      })
    ))
})
