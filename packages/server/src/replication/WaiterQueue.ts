/**
 * The appends of one partition that wait for an offset, in offset order.
 *
 * A growable ring: push at the end, complete from the front, both O(1) and without allocation once it has its size.
 * A duplicate's end offset may be lower than its neighbour's; it then completes together with the neighbour, never before
 * its own offset.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Append } from "./Append.ts"

const INITIAL = 8

export class WaiterQueue {
  #ring: Array<Append | undefined> = []
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(append: Append): void {
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = append
    this.#size++
  }

  /** Completes with success everything whose end offset is at most `offset`. */
  completeBelow(offset: number): void {
    while (this.#size > 0) {
      const first = this.#ring[this.#head]!
      if (first.endOffset > offset) return
      this.#shift()
      first.waiter.appended(first, ErrorCode.NONE)
    }
  }

  failAll(errorCode: ErrorCode): void {
    while (this.#size > 0) {
      const first = this.#ring[this.#head]!
      this.#shift()
      first.waiter.appended(first, errorCode)
    }
  }

  #shift(): void {
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#size--
  }

  #grow(): void {
    const grown: Array<Append | undefined> = new Array(Math.max(INITIAL, this.#ring.length * 2))
    for (let i = 0; i < this.#size; i++) grown[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)]
    this.#ring = grown
    this.#head = 0
  }
}
