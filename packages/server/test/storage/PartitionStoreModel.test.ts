import { concatBytes } from "@chronik-effect/core/base/Bytes.ts"
import type { PartitionStore } from "@chronik-effect/server/storage/PartitionStore.ts"
import { Effect, Logger } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import {
  appendWaiting,
  ModelLog,
  makeBatch,
  openStream,
  readAll,
  SETTINGS,
  start,
  type World
} from "./PartitionStoreWorld.ts"

type Step =
  | {
      readonly do: "append"
      readonly log: number
      readonly count: number
      readonly bytes: number
      readonly records: number
    }
  | { readonly do: "truncate"; readonly log: number; readonly back: number }
  | { readonly do: "startAt"; readonly log: number; readonly share: number }
  | { readonly do: "read"; readonly log: number; readonly share: number; readonly maxBytes: number }
  | { readonly do: "epoch"; readonly log: number }
  | { readonly do: "flush" }
  | { readonly do: "settle" }
  | { readonly do: "stop" }
  | { readonly do: "crash"; readonly seed: number }

const quiet = Logger.layer([])
const LOGS = 3
const log = fc.integer({ min: 1, max: LOGS })
const share = fc.double({ min: 0, max: 1, noNaN: true })
const steps: fc.Arbitrary<Array<Step>> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("append" as const),
        log,
        count: fc.integer({ min: 1, max: 120 }),
        bytes: fc.constantFrom(60, 300, 3000, 30_000),
        records: fc.integer({ min: 1, max: 4 })
      })
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("truncate" as const), log, back: fc.integer({ min: 1, max: 60 }) })
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("startAt" as const), log, share }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("read" as const),
        log,
        share,
        maxBytes: fc.integer({ min: 0, max: 90_000 })
      })
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("epoch" as const), log }) },
    { weight: 2, arbitrary: fc.constant({ do: "flush" as const }) },
    { weight: 2, arbitrary: fc.constant({ do: "settle" as const }) },
    { weight: 1, arbitrary: fc.constant({ do: "stop" as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("crash" as const), seed: fc.integer({ min: 0, max: 1e9 }) }) }
  ),
  { minLength: 5, maxLength: 40 }
)

/** The model of one partition, and what of it is known to be durable. */
class Expected extends ModelLog {
  epoch = 0
  /** The log as it was when last flushed, and changes since: after a crash one of these is found. */
  history: Array<{ readonly start: number; readonly batches: ModelLog["batches"] }> = [{ start: 0, batches: [] }]

  changed(): void {
    this.history.push({ start: this.start, batches: [...this.batches] })
  }
  flushed(): void {
    this.history = [{ start: this.start, batches: [...this.batches] }]
  }
}

const store = (world: World, stream: number): PartitionStore =>
  world.stores.find(stream) ?? openStream(world, stream, { ...SETTINGS, segmentBytes: 150_000 })

const checkAll = (world: World, expected: Map<number, Expected>) =>
  Effect.gen(function* () {
    for (const [stream, model] of expected) {
      const found = store(world, stream)
      expect([found.logStartOffset, found.logEndOffset]).toEqual([model.start, model.end])
      for (const maxBytes of [20_000, 2_000_000]) {
        const bytes = yield* readAll(found, model.start, model.end, maxBytes)
        expect(Buffer.compare(bytes, model.from(model.start))).toBe(0)
      }
    }
  })

const describeLog = (found: PartitionStore): string => {
  const files = found.segments.files.map((file) => `${file.baseOffset}-${file.endOffset}`).join(" ")
  const { index, logStartOffset, logEndOffset } = found
  const wal = `${index.firstOffset}-${index.endOffset} in ${index.size} batches from ${index.size > 0 ? index.address(0) : -1}`
  return `stream ${found.stream} came back as ${logStartOffset}-${logEndOffset}: files ${files}, WAL ${wal}`
}

