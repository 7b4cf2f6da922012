/**
 * One node's disk: an ordered list of records, of which a prefix is durable.
 *
 * Flights clock themselves, as the broker's committer does: while at most two syncs are under way, what is appended waits for
 * the next one. Each sync has a latency of its own, and completions keep their order. A crash keeps what is durable and any
 * prefix of the rest, which may end inside a record of many entries or batches: such a record is torn, not lost whole.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import type { Disk, DiskRecord, Timer } from "../World.ts"
import { exponential } from "./Draw.ts"
import type { Kernel } from "./Kernel.ts"

const FLIGHTS_MAX = 2
/** A healthy disk's latencies, well within every timeout. */
const CALM_MS = 1
const RECORDS_MAX = 1_000_000

export interface DiskTimes {
  readonly fsyncMs: number
  readonly fsyncJitterMs: number
  readonly fsyncTailChance: number
  readonly fsyncTailMs: number
}

interface Flight {
  /** Records that are durable when it lands. */
  end: number
  readonly startedMs: number
  landsMs: number
  timer: Timer | undefined
}

export class SimDisk implements Disk {
  readonly node: number
  readonly #world: Kernel
  readonly #random: Prng
  #times: DiskTimes
  readonly #flights: Array<Flight> = []
  #records: Array<DiskRecord> = []
  #durableCount = 0
  #onDurable: ((count: number) => void) | undefined
  #watch: ((record: DiskRecord) => void) | undefined
  /** A crash voids what was in the air. */
  #generation = 0
  #slowness = 1

  constructor(world: Kernel, node: number, random: Prng, times: DiskTimes) {
    this.#world = world
    this.node = node
    this.#random = random
    this.#times = times
  }

  get records(): ReadonlyArray<DiskRecord> {
    return this.#records
  }

  get durableCount(): number {
    return this.#durableCount
  }

  /** From now on a sync takes `times` as long, those under way included; 1 is healthy. */
  slowDown(times: number): void {
    assert(times >= 1, "a disk is never faster than healthy")
    const change = times / this.#slowness
    this.#slowness = times
    this.#reland((leftMs) => leftMs * change)
  }

  /** Healthy, and without long syncs from now on. */
  calm(): void {
    const fsyncMs = Math.min(this.#times.fsyncMs, CALM_MS)
    const fsyncJitterMs = Math.min(this.#times.fsyncJitterMs, CALM_MS)
    this.#slowness = 1
    this.#times = { ...this.#times, fsyncMs, fsyncJitterMs, fsyncTailChance: 0 }
    this.#reland((leftMs) => Math.min(leftMs, fsyncMs + fsyncJitterMs))
  }

  attach(onDurable: (count: number) => void): void {
    this.#onDurable = onDurable
  }

  /** For fault injection: sees each record as it is appended. */
  watch(watch: (record: DiskRecord) => void): void {
    this.#watch = watch
  }

  append(record: DiskRecord): number {
    assert(this.#records.length < RECORDS_MAX, "a simulated disk must not fill without end")
    this.#records.push(record)
    this.#takeOff()
    this.#watch?.(record)
    return this.#records.length
  }

  crash(): void {
    const lost = this.#records.length - this.#durableCount
    // Both ends are as likely as all that lies between them: nothing lost and everything lost are the famous cases.
    const kept = this.#random.chance(0.3) ? 0 : this.#random.chance(0.3) ? lost : this.#random.below(lost + 1)
    const next = this.#records[this.#durableCount + kept]
    this.#records.length = this.#durableCount + kept
    const torn = next === undefined ? undefined : tear(next, this.#random)
    if (torn !== undefined) {
      this.#records.push(torn)
      this.#world.cover("disk.torn")
    }
    this.#world.trace(
      this.node,
      () => `disk keeps ${kept} of ${lost} records not synced${torn ? ", and a part of one" : ""}`
    )
    this.#durableCount = this.#records.length
    this.#void()
  }

  wipe(): void {
    this.#records = []
    this.#durableCount = 0
    this.#void()
  }

  #void(): void {
    this.#generation++
    this.#flights.length = 0
    this.#onDurable = undefined
  }

  #takeOff(): void {
    const now = this.#world.nowMs()
    const last = this.#flights.at(-1)
    if (last !== undefined && last.startedMs === now) {
      // What one turn of a node writes goes into one block.
      last.end = this.#records.length
      return
    }
    if (this.#flights.length >= FLIGHTS_MAX) return
    const landsMs = Math.max(now + this.#latencyMs(), last?.landsMs ?? 0)
    const flight: Flight = { end: this.#records.length, startedMs: now, landsMs, timer: undefined }
    this.#flights.push(flight)
    this.#approach(flight)
  }

  #approach(flight: Flight): void {
    const generation = this.#generation
    flight.timer = this.#world.at(flight.landsMs, "fsync", () => {
      if (generation === this.#generation) this.#land(flight)
    })
  }

  /** `left` keeps the order of what it is given. */
  #reland(left: (leftMs: number) => number): void {
    const now = this.#world.nowMs()
    for (const flight of this.#flights) {
      if (flight.timer !== undefined) this.#world.cancel(flight.timer)
      flight.landsMs = now + left(flight.landsMs - now)
      this.#approach(flight)
    }
  }

  #land(flight: Flight): void {
    assert(this.#flights[0] === flight, "flights must land in the order of their start")
    assert(flight.end > this.#durableCount && flight.end <= this.#records.length, "a flight must carry something")
    this.#flights.shift()
    this.#durableCount = flight.end
    const carried = this.#flights.at(-1)?.end ?? flight.end
    if (carried < this.#records.length) this.#takeOff()
    this.#onDurable?.(this.#durableCount)
  }

  #latencyMs(): number {
    const { fsyncMs, fsyncJitterMs, fsyncTailChance, fsyncTailMs } = this.#times
    const jitter = exponential(this.#random, fsyncJitterMs)
    const tail = this.#random.chance(fsyncTailChance) ? exponential(this.#random, fsyncTailMs) : 0
    return (fsyncMs + jitter + tail) * this.#slowness
  }
}

/** A proper, non-empty part of a record of many; undefined where there is none, or by chance. */
function tear(record: DiskRecord, random: Prng): DiskRecord | undefined {
  if (random.chance(0.5)) return undefined
  if (record._tag === "Entries" && record.entries.length > 1) {
    return { ...record, entries: record.entries.slice(0, random.between(1, record.entries.length - 1)) }
  }
  if (record._tag !== "Replica" || record.write._tag !== "Batches" || record.write.batches.length < 2) return undefined
  const { batches } = record.write
  return { ...record, write: { _tag: "Batches", batches: batches.slice(0, random.between(1, batches.length - 1)) } }
}
