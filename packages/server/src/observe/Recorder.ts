/**
 * The flight recorder: when each produce passed each stage, always on, at the price of a few stores.
 *
 * A preallocated ring holds the last `CAPACITY` produce requests as raw microseconds (monotonic clock), one row each:
 * received, appended, written, durable, committed, answered. Nothing is allocated and no clock is read per request: the
 * callers pass the times that they already have (one reading per socket chunk, per mailbox pass, per WAL flight, per
 * commit pass). A second, smaller table keeps the slowest requests of the current and of the last window.
 *
 * Not here: formatting, traces and metrics, which are made afterwards from what `last` and `slowest` return.
 */

export interface ProduceTrace {
  readonly connection: number
  readonly correlationId: number
  /** WAL stream of the partition that answered last. */
  readonly stream: number
  readonly bytes: number
  readonly receivedMicros: number
  readonly appendedMicros: number
  readonly writtenMicros: number
  readonly durableMicros: number
  readonly committedMicros: number
  readonly answeredMicros: number
  readonly errorCode: number
}

const CAPACITY = 4096
const COLUMNS = 11
const SLOWEST = 32
const WINDOW_MICROS = 60_000_000

export class Recorder {
  readonly #ring = new Float64Array(CAPACITY * COLUMNS)
  #count = 0
  #current = new SlowTable()
  #previous = new SlowTable()

  /** Writes one row. `row` times must be from the same clock; a stage that was not passed is 0. */
  record(
    connection: number,
    correlationId: number,
    stream: number,
    bytes: number,
    receivedMicros: number,
    appendedMicros: number,
    writtenMicros: number,
    durableMicros: number,
    committedMicros: number,
    answeredMicros: number,
    errorCode: number
  ): void {
    const ring = this.#ring
    const at = (this.#count++ % CAPACITY) * COLUMNS
    ring[at] = connection
    ring[at + 1] = correlationId
    ring[at + 2] = stream
    ring[at + 3] = bytes
    ring[at + 4] = receivedMicros
    ring[at + 5] = appendedMicros
    ring[at + 6] = writtenMicros
    ring[at + 7] = durableMicros
    ring[at + 8] = committedMicros
    ring[at + 9] = answeredMicros
    ring[at + 10] = errorCode
    if (answeredMicros - this.#current.startedMicros > WINDOW_MICROS) {
      this.#previous = this.#current
      this.#current = new SlowTable(answeredMicros)
    }
    this.#current.offer(answeredMicros - receivedMicros, ring, at)
  }

  /** Produce requests recorded since the start. */
  get count(): number {
    return this.#count
  }

  /** The newest `n` rows, newest first. */
  last(n: number): ReadonlyArray<ProduceTrace> {
    const out: Array<ProduceTrace> = []
    const available = Math.min(n, this.#count, CAPACITY)
    for (let i = 1; i <= available; i++) out.push(rowAt(this.#ring, ((this.#count - i) % CAPACITY) * COLUMNS))
    return out
  }

  /** The slowest rows of the current window (a minute) and of the one before it, slowest first. */
  slowest(n: number): ReadonlyArray<ProduceTrace> {
    return [...this.#current.rows(), ...this.#previous.rows()]
      .sort((a, b) => b.answeredMicros - b.receivedMicros - (a.answeredMicros - a.receivedMicros))
      .slice(0, n)
  }
}

/** The slowest rows of one window: a row enters when it is slower than the fastest one kept. */
class SlowTable {
  readonly startedMicros: number
  readonly #micros = new Float64Array(SLOWEST)
  readonly #rows = new Float64Array(SLOWEST * COLUMNS)
  #used = 0
  #fastest = 0

  constructor(startedMicros = 0) {
    this.startedMicros = startedMicros
  }

  offer(micros: number, from: Float64Array, at: number): void {
    let place = this.#fastest
    if (this.#used < SLOWEST) place = this.#used++
    else if (micros <= this.#micros[place]!) return
    this.#micros[place] = micros
    for (let i = 0; i < COLUMNS; i++) this.#rows[place * COLUMNS + i] = from[at + i]!
    let fastest = 0
    for (let i = 1; i < this.#used; i++) if (this.#micros[i]! < this.#micros[fastest]!) fastest = i
    this.#fastest = fastest
  }

  rows(): ReadonlyArray<ProduceTrace> {
    return Array.from({ length: this.#used }, (_, i) => rowAt(this.#rows, i * COLUMNS))
  }
}

const rowAt = (rows: Float64Array, at: number): ProduceTrace => ({
  connection: rows[at]!,
  correlationId: rows[at + 1]!,
  stream: rows[at + 2]!,
  bytes: rows[at + 3]!,
  receivedMicros: rows[at + 4]!,
  appendedMicros: rows[at + 5]!,
  writtenMicros: rows[at + 6]!,
  durableMicros: rows[at + 7]!,
  committedMicros: rows[at + 8]!,
  answeredMicros: rows[at + 9]!,
  errorCode: rows[at + 10]!
})