/** After a crash: the log is one of the states since the last flush. The model takes it over. */
const adopt = (world: World, expected: Map<number, Expected>) =>
  Effect.gen(function* () {
    for (const [stream, model] of expected) {
      const found = store(world, stream)
      const bytes = yield* readAll(found, found.logStartOffset, found.logEndOffset, 200_000)
      // A log that was cut and grew again passed the same end twice, with other batches.
      const state = model.history.findLast(
        ({ start, batches }) =>
          start === found.logStartOffset &&
          (batches.at(-1)?.end ?? start) === found.logEndOffset &&
          Buffer.compare(bytes, concatBytes(batches.map((batch) => batch.bytes))) === 0
      )
      expect(state, describeLog(found)).toBeDefined()
      model.start = state!.start
      model.batches = [...state!.batches]
      // Markers are in no model: epochs only have to rise.
      model.epoch = Math.max(model.epoch, found.epochs.latestEpoch)
      model.flushed()
    }
    yield* checkAll(world, expected)
  })

const apply = (world: World, model: Expected, target: PartitionStore, step: Step) =>
  Effect.gen(function* () {
    if (step.do === "append") {
      for (let i = 0; i < step.count; i++) {
        model.add(yield* appendWaiting(world, target, makeBatch(step), model.epoch))
        model.changed()
      }
    } else if (step.do === "truncate") {
      // Between batches only: that is where replicas diverge.
      const cut = Math.max(model.start, model.batches.at(-step.back)?.base ?? model.start)
      if (cut >= model.end || !target.truncateTo(cut)) return
      model.truncateTo(cut)
      model.changed()
    } else if (step.do === "startAt") {
      const offset = Math.floor(model.start + (model.end - model.start) * step.share)
      if (offset <= model.start) return
      target.startAt(offset)
      model.start = offset
      model.batches = model.batches.filter((batch) => batch.end > offset)
      model.changed()
    } else if (step.do === "epoch") {
      if (target.beginEpoch(model.epoch + 1)) model.epoch++
    } else if (step.do === "read" && model.end > model.start) {
      const offset = Math.floor(model.start + (model.end - 1 - model.start) * step.share)
      const bytes = yield* readAll(target, offset, model.end, step.maxBytes)
      expect(Buffer.compare(bytes, model.from(offset))).toBe(0)
    }
  })

const play = (seed: number, script: ReadonlyArray<Step>, warmBytes: number | null) =>
  Effect.gen(function* () {
    let disk = new DiskFaulty(seed)
    const options = warmBytes === null ? {} : { warmBytes }
    const begin = Effect.gen(function* () {
      const started = yield* start(disk.service, options)
      for (let stream = 1; stream <= LOGS; stream++) store(started, stream)
      started.stores.sweep(() => true)
      started.settler.begin()
      return started
    })
    let world = yield* begin
    const expected = new Map<number, Expected>()
    for (let stream = 1; stream <= LOGS; stream++) expected.set(stream, new Expected())
    for (const step of script) {
      if (step.do === "flush" || step.do === "settle") {
        yield* world.wal.flushed
        for (const model of expected.values()) model.flushed()
        if (step.do === "settle") yield* world.settler.idle
      } else if (step.do === "stop") {
        yield* world.close
        world = yield* begin
        yield* adopt(world, expected)
      } else if (step.do === "crash") {
        const next = disk.crash(step.seed)
        yield* world.close
        disk = next
        world = yield* begin
        yield* adopt(world, expected)
      } else yield* apply(world, expected.get(step.log)!, store(world, step.log), step)
    }
    yield* checkAll(world, expected)
    yield* world.close
  })

describe("PartitionStore against a list of batches", () => {
  it("reads back exactly the batches, whatever is settled, cut, removed, stopped and crashed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e9 }), steps, fc.constantFrom(null, 0), (seed, script, warmBytes) =>
        Effect.runPromise(play(seed, script, warmBytes).pipe(Effect.provide(quiet)))
      ),
      {
        // RUNS=1000 for a long look.
        numRuns: Number(process.env.RUNS ?? 40),
        endOnFailure: true
      }
    )
  }, 240_000)
})
