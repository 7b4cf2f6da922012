/**
 * The end of the event loop's current turn, where output leaves.
 *
 * Whoever has something to flush adds itself once; all are run together: after the current callback and the ticks it left
 * behind, or, while sockets are being polled, after all of them have been read. So a commit that answers hundreds of
 * requests makes one write per connection, and requests that are answered at once do not alternate reads with writes (one
 * write after each read costs a third of the small requests per second: every write wakes the peer in between). What is
 * added while the list runs, runs in the same turn.
 *
 * It deliberately has no timer and no order of importance. Also here: the monotonic clock of the data path.
 */

/** Something that wants to run once at the end of the turn. `turn` must not throw. */
export interface Turnable {
  turn(): void
}

export class Turn {
  private waiting: Array<Turnable> = []
  private spare: Array<Turnable> = []
  private scheduled = false
  /** Set by whoever is called by a socket's read, for that call: more reads follow before the loop's turn ends. */
  polling = false

  /** Runs `item.turn()` at the end of this turn. Whether it was added already is the item's own business. */
  add(item: Turnable): void {
    this.waiting.push(item)
    if (!this.scheduled) {
      this.scheduled = true
      if (this.polling) setImmediate(this.run)
      else process.nextTick(this.run)
    }
  }

  /** Runs `callback` after the loop has polled its sockets once more. */
  nextRound(callback: () => void): void {
    setImmediate(callback)
  }

  private readonly run = (): void => {
    // Two lists take turns, so that a turn allocates nothing.
    while (this.waiting.length > 0) {
      const batch = this.waiting
      this.waiting = this.spare
      for (let i = 0; i < batch.length; i++) batch[i]!.turn()
      batch.length = 0
      this.spare = batch
    }
    this.scheduled = false
  }
}

/** Microseconds of a clock that never goes back, as an integer. */
export function monotonicMicros(): number {
  return Math.trunc(performance.now() * 1000)
}
