import { restarts, supervise } from "@chronik-effect/server/actor/Supervisor.ts"
import { expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"

const quiet = Effect.provide(Logger.layer([]))

/** An effect that dies at each run until it has died `deaths` times, and then goes on for ever. */
const dying = (deaths: number) => {
  const state = { runs: 0 }
  const run = Effect.suspend(() => {
    state.runs++
    return state.runs <= deaths ? Effect.die(new Error(`death ${state.runs}`)) : Effect.never
  })
  return { state, run }
}

it.effect("starts a fiber again after a growing pause, and counts", () =>
  Effect.gen(function* () {
    const { state, run } = dying(3)
    const deaths: Array<string> = []
    const onDown = (cause: Cause.Cause<unknown>) => void deaths.push((Cause.squash(cause) as Error).message)
    yield* supervise({ name: "phoenix", restart: "always", onDown }, run)
    expect([state.runs, deaths]).toEqual([1, ["death 1"]])
    yield* TestClock.adjust("49 millis")
    expect(state.runs).toBe(1)
    yield* TestClock.adjust("1 millis")
    expect(state.runs).toBe(2)
    yield* TestClock.adjust("99 millis")
    expect(state.runs).toBe(2)
    yield* TestClock.adjust("1 millis")
    expect(state.runs).toBe(3)
    yield* TestClock.adjust("200 millis")
    expect([state.runs, deaths]).toEqual([4, ["death 1", "death 2", "death 3"]])
    expect(restarts.get("phoenix")).toBe(3)
  }).pipe(Effect.scoped, quiet)
)

it.effect("never pauses longer than a second, and does not give up where it should not", () =>
  Effect.gen(function* () {
    const { state, run } = dying(1_000)
    yield* supervise({ name: "sisyphus", restart: "always" }, run)
    for (let i = 0; i < 100; i++) yield* TestClock.adjust("1 second")
    expect(state.runs).toBeGreaterThanOrEqual(100)
  }).pipe(Effect.scoped, quiet)
)

it.effect("gives up after too many defects within a minute", () =>
  Effect.gen(function* () {
    const { state, run } = dying(1_000)
    const givenUp: Array<string> = []
    const onGiveUp = (cause: Cause.Cause<unknown>) =>
      Effect.sync(() => void givenUp.push((Cause.squash(cause) as Error).message))
    const fiber = yield* supervise({ name: "icarus", restart: { max: 2 }, onGiveUp }, run)
    for (let i = 0; i < 10; i++) yield* TestClock.adjust("1 second")
    expect([state.runs, givenUp]).toEqual([3, ["death 3"]])
    expect(Exit.isSuccess(yield* Fiber.await(fiber))).toBe(true)
  }).pipe(Effect.scoped, quiet)
)

it.effect("forgets defects that are older than a minute", () =>
  Effect.gen(function* () {
    let runs = 0
    let givenUp = false
    const rarely = Effect.suspend(() => {
      runs++
      return Effect.andThen(Effect.sleep("50 seconds"), Effect.die(new Error("now and then")))
    })
    const onGiveUp = () =>
      Effect.sync(() => {
        givenUp = true
      })
    yield* supervise({ name: "old", restart: { max: 2 }, onGiveUp }, rarely)
    for (let i = 0; i < 600; i++) yield* TestClock.adjust("1 second")
    expect(runs).toBeGreaterThan(8)
    expect(givenUp).toBe(false)
  }).pipe(Effect.scoped, quiet)
)

it.effect("`never`: the first failure is final", () =>
  Effect.gen(function* () {
    const { state, run } = dying(1_000)
    let down = 0
    yield* supervise({ name: "once", restart: "never", onDown: () => void down++ }, run)
    yield* TestClock.adjust("1 minute")
    expect([state.runs, down]).toEqual([1, 1])
  }).pipe(Effect.scoped, quiet)
)

it.effect("a failure is treated like a defect", () =>
  Effect.gen(function* () {
    let runs = 0
    const failing = Effect.suspend(() => {
      runs++
      return Effect.fail("no")
    })
    yield* supervise({ name: "failing", restart: "always" }, failing)
    yield* TestClock.adjust("50 millis")
    expect(runs).toBe(2)
  }).pipe(Effect.scoped, quiet)
)

it.effect("what ends by itself, or with its scope, is not started again", () =>
  Effect.gen(function* () {
    let runs = 0
    let down = 0
    const onDown = () => void down++
    const options = { name: "ending", restart: "always", onDown } as const
    const counted = Effect.sync(() => void runs++)
    const scope = yield* Scope.make()
    yield* supervise(options, counted)
    yield* Scope.provide(supervise(options, Effect.andThen(counted, Effect.never)), scope)
    yield* Scope.close(scope, Exit.void)
    yield* TestClock.adjust("1 minute")
    expect([runs, down]).toEqual([2, 0])
  }).pipe(Effect.scoped, quiet)
)
