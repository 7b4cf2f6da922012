import type { TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import * as DiskMemory from "@chronik-effect/server/io/DiskMemory.ts"
import { retain } from "@chronik-effect/server/storage/Retention.ts"
import { Effect, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { appendWaiting, makeBatch, openStream, readAll, SETTINGS, start, type World } from "./PartitionStoreWorld.ts"

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(Logger.layer([]))))

/** 200 batches, a second apart, in files of about 50 KB, and a younger tail in the WAL. */
const filled = (world: World, settings: Partial<TopicSettings>) =>
  Effect.gen(function* () {
    const store = openStream(world, 1, { ...SETTINGS, segmentBytes: 50_000, ...settings })
    world.settler.begin()
    for (let i = 0; i < 200; i++) {
      yield* appendWaiting(world, store, makeBatch({ records: 1, bytes: 3000, timestamp: i * 1000 }))
    }
    yield* world.wal.flushed
    yield* world.settler.idle
    expect(store.segments.files.length).toBeGreaterThan(5)
    expect(store.index.size).toBeGreaterThan(5)
    return store
  })

describe("Retention", () => {
  it("removes whole files by age, and the files are gone from the disk", () =>
    run(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        const world = yield* start(disk)
        const store = yield* filled(world, { retentionMs: 100_000 })
        const files = store.segments.files.map((file) => file.endOffset)
        expect(retain(store, 150_000)).toBe(true)
        // Everything before second 50 is too old; a file goes when its newest record is.
        expect(store.logStartOffset).toBe(files.findLast((end) => (end - 1) * 1000 < 50_000))
        expect(retain(store, 150_000)).toBe(false)
        expect((yield* readAll(store, store.logStartOffset, 200, 1e6)).length).toBeGreaterThan(0)
        expect(store.read(store.logStartOffset - 1, 200, 1e6, true).bytes).toBe(0)
        const logs = () => disk.list(store.segments.directory).filter((name) => name.endsWith(".log")).length
        while (logs() > store.segments.files.length) yield* Effect.yieldNow
        yield* world.close
      })
    ))

  it("by size, asks the owner for the high watermark and moves the start through it", () =>
    run(
      Effect.gen(function* () {
        const world = yield* start(DiskMemory.make())
        const store = yield* filled(world, { retentionBytes: 300_000 })
        const moved: Array<number> = []
        store.owner = {
          highWatermark: () => 20,
          lastStableOffset: () => 20,
          startAt: (offset) => void moved.push(offset)
        }
        retain(store, 0)
        expect(moved).toEqual([store.segments.files.findLast((file) => file.endOffset <= 20)!.endOffset])
        store.owner = undefined
        retain(store, 0)
        expect(store.sizeBytes).toBeGreaterThanOrEqual(300_000)
        expect(store.sizeBytes).toBeLessThan(360_000)
        yield* world.close
      })
    ))

  it("removes the part in the WAL too when all of it is old; what was removed does not come back", () =>
    run(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        let world = yield* start(disk)
        const store = yield* filled(world, { retentionMs: 1 })
        expect(retain(store, 1e9)).toBe(true)
        expect([store.logStartOffset, store.logEndOffset, store.segments.files.length, store.index.size]).toEqual([
          200, 200, 0, 0
        ])
        yield* world.wal.flushed
        yield* world.close
        world = yield* start(disk)
        const again = openStream(world, 1)
        expect([again.logStartOffset, again.logEndOffset]).toEqual([200, 200])
        yield* appendWaiting(world, again, makeBatch({ records: 1, bytes: 10 }))
        expect(again.logEndOffset).toBe(201)
        yield* world.close
      })
    ))

  it("forgets producers that have expired, whatever the policy", () =>
    run(
      Effect.gen(function* () {
        const world = yield* start(DiskMemory.make())
        const store = openStream(world, 1, { ...SETTINGS, deletes: false })
        yield* appendWaiting(
          world,
          store,
          makeBatch({ records: 1, bytes: 10, producer: { id: 1, epoch: 0, sequence: 0 } })
        )
        retain(store, 2000)
        expect(store.producers.size).toBe(1)
        retain(store, 1000 + store.producers.expirationMs)
        expect(store.producers.size).toBe(0)
        yield* world.close
      })
    ))
})
