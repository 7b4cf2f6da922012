/**
 * The faults of one run: what chance does to the world while safety is checked, and the healing before liveness is.
 *
 * Each kind of fault comes at its own times from a stream of its own, so that taking one away shifts no other. A fault with a
 * duration is undone by a timer or by `heal`. What answers the nodes' own deeds is in `Bias`. Nodes are reached through a port,
 * links and disks directly. Not here: what a crash keeps (`SimDisk`), what a message suffers without a fault (`SimNetwork`).
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import type { Timer } from "../World.ts"
import { Bias } from "./Bias.ts"
import { exponential, uniform } from "./Draw.ts"
import type { Kernel } from "./Kernel.ts"
import { between, isolating, type Links, ring } from "./Links.ts"
import type { Options } from "./Options.ts"
import type { SimDisk } from "./SimDisk.ts"

export interface FaultPort {
  /** In rising order; the same through a run. */
  readonly nodes: ReadonlyArray<number>
  readonly isUp: (node: number) => boolean
  readonly isPaused: (node: number) => boolean
  /** Of a node that is up, paused or not. */
  readonly crash: (node: number) => void
  /** Of a node that is down. */
  readonly start: (node: number) => void
  readonly pause: (node: number) => void
  readonly resume: (node: number) => void
  /** Of a node that is down: an empty disk and another directory id. */
  readonly wipe: (node: number) => void
  /** One object a node, through crashes and wipes. */
  readonly disk: (node: number) => SimDisk
  /** Whether the quorums of this moment survive the loss of what this node holds. */
  readonly mayWipe: (node: number) => boolean
}

export type Undo = () => void
type Act = (random: Prng) => Undo | undefined

interface Active {
  readonly undo: Undo
  readonly timer: Timer
}

/** A wiped replica stays in the denominator, so what may be lost is what a quorum can spare. */
const spare = (members: number): number => members - (Math.floor(members / 2) + 1)

export class Faults {
  readonly #kernel: Kernel
  readonly #port: FaultPort
  readonly #options: Options
  readonly #active = new Set<Active>()
  readonly #timers = new Set<Timer>()
  readonly #bias: Bias
  #wipes = 0
  #running = false

  constructor(kernel: Kernel, port: FaultPort) {
    this.#kernel = kernel
    this.#port = port
    this.#options = kernel.options
    this.#bias = new Bias(kernel, port, this)
  }

  /** Between the start and the healing. */
  get running(): boolean {
    return this.#running
  }

  get active(): number {
    return this.#active.size
  }

