/**
 * What the machines cost by themselves, without disk, network or fibers: `npm run bench:machines`.
 *
 * Bytes are all that was allocated meanwhile, as V8 counts it, by the machines and by the loop that drives them.
 * Everything that is counted as committed was applied and compared.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Prng } from "../../packages/core/src/base/Prng.ts"
import { Controller } from "../../packages/core/src/controller/Controller.ts"
import { defaultControllerOptions } from "../../packages/core/src/controller/ControllerOptions.ts"
import type { PromiseAnswer } from "../../packages/core/src/controller/Messages.ts"
import type { Command } from "../../packages/core/src/metadata/Command.ts"
import { encodeCommand } from "../../packages/core/src/metadata/CommandCodec.ts"
import { emptyImage, type MetadataImage } from "../../packages/core/src/metadata/MetadataImage.ts"
import { replay } from "../../packages/core/src/metadata/Replay.ts"
import { EMPTY_CONFIGURATION, INITIAL_HARD_STATE } from "../../packages/core/src/raft/Entry.ts"
import { Raft } from "../../packages/core/src/raft/Raft.ts"
import { defaultRaftOptions } from "../../packages/core/src/raft/RaftOptions.ts"
import { type Assignment, defaultReplicaOptions } from "../../packages/core/src/replication/Assignment.ts"
import type { Batch, ReplicaMessage } from "../../packages/core/src/replication/Frame.ts"
import type { Outbox, ReplicaEvent, ReplicaWrite } from "../../packages/core/src/replication/Output.ts"
import { Replica } from "../../packages/core/src/replication/Replica.ts"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

interface Cost {
  readonly perSecond: number
  readonly bytesEach: number
}

/** Since the start of the process. The type definitions do not know the field yet. */
const allocatedBytes = (): number =>
  (getHeapStatistics() as unknown as { readonly total_allocated_bytes: number }).total_allocated_bytes

const REPEATS = 3

/** Runs `work`, which does `count` things, a few times and says what one cost when it went best. Processor time, not the wall's. */
const measure = (count: number, work: () => void): Cost => {
  let best: Cost | undefined
  for (let i = 0; i < REPEATS; i++) {
    collect()
    const before = allocatedBytes()
    const start = process.threadCpuUsage()
    work()
    const { user, system } = process.threadCpuUsage(start)
    const cost = { perSecond: count / ((user + system) / 1e6), bytesEach: (allocatedBytes() - before) / count }
    if (best === undefined || cost.perSecond > best.perSecond) best = cost
  }
  return best!
}

const print = (what: string, { perSecond, bytesEach }: Cost): void =>
  console.log(
    `${what.padEnd(58)} ${Math.round(perSecond).toLocaleString("en").padStart(12)} /s ${bytesEach.toFixed(0).padStart(8)} B each`
  )

const must = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`the benchmark did not do its work: ${what}`)
}

// --- raft

class RaftGroup {
  readonly nodes: ReadonlyArray<Raft>
  steps = 0
  applied = 0
  nowMs = 0

  constructor(count: number) {
    const members = Array.from({ length: count }, (_, i) => ({ node: i + 1, directoryId: `d${i + 1}` }))
    const recovered = {
      hardState: INITIAL_HARD_STATE,
      snapshot: undefined,
      entries: [],
      bootstrap: { ...EMPTY_CONFIGURATION, voters: members }
    }
    this.nodes = members.map(
      (self) => new Raft(defaultRaftOptions(self), recovered, { read: () => undefined }, new Prng(self.node), 0)
    )
    this.nodes[0]!.campaign(0)
    this.pump()
    must(this.nodes[0]!.role === "leader", "a leader was elected")
  }

  /** Everything is durable at once and arrives at once. */
  pump(): void {
    for (let busy = true; busy; ) {
      busy = false
      for (const node of this.nodes) {
        for (let ready = node.ready(); ready !== undefined; ready = node.ready()) {
          busy = true
          for (const message of ready.messages) {
            this.steps++
            this.nodes[message.to.node - 1]!.step(this.nowMs, message)
          }
          if (ready.write !== undefined) node.advance(ready.write.sequence)
          for (const apply of ready.apply) {
            if (apply._tag === "Entry") node.applied(apply.entry.index)
            if (node === this.nodes[0]) this.applied++
          }
        }
      }
    }
  }

  propose(total: number, batch: number): void {
    const leader = this.nodes[0]!
    const payload = new Uint8Array(100)
    for (let done = 0; done < total; done += batch) {
      for (let i = 0; i < batch; i++)
        must(leader.propose(this.nowMs, done + i, payload) === "proposed", "a proposal was taken")
      this.pump()
      // The newest snapshot covers what was applied, as in a broker that takes them by growth.
      if (done % 10_000 === 0) {
        for (const node of this.nodes) {
          const index = node.appliedIndex
          const term = node.termAt(index)
          if (term !== undefined) node.snapshotSaved({ index, term, configuration: node.configuration, totalBytes: 0 })
        }
      }
    }
  }
}

