/**
 * A crash at every boundary of the disk in a run that compacts: between any two writes, syncs and renames of a swap too.
 *
 * As `crashEverywhere.ts`, with one compacted partition and a model of what a cleaned log may lack: the disk that a crash left
 * is started, read whole, cleaned again, and crashed again at a random boundary; the third life ends cleanly and the fourth
 * begins from its checkpoint. At the end, when tombstones have had their time, none is left.
 *
 *   node test/durability/cleanEverywhere.ts [--all] [--seed N] [--points N] [--from K] [--to K] [--loss lost|some|torn|killed]
 */
import { parseArgs } from "node:util"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { Cause, Deferred, Effect, Exit, Logger } from "effect"
import {
  type CleaningLife,
  compactedTopic,
  DELETE_RETENTION_MS,
  liveCleaning,
  partitionOf,
  ShiftedTime,
  TOPIC_ID,
  verifyWhole
} from "./CleaningLife.ts"
import { KeyedLog } from "./KeyedLog.ts"
import { Broken } from "./Promises.ts"
import { LOSSES, type Loss, SimulatedDisk } from "./SimulatedDisk.ts"
import { type StorageStack, startStack } from "./StorageStack.ts"

const STEPS = 90
const STEPS_LATER = 30
const HANG = "20 seconds"

export interface CleaningCoverage {
  passes: number
  filesReplaced: number
  renames: number
}

interface LifeOptions {
  readonly number: number
  readonly disk: SimulatedDisk
  readonly log: KeyedLog
  readonly time: ShiftedTime
  readonly random: Prng
  readonly steps: number
  readonly crashAt?: { readonly boundary: number; readonly loss: Loss; readonly seed: number }
  readonly coverage?: CleaningCoverage
  /** When all is done: tombstones have had their time, and all of them go. */
  readonly isLast?: boolean
}

const oneLife = Effect.fnUntraced(function* (options: LifeOptions) {
  const { disk, log, time, random, crashAt, coverage } = options
  const isAlive = () => disk.alive
  const crashed = Deferred.makeUnsafe<void>()
  let left: SimulatedDisk | undefined
  disk.onOperation = () => {
    if (crashAt === undefined || left !== undefined || disk.operations !== crashAt.boundary) return
    left = disk.crash(crashAt.loss, crashAt.seed)
    Deferred.doneUnsafe(crashed, Exit.void)
  }
  const whole = Effect.gen(function* () {
    const stack = yield* startStack(disk.service, { warmBytes: 0 })
    const work = Effect.gen(function* () {
      const life: CleaningLife = { stack, log, random, time, isAlive }
      yield* begin(life)
      yield* liveCleaning(life, options.steps)
      if (options.isLast === true) yield* endOfTombstones(life)
      if (coverage === undefined) return
      coverage.passes += stack.cleaner.stats.passes
      coverage.filesReplaced += stack.cleaner.stats.filesReplaced
      coverage.renames += disk.counts.get("rename") ?? 0
    })
    const exit = yield* Effect.exit(Effect.raceFirst(work, Deferred.await(crashed)))
    yield* stack.close
    return yield* exit
  })
  const exit = yield* Effect.exit(
    Effect.timeoutOrElse(whole, {
      duration: HANG,
      orElse: () => Effect.die(new Broken(`nothing moves any more (boundary ${disk.operations})`))
    })
  )
  const isBroken = Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Broken
  if (Exit.isFailure(exit) && (left === undefined || isBroken)) {
    return yield* Effect.die(new Broken(`life ${options.number}: ${sentenceOf(exit.cause)}`))
  }
  log.hold()
  return left
})

/** What the start shows is the truth from now on. */
const begin = Effect.fnUntraced(function* (life: CleaningLife) {
  const { stack, log } = life
  const partition = stack.partitions.findById(TOPIC_ID, 0)
  if (partition === undefined) {
    if (log.acknowledged > 0) throw new Broken("the partition is gone")
    log.cutTo(0)
  } else {
    log.cutTo(partition.highWatermark)
    yield* verifyWhole(life)
    if (life.isAlive()) log.verifyProducers(partition, stack.stores.context.nowMillis())
  }
  if (life.isAlive()) yield* stack.metadata.propose(stack.registration, 60_000)
  if (life.isAlive() && partition === undefined) yield* stack.metadata.propose(compactedTopic(), 60_000)
  stack.begin()
})

/** Passes until there is nothing to do. */
export const cleanAll = (stack: StorageStack): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    for (let i = 0; (yield* stack.cleaner.round) > 0; i++) if (i > 50) throw new Broken("cleaning never ends")
  })

const endOfTombstones = Effect.fnUntraced(function* (life: CleaningLife) {
  const { stack, log, time } = life
  const { store } = partitionOf(stack)
  yield* stack.settler.settleNow(store)
  yield* cleanAll(stack)
  // What goes makes the rest dirty enough for a pass, which is the first for its tombstones: they go a round later.
  for (let round = 0; round < 3; round++) {
    time.shiftMs += DELETE_RETENTION_MS + 1
    yield* cleanAll(stack)
  }
  const bytes = yield* verifyWhole(life)
  // What is not dirty enough for a pass may hold some that no pass has seen.
  const left = log.tombstonesIn(bytes).filter((offset) => offset < store.cleanedOffset)
  if (left.length > 0) throw new Broken(`the tombstones at ${left.join(", ")} stay for ever`)
})

