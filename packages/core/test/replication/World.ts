/**
 * Several replicas of one partition with a log on a disk each, a network that delivers what it is told to, and a metadata log
 * that nodes apply when they are told to. The scenarios and the random model drive it; nothing in it happens by itself.
 */
import type { Assignment, RecoveredReplica, ReplicaOptions } from "../../src/replication/Assignment.ts"
import type { Batch, Frame, Marker, ReplicaId, ReplicaMessage } from "../../src/replication/Frame.ts"
import type { Outbox, ReplicaEvent, ReplicaWrite } from "../../src/replication/Output.ts"
import { ORIGIN, type Point } from "../../src/replication/Point.ts"
import { Replica } from "../../src/replication/Replica.ts"

/** A batch's content is its name. */
export type Content = string
export type Write = ReplicaWrite<Content> | { readonly _tag: "Append"; readonly batch: Batch<Content> }
export type Message = ReplicaMessage<Content>

/** A log as its writes make it. */
export class LogModel {
  markers: Array<Marker> = [{ ...ORIGIN, unclean: false }]
  batches: Array<Batch<Content>> = []
  start = 0
  end = 0
  highWatermark = 0
  promised = 0

  apply(write: Write): void {
    switch (write._tag) {
      case "Promise":
        this.promised = write.epoch
        return
      case "Marker":
        this.markers.push(write.marker)
        return
      case "Append":
        return this.#take([write.batch])
      case "Batches":
        return this.#take(write.batches)
      case "Bulk":
        this.markers.push(...write.markers)
        this.#take(write.batches)
        this.end = write.end.offset
        return
      case "HighWatermark":
        this.highWatermark = write.offset
        return
      case "Truncate":
        this.markers = this.markers.filter((marker) => marker.epoch <= write.to.epoch)
        this.batches = this.batches.filter((batch) => batch.endOffset <= write.to.offset)
        this.end = write.to.offset
        this.highWatermark = Math.min(this.highWatermark, this.end)
        return
      case "Reset":
        this.markers = [{ ...write.to, unclean: false }]
        this.batches = []
        this.start = write.to.offset
        this.end = write.to.offset
        this.highWatermark = write.to.offset
    }
  }

  startAt(offset: number): void {
    if (offset <= this.start) return
    this.start = offset
    this.highWatermark = Math.max(this.highWatermark, offset)
    this.batches = this.batches.filter((batch) => batch.endOffset > offset)
    const inForce = this.markers.findLastIndex((marker) => marker.offset <= offset)
    this.markers = this.markers.slice(inForce).map((marker, i) => (i === 0 ? { ...marker, offset } : marker))
  }

  /** The content of each offset from `start` on: "epoch:name". */
  contents(until: number): ReadonlyArray<readonly [number, string]> {
    return this.batches
      .filter((batch) => batch.endOffset <= until)
      .map((batch) => [batch.baseOffset, `${batch.epoch}:${batch.data}`] as const)
  }

  recovered(): RecoveredReplica {
    return {
      markers: this.markers,
      logStartOffset: this.start,
      logEndOffset: this.end,
      highWatermark: Math.max(this.highWatermark, this.start),
      promised: this.promised
    }
  }

  #take(batches: ReadonlyArray<Batch<Content>>): void {
    this.batches.push(...batches)
    this.end = batches.at(-1)?.endOffset ?? this.end
  }
}

type Stored = { readonly _tag: "Write"; readonly write: Write } | { readonly _tag: "Start"; readonly offset: number }

export class Node {
  readonly name: string
  readonly world: World
  id: ReplicaId
  /** Undefined while the node is down. */
  replica: Replica<Content> | undefined
  /** Everything written, in order; numbers of this process begin behind `offsetOfProcess`. */
  stored: Array<Stored> = []
  durableCount = 0
  model = new LogModel()
  readonly sendable = new Set<number>()
  incarnation = 0
  #sequenceBase = 0
  #starts = 0

  constructor(world: World, node: number, name: string) {
    this.world = world
    this.name = name
    this.id = { node, directoryId: `${name}1` }
    this.start()
  }

  get up(): boolean {
    return this.replica !== undefined
  }
  get live(): Replica<Content> {
    if (this.replica === undefined) throw new Error(`${this.name} is down`)
    return this.replica
  }
  /** Of this process: how many of its writes are stored. */
  get lastSequence(): number {
    return this.stored.length - this.#sequenceBase - this.#starts
  }

  write(sequence: number, write: Write): void {
    if (sequence !== this.lastSequence + 1) throw new Error(`write ${sequence} after ${this.lastSequence}`)
    this.stored.push({ _tag: "Write", write })
    this.model.apply(write)
    this.world.on.write(this, write)
  }

  /** The log start moves: the shell's own entry. */
  startAt(offset: number): void {
    this.live.startAt(offset)
    this.model.startAt(offset)
    this.stored.push({ _tag: "Start", offset })
    this.#starts++
  }

