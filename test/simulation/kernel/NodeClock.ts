/**
 * One process's monotonic clock, and the timers that it set by it. The clock runs a little fast or slow, and it goes on while
 * the process is paused (SIGSTOP), whose overdue timers then fire late, in order, when it wakes. A stopped clock fires nothing
 * ever again: one object a process lifetime.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { Timer } from "../World.ts"
import type { Kernel } from "./Kernel.ts"

class NodeTimer implements Timer {
  /** World time. */
  readonly dueMs: number
  readonly label: string
  readonly action: () => void
  cancelled = false
  timer: Timer | undefined = undefined

  constructor(dueMs: number, label: string, action: () => void) {
    this.dueMs = dueMs
    this.label = label
    this.action = action
  }
}

export class NodeClock {
  readonly #world: Kernel
  readonly #rate: number
  readonly #startedMs: number
  readonly #offsetMs: number
  readonly #overdue: Array<NodeTimer> = []
  #paused = false
  #stopped = false

  /** `rate`: this clock's milliseconds in one of the world; `offsetMs`: what it shows at first. */
  constructor(world: Kernel, rate: number, offsetMs = 0) {
    assert(rate >= 0.5 && rate <= 2, "a clock must run about as fast as the world")
    this.#world = world
    this.#rate = rate
    this.#startedMs = world.nowMs()
    this.#offsetMs = offsetMs
  }

  readonly nowMs = (): number => this.#shows(this.#world.nowMs())

  get paused(): boolean {
    return this.#paused
  }

  /** `delayMs` of this clock. */
  readonly after = (delayMs: number, label: string, action: () => void): Timer => {
    assert(!Number.isNaN(delayMs), "a delay must be a number")
    const timer = new NodeTimer(this.#worldMs(this.nowMs() + Math.max(0, delayMs)), label, action)
    timer.timer = this.#world.at(timer.dueMs, label, () => this.#fire(timer))
    return timer
  }

  readonly cancel = (timer: Timer): void => {
    assert(timer instanceof NodeTimer && timer.timer !== undefined, "a timer must come from this clock")
    timer.cancelled = true
    this.#world.cancel(timer.timer)
  }

  pause(): void {
    this.#paused = true
  }

  /** What came due meanwhile fires at once, each as an event of its own. */
  resume(): void {
    this.#paused = false
    for (const timer of this.#overdue.splice(0)) {
      if (!timer.cancelled) timer.timer = this.#world.after(0, timer.label, () => this.#fire(timer))
    }
  }

  stop(): void {
    this.#stopped = true
    this.#overdue.length = 0
  }

  #shows(worldMs: number): number {
    return this.#offsetMs + (worldMs - this.#startedMs) * this.#rate
  }

  /**
   * When this clock shows `ownMs` or more. Rounding must not make it a trifle less: a timer would fire before its time, be set
   * again for a trifle that the world's time cannot take, and so on for ever.
   */
  #worldMs(ownMs: number): number {
    let worldMs = Math.max(this.#world.nowMs(), this.#startedMs + (ownMs - this.#offsetMs) / this.#rate)
    for (let nudge = Math.max(1, worldMs) * Number.EPSILON; this.#shows(worldMs) < ownMs; nudge *= 2) worldMs += nudge
    return worldMs
  }

  #fire(timer: NodeTimer): void {
    if (this.#stopped || timer.cancelled) return
    if (this.#paused) this.#overdue.push(timer)
    else timer.action()
  }
}
