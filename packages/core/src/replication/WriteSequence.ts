/**
 * The numbers of a replica's writes, and how much of its log is durable.
 *
 * `durablePosition` is the end of the prefix of the log *as it stands* that would be there after a crash. A cut lowers what the
 * writes before it will make durable: data that was cut is never acknowledged, even when its own write completes later.
 * Promises wait here for their answer; their position is the log end at their place in the order (rule 10).
 *
 * Bounded: beyond `PENDING_MAX` a write shares the entry of the one before it, so that both become durable together.
 */
import { assert } from "../base/Assert.ts"
import { comparePoints, minPoint, NOWHERE, type Point } from "./Point.ts"

export const PENDING_MAX = 1024

export interface PromiseAnswer {
  readonly epoch: number
  readonly position: Point
}

interface PendingWrite {
  sequence: number
  /** The log's end by this write, lowered by later cuts. */
  position: Point
  promise: PromiseAnswer | undefined
}

export class WriteSequence {
  #last = 0
  #durable = 0
  #durablePosition: Point
  readonly #pending: Array<PendingWrite> = []

  constructor(recovered: Point) {
    this.#durablePosition = recovered
  }

  get last(): number {
    return this.#last
  }
  get durableSequence(): number {
    return this.#durable
  }
  get durablePosition(): Point {
    return this.#durablePosition
  }
  get pendingCount(): number {
    return this.#pending.length
  }

  /** Numbers a write after which the log ends at `position`. */
  enqueue(position: Point, promise: PromiseAnswer | undefined): number {
    this.#last++
    const newest = this.#pending.at(-1)
    if (newest !== undefined && this.#pending.length >= PENDING_MAX) {
      newest.sequence = this.#last
      newest.position = position
      newest.promise = promise ?? newest.promise
    } else {
      this.#pending.push({ sequence: this.#last, position, promise })
    }
    return this.#last
  }

  /** A promise that is held already is asked for again: true when all that it depends on is durable and it may be answered now. */
  askAgain(promise: PromiseAnswer): boolean {
    const newest = this.#pending.at(-1)
    if (newest === undefined) return true
    assert(
      newest.promise === undefined || newest.promise.epoch <= promise.epoch,
      "promises must rise in the order of writes"
    )
    newest.promise = promise
    return false
  }

  /** The log is cut at `to`; the cut itself is enqueued by the caller. */
  cut(to: Point): void {
    for (const write of this.#pending) write.position = minPoint(write.position, to)
    this.#durablePosition = minPoint(this.#durablePosition, to)
  }

  /** The log is dropped: nothing of it is durable until the reset is. */
  drop(): void {
    for (const write of this.#pending) write.position = NOWHERE
    this.#durablePosition = NOWHERE
  }

  /** Everything up to `sequence` is durable. Returns the promises that may be answered, in their order. */
  durable(sequence: number): ReadonlyArray<PromiseAnswer> {
    assert(sequence <= this.#last, "a write must be made before it is durable")
    if (sequence <= this.#durable) return []
    this.#durable = sequence
    let count = 0
    const answers: Array<PromiseAnswer> = []
    for (const write of this.#pending) {
      if (write.sequence > sequence) break
      count++
      assert(
        comparePoints(write.position, this.#durablePosition) >= 0,
        "the durable position must not move back but by a cut"
      )
      this.#durablePosition = write.position
      if (write.promise !== undefined) answers.push(write.promise)
    }
    this.#pending.splice(0, count)
    return answers
  }
}
