/**
 * One timer for all requests that wait: a heap of deadlines and one fiber that sleeps until the earliest.
 *
 * A timeout of Effect's own costs a fiber for each request; a parked fetch or an unanswered produce costs a heap entry here.
 * Time is the monotonic side of Effect's Clock, so that a jump of the wall clock expires nobody and tests can drive it.
 *
 * `onExpired` runs on the timer's fiber. It must not throw or block: it completes the request with what a timeout means.
 */
import { type DeadlineHandle, DeadlineHeap } from "@chronik-effect/core/base/DeadlineHeap.ts"
import { Context, Effect, Layer, Queue } from "effect"
import { supervise } from "./Supervisor.ts"

export type Deadline = DeadlineHandle<() => void>

export class Deadlines extends Context.Service<
  Deadlines,
  {
    /** Calls `onExpired` after `afterMillis`, unless removed before. */
    readonly add: (afterMillis: number, onExpired: () => void) => Deadline
    readonly remove: (deadline: Deadline) => void
    readonly size: () => number
  }
>()("chronik/Deadlines") {
  static readonly layer = Layer.effect(
    Deadlines,
    Effect.gen(function* () {
      const heap = new DeadlineHeap<() => void>()
      const clock = yield* Effect.clockWith(Effect.succeed)
      const earlier = yield* Queue.sliding<void>(1)
      const nowMillis = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      let sleepingUntil = Number.POSITIVE_INFINITY

      const run = Effect.gen(function* () {
        while (true) {
          const now = nowMillis()
          for (let expired = heap.popExpired(now); expired !== undefined; expired = heap.popExpired(now)) expired()
          sleepingUntil = heap.nextDeadline()
          const woken = Queue.take(earlier)
          if (sleepingUntil === Number.POSITIVE_INFINITY) yield* woken
          else yield* Effect.raceFirst(Effect.sleep(Math.max(1, Math.ceil(sleepingUntil - nowMillis()))), woken)
        }
      })
      yield* supervise({ name: "deadlines", restart: "always" }, run)

      return Deadlines.of({
        add: (afterMillis, onExpired) => {
          const deadline = nowMillis() + afterMillis
          const handle = heap.add(deadline, onExpired)
          if (deadline < sleepingUntil) {
            sleepingUntil = deadline
            Queue.offerUnsafe(earlier, undefined)
          }
          return handle
        },
        remove: (deadline) => void heap.remove(deadline),
        size: () => heap.size
      })
    })
  )
}