  /** The safety phase begins. Nodes are up. */
  start(): void {
    assert(!this.#running, "faults are started once")
    this.#running = true
    const { faultEveryMs } = this.#options
    if (faultEveryMs > 0)
      for (const [name, weight, durationMs, act] of this.#kinds()) this.#schedule(name, weight, durationMs, act)
    this.#bias.start()
  }

  /** Everything is undone, and nothing comes any more: all nodes up, links whole, disks healthy. Its caller observes `Healed`. */
  heal(): void {
    this.#running = false
    for (const timer of this.#timers) this.#kernel.cancel(timer)
    this.#timers.clear()
    for (const { undo, timer } of [...this.#active]) {
      this.#kernel.cancel(timer)
      undo()
    }
    this.#active.clear()
    this.#kernel.network.calm()
    for (const node of this.#port.nodes) {
      this.#port.disk(node).calm()
      if (!this.#port.isUp(node)) this.#port.start(node)
      else if (this.#port.isPaused(node)) this.#port.resume(node)
    }
  }

  /** Something to be done later unless the world heals before. */
  later(delayMs: number, action: () => void): void {
    if (!this.#running) return
    const timer = this.#kernel.after(delayMs, "fault", () => {
      this.#timers.delete(timer)
      action()
    })
    this.#timers.add(timer)
  }

  /** Something that ends after a while, or when the world heals. */
  lasts(durationMs: number, undo: Undo): void {
    const active: Active = {
      undo,
      timer: this.#kernel.after(durationMs, "fault ends", () => {
        this.#active.delete(active)
        undo()
      })
    }
    this.#active.add(active)
  }

  note(name: string, what: string): void {
    this.#kernel.cover(`fault.${name}`)
    this.#kernel.trace(-1, () => `⚡ ${what}`)
    this.#kernel.observe({ _tag: "Fault", what })
  }

  // Deeds, shared with the biases.

  /** Down for `downMs`, then started again. False when it is down already. */
  crash(node: number, downMs: number, name = "crash"): boolean {
    if (!this.#running || !this.#port.isUp(node)) return false
    this.note(name, `${name} node ${node}`)
    this.#port.crash(node)
    this.lasts(downMs, () => this.#restart(node))
    return true
  }

  /** An empty disk under the old number, as often as the quorums can spare one. */
  wipe(node: number, downMs: number): boolean {
    const { voters, replicationFactor, wipesMax } = this.#options
    const bound = Math.min(wipesMax, spare(voters), spare(replicationFactor))
    if (!this.#running || this.#wipes >= bound || !this.#port.mayWipe(node)) return false
    this.#wipes++
    this.note("wipe", `wipe node ${node}`)
    if (this.#port.isUp(node)) this.#port.crash(node)
    this.#port.wipe(node)
    this.lasts(downMs, () => this.#restart(node))
    return true
  }

  /** Cuts directed links for `durationMs`. */
  cut(links: Links, durationMs: number): void {
    for (const [from, to] of links) this.#kernel.network.cut(from, to)
    this.lasts(durationMs, () => {
      for (const [from, to] of links) this.#kernel.network.mend(from, to)
    })
  }

  #restart(node: number): void {
    if (this.#port.isUp(node)) return
    this.#kernel.cover("fault.restart")
    this.#port.start(node)
  }

  #schedule(name: string, weight: number, durationMs: number, act: Act): void {
    if (weight <= 0) return
    const random = this.#kernel.stream(`fault ${name}`)
    const next = () =>
      this.later(exponential(random, this.#options.faultEveryMs / weight), () => {
        // Drawn apart from what the fault itself draws: it may draw more or less as the world stands.
        const lastsMs = exponential(random, durationMs)
        const undo = act(random.fork())
        if (undo !== undefined) this.lasts(lastsMs, undo)
        next()
      })
    next()
  }

  #kinds(): ReadonlyArray<readonly [string, number, number, Act]> {
    const o = this.#options
    return [
      ["crash", o.crashWeight, o.downMs, (random) => this.#crashOne(random)],
      ["crashAll", o.crashAllWeight, o.downMs, (random) => this.#crashAll(random)],
      ["pause", o.pauseWeight, o.faultMs, (random) => this.#pause(random)],
      ["wipe", o.wipeWeight, o.downMs, (random) => this.#wipeOne(random)],
      ["oneWay", o.oneWayWeight, o.faultMs, (random) => this.#oneWay(random)],
      ["partition", o.partitionWeight, o.faultMs, (random) => this.#partition(random)],
      ["isolate", o.isolateWeight, o.faultMs, (random) => this.#isolate(random)],
      ["bridge", o.bridgeWeight, o.faultMs, (random) => this.#bridge(random)],
      ["ring", o.ringWeight, o.faultMs, (random) => this.#ring(random)],
      ["slowLink", o.slowLinkWeight, o.faultMs, (random) => this.#slowLink(random)],
      ["reset", o.resetWeight, 0, (random) => this.#reset(random)],
      ["slowDisk", o.slowDiskWeight, o.faultMs, (random) => this.#slowDisk(random)]
    ]
  }

  #crashOne(random: Prng): undefined {
    const up = this.#port.nodes.filter((node) => this.#port.isUp(node))
    if (up.length > 0) this.crash(random.pick(up), exponential(random, this.#options.downMs))
  }

  /** The power fails. */
  #crashAll(random: Prng): undefined {
    for (const node of this.#port.nodes) this.crash(node, exponential(random, this.#options.downMs), "crashAll")
  }

  #pause(random: Prng): Undo | undefined {
    const awake = this.#port.nodes.filter((node) => this.#port.isUp(node) && !this.#port.isPaused(node))
    if (awake.length === 0) return undefined
    const node = random.pick(awake)
    this.note("pause", `pause node ${node}`)
    this.#port.pause(node)
    return () => {
      if (this.#port.isUp(node) && this.#port.isPaused(node)) this.#port.resume(node)
    }
  }

  #wipeOne(random: Prng): undefined {
    this.wipe(random.pick(this.#port.nodes), exponential(random, this.#options.downMs))
  }

  #two(random: Prng): readonly [number, number] | undefined {
    const shuffled = random.shuffle([...this.#port.nodes])
    return shuffled.length < 2 ? undefined : [shuffled[0]!, shuffled[1]!]
  }

  #oneWay(random: Prng): Undo | undefined {
    const pair = this.#two(random)
    if (pair === undefined) return undefined
    this.note("oneWay", `cut ${pair[0]} → ${pair[1]}`)
    return this.#cutting([pair])
  }

  #partition(random: Prng): Undo | undefined {
    const shuffled = random.shuffle([...this.#port.nodes])
    if (shuffled.length < 2) return undefined
    const at = random.between(1, shuffled.length - 1)
    this.note("partition", `partition ${shuffled.slice(0, at).join(",")} | ${shuffled.slice(at).join(",")}`)
    return this.#cutting(between(shuffled.slice(0, at), shuffled.slice(at)))
  }

  #isolate(random: Prng): Undo | undefined {
    if (this.#port.nodes.length < 2) return undefined
    const node = random.pick(this.#port.nodes)
    const direction = random.pick(["in", "out", "both"] as const)
    this.note("isolate", `isolate node ${node} (${direction})`)
    return this.#cutting(isolating(node, this.#port.nodes, direction))
  }

  /** Two halves that see each other through one node only. */
  #bridge(random: Prng): Undo | undefined {
    const shuffled = random.shuffle([...this.#port.nodes])
    if (shuffled.length < 3) return undefined
    const [bridge, ...others] = shuffled
    const at = random.between(1, others.length - 1)
    this.note("bridge", `bridge ${others.slice(0, at).join(",")} - ${bridge} - ${others.slice(at).join(",")}`)
    return this.#cutting(between(others.slice(0, at), others.slice(at)))
  }

  /** Every node sees a majority, and no two see the same one. */
  #ring(random: Prng): Undo | undefined {
    const order = random.shuffle([...this.#port.nodes])
    if (order.length < 4) return undefined
    this.note("ring", `ring ${order.join("-")}`)
    return this.#cutting(ring(order))
  }

  #slowLink(random: Prng): Undo | undefined {
    const pair = this.#two(random)
    if (pair === undefined) return undefined
    const [from, to] = pair
    const times = Math.round(uniform(random, 5, 100))
    this.note("slowLink", `link ${from} → ${to} ${times} times slower`)
    this.#kernel.network.slowDown(from, to, times)
    return () => this.#kernel.network.slowDown(from, to, 1)
  }

  #reset(random: Prng): undefined {
    const pair = this.#two(random)
    if (pair === undefined) return undefined
    this.note("reset", `reset ${pair[0]} - ${pair[1]}`)
    this.#kernel.network.reset(pair[0], pair[1])
  }

  #slowDisk(random: Prng): Undo {
    const node = random.pick(this.#port.nodes)
    const times = Math.round(uniform(random, 5, 100))
    this.note("slowDisk", `disk of node ${node} ${times} times slower`)
    this.#port.disk(node).slowDown(times)
    return () => this.#port.disk(node).slowDown(1)
  }

  #cutting(links: Links): Undo {
    for (const [from, to] of links) this.#kernel.network.cut(from, to)
    return () => {
      for (const [from, to] of links) this.#kernel.network.mend(from, to)
    }
  }
}
