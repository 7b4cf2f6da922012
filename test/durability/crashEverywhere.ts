/**
 * A crash at every boundary of the disk in a scripted run, and what the node makes of it.
 *
 * The run is made once to count its boundaries (each change of bytes or names, each sync begun and ended). Then, for each
 * boundary and each kind of loss, it is made again and crashed there; the disk that is left is started, held against all
 * promises, and used; that life crashes at a random boundary, often within the recovery; the third ends cleanly, and the
 * fourth begins from the checkpoint of a clean stop.
 *
 *   node test/durability/crashEverywhere.ts [--all] [--seed N] [--points N] [--from K] [--loss lost|some|torn|killed]
 */
import { parseArgs } from "node:util"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { StorageError } from "@chronik-effect/server/storage/SegmentsContext.ts"
import { Cause, Deferred, Effect, Exit, Logger } from "effect"
import { Broken, Promises } from "./Promises.ts"
import { live } from "./Script.ts"
import { LOSSES, type Loss, SimulatedDisk } from "./SimulatedDisk.ts"
import { startStack } from "./StorageStack.ts"

const STEPS = 130
const STEPS_LATER = 30
const HANG = "20 seconds"

export interface SweepReport {
  readonly boundaries: number
  readonly runs: number
  readonly elapsedMs: number
  readonly failures: ReadonlyArray<string>
}

/** What a life covered, so that a test can say that it covered enough. */
export interface Coverage {
  settledSegments: number
  carriedBatches: number
  snapshots: number
}

interface LifeOptions {
  /** For the report of a failure: first to fourth. */
  readonly number: number
  readonly disk: SimulatedDisk
  readonly promises: Promises
  readonly random: Prng
  readonly steps: number
  /** Crash after this boundary of the disk. */
  readonly crashAt?: { readonly boundary: number; readonly loss: Loss; readonly seed: number }
  readonly coverage?: Coverage
}

