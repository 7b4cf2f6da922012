/**
 * Wakes one fiber, without loss: a signal that comes while the fiber is at work is kept, and any number of signals until it
 * waits again are one.
 *
 * `notify` runs the waiter inside the caller (a disk's callback); `notifyLater` once this turn of the event loop is over, by
 * the scheduler of the waiting fiber, so that everything of one turn is seen together.
 */
import { Effect, Scheduler } from "effect"

export class Signal {
  /** A turn of the event loop ended since somebody last cleared this. */
  turnEnded = false
  #resume: ((effect: Effect.Effect<void>) => void) | undefined
  #pending = false
  #scheduled = false
  #dispatcher: Scheduler.SchedulerDispatcher | undefined

  /** One fiber at a time. */
  readonly wait: Effect.Effect<void> = Effect.flatMap(Scheduler.Scheduler, (scheduler) =>
    Effect.callback<void>((resume) => {
      this.#dispatcher ??= scheduler.makeDispatcher()
      if (this.#pending) {
        this.#pending = false
        resume(Effect.void)
        return
      }
      this.#resume = resume
      return Effect.sync(() => {
        if (this.#resume === resume) this.#resume = undefined
      })
    })
  )

  notify(): void {
    const resume = this.#resume
    this.#resume = undefined
    if (resume === undefined) this.#pending = true
    else resume(Effect.void)
  }

  notifyLater(): void {
    if (this.#scheduled) return
    if (this.#dispatcher === undefined) {
      this.turnEnded = true
      this.#pending = true
      return
    }
    this.#scheduled = true
    this.#dispatcher.scheduleTask(this.#fire, 0)
  }

  readonly #fire = () => {
    this.#scheduled = false
    this.turnEnded = true
    this.notify()
  }
}
