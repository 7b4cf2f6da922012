/**
 * The back of the log: writes blocks, syncs them and tells.
 *
 * One fiber runs `step` whenever a block waits or a sync came back. A step first completes what is durable, in order, then
 * launches what may be launched: header and CRC into the ring, one write on this thread, one sync in the pool. At most two
 * blocks are in flight and both lie in one segment. A block that is still open is launched only at the end of the event
 * loop's turn, so that everything that the turn brings joins it; no timer is involved.
 *
 * **Failure** the first refused write or sync fails the log: no later flight completes, even if its own sync said 0, because
 * the kernel reports an error once and then calls the pages clean (rule 34).
 */
import { blockCrc, CLEAN_STOP, type Crc32, emptyHeader, encodeHeader, VERSION } from "@chronik-effect/core/wal/Block.ts"
import { Deferred, Effect, Exit } from "effect"
import { type Disk, DiskError } from "../io/Disk.ts"
import type { CommitRing } from "./CommitRing.ts"
import { type BatchNotification, type WalEvents, WalFailed } from "./Wal.ts"
import type { WalAppender, WalBlock } from "./WalAppender.ts"
import type { SegmentFile, WalSegments } from "./WalSegments.ts"
import { Signal } from "./WalSignal.ts"

export const FLIGHTS_MAX = 2

export interface CommitterOptions {
  readonly syncs: boolean
  readonly chunkLog2: number
  readonly segmentChunks: number
  readonly saltLow: number
  readonly saltHigh: number
  readonly lastSequence: number
  readonly lastCrc: number
}

/** A written block whose sync is under way. Two of them exist and are used in turn. */
interface Flight {
  block: WalBlock | undefined
  writtenAtMicros: number
  durableAtMicros: number
  state: "syncing" | "durable" | "failed"
  error: DiskError | undefined
  readonly synced: (error: DiskError | undefined) => void
}

interface FlushWaiter {
  readonly address: number
  readonly deferred: Deferred.Deferred<void, WalFailed>
}

type Notification = { -readonly [K in keyof BatchNotification]: BatchNotification[K] }

export class WalCommitter {
  failure: WalFailed | undefined
  blocks = 0
  frames = 0
  bytes = 0
  lastSyncMicros = 0

  readonly #disk: Disk["Service"]
  readonly #crc32: Crc32
  readonly #ring: CommitRing
  readonly #segments: WalSegments
  readonly #appender: WalAppender
  readonly #events: WalEvents["Service"]
  readonly #options: CommitterOptions
  readonly #signal = new Signal()
  readonly #flights: Array<Flight> = []
  readonly #idleFlights: Array<Flight> = []
  readonly #flushWaiters: Array<FlushWaiter> = []
  readonly #header = emptyHeader()
  readonly #notification: Notification
  #room: Deferred.Deferred<void, WalFailed> | undefined
  /** Of the last block written. */
  #crc: number
  #durableSequence: number
  #syncing = 0
  #onLanded: (() => void) | undefined
  /** Lowest live segment that no `sealed` was emitted for. */
  #unsealed: SegmentFile

  constructor(
    disk: Disk["Service"],
    ring: CommitRing,
    segments: WalSegments,
    appender: WalAppender,
    events: WalEvents["Service"],
    options: CommitterOptions
  ) {
    this.#disk = disk
    this.#crc32 = disk.crc32
    this.#ring = ring
    this.#segments = segments
    this.#appender = appender
    this.#events = events
    this.#options = options
    this.#crc = options.lastCrc
    this.#durableSequence = options.lastSequence
    this.#unsealed = segments.head
    const none = { streams: [], endOffsets: [], writtenAtMicros: 0, durableAtMicros: 0 }
    this.#notification = { sequence: 0, count: 0, endAddress: 0, ...none }
    for (let i = 0; i < FLIGHTS_MAX; i++) this.#idleFlights.push(this.#makeFlight())
    appender.onWork = () => {
      if (this.#flights.length < FLIGHTS_MAX) this.#signal.notifyLater()
    }
    segments.onProgress = () => this.#progressed()
  }

  get flightCount(): number {
    return this.#flights.length
  }

  /** The committer's fiber. Ends only by failing. */
  readonly run: Effect.Effect<never, WalFailed> = Effect.suspend(() => this.#loop())

  readonly #loop = Effect.fnUntraced(function* (this: WalCommitter) {
    while (true) {
      yield* this.#signal.wait
      this.#step()
      if (this.failure !== undefined) return yield* Effect.fail(this.failure)
    }
  })

  #step(): void {
    const turnOver = this.#signal.turnEnded
    this.#signal.turnEnded = false
    this.#complete()
    // Without syncs a launch completes at once, and what its waiters reserve must not keep this loop going.
    for (let launches = 0; launches < FLIGHTS_MAX && this.#mayLaunch(turnOver); launches++) {
      this.#launch(this.#appender.take())
      this.#complete()
    }
    if (this.#mayLaunch(true)) this.#signal.notifyLater()
  }