/** One start, its work, and its end. Answers the disk that a crash left, or undefined when it ended cleanly. */
const oneLife = Effect.fnUntraced(function* (options: LifeOptions) {
  const { disk, promises, random, crashAt } = options
  const isAlive = () => disk.alive
  const crashed = Deferred.makeUnsafe<void>()
  let left: SimulatedDisk | undefined
  disk.onOperation = () => {
    if (crashAt === undefined || left !== undefined || disk.operations !== crashAt.boundary) return
    left = disk.crash(crashAt.loss, crashAt.seed)
    Deferred.doneUnsafe(crashed, Exit.void)
  }
  const whole = Effect.gen(function* () {
    const stack = yield* startStack(disk.service)
    const work = Effect.gen(function* () {
      yield* promises.verify(stack)
      if (!isAlive()) return
      yield* promises.propose(stack, stack.registration, isAlive)
      stack.begin()
      yield* live({ stack, promises, random, isAlive }, options.steps)
      if (options.coverage !== undefined && isAlive()) {
        yield* stack.settler.idle
        options.coverage.settledSegments += stack.settler.stats.segments
        options.coverage.carriedBatches += stack.settler.stats.carriedBatches
        options.coverage.snapshots += disk.service.list("/data/metadata").length
      }
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
  const brokenPromise = Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Broken
  if (Exit.isFailure(exit) && (left === undefined || brokenPromise)) {
    return yield* Effect.die(new Broken(`life ${options.number}: ${sentenceOf(exit.cause)}`))
  }
  promises.hold()
  return left
})

const sentenceOf = (cause: Cause.Cause<unknown>): string => {
  const failure = Cause.squash(cause)
  return failure instanceof Broken || failure instanceof StorageError ? failure.message : Cause.pretty(cause)
}

const quiet =
  process.env.CRASH_LOG === undefined ? Effect.provide(Logger.layer([])) : <A, E>(run: Effect.Effect<A, E>) => run

/** Four lives on one disk. */
const crashedAt = (seed: number, boundary: number, loss: Loss) => {
  let second = ""
  return Effect.gen(function* () {
    const promises = new Promises()
    const random = new Prng(seed * 7919 + boundary * 31 + LOSSES.indexOf(loss))
    let disk = yield* oneLife({
      number: 1,
      disk: new SimulatedDisk(seed),
      promises,
      random: new Prng(seed),
      steps: STEPS,
      crashAt: { boundary, loss, seed: random.uint32() }
    })
    if (disk === undefined) return
    const boundary2 = random.chance(0.4) ? random.between(1, 20) : random.between(1, 200)
    const crashAt = { boundary: boundary2, loss: random.pick(LOSSES), seed: random.uint32() }
    second = `, then ${crashAt.loss} at ${crashAt.boundary}`
    const again = yield* oneLife({ number: 2, disk, promises, random, steps: STEPS_LATER, crashAt })
    disk = again ?? disk.crash("lost", random.uint32())
    yield* oneLife({ number: 3, disk, promises, random, steps: STEPS_LATER })
    // A clean stop leaves nothing to lose.
    disk = disk.crash("lost", random.uint32())
    yield* oneLife({ number: 4, disk, promises, random, steps: 5 })
  }).pipe(
    Effect.mapError((error) => new Broken(String(error))),
    Effect.catchDefect((defect) =>
      Effect.fail(new Broken(`${second}: ${defect instanceof Error ? defect.message : defect}`))
    ),
    quiet
  )
}

export const measure = async (seed: number): Promise<{ readonly boundaries: number; readonly coverage: Coverage }> => {
  const disk = new SimulatedDisk(seed)
  const coverage = { settledSegments: 0, carriedBatches: 0, snapshots: 0 }
  const life = { number: 1, disk, promises: new Promises(), random: new Prng(seed), steps: STEPS, coverage }
  await Effect.runPromise(oneLife(life).pipe(quiet))
  return { boundaries: disk.operations, coverage }
}

/** `points` boundaries spread over the run and shifted by the seed, each with every kind of loss in turn; or all of all. */
export const sweep = async (options: {
  readonly seed: number
  readonly points: number | "all"
  readonly from?: number
  readonly losses?: ReadonlyArray<Loss>
  readonly failuresMax?: number
  readonly onProgress?: (done: number, of: number) => void
}): Promise<SweepReport> => {
  const startedAt = performance.now()
  const { boundaries } = await measure(options.seed)
  const losses = options.losses ?? LOSSES
  const runs: Array<readonly [number, Loss]> = []
  const stride = options.points === "all" ? 1 : boundaries / options.points
  const random = new Prng(options.seed)
  for (let at = options.points === "all" ? 1 : random.fraction() * stride + 1; at <= boundaries; at += stride) {
    const some = options.points === "all" ? losses : [losses[runs.length % losses.length]!]
    for (const loss of some) if (at >= (options.from ?? 0)) runs.push([Math.floor(at), loss])
  }
  const failures: Array<string> = []
  let done = 0
  for (const [boundary, loss] of runs) {
    const exit = await Effect.runPromiseExit(crashedAt(options.seed, boundary, loss))
    if (Exit.isFailure(exit)) {
      failures.push(`seed ${options.seed}, ${loss} at ${boundary}${sentenceOf(exit.cause)}`)
    }
    done++
    options.onProgress?.(done, runs.length)
    if (failures.length >= (options.failuresMax ?? 10)) break
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
      loss: { type: "string" }
    }
  })
  const report = await sweep({
    seed: Number(values.seed),
    points: values.all ? "all" : Number(values.points),
    from: Number(values.from),
    ...(values.loss === undefined ? {} : { losses: LOSSES.filter((loss) => loss === values.loss) }),
    onProgress: (done, of) => {
      if (done % 500 === 0) process.stdout.write(`${done} of ${of}\n`)
    }
  })
  for (const failure of report.failures) process.stdout.write(`${failure}\n`)
  process.stdout.write(`${JSON.stringify({ ...report, failures: report.failures.length })}\n`)
  if (report.failures.length > 0) process.exitCode = 1
}
