import { Effect, Exit, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { appendWaiting, ModelLog, makeBatch, openStream, readAll, start, type World } from "./PartitionStoreWorld.ts"

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(Logger.layer([]))))

/** What must survive: per stream the log, and how much of it was durable. */
class Truth {
  readonly logs = new Map<number, ModelLog>()
  readonly durableEnds = new Map<number, number>()

  constructor(streams: number) {
    for (let stream = 1; stream <= streams; stream++) this.logs.set(stream, new ModelLog())
  }
  flushed(): void {
    for (const [stream, log] of this.logs) this.durableEnds.set(stream, log.end)
  }
}

const STREAMS = 4

/** About two WAL segments: a busy partition (with a producer id), and quiet ones that are carried forward twice. */
const script = (world: World, truth: Truth) =>
  Effect.gen(function* () {
    for (let stream = 1; stream <= STREAMS; stream++) world.stores.find(stream) ?? openStream(world, stream)
    world.stores.sweep(() => true)
    world.settler.begin()
    for (let i = 0; i < 150; i++) {
      const quiet = i % 12 === 0
      const stream = quiet ? 2 + ((i / 12) % (STREAMS - 1)) : 1
      const shape = quiet ? { records: 1, bytes: 60 } : { records: 2, bytes: 4_000 }
      const sequence = truth.logs.get(stream)!.end
      const producer = stream === 1 ? { producer: { id: 9, epoch: 0, sequence } } : {}
      const batch = makeBatch({ ...shape, timestamp: 1000 + i, ...producer })
      truth.logs.get(stream)!.add(yield* appendWaiting(world, world.stores.find(stream)!, batch))
      if (i % 10 !== 9) continue
      yield* world.wal.flushed
      truth.flushed()
    }
    yield* world.wal.flushed
    truth.flushed()
    yield* world.settler.idle
    truth.logs.get(1)!.start = 40
    world.stores.find(1)!.startAt(40)
    yield* world.wal.flushed
  })

/** The recovered log holds everything durable, nothing foreign; and takes an append. */
const verify = (world: World, truth: Truth, what: string) =>
  Effect.gen(function* () {
    for (const [stream, log] of truth.logs) {
      const store = openStream(world, stream)
      const from = store.logStartOffset
      expect([0, log.start], what).toContain(from)
      expect(store.logEndOffset, what).toBeGreaterThanOrEqual(truth.durableEnds.get(stream) ?? 0)
      expect(store.logEndOffset, what).toBeLessThanOrEqual(log.end)
      const bytes = yield* readAll(store, from, store.logEndOffset, 30_000)
      log.batches = log.batches.filter((batch) => batch.end <= store.logEndOffset)
      expect(Buffer.compare(bytes, log.from(from)), `${what}: bytes of stream ${stream}`).toBe(0)
      log.start = from
      if (stream !== 1 || store.logEndOffset === from) continue
      const [producer] = [...store.producers.entries()]
      expect(producer?.lastSequence, what).toBe(store.logEndOffset - 1)
    }
  })

const crashAt = (operation: number, seed: number) =>
  Effect.gen(function* () {
    const disk = new DiskFaulty(seed)
    let next: DiskFaulty | undefined
    disk.onOperation = () => {
      if (disk.operations === operation) next = disk.crash(seed)
    }
    const truth = new Truth(STREAMS)
    const started = yield* Effect.exit(start(disk.service))
    if (Exit.isSuccess(started)) {
      const ended = yield* Effect.exit(
        Effect.raceFirst(
          script(started.value, truth),
          died(() => next !== undefined)
        )
      )
      yield* started.value.close
      // The crash answers pending syncs before it returns: all of the above may have happened inside of it.
      yield* Effect.yieldNow
      if (next === undefined && Exit.isFailure(ended)) yield* ended
    }
    const what = `crash after operation ${operation}`
    if (next === undefined) return false
    const again = yield* start(next.service)
    yield* verify(again, truth, what)
    // The second life settles what the first began, and ends with a crash as well.
    const last = yield* Effect.exit(script(again, truth))
    expect(Exit.isSuccess(last), what).toBe(true)
    const third = next.crash(seed + 1)
    yield* again.close
    const world = yield* start(third.service)
    truth.flushed()
    yield* verify(world, truth, `${what}, second life`)
    yield* world.close
    return true
  })

/** A dead disk lets its callers hang where no answer ever comes: that is no reason to wait. */
const died = (isDead: () => boolean) =>
  Effect.gen(function* () {
    let turns = 0
    while (turns < 200) {
      yield* Effect.yieldNow
      if (isDead()) turns++
    }
  })

describe("a crash while settling", () => {
  it("after any operation of the disk loses nothing that was durable", async () => {
    const step = Number(process.env.EVERY ?? 3)
    let operation = 1
    while (await run(crashAt(operation, operation * 31))) operation += step
    expect(operation).toBeGreaterThan(150)
  }, 240_000)

  it("a failed write or sync of a segment file leaves the log readable, and is made good later", () =>
    run(
      Effect.gen(function* () {
        for (const [operation, code] of [
          ["write", "ENOSPC"],
          ["datasync", "EIO"],
          ["open", "EMFILE"]
        ] as const) {
          const disk = new DiskFaulty(5)
          const world = yield* start(disk.service)
          const truth = new Truth(STREAMS)
          let refused = 0
          disk.refuse = (asked, path) =>
            asked === operation && path.endsWith(".log") && refused < 3 && ++refused > 0 ? code : undefined
          yield* script(world, truth)
          expect(refused, operation).toBe(3)
          expect(world.stores.find(1)!.segments.files.length).toBeGreaterThan(0)
          const bytes = yield* readAll(world.stores.find(1)!, 40, truth.logs.get(1)!.end, 30_000)
          expect(Buffer.compare(bytes, truth.logs.get(1)!.from(40))).toBe(0)
          yield* world.close
        }
      })
    ))
})
