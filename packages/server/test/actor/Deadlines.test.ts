import { Deadlines } from "@chronik-effect/server/actor/Deadlines.ts"
import { restarts } from "@chronik-effect/server/actor/Supervisor.ts"
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"

const onDeadlines = <A>(test: (deadlines: Deadlines["Service"], fired: Array<string>) => Effect.Effect<A>) =>
  Effect.flatMap(Deadlines, (deadlines) => test(deadlines, [])).pipe(
    Effect.provide(Layer.mergeAll(Deadlines.layer, Logger.layer([])))
  )

it.effect("expires in the order of time, not before it, and once", () =>
  onDeadlines((deadlines, fired) =>
    Effect.gen(function* () {
      deadlines.add(300, () => fired.push("late"))
      deadlines.add(100, () => fired.push("early"))
      deadlines.add(200, () => fired.push("middle"))
      yield* TestClock.adjust("99 millis")
      expect(fired).toEqual([])
      yield* TestClock.adjust("2 millis")
      expect(fired).toEqual(["early"])
      yield* TestClock.adjust("10 seconds")
      expect(fired).toEqual(["early", "middle", "late"])
      expect(deadlines.size()).toBe(0)
    })
  )
)

it.effect("wakes for a deadline that is earlier than the one it sleeps for", () =>
  onDeadlines((deadlines, fired) =>
    Effect.gen(function* () {
      deadlines.add(60_000, () => fired.push("late"))
      yield* TestClock.adjust("1 second")
      deadlines.add(10, () => fired.push("early"))
      yield* TestClock.adjust("20 millis")
      expect(fired).toEqual(["early"])
    })
  )
)

it.effect("does not call for what was removed", () =>
  onDeadlines((deadlines, fired) =>
    Effect.gen(function* () {
      const gone = deadlines.add(10, () => fired.push("gone"))
      deadlines.add(20, () => fired.push("there"))
      deadlines.remove(gone)
      deadlines.remove(gone)
      expect(deadlines.size()).toBe(1)
      yield* TestClock.adjust("1 second")
      expect(fired).toEqual(["there"])
    })
  )
)

it.effect("takes a deadline that is added by one that expires", () =>
  onDeadlines((deadlines, fired) =>
    Effect.gen(function* () {
      deadlines.add(10, () => void deadlines.add(5, () => fired.push("second")))
      yield* TestClock.adjust("10 millis")
      yield* TestClock.adjust("10 millis")
      expect(fired).toEqual(["second"])
    })
  )
)

it.effect("expires the rest when one of them throws, and is started again", () =>
  onDeadlines((deadlines, fired) =>
    Effect.gen(function* () {
      const before = restarts.get("deadlines") ?? 0
      deadlines.add(10, () => {
        throw new Error("planted")
      })
      deadlines.add(10, () => fired.push("beside it"))
      deadlines.add(20, () => fired.push("after it"))
      yield* TestClock.adjust("10 millis")
      yield* TestClock.adjust("5 seconds")
      expect(fired).toEqual(["beside it", "after it"])
      expect((restarts.get("deadlines") ?? 0) - before).toBe(1)
    })
  )
)