const benchRaft = (nodes: number, batch: number): void => {
  const group = new RaftGroup(nodes)
  const total = 200_000
  group.propose(20_000, batch)
  const before = { applied: group.applied, steps: group.steps }
  const cost = measure(total, () => group.propose(total, batch))
  must(group.applied - before.applied >= REPEATS * total, "all were applied")
  const steps = (group.steps - before.steps) / REPEATS
  print(`raft, ${nodes} node${nodes > 1 ? "s" : ""}, ${batch} a batch, committed entries`, cost)
  if (nodes > 1)
    print("  messages stepped", {
      perSecond: (cost.perSecond * steps) / total,
      bytesEach: (cost.bytesEach * total) / steps
    })
}

// --- a partition

class Trio implements Outbox<number> {
  readonly replicas: ReadonlyArray<Replica<number>>
  readonly #written = new Map<Replica<number>, number>()
  #messages: Array<ReplicaMessage<number>> = []
  #sendable = new Set<number>()
  readonly log: Array<Batch<number>> = []
  highWatermark = 0
  frames = 0

  constructor(count = 3) {
    const ids = Array.from({ length: count }, (_, i) => ({ node: i + 1, directoryId: `d${i + 1}` }))
    const recovered = {
      markers: [{ epoch: 0, offset: 0, unclean: false }],
      logStartOffset: 0,
      logEndOffset: 0,
      highWatermark: 0,
      promised: 0
    }
    this.replicas = ids.map((id) => new Replica<number>(id, "topic", 0, recovered, defaultReplicaOptions, this))
    const assignment: Assignment = {
      epoch: 0,
      configVersion: 0,
      leader: ids[0]!,
      unclean: false,
      counted: ids,
      learners: [],
      minInSync: 2,
      mayLead: true
    }
    for (const replica of this.replicas) replica.assign(0, assignment)
    this.pump()
  }

  write(replica: Replica<number>, sequence: number, _write: ReplicaWrite<number>): void {
    this.#written.set(replica, sequence)
  }
  send(_replica: Replica<number>, message: ReplicaMessage<number>): void {
    this.#messages.push(message)
  }
  event(replica: Replica<number>, event: ReplicaEvent): void {
    if (event._tag === "Sendable") this.#sendable.add(event.peer)
    else if (event._tag === "HighWatermark" && replica === this.replicas[0]) this.highWatermark = event.offset
  }

