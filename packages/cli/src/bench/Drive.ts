/**
 * Keeps lanes busy until the meter's end: a closed loop (the next batch when the answer is there) or an open loop (batches
 * when they are due, whether the broker keeps up or not; a latency then counts from when the batch was due, so that a
 * broker that stalls is charged for everything that had to wait).
 *
 * Plain callbacks inside: a fiber step per request would be charged to the broker.
 */
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import * as Effect from "effect/Effect"
import type { Lane } from "./Ground.ts"
import type { Ledger } from "./Ledger.ts"
import type { Meter } from "./Meter.ts"

export interface Drive {
  readonly lanes: ReadonlyArray<Lane>
  readonly meter: Meter
  readonly ledger: Ledger
  /** Records a second over all lanes; undefined is the closed loop. */
  readonly rate: number | undefined
  /** True when acks=0: there are no answers to wait for. */
  readonly unanswered: boolean
  /** Told of each batch before it is sent; a batch then is `done` when this says so and the broker has answered. */
  readonly arrivals?: Arrivals | undefined
}

export interface Arrivals {
  readonly expect: (lane: Lane, lastSequence: number, arrived: () => void) => void
}

const BUFFERED_BYTES_MAX = 1 << 20
/** Sends in a row without an answer before the event loop gets its turn. */
const BURST = 64
const IN_FLIGHT_MAX = 100_000

class Run {
  private readonly drive: Drive
  private readonly finished: () => void
  private inFlight = 0
  private sending = true

  constructor(drive: Drive, finished: () => void) {
    this.drive = drive
    this.finished = finished
  }

  start(): void {
    if (this.drive.rate !== undefined) this.paced(this.drive.rate)
    else for (const lane of this.drive.lanes) this.drive.unanswered ? this.pour(lane) : this.loop(lane)
  }

  stop(): void {
    this.sending = false
  }

  private over(): boolean {
    return !this.sending || performance.now() >= this.drive.meter.endMs
  }

  /** Sends one batch that was due at `dueMs`; `next` runs when it is settled, never synchronously for acks≠0. */
  private fire(lane: Lane, dueMs: number, next: () => void): void {
    const { meter, ledger, arrivals } = this.drive
    const { source, sink } = lane
    const start = source.nextSequence
    const batch = source.next(Date.now())
    let waiting = arrivals === undefined ? 1 : 2
    const settle = () => {
      if (--waiting > 0) return
      this.inFlight--
      meter.done(dueMs, performance.now(), source.records, batch.length)
      next()
    }
    this.inFlight++
    arrivals?.expect(lane, start + source.records - 1, settle)
    sink.send(
      batch,
      (appended) => {
        ledger.confirmed(lane.index, source.records, appended.baseOffset)
        if (!this.drive.unanswered) source.recycle(batch)
        settle()
      },
      (error: ClientError) => {
        this.inFlight--
        ledger.unconfirmed(lane.index, start, source.records)
        meter.failed(error)
        if (sink.connection.isOpen) next()
        else this.ended()
      }
    )
  }

  private loop(lane: Lane): void {
    const again = () => {
      if (this.over()) this.ended()
      else this.fire(lane, performance.now(), again)
    }
    again()
  }

  /** acks=0: as fast as the kernel takes it. */
  private pour(lane: Lane): void {
    const ignore = () => {}
    const burst = () => {
      const { connection } = lane.sink
      for (let i = 0; i < BURST && connection.isOpen && !this.over(); i++) {
        if (connection.bufferedBytes() > BUFFERED_BYTES_MAX) break
        this.fire(lane, performance.now(), ignore)
      }
      if (this.over() || !connection.isOpen) this.ended()
      else setImmediate(burst)
    }
    burst()
  }

  private paced(rate: number): void {
    const { lanes, meter } = this.drive
    const pauseMs = (1_000 * lanes[0]!.source.records) / rate
    let dueMs = performance.now()
    let turn = 0
    const settled = () => this.ended()
    const tick = () => {
      const now = Math.min(performance.now(), meter.endMs)
      while (dueMs < now && this.sending && this.inFlight < IN_FLIGHT_MAX) {
        const lane = lanes[turn++ % lanes.length]!
        if (lane.sink.connection.isOpen) this.fire(lane, dueMs, settled)
        dueMs += pauseMs
      }
      if (!this.over()) return
      clearInterval(timer)
      this.sending = false
      this.ended()
    }
    const timer = setInterval(tick, 1)
  }

  private ended(): void {
    const allClosed = this.drive.lanes.every((lane) => !lane.sink.connection.isOpen)
    if (this.inFlight === 0 && (this.over() || allClosed)) this.finished()
  }
}

/** How long after the meter's end an answer or an arrival is still waited for; then it counts as none. */
const LINGER_MS = 30_000

/** Runs to the meter's end and until everything in flight is answered, has failed, or is given up. */
export const drive = (options: Drive): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const run = new Run(options, () => resume(Effect.void))
    run.start()
    return Effect.sync(() => run.stop())
  }).pipe(Effect.timeoutOption(Math.max(0, options.meter.endMs - performance.now()) + LINGER_MS), Effect.asVoid)