const sentenceOf = (cause: Cause.Cause<unknown>): string => {
  const failure = Cause.squash(cause)
  return failure instanceof Broken ? failure.message : Cause.pretty(cause)
}

const quiet =
  process.env.CRASH_LOG === undefined ? Effect.provide(Logger.layer([])) : <A, E>(run: Effect.Effect<A, E>) => run

const newLog = () => new KeyedLog(DELETE_RETENTION_MS, 0)

const crashedAt = (seed: number, boundary: number, loss: Loss) => {
  const time = new ShiftedTime()
  return Effect.gen(function* () {
    const log = newLog()
    const random = new Prng(seed * 7919 + boundary * 31 + LOSSES.indexOf(loss))
    const shared = { log, time, steps: STEPS_LATER }
    let disk = yield* oneLife({
      ...shared,
      number: 1,
      disk: new SimulatedDisk(seed),
      random: new Prng(seed),
      steps: STEPS,
      crashAt: { boundary, loss, seed: random.uint32() }
    })
    if (disk === undefined) return
    const crashAt = { boundary: random.between(1, 150), loss: random.pick(LOSSES), seed: random.uint32() }
    const again = yield* oneLife({ ...shared, number: 2, disk, random, crashAt })
    disk = again ?? disk.crash("lost", random.uint32())
    yield* oneLife({ ...shared, number: 3, disk, random })
    // A clean stop leaves nothing to lose.
    disk = disk.crash("lost", random.uint32())
    yield* oneLife({ ...shared, number: 4, disk, random, steps: 5, isLast: true })
  }).pipe(
    Effect.mapError((error) => new Broken(String(error))),
    Effect.catchDefect((defect) => Effect.fail(new Broken(defect instanceof Error ? defect.message : String(defect)))),
    time.provide,
    quiet
  )
}

export const measureCleaning = async (seed: number) => {
  const disk = new SimulatedDisk(seed)
  const coverage: CleaningCoverage = { passes: 0, filesReplaced: 0, renames: 0 }
  const time = new ShiftedTime()
  const life = { number: 1, disk, log: newLog(), time, random: new Prng(seed), steps: STEPS, coverage, isLast: true }
  await Effect.runPromise(oneLife(life).pipe(time.provide, quiet))
  return { boundaries: disk.operations, coverage }
}

/** `points` boundaries spread over the run, each with every kind of loss in turn; or all of all. */
export const sweepCleaning = async (options: {
  readonly seed: number
  readonly points: number | "all"
  readonly from?: number
  readonly to?: number
  readonly losses?: ReadonlyArray<Loss>
  readonly onProgress?: (done: number, of: number) => void
}) => {
  const startedAt = performance.now()
  const { boundaries } = await measureCleaning(options.seed)
  const losses = options.losses ?? LOSSES
  const runs: Array<readonly [number, Loss]> = []
  const stride = options.points === "all" ? 1 : boundaries / options.points
  const random = new Prng(options.seed)
  for (let at = options.points === "all" ? 1 : random.fraction() * stride + 1; at <= boundaries; at += stride) {
    const some = options.points === "all" ? losses : [losses[runs.length % losses.length]!]
    for (const loss of some)
      if (at >= (options.from ?? 0) && at <= (options.to ?? boundaries)) runs.push([Math.floor(at), loss])
  }
  const failures: Array<string> = []
  let done = 0
  for (const [boundary, loss] of runs) {
    const exit = await Effect.runPromiseExit(crashedAt(options.seed, boundary, loss))
    if (Exit.isFailure(exit)) failures.push(`seed ${options.seed}, ${loss} at ${boundary}: ${sentenceOf(exit.cause)}`)
    done++
    options.onProgress?.(done, runs.length)
    if (failures.length >= 10) break
  }
  return { boundaries, runs: done, elapsedMs: Math.round(performance.now() - startedAt), failures }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      all: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      points: { type: "string", default: "200" },
      from: { type: "string", default: "0" },
      to: { type: "string", default: "1000000" },
      loss: { type: "string" }
    }
  })
  const report = await sweepCleaning({
    seed: Number(values.seed),
    points: values.all ? "all" : Number(values.points),
    from: Number(values.from),
    to: Number(values.to),
    ...(values.loss === undefined ? {} : { losses: LOSSES.filter((loss) => loss === values.loss) }),
    onProgress: (done, of) => {
      if (done % 500 === 0) process.stdout.write(`${done} of ${of}\n`)
    }
  })
  for (const failure of report.failures) process.stdout.write(`${failure}\n`)
  process.stdout.write(`${JSON.stringify({ ...report, failures: report.failures.length })}\n`)
  if (report.failures.length > 0) process.exitCode = 1
}