  /** Makes the first `count` entries durable and says so. */
  sync(asked = this.stored.length): void {
    const count = Math.min(asked, this.stored.length)
    if (count <= this.durableCount) return
    this.durableCount = count
    const writes = this.stored.slice(this.#sequenceBase, count).filter((entry) => entry._tag === "Write").length
    this.live.durable(this.world.now, writes)
  }

  /** Keeps what is durable and `keep` entries more. */
  crash(keep: number): void {
    this.replica = undefined
    this.sendable.clear()
    this.stored = this.stored.slice(
      0,
      Math.max(this.durableCount, Math.min(this.stored.length, this.durableCount + keep))
    )
    this.durableCount = this.stored.length
  }

  wipe(): void {
    this.crash(0)
    this.stored = []
    this.durableCount = 0
  }

  start(): void {
    this.model = new LogModel()
    for (const entry of this.stored) {
      if (entry._tag === "Write") this.model.apply(entry.write)
      else this.model.startAt(entry.offset)
    }
    this.#sequenceBase = this.stored.length
    this.#starts = 0
    this.incarnation++
    const { topicId, options, outbox } = this.world
    this.replica = new Replica(this.id, topicId, 0, this.model.recovered(), options, outbox)
  }
}

/** What the scenarios print and the model checks. */
export interface Listener {
  readonly write: (node: Node, write: Write) => void
  readonly send: (message: Message) => void
  readonly event: (node: Node, event: ReplicaEvent) => void
}

export class World {
  readonly topicId = "t"
  readonly options: ReplicaOptions
  readonly on: Listener
  readonly nodes: Array<Node> = []
  now = 0
  /** On the way, oldest first. */
  network: Array<Message> = []
  readonly outbox: Outbox<Content>
  #batches = 0

  constructor(names: ReadonlyArray<string>, options: ReplicaOptions, on: Listener) {
    this.options = options
    this.on = on
    this.outbox = {
      write: (replica, sequence, write) => this.#nodeOf(replica.self).write(sequence, write),
      send: (_replica, message) => this.post(message),
      event: (replica, event) => {
        const node = this.#nodeOf(replica.self)
        if (event._tag === "Sendable") node.sendable.add(event.peer)
        else this.on.event(node, event)
      }
    }
    for (const [i, name] of names.entries()) this.nodes.push(new Node(this, i, name))
  }

  node(name: string): Node {
    const found = this.nodes.find((node) => node.name === name)
    if (found === undefined) throw new Error(`no node ${name}`)
    return found
  }

  post(message: Message): void {
    this.network.push(message)
    this.on.send(message)
  }

  /** Appends one batch of `count` offsets. Returns why not. */
  append(node: Node, count: number, requireInSync: boolean): string | undefined {
    const result = node.live.append(this.now, count, count, requireInSync)
    if (result._tag === "Refused") return result.reason
    const { baseOffset, sequence } = result
    const batch = { epoch: node.live.epoch, baseOffset, endOffset: baseOffset + count, data: `r${++this.#batches}` }
    node.write(sequence, { _tag: "Append", batch })
    return undefined
  }

  /** Sends to one peer what its replica plans, at most `batchesMax` batches a frame. Whether there was anything. */
  sendTo(node: Node, peer: number, batchesMax: number, tailStart: number): boolean {
    const plan = node.live.planSend(this.now, peer, tailStart)
    if (plan === undefined) return false
    const found = node.model.batches.filter((batch) => batch.endOffset > plan.from && batch.endOffset <= plan.limit)
    const batches = found.slice(0, batchesMax)
    const bytes = batches.reduce((sum, batch) => sum + batch.endOffset - batch.baseOffset, 0)
    const frame = node.live.confirmSend(this.now, plan, batches.at(-1)?.endOffset ?? plan.from, bytes, batches)
    if (frame === undefined) return false
    this.post(frame)
    return true
  }

  /** Sends all that is sendable from `node`. */
  send(node: Node, batchesMax = Number.POSITIVE_INFINITY, tailStart = 0): void {
    for (const peer of node.sendable) {
      node.sendable.delete(peer)
      this.sendTo(node, peer, batchesMax, tailStart)
    }
  }

  /** To the directory that is named; nobody is there when the node is down or was wiped. */
  deliver(message: Message): void {
    const node = this.nodes[message.to.node]
    if (node?.up) node.live.receive(this.now, message)
  }

  /** Sends and delivers among `nodes`, and syncs those of `disks`, until nothing moves any more. */
  settle(nodes: ReadonlyArray<Node> = this.nodes, disks: ReadonlyArray<Node> = nodes): void {
    let rounds = 0
    for (let moved = true; moved; ) {
      moved = false
      if (++rounds > 1000) throw new Error("the replicas never come to rest")
      for (const node of nodes.filter((one) => one.up)) {
        if (node.sendable.size > 0) moved = true
        this.send(node)
        if (!disks.includes(node)) continue
        if (node.durableCount < node.stored.length) moved = true
        node.sync()
      }
      const reachable = (id: ReplicaId): boolean => nodes.some((node) => node.id.node === id.node)
      for (const message of this.network.splice(0)) {
        moved = true
        if (reachable(message.from) && reachable(message.to)) this.deliver(message)
      }
    }
  }

  /** Time passes for all nodes that are up. */
  pass(ms: number): void {
    this.now += ms
    for (const node of this.nodes) node.replica?.tick(this.now)
  }

  #nodeOf(id: ReplicaId): Node {
    return this.nodes[id.node]!
  }
}

export const isFrame = (message: Message): message is Frame<Content> => message._tag === "Frame"
export const pointText = (point: Point): string => (point.epoch < 0 ? "(none)" : `(${point.epoch},${point.offset})`)
export type { Assignment }