  /** Whether the next block may go. Blocks of two segments are never in flight together. */
  #mayLaunch(turnOver: boolean): boolean {
    if (this.failure !== undefined || this.#flights.length === FLIGHTS_MAX) return false
    const segment = this.#appender.nextSegment
    if (segment === undefined || !(turnOver || this.#appender.hasSealed)) return false
    return this.#flights.length === 0 || this.#flights[0]!.block!.segment === segment
  }

  #launch(block: WalBlock): void {
    const flight = this.#idleFlights.pop()!
    flight.block = block
    flight.state = "syncing"
    try {
      this.#write(block)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      this.fail(error.message)
      return
    }
    flight.writtenAtMicros = this.#disk.nowMicros()
    this.#flights.push(flight)
    if (this.#options.syncs) {
      this.#syncing++
      block.segment.file.datasync(flight.synced)
    } else {
      flight.durableAtMicros = flight.writtenAtMicros
      flight.state = "durable"
    }
  }

  #write(block: WalBlock): void {
    const bytes = this.#ring.chunkAt(block.start)
    const view = this.#ring.dataViewAt(block.start)
    const place = this.#ring.placeAt(block.start)
    const length = block.end - block.start
    const header = this.#header
    header.version = VERSION
    header.flags = block.flags
    header.chunkLog2 = this.#options.chunkLog2
    header.segmentChunks = this.#options.segmentChunks
    header.sequence = block.sequence
    header.durableSequence = this.#durableSequence
    header.address = block.start
    header.length = length
    header.frames = block.count
    header.previousCrc = this.#crc
    header.saltLow = this.#options.saltLow
    header.saltHigh = this.#options.saltHigh
    encodeHeader(view, place, header)
    const crc = blockCrc(bytes, place, place + length, block.gaps, block.gapCount, this.#crc32) >>> 0
    view.setUint32(place, crc, true)
    this.#crc = crc
    block.segment.file.write(bytes, place, length, block.start - block.segment.startAddress)
  }

  #makeFlight(): Flight {
    const flight: Flight = {
      block: undefined,
      writtenAtMicros: 0,
      durableAtMicros: 0,
      state: "syncing",
      error: undefined,
      synced: (error) => {
        flight.durableAtMicros = this.#disk.nowMicros()
        flight.error = error
        flight.state = error === undefined ? "durable" : "failed"
        if (--this.#syncing === 0) this.#onLanded?.()
        this.#signal.notify()
      }
    }
    return flight
  }

  /** Completes flights in order, as far as they are durable. */
  #complete(): void {
    while (this.failure === undefined && this.#flights.length > 0) {
      const flight = this.#flights[0]!
      if (flight.state === "syncing") return
      if (flight.state === "failed") {
        this.fail(flight.error!.message)
        return
      }
      this.#flights.shift()
      this.#idleFlights.push(flight)
      this.#committed(flight, flight.block!)
    }
  }

  #committed(flight: Flight, block: WalBlock): void {
    this.#durableSequence = block.sequence
    this.#appender.durableAddress = block.end
    this.blocks++
    this.frames += block.count
    this.bytes += block.end - block.start
    this.lastSyncMicros = flight.durableAtMicros - flight.writtenAtMicros
    const notification = this.#notification
    notification.sequence = block.sequence
    notification.count = block.count
    notification.streams = block.streams
    notification.endOffsets = block.endOffsets
    notification.endAddress = block.end
    notification.writtenAtMicros = flight.writtenAtMicros
    notification.durableAtMicros = flight.durableAtMicros
    this.#events.committed(notification)
    this.#appender.recycle(block)
    while (this.#unsealed !== this.#segments.head && this.#unsealed.endAddress <= block.end) {
      const { live } = this.#segments
      const segment = this.#unsealed
      segment.sealed = true
      this.#unsealed = live[live.indexOf(segment) + 1]!
      this.#events.sealed(segment.sequence)
    }
    const waiters = this.#flushWaiters
    while (waiters.length > 0 && waiters[0]!.address <= block.end) {
      Deferred.doneUnsafe(waiters.shift()!.deferred, Exit.void)
    }
    this.#progressed()
  }

  #progressed(): void {
    if (this.failure !== undefined) return
    this.#appender.progressed()
    const room = this.#room
    this.#room = undefined
    if (room !== undefined) Deferred.doneUnsafe(room, Exit.void)
  }

  /** Idempotent: the first reason counts. */
  fail(reason: string): void {
    if (this.failure !== undefined) return
    const failure = new WalFailed({ reason })
    this.failure = failure
    this.#appender.stop()
    this.#events.failed(failure)
    const exit = Exit.fail(failure)
    for (const waiter of this.#flushWaiters.splice(0)) Deferred.doneUnsafe(waiter.deferred, exit)
    if (this.#room !== undefined) Deferred.doneUnsafe(this.#room, exit)
    this.#signal.notify()
  }

  readonly flushed: Effect.Effect<void, WalFailed> = Effect.suspend(() => {
    if (this.failure !== undefined) return Effect.fail(this.failure)
    const address = this.#appender.end
    if (address <= this.#appender.durableAddress) return Effect.void
    const deferred = Deferred.makeUnsafe<void, WalFailed>()
    this.#flushWaiters.push({ address, deferred })
    return Deferred.await(deferred)
  })

  readonly room: Effect.Effect<void, WalFailed> = Effect.suspend(() => {
    if (this.failure !== undefined) return Effect.fail(this.failure)
    if (!this.#appender.refused) return Effect.void
    this.#room ??= Deferred.makeUnsafe<void, WalFailed>()
    return Deferred.await(this.#room)
  })

  /** Completes when no sync is under way in the thread pool: before that the files must stay open. */
  readonly landed: Effect.Effect<void> = Effect.uninterruptible(
    Effect.callback<void>((resume) => {
      if (this.#syncing === 0) resume(Effect.void)
      else this.#onLanded = () => resume(Effect.void)
    })
  )

  /** Once, after the last flush: the mark that lets the next start trust the end of the log. */
  markCleanStop(): void {
    this.#appender.stop()
    if (this.failure !== undefined || this.#flights.length > 0 || this.#appender.hasWork) return
    const block = this.#appender.stopMark(CLEAN_STOP)
    if (block === undefined) return
    this.#write(block)
    if (this.#options.syncs) block.segment.file.datasyncNow()
  }
}
