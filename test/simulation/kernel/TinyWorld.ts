/**
 * The smallest world that the kernel can be tried with: one fixed leader copies numbers to followers and acknowledges what a
 * majority has on disk. No elections, so nothing but crashes and the network can go wrong; after healing every acknowledged
 * number must lie on a majority of disks. It shows that the kernel, the hunt and the mutations work, and nothing else.
 */
import type { DiskRecord, Endpoint, Lane } from "../World.ts"
import { type FaultPort, Faults } from "./Faults.ts"
import { Kernel } from "./Kernel.ts"
import { NodeClock } from "./NodeClock.ts"
import type { RunSimulation, Violation } from "./RunResult.ts"
import type { SimDisk } from "./SimDisk.ts"

const LEADER = 0

interface Say {
  readonly _tag: "Copy" | "Copied"
  readonly value: number
}

class TinyNode implements Endpoint {
  readonly node: number
  readonly disk: SimDisk
  up = false
  clock: NodeClock
  readonly #kernel: Kernel
  readonly #nodes: ReadonlyArray<number>
  readonly #acknowledged: Set<number>
  readonly #copies = new Map<number, Set<number>>()
  #incarnation = 0
  #next = 1

  constructor(kernel: Kernel, node: number, nodes: ReadonlyArray<number>, acknowledged: Set<number>) {
    this.#kernel = kernel
    this.node = node
    this.#nodes = nodes
    this.#acknowledged = acknowledged
    this.disk = kernel.makeDisk(node)
    this.clock = new NodeClock(kernel, 1)
  }

  start(): void {
    this.up = true
    this.#incarnation++
    this.#copies.clear()
    this.clock = new NodeClock(this.#kernel, 1)
    this.#kernel.network.attach(this.node, this)
    this.#kernel.observe({
      _tag: "Started",
      node: this.node,
      incarnation: this.#incarnation,
      directoryId: `d${this.node}`,
      wiped: false
    })
    this.disk.attach((count) => this.#durable(count))
    if (this.node === LEADER) this.#tick()
  }

  crash(): void {
    this.up = false
    this.clock.stop()
    this.#kernel.network.detach(this.node)
    this.disk.crash()
    this.#kernel.observe({ _tag: "Crashed", node: this.node, incarnation: this.#incarnation })
  }

  readonly onMessage = (from: number, _lane: Lane, message: unknown): void => {
    const { _tag, value } = message as Say
    if (_tag === "Copy") this.#write(value)
    else this.#copied(value, from)
  }

  readonly onDisconnect = (peer: number): void => this.#kernel.trace(this.node, () => `disconnected from ${peer}`)

  #tick(): void {
    const value = this.#next++
    this.#write(value)
    for (const to of this.#nodes) if (to !== this.node) this.#send(to, { _tag: "Copy", value })
    this.clock.after(5, "tick", () => this.#tick())
  }

  #write(value: number): void {
    this.disk.append({ _tag: "HardState", hardState: { term: value, vote: null } })
  }

  #durable(count: number): void {
    const last = this.disk.records[count - 1]
    for (const value of valuesOf(this.disk.records.slice(0, count))) {
      if (this.node === LEADER) this.#copied(value, LEADER)
      else if (valuesOf(last === undefined ? [] : [last]).includes(value)) this.#send(LEADER, { _tag: "Copied", value })
    }
  }

  #copied(value: number, by: number): void {
    const copies = this.#copies.get(value) ?? new Set()
    copies.add(by)
    this.#copies.set(value, copies)
    if (copies.size > this.#nodes.length / 2) this.#acknowledged.add(value)
  }

  #send(to: number, message: Say): void {
    this.#kernel.network.send(this.node, to, "replica", message, 8)
  }
}

const valuesOf = (records: ReadonlyArray<DiskRecord>): ReadonlyArray<number> =>
  records.flatMap((record) => (record._tag === "HardState" ? [record.hardState.term] : []))

const portOf = (kernel: Kernel, nodes: ReadonlyArray<TinyNode>): FaultPort => ({
  nodes: nodes.map((one) => one.node),
  isUp: (node) => nodes[node]!.up,
  isPaused: (node) => nodes[node]!.clock.paused,
  crash: (node) => nodes[node]!.crash(),
  start: (node) => nodes[node]!.start(),
  pause: (node) => {
    nodes[node]!.clock.pause()
    kernel.network.pause(node)
  },
  resume: (node) => {
    nodes[node]!.clock.resume()
    kernel.network.resume(node)
  },
  wipe: (node) => nodes[node]!.disk.wipe(),
  disk: (node) => nodes[node]!.disk,
  mayWipe: () => false
})

/** Every acknowledged value lies on a majority. */
const lostValue = (nodes: ReadonlyArray<TinyNode>, acknowledged: ReadonlySet<number>): number | undefined => {
  const held = nodes.map((one) => new Set(valuesOf(one.disk.records.slice(0, one.disk.durableCount))))
  return [...acknowledged].find((value) => held.filter((one) => one.has(value)).length <= nodes.length / 2)
}

export const runSimulation: RunSimulation = (seed, options, hooks) => {
  const kernel = new Kernel(seed, options, hooks.trace)
  const numbers = Array.from({ length: options.voters + options.observers }, (_, node) => node)
  const acknowledged = new Set<number>()
  const nodes = numbers.map((node) => new TinyNode(kernel, node, numbers, acknowledged))
  const faults = new Faults(kernel, portOf(kernel, nodes))
  for (const one of nodes) one.start()
  faults.start()
  kernel.run(300, options.eventsMax, () => undefined)
  faults.heal()
  kernel.run(500, options.eventsMax, () => undefined)
  const lost = lostValue(nodes, acknowledged)
  const violation: Violation | undefined =
    lost === undefined
      ? undefined
      : { rule: "acknowledged values survive", message: `value ${lost} is lost`, atMs: kernel.nowMs() }
  return {
    seed,
    ok: violation === undefined,
    violation,
    events: kernel.events,
    virtualMs: kernel.nowMs(),
    coverage: kernel.coverage.counts,
    hash: kernel.hash
  }
}
