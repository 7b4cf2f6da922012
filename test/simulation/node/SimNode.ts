/**
 * A node of the simulated cluster over all its lives: starts, crashes, pauses, wiped disks. It owns the disk, what would
 * survive on it, the clock of the present process, and the process itself; whatever a process knew dies with it.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import { emptyImage, type MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import type { Configuration, Member } from "../../../packages/core/src/raft/Entry.ts"
import { EMPTY_CONFIGURATION } from "../../../packages/core/src/raft/Entry.ts"
import type { Raft } from "../../../packages/core/src/raft/Raft.ts"
import type { Replica } from "../../../packages/core/src/replication/Replica.ts"
import type { Kernel } from "../kernel/Kernel.ts"
import { NodeClock } from "../kernel/NodeClock.ts"
import type { SimDisk } from "../kernel/SimDisk.ts"
import type { DiskRecord, Lane, LoggedBatch, NodeView, SimBatch, Timer } from "../World.ts"
import type { ClientAnswer, ClientRequest } from "../workload/ClientPort.ts"
import { answerClient } from "./ClientDesk.ts"
import { DurableState, partitionKey } from "./DurableState.ts"
import type { Host, NodeSettings } from "./Host.ts"
import { CLUSTER_ID } from "./MetadataDriver.ts"
import { Process, type ProcessParts } from "./Process.ts"

export interface SimNodeParts {
  readonly kernel: Kernel
  readonly node: number
  readonly settings: NodeSettings
  readonly machines: (self: Member) => Pick<ProcessParts, "raft" | "replicas" | "controller">
  /** What the first voters of the cluster were told to begin with. */
  readonly bootstrap: Configuration
}

interface Pending {
  readonly count: number
  readonly durable: () => void
}

export class SimNode implements NodeView {
  readonly node: number
  readonly disk: SimDisk
  incarnation = 0
  directoryId: string
  paused = false
  readonly #parts: SimNodeParts
  readonly #random: Prng
  #durable = new DurableState()
  #formatted = 1
  #process: Process | undefined
  #clock: NodeClock | undefined
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #pending: Array<Pending> = []

  constructor(parts: SimNodeParts) {
    this.#parts = parts
    this.node = parts.node
    this.disk = parts.kernel.makeDisk(parts.node)
    this.#random = parts.kernel.stream(`node ${parts.node}`)
    this.directoryId = directoryOf(parts.node, 1)
  }

  get up(): boolean {
    return this.#process !== undefined
  }
  get self(): Member {
    return { node: this.node, directoryId: this.directoryId }
  }
  get process(): Process | undefined {
    return this.#process
  }

  // --- lives

