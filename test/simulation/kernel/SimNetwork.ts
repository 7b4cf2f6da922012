/**
 * The network between nodes (and to clients): one directed link a pair, four lanes on it.
 *
 * A message is lost, doubled, delayed or overtaken as the options say; a link may be cut (counted, so that faults overlap),
 * slow, or reset, which loses all that is in flight and tells both ends. What comes to a node that is down is dropped, to a
 * paused one it waits. Nothing is copied: a message must not be changed after it was sent.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import type { Endpoint, Lane, Network } from "../World.ts"
import { exponential } from "./Draw.ts"
import type { Kernel } from "./Kernel.ts"
import type { Options } from "./Options.ts"

/** What of a run's options the network obeys. */
export type NetworkChances = Pick<
  Options,
  | "delayMs"
  | "jitterMs"
  | "tailChance"
  | "tailMs"
  | "lossChance"
  | "duplicateChance"
  | "reorderChance"
  | "holdCut"
  | "staleDelivery"
>

interface Parcel {
  readonly lane: Lane
  readonly message: unknown
  readonly bytes: number
  /** Of the receiver when it was sent: 0 before its first start. */
  readonly receiver: number
}

class Link {
  readonly from: number
  readonly to: number
  cuts = 0
  slowness = 1
  /** A reset voids what is in flight. */
  generation = 0
  inFlight = 0
  inFlightBytes = 0
  /** When the last message of each lane arrives: FIFO. */
  readonly arrivals: Record<Lane, number> = { raft: 0, replica: 0, control: 0, client: 0 }
  readonly held: Array<Parcel> = []

  constructor(from: number, to: number) {
    this.from = from
    this.to = to
  }
}

interface Station {
  endpoint: Endpoint | undefined
  paused: boolean
  /** Attachments so far. */
  lives: number
  readonly waiting: Array<() => void>
}

const LANES: ReadonlyArray<Lane> = ["raft", "replica", "control", "client"]

/** Node and client numbers are below this. */
const ADDRESS_END = 4_096
/** Beyond them, messages are dropped as by a full socket. */
const HELD_MAX = 32
const WAITING_MAX = 10_000
const IN_FLIGHT_MAX = 20_000
/** Delays of a calm network: well within every timeout, so that what does not come to rest has no excuse. */
const CALM_MS = 1
/** How soon a peer notices that a process died: its system closes the connections. */
const DISCONNECT_MS = 1

export class SimNetwork implements Network {
  readonly #world: Kernel
  readonly #random: Prng
  readonly #links = new Map<number, Link>()
  readonly #stations = new Map<number, Station>()
  #chances: NetworkChances
  #inFlight = 0
  #inFlightBytes = 0
  #inFlightBytesMax = 0
  /** How a delivered message reads in the history. */
  describe: (message: unknown) => string = (message) =>
    String((message as { readonly _tag?: string })._tag ?? "message")

  constructor(world: Kernel, random: Prng, chances: NetworkChances) {
    this.#world = world
    this.#random = random
    this.#chances = chances
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  /** The most there ever was. */
  get inFlightBytesMax(): number {
    return this.#inFlightBytesMax
  }

  get inFlight(): number {
    return this.#inFlight
  }

  readonly attach = (node: number, endpoint: Endpoint): void => {
    const station = this.#station(node)
    assert(station.endpoint === undefined, "a node must not be attached twice")
    station.endpoint = endpoint
    station.paused = false
    station.lives++
  }

  /** The process is gone: its peers find their connections closed, unless a cut hides it. */
  readonly detach = (node: number): void => {
    const station = this.#station(node)
    station.endpoint = undefined
    station.waiting.length = 0
    for (const [peer, other] of this.#stations) {
      if (peer === node || other.endpoint === undefined) continue
      this.#world.after(DISCONNECT_MS, "disconnect", () => {
        if (this.#link(node, peer).cuts === 0) this.#tellDisconnected(peer, node)
      })
    }
  }

  pause(node: number): void {
    this.#station(node).paused = true
  }

  /** What waited is delivered in order, each message as an event of its own. */
  resume(node: number): void {
    const station = this.#station(node)
    station.paused = false
    for (const deliver of station.waiting.splice(0)) this.#world.after(0, "deliver", deliver)
  }

