/**
 * Spreads the making of answers over rounds of the event loop. A thousand readers whose requests come in the same round would
 * otherwise have all their answers in memory before the first one is sent.
 *
 * It deliberately knows nothing of requests: who asks first is served first.
 */
import type { Turn } from "../io/Turn.ts"

const ROUND_BYTES_MAX = 64 * 1024 * 1024

export class AnswerRounds {
  readonly #turn: Turn
  #waiting: Array<() => void> = []
  #bytes = 0
  #scheduled = false

  constructor(turn: Turn) {
    this.#turn = turn
  }

  get hasRoom(): boolean {
    return this.#bytes < ROUND_BYTES_MAX && this.#waiting.length === 0
  }

  /** Runs `look` now, or in its turn when this round has answered enough. */
  run(look: () => void): void {
    if (this.hasRoom) look()
    else this.#waiting.push(look)
  }

  answered(bytes: number): void {
    this.#bytes += bytes
    if (bytes > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#turn.nextRound(this.#nextRound)
  }

  readonly #nextRound = (): void => {
    this.#scheduled = false
    this.#bytes = 0
    let taken = 0
    while (taken < this.#waiting.length && this.#bytes < ROUND_BYTES_MAX) this.#waiting[taken++]!()
    this.#waiting = this.#waiting.slice(taken)
    if (this.#waiting.length > 0) this.#schedule()
  }
}
