import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { appendWaiting, ModelLog, makeBatch, openStream, readAll, start, type World } from "./PartitionStoreWorld.ts"

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect)

/** Fills about `bytes` bytes of WAL, a third into each of: one busy partition, several middling ones, several quiet ones. */
const fill = (world: World, logs: Map<number, ModelLog>, streams: ReadonlyArray<number>, bytes: number) =>
  Effect.gen(function* () {
    let written = 0
    for (let i = 0; written < bytes; i++) {
      const quiet = i % 40 === 0
      const stream = quiet ? streams[i % streams.length]! : streams[0]!
      const batch = makeBatch({ records: 1 + (i % 3), bytes: quiet ? 60 : 900, timestamp: 1000 + i })
      written += batch.length
      const store = world.stores.find(stream) ?? openStream(world, stream)
      logs.get(stream)!.add(yield* appendWaiting(world, store, batch))
    }
  })

const check = (world: World, logs: Map<number, ModelLog>) =>
  Effect.gen(function* () {
    for (const [stream, log] of logs) {
      const store = world.stores.find(stream) ?? openStream(world, stream)
      expect(store.logEndOffset).toBe(log.end)
      const bytes = yield* readAll(store, log.start, log.end, 40_000)
      expect(Buffer.compare(bytes, log.from(log.start))).toBe(0)
    }
  })

const newLogs = (count: number) => new Map(Array.from({ length: count }, (_, i) => [i + 1, new ModelLog()]))

describe("Settler", () => {
  it("moves a busy partition into files, carries quiet ones forward, and every read stays the same", () =>
    run(
      Effect.gen(function* () {
        const disk = new DiskFaulty(1)
        const world = yield* start(disk.service)
        const logs = newLogs(6)
        for (const stream of logs.keys()) openStream(world, stream)
        world.settler.begin()
        yield* fill(world, logs, [...logs.keys()], 1_500_000)
        yield* world.wal.flushed
        yield* world.settler.idle
        expect(world.settler.stats.segments).toBeGreaterThan(3)
        expect(world.settler.stats.carriedBatches).toBeGreaterThan(0)
        expect(world.stores.find(1)!.segments.files.length).toBeGreaterThan(3)
        expect(world.stores.find(2)!.segments.files.length).toBe(0)
        expect(world.wal.segments().length).toBeLessThan(4)
        yield* check(world, logs)
        yield* world.close
      })
    ))

  it("comes back after a clean stop and after a crash with the same logs", () =>
    run(
      Effect.gen(function* () {
        let disk = new DiskFaulty(2)
        const logs = newLogs(5)
        for (let life = 0; life < 6; life++) {
          const world = yield* start(disk.service)
          yield* check(world, logs)
          world.stores.sweep(() => true)
          world.settler.begin()
          yield* fill(world, logs, [...logs.keys()], 600_000)
          yield* world.wal.flushed
          yield* world.settler.idle
          yield* check(world, logs)
          if (life % 2 === 0) yield* world.close
          else {
            const next = disk.crash(life)
            yield* world.close
            disk = next
          }
        }
      })
    ))
})