  pump(): void {
    const leader = this.replicas[0]!
    for (;;) {
      for (const [replica, sequence] of this.#written) replica.durable(0, sequence)
      this.#written.clear()
      const peers = this.#sendable
      this.#sendable = new Set()
      for (const peer of peers) this.#sendTo(leader, peer)
      const messages = this.#messages
      this.#messages = []
      for (const message of messages) this.replicas[message.to.node - 1]!.receive(0, message)
      if (peers.size === 0 && messages.length === 0 && this.#written.size === 0) return
    }
  }

  #sendTo(leader: Replica<number>, peer: number): void {
    for (let plan = leader.planSend(0, peer, 0); plan !== undefined; plan = leader.planSend(0, peer, 0)) {
      // One record a batch: the offset is the place.
      const batches = this.log.slice(plan.from, plan.limit)
      const frame = leader.confirmSend(0, plan, plan.from + batches.length, batches.length * 100, batches)
      if (frame === undefined) return
      this.frames++
      this.#messages.push(frame)
    }
  }

  produce(total: number, batch: number): void {
    const leader = this.replicas[0]!
    for (let done = 0; done < total; done += batch) {
      for (let i = 0; i < batch; i++) {
        const result = leader.append(0, 1, 100, true)
        must(result._tag === "Appended", "an append was taken")
        if (result._tag !== "Appended") return
        this.log.push({ epoch: 0, baseOffset: result.baseOffset, endOffset: result.baseOffset + 1, data: 0 })
        this.#written.set(leader, result.sequence)
      }
      this.pump()
    }
  }
}

const benchReplica = (batch: number): void => {
  const trio = new Trio()
  const total = 200_000
  trio.produce(20_000, batch)
  const frames = trio.frames
  const cost = measure(total, () => trio.produce(total, batch))
  must(trio.highWatermark === trio.log.length, "all were committed")
  const sent = (trio.frames - frames) / REPEATS
  print(`partition, 3 replicas, ${batch} batches a flight, committed batches`, cost)
  print("  frames", {
    perSecond: (cost.perSecond * sent) / total,
    bytesEach: (cost.bytesEach * total) / sent
  })
}

/** An idle partition asks for no tick, and one that comes anyway does nothing. */
const benchIdle = (): void => {
  const count = 10_000
  collect()
  const heap = process.memoryUsage().heapUsed
  const trios = Array.from({ length: count / 10 }, () => new Trio())
  const replicas = trios.flatMap((trio) => trio.replicas)
  collect()
  const bytes = (process.memoryUsage().heapUsed - heap) / replicas.length
  must(
    replicas.every((replica) => replica.nextDeadline() === Number.POSITIVE_INFINITY),
    "idle partitions have no deadline"
  )
  const rounds = 100
  const cost = measure(replicas.length * rounds, () => {
    for (let round = 0; round < rounds; round++) for (const replica of replicas) replica.tick(round)
  })
  print("idle partition, ticks (none is ever asked for)", cost)
  console.log(`idle partition, a third of them leaders: ${bytes.toFixed(0)} B each, with this benchmark's own share`)
}

// --- the controller

const PARTITIONS = 10_000

const clusterImage = (): { image: MetadataImage; index: number } => {
  let image = emptyImage("bench")
  let index = 0
  const run = (command: Command) => {
    image = replay(image, command, ++index).image
  }
  for (const nodeId of [1, 2, 3]) {
    run({ _tag: "RegisterNode", nodeId, incarnation: 1, directoryId: `d${nodeId}`, endpoints: [], rack: null })
  }
  for (let topic = 0; topic < 10; topic++) {
    const partitions = Array.from({ length: PARTITIONS / 10 }, () => ({
      replicas: [1, 2, 3],
      isr: [1, 2, 3],
      leader: 1
    }))
    run({ _tag: "CreateTopic", name: `t${topic}`, topicId: `topic-${topic}`, internal: false, partitions, configs: [] })
  }
  return { image, index }
}

const answersTo = (
  nodeId: number,
  partitions: ReadonlyArray<{ topicId: string; partition: number; epoch: number }>
): ReadonlyArray<PromiseAnswer> =>
  partitions.map(({ topicId, partition, epoch }) => ({
    topicId,
    partition,
    epoch,
    directoryId: `d${nodeId}`,
    answer: { _tag: "Position", position: { epoch: 0, offset: 1000 } }
  }))

/** Node 1 leads everything and dies. From the end of its session to the last election applied. */
const benchFailover = (): void => {
  let { image, index } = clusterImage()
  const controller = new Controller(defaultControllerOptions, new Prng(1))
  let nowMs = 0
  controller.activate(nowMs, image)
  let ms = 0
  let bytes = 0
  let commands = 0
  const turn = (work: () => void) => {
    const start = performance.now()
    work()
    ms += performance.now() - start
  }
  const pump = () => {
    for (let ready = controller.ready(); ready !== undefined; ready = controller.ready()) {
      for (const request of ready.promises) {
        if (request.nodeId === 1) continue
        turn(() => controller.promiseAnswered(nowMs, request.nodeId, answersTo(request.nodeId, request.partitions)))
      }
      for (const { ticket, command } of ready.commands) {
        commands++
        bytes += encodeCommand(command).length
        const done = replay(image, command, ++index)
        image = done.image
        turn(() => controller.applied(nowMs, image, done.delta))
        turn(() => controller.commandEnded(nowMs, ticket, done.result))
      }
    }
  }
  const led = () =>
    [...image.topics()].flatMap(({ partitions }) => partitions).filter(({ leader }) => leader === 1).length
  for (; led() > 0 && nowMs < 60_000; nowMs += 50) {
    for (const nodeId of [2, 3]) {
      const heartbeat = {
        nodeId,
        directoryId: `d${nodeId}`,
        incarnation: 1,
        appliedOffset: image.offset,
        wantsToStop: false,
        partitions: []
      }
      turn(() => controller.heartbeat(nowMs, heartbeat))
    }
    turn(() => controller.tick(nowMs))
    pump()
  }
  must(led() === 0, "every partition has another leader")
  console.log(
    `controller, ${PARTITIONS.toLocaleString("en")} partitions fail over: ${ms.toFixed(1)} ms of its time, ` +
      `${commands} commands of ${(bytes / 1024).toFixed(0)} KiB in all`
  )
}

// First: what else has run leaves garbage that is collected meanwhile.
benchIdle()
for (const nodes of [1, 3]) for (const batch of [1, 64]) benchRaft(nodes, batch)
for (const batch of [1, 64]) benchReplica(batch)
benchFailover()
