/**
 * Graceful hand-over (rule 14): a leader under load always has the greatest position, so it parks appends until the target
 * holds everything, and the controller then asks all for a promise. Bounded: after `handOverMs` appends resume, whatever became
 * of it. The election itself is the controller's.
 */
import type { Seat } from "./Seat.ts"

export class HandOver<D> {
  readonly #seat: Seat<D>
  readonly #epoch: number
  #target: number | undefined
  #ready = false
  deadline = Number.POSITIVE_INFINITY

  constructor(seat: Seat<D>, epoch: number) {
    this.#seat = seat
    this.#epoch = epoch
  }

  get parked(): boolean {
    return this.#target !== undefined
  }
  /** The node that appends wait for; undefined when none, or when it was reported as ready. */
  get target(): number | undefined {
    return this.#ready ? undefined : this.#target
  }

  begin(nowMs: number, target: number): void {
    if (this.#target === target) return
    if (this.#target !== undefined) this.giveUp()
    this.#target = target
    this.#ready = false
    this.deadline = nowMs + this.#seat.options.handOverMs
  }

  reached(): void {
    this.#ready = true
    this.#report(true)
  }

  giveUp(): void {
    this.#report(false)
    this.#target = undefined
    this.#ready = false
    this.deadline = Number.POSITIVE_INFINITY
  }

  tick(nowMs: number): void {
    if (nowMs >= this.deadline) this.giveUp()
  }

  #report(ready: boolean): void {
    if (this.#target !== undefined) {
      this.#seat.event({ _tag: "HandOver", epoch: this.#epoch, target: this.#target, ready })
    }
  }
}