  readonly send = (from: number, to: number, lane: Lane, message: unknown, bytes: number): void => {
    assert(bytes >= 0, "a message has a size")
    const link = this.#link(from, to)
    const parcel = { lane, message, bytes, receiver: this.#station(to).lives }
    if (link.cuts > 0) return this.#intoCut(link, parcel)
    this.#dispatch(link, parcel)
    if (this.#random.chance(this.#chances.duplicateChance)) {
      this.#world.cover("network.doubled")
      this.#dispatch(link, parcel)
    }
  }

  cut(from: number, to: number): void {
    this.#link(from, to).cuts++
  }

  mend(from: number, to: number): void {
    const link = this.#link(from, to)
    assert(link.cuts > 0, "only what was cut is mended")
    link.cuts--
    if (link.cuts === 0) this.#release(link)
  }

  isCut(from: number, to: number): boolean {
    return this.#link(from, to).cuts > 0
  }

  slowDown(from: number, to: number, times: number): void {
    assert(times >= 1, "a link is never faster than healthy")
    this.#link(from, to).slowness = times
  }

  /** Everything in flight between two nodes is lost, and both are told. */
  reset(a: number, b: number): void {
    for (const link of [this.#link(a, b), this.#link(b, a)]) {
      link.generation++
      this.#account(-link.inFlight, -link.inFlightBytes)
      link.inFlight = 0
      link.inFlightBytes = 0
      link.held.length = 0
      for (const lane of LANES) link.arrivals[lane] = 0
    }
    this.#tellDisconnected(a, b)
    this.#tellDisconnected(b, a)
  }

  /** All links whole and quick, and nothing is lost, doubled or overtaken from now on. */
  calm(): void {
    const delayMs = Math.min(this.#chances.delayMs, CALM_MS)
    const jitterMs = Math.min(this.#chances.jitterMs, CALM_MS)
    const never = { tailChance: 0, lossChance: 0, duplicateChance: 0, reorderChance: 0 }
    this.#chances = { ...this.#chances, ...never, delayMs, jitterMs }
    const soonMs = this.#world.nowMs() + delayMs + jitterMs * 8
    for (const link of [...this.#links.values()]) {
      link.cuts = 0
      link.slowness = 1
      // Behind what a slow or stuck link still holds everything would wait: such a connection is given up.
      if (LANES.some((lane) => link.arrivals[lane] > soonMs)) this.reset(link.from, link.to)
      this.#release(link)
    }
  }

  #intoCut(link: Link, parcel: Parcel): void {
    if (!this.#chances.holdCut || link.held.length >= HELD_MAX) return this.#world.cover("network.cutOff")
    link.held.push(parcel)
    this.#world.cover("network.held")
  }

  #release(link: Link): void {
    for (const parcel of link.held.splice(0)) this.#dispatch(link, parcel)
  }

  #dispatch(link: Link, parcel: Parcel): void {
    const chances = this.#chances
    const { lane, bytes } = parcel
    if (this.#random.chance(chances.lossChance) || this.#inFlight >= IN_FLIGHT_MAX) {
      this.#world.cover("network.lost")
      this.#world.trace(link.from, () => `✗ lost → ${link.to} ${this.describe(parcel.message)}`)
      return
    }
    const now = this.#world.nowMs()
    let arrival = now + this.#delayMs() * link.slowness
    if (this.#random.chance(chances.reorderChance)) {
      if (arrival < link.arrivals[lane]) this.#world.cover("network.overtaken")
    } else {
      // At the same moment as the one before it, and behind it: the heap keeps the order of equals.
      arrival = Math.max(arrival, link.arrivals[lane])
      link.arrivals[lane] = arrival
    }
    link.inFlight++
    link.inFlightBytes += bytes
    this.#account(1, bytes)
    const generation = link.generation
    this.#world.at(arrival, "deliver", () => {
      if (generation !== link.generation) return
      link.inFlight--
      link.inFlightBytes -= bytes
      this.#account(-1, -bytes)
      if (link.cuts > 0) this.#intoCut(link, parcel)
      else this.#deliver(link, parcel)
    })
  }

  #deliver(link: Link, parcel: Parcel): void {
    const station = this.#station(link.to)
    if (station.endpoint === undefined) return this.#world.cover("network.toTheDead")
    if (parcel.receiver !== station.lives && !this.#chances.staleDelivery) return this.#world.cover("network.stale")
    if (station.paused) {
      if (station.waiting.length < WAITING_MAX) station.waiting.push(() => this.#deliver(link, parcel))
      return
    }
    this.#world.trace(link.to, () => `← ${link.from} ${this.describe(parcel.message)}`)
    station.endpoint.onMessage(link.from, parcel.lane, parcel.message)
  }

  #tellDisconnected(node: number, peer: number): void {
    const station = this.#station(node)
    if (station.endpoint === undefined) return
    if (station.paused) station.waiting.push(() => this.#tellDisconnected(node, peer))
    else station.endpoint.onDisconnect(peer)
  }

  #account(messages: number, bytes: number): void {
    this.#inFlight += messages
    this.#inFlightBytes += bytes
    if (this.#inFlightBytes > this.#inFlightBytesMax) this.#inFlightBytesMax = this.#inFlightBytes
    assert(this.#inFlight >= 0 && this.#inFlightBytes >= 0, "what is in flight is never negative")
  }

  #delayMs(): number {
    const { delayMs, jitterMs, tailChance, tailMs } = this.#chances
    const jitter = exponential(this.#random, jitterMs)
    const tail = this.#random.chance(tailChance) ? exponential(this.#random, tailMs) : 0
    return delayMs + jitter + tail
  }

  #link(from: number, to: number): Link {
    const key = from * ADDRESS_END + to
    let link = this.#links.get(key)
    if (link === undefined) {
      assert(from >= 0 && from < ADDRESS_END && to >= 0 && to < ADDRESS_END, "an address must be in its range")
      link = new Link(from, to)
      this.#links.set(key, link)
    }
    return link
  }

  #station(node: number): Station {
    let station = this.#stations.get(node)
    if (station === undefined) {
      station = { endpoint: undefined, paused: false, lives: 0, waiting: [] }
      this.#stations.set(node, station)
    }
    return station
  }
}