  start(): void {
    assert(this.#process === undefined, "a node that runs is not started")
    const { kernel, machines, bootstrap } = this.#parts
    this.incarnation++
    const drift = kernel.options.clockDrift
    const clock = new NodeClock(kernel, 1 + (this.#random.fraction() * 2 - 1) * drift, this.#random.below(100_000))
    this.#clock = clock
    this.#pending = []
    this.paused = false
    this.disk.attach((count) => this.#onDurable(count))
    const wiped = this.#formatted > 1
    kernel.observe({
      _tag: "Started",
      node: this.node,
      incarnation: this.incarnation,
      directoryId: this.directoryId,
      wiped
    })
    this.#process = new Process({
      host: this.#host(clock),
      found: this.#durable.clone(),
      ...machines(this.self),
      // A directory formatted later knows nothing of how the cluster began (rule 18).
      bootstrap: wiped ? EMPTY_CONFIGURATION : bootstrap
    })
    kernel.network.attach(this.node, {
      onMessage: (from, lane, message) => this.#run((process) => process.receive(from, lane, message)),
      onDisconnect: (peer) => this.#run((process) => process.disconnected(peer))
    })
    this.#run(() => {})
  }

  /** Kill -9 with a power cut: what was not synced is lost, or a part of it. */
  crash(): void {
    if (this.#process === undefined) return
    const { kernel } = this.#parts
    kernel.trace(this.node, () => "crashes")
    this.#process = undefined
    this.paused = false
    this.#clock!.stop()
    this.#timer = undefined
    this.#timerMs = Number.POSITIVE_INFINITY
    this.#pending = []
    kernel.network.detach(this.node)
    this.disk.crash()
    this.#durable.catchUp(this.disk.records, this.disk.records.length)
    kernel.observe({ _tag: "Crashed", node: this.node, incarnation: this.incarnation })
  }

  /** An empty disk under the same node id. */
  wipe(): void {
    assert(this.#process === undefined, "a disk is replaced while its node is down")
    this.#parts.kernel.trace(this.node, () => "gets an empty disk")
    this.#parts.kernel.cover("disk wiped")
    this.disk.wipe()
    this.#durable = new DurableState()
    this.#formatted++
    this.directoryId = directoryOf(this.node, this.#formatted)
  }

  pause(): void {
    if (this.#process === undefined || this.paused) return
    this.paused = true
    this.#clock!.pause()
    this.#parts.kernel.network.pause(this.node)
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.#clock!.resume()
    this.#parts.kernel.network.resume(this.node)
  }

  // --- inputs

  request(request: ClientRequest, answer: (answer: ClientAnswer) => void): void {
    this.#run((process) => answerClient(process, request, answer))
  }

  /** Runs one input of the process, now or when it wakes, and everything that follows from it. */
  #run(input: (process: Process) => void): void {
    const process = this.#process
    if (process === undefined) return
    if (this.paused) {
      this.#clock!.after(0, "after the pause", () => this.#run(input))
      return
    }
    input(process)
    process.pump()
    if (process.control.refused && this.#process === process) this.#exit()
    else this.#arm(process)
  }

  run(input: (process: Process) => void): void {
    this.#run(input)
  }

  /** Rule 20: the process ends by itself. Its disk must be formatted before it is of use again. */
  #exit(): void {
    this.#parts.kernel.cover("exits on a refused registration")
    this.#parts.kernel.after(0, "exit", () => this.crash())
  }

  #arm(process: Process): void {
    const clock = this.#clock!
    const next = process.nextDeadline()
    if (next === this.#timerMs && this.#timer !== undefined) return
    if (this.#timer !== undefined) clock.cancel(this.#timer)
    this.#timer = undefined
    this.#timerMs = next
    if (next === Number.POSITIVE_INFINITY) return
    this.#timer = clock.after(next - clock.nowMs(), "tick", () => {
      this.#timer = undefined
      this.#run((same) => same.tick())
    })
  }

  #onDurable(count: number): void {
    this.#durable.catchUp(this.disk.records, count)
    const process = this.#process
    if (process === undefined) return
    this.#run(() => {
      let done = 0
      while (done < this.#pending.length && this.#pending[done]!.count <= count) this.#pending[done++]!.durable()
      this.#pending.splice(0, done)
    })
  }

  #host(clock: NodeClock): Host {
    const { kernel, settings } = this.#parts
    const { node, incarnation, directoryId } = this
    return {
      node,
      directoryId,
      incarnation,
      firstId: incarnation * 1_000_000_000,
      settings,
      random: this.#random.fork(),
      nowMs: clock.nowMs,
      send: (to: number, lane: Lane, message: unknown, bytes: number) => {
        // A node talks to itself without a network, but never inside its own turn.
        if (to === node) clock.after(0, "to itself", () => this.#run((process) => process.receive(node, lane, message)))
        else kernel.network.send(node, to, lane, message, bytes)
      },
      observe: kernel.observe,
      trace: (text) => kernel.trace(node, text),
      cover: kernel.cover,
      write: (record: DiskRecord, durable: (() => void) | undefined) => {
        const count = this.disk.append(record)
        if (durable !== undefined) this.#pending.push({ count, durable })
      },
      disk: this.disk
    }
  }

  // --- what checkers see

  get raft(): Raft | undefined {
    return this.#process?.raft.raft
  }
  get image(): MetadataImage {
    return this.#process?.metadata.image ?? NO_IMAGE
  }
  get pendingWaiters(): number {
    if (this.#process === undefined) return 0
    let waiting = this.#process.metadata.pending
    for (const hosted of this.#process.replicas.hosted.values()) waiting += hosted.waiting
    return waiting
  }

  replica(topicId: string, partition: number): Replica<SimBatch> | undefined {
    return this.#process?.replicas.hosted.get(partitionKey(topicId, partition))?.replica
  }

  *replicas(): Iterable<Replica<SimBatch>> {
    for (const hosted of this.#process?.replicas.hosted.values() ?? []) yield hosted.replica
  }

  log(topicId: string, partition: number): ReadonlyArray<LoggedBatch> {
    return this.#process?.replicas.hosted.get(partitionKey(topicId, partition))?.log.batches ?? []
  }

  durableLog(topicId: string, partition: number) {
    const state = this.#durable.partitions.get(partitionKey(topicId, partition))
    return state === undefined ? EMPTY_LOG : { batches: state.batches, position: state.position }
  }
}

const NO_IMAGE = emptyImage(CLUSTER_ID)
const EMPTY_LOG = { batches: [], position: { epoch: 0, offset: 0 } }

const directoryOf = (node: number, formatted: number): string => `d${node}.${formatted}`
