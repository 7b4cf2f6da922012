/**
 * Virtual time: what is to happen, soonest first. Events of one moment come out in the order in which they were put in, so a
 * run depends on nothing but its seed. Actions are not run here: `Kernel` takes them out one by one.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import { type DeadlineHandle, DeadlineHeap } from "../../../packages/core/src/base/DeadlineHeap.ts"
import type { Timer } from "../World.ts"

export class SimEvent implements Timer {
  readonly dueMs: number
  readonly label: string
  readonly action: () => void
  /** Owned by the heap. */
  handle: DeadlineHandle<SimEvent> | undefined = undefined

  constructor(dueMs: number, label: string, action: () => void) {
    this.dueMs = dueMs
    this.label = label
    this.action = action
  }
}

/** More than any sane run keeps waiting: a world that leaks timers is stopped rather than slowed down. */
const EVENTS_MAX = 200_000

export class EventHeap {
  readonly #heap = new DeadlineHeap<SimEvent>()

  get size(): number {
    return this.#heap.size
  }

  /** When the next event is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#heap.nextDeadline()
  }

  add(dueMs: number, label: string, action: () => void): SimEvent {
    assert(Number.isFinite(dueMs), "an event must be due at some time")
    assert(this.#heap.size < EVENTS_MAX, "a simulated world must not pile up events")
    const event = new SimEvent(dueMs, label, action)
    event.handle = this.#heap.add(dueMs, event)
    return event
  }

  /** False when it had run or been cancelled before: cancelling twice is legal. */
  cancel(timer: Timer): boolean {
    assert(timer instanceof SimEvent && timer.handle !== undefined, "a timer must come from this heap")
    return this.#heap.remove(timer.handle)
  }

  /** Takes out the soonest event due at or before `untilMs`. */
  take(untilMs: number): SimEvent | undefined {
    return this.#heap.popExpired(untilMs)
  }
}
