/**
 * The world of one run: virtual time, chance, observers, history, coverage and the network. It runs events one at a time and
 * knows nothing of nodes, logs or clients; those are built around it by `Simulation.ts`.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import type { Observation } from "../Observation.ts"
import type { Timer, World } from "../World.ts"
import { Coverage } from "./Coverage.ts"
import { EventHeap } from "./EventHeap.ts"
import type { Options } from "./Options.ts"
import { SimDisk } from "./SimDisk.ts"
import { SimNetwork } from "./SimNetwork.ts"
import { hashText, streamOf } from "./Streams.ts"
import type { Trace } from "./Trace.ts"

export type Observer = (observation: Observation, atMs: number) => void

/** Why `run` came back: the time is over (or nothing is left to happen), the events are used up, or `afterEach` said so. */
export type RunEnd = "time" | "events" | "stopped"

/** Observers may observe: a circle among them would never end. */
const OBSERVE_DEPTH_MAX = 16
const HASHES_MAX = 1_000

export class Kernel implements World {
  readonly seed: number
  readonly options: Options
  readonly random: Prng
  readonly network: SimNetwork
  readonly coverage = new Coverage()
  readonly #heap = new EventHeap()
  readonly #observers: Array<Observer> = []
  readonly #trace: Trace | undefined
  readonly #hashes = new Map<string, number>()
  #nowMs = 0
  #events = 0
  #hash = 0x811c_9dc5
  #observeDepth = 0

  constructor(seed: number, options: Options, trace?: Trace | undefined) {
    this.seed = seed
    this.options = options
    this.random = streamOf(seed, "world")
    this.#trace = trace
    this.network = new SimNetwork(this, streamOf(seed, "network"), options)
  }

  /** A generator of its own for one part of the world: what others draw does not shift it. */
  stream(name: string): Prng {
    return streamOf(this.seed, name)
  }

  makeDisk(node: number): SimDisk {
    return new SimDisk(this, node, this.stream(`disk ${node}`), this.options)
  }

  get events(): number {
    return this.#events
  }

  /** Of everything that happened so far: the same seed and options give the same one. */
  get hash(): number {
    return this.#hash >>> 0
  }

  get waiting(): number {
    return this.#heap.size
  }

  get tracing(): boolean {
    return this.#trace !== undefined
  }

  readonly nowMs = (): number => this.#nowMs

  readonly after = (delayMs: number, label: string, action: () => void): Timer => {
    assert(!Number.isNaN(delayMs), "a delay must be a number")
    assert(delayMs >= 0, "an event must not be due in the past")
    return this.#heap.add(this.#nowMs + delayMs, label, action)
  }

  /** At a moment rather than after a delay, whose rounding could swap two events that belong to one moment. */
  readonly at = (dueMs: number, label: string, action: () => void): Timer => {
    assert(dueMs >= this.#nowMs, "an event must not be due in the past")
    return this.#heap.add(dueMs, label, action)
  }

  readonly cancel = (timer: Timer): void => {
    this.#heap.cancel(timer)
  }

  addObserver(observer: Observer): void {
    this.#observers.push(observer)
  }

  readonly observe = (observation: Observation): void => {
    assert(this.#observeDepth < OBSERVE_DEPTH_MAX, "observers must not observe each other in a circle")
    this.#mix(this.#hashOf(observation._tag))
    this.coverage.count(`observed.${observation._tag}`)
    this.#observeDepth++
    for (const observer of this.#observers) observer(observation, this.#nowMs)
    this.#observeDepth--
  }

  readonly trace = (node: number, text: () => string): void => {
    this.#trace?.add(this.#nowMs, node, text())
  }

  readonly cover = (state: string): void => {
    this.coverage.count(state)
  }

  /** Runs events until `untilMs`, then stands at that time. `afterEach` is called between events. */
  run(untilMs: number, eventsMax: number, afterEach: () => "stop" | undefined): RunEnd {
    assert(untilMs >= this.#nowMs, "virtual time must not run backwards")
    const eventsEnd = this.#events + eventsMax
    for (;;) {
      if (this.#events >= eventsEnd) return "events"
      const event = this.#heap.take(untilMs)
      if (event === undefined) break
      assert(event.dueMs >= this.#nowMs, "events must come in the order of time")
      this.#nowMs = event.dueMs
      this.#events++
      this.#mix(this.#hashOf(event.label) ^ (Math.floor(event.dueMs * 1000) | 0))
      event.action()
      if (afterEach() === "stop") return "stopped"
    }
    this.#nowMs = untilMs
    return "time"
  }

  /** Labels and tags are few and constant; what is made up at run time is hashed each time. */
  #hashOf(text: string): number {
    let hash = this.#hashes.get(text)
    if (hash !== undefined) return hash
    hash = hashText(text)
    if (this.#hashes.size < HASHES_MAX) this.#hashes.set(text, hash)
    return hash
  }

  #mix(value: number): void {
    this.#hash = Math.imul(((this.#hash << 5) | (this.#hash >>> 27)) ^ value, 0x9e37_79b1)
  }
}
