/**
 * A small cluster around real controllers, for properties: the metadata log is real, nodes are as simple as the rules allow.
 *
 * A replica is a promise and a position; a follower copies a prefix of its leader's log at once. That is enough to see a
 * leader elected that lacks what was committed. Nodes apply the metadata late (rules 11 and 17), messages are lost, delayed
 * and doubled, nodes die, come back, and lose their disks; controllers die between any two steps. All chance is one seed's.
 */
import { Prng } from "../../src/base/Prng.ts"
import { Controller, defaultControllerOptions } from "../../src/controller/Controller.ts"
import type { PartitionReport, PromiseAnswer, PromiseRequest, Report } from "../../src/controller/Messages.ts"
import type { Command } from "../../src/metadata/Command.ts"
import { emptyImage, type MetadataImage, type PartitionImage } from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"
import { countedReplicas, learners, majorityOf } from "../../src/metadata/Replicas.ts"
import { comparePoints, type Point } from "../../src/replication/Point.ts"

const TOPIC = "t"
const ORIGIN: Point = { epoch: 0, offset: 0 }

interface ModelReplica {
  promised: number
  position: Point
  /** The epoch that this process leads, and where its marker lies. */
  leads: number
  /** The promise for which it was refused while it led. */
  refusedBy: number
  markerOffset: number
}

interface ModelNode {
  readonly id: number
  directoryId: string
  incarnation: number
  up: boolean
  silent: boolean
  /** Applies no metadata for a while: what rules 11 and 17 are about. */
  lags: boolean
  /** Place in `images` that it has applied. */
  applied: number
  replicas: Array<ModelReplica>
}

type Letter =
  | { readonly _tag: "Ask"; readonly request: PromiseRequest }
  | { readonly _tag: "Answer"; readonly nodeId: number; readonly answers: ReadonlyArray<PromiseAnswer> }

export class ModelCluster {
  readonly random: Prng
  readonly images: Array<MetadataImage> = [emptyImage("c")]
  readonly nodes: Array<ModelNode> = []
  readonly partitions: number
  readonly seen = { elections: 0, offline: 0, counted: 0, removed: 0, controllers: 0, commits: 0, refused: 0 }
  readonly trace: Array<string> = []
  now = 0
  #controller: Controller
  #pending: Array<{ readonly ticket: number; readonly command: Command }> = []
  #letters: Array<Letter> = []
  readonly #committed: Array<Point>
  /** Elections that have applied: epoch and what the leader held. */
  readonly #elected: Array<Array<{ readonly epoch: number; readonly position: Point }>>

  constructor(seed: number, nodes: number, partitions: number) {
    this.random = new Prng(seed)
    this.partitions = partitions
    this.#controller = this.#another()
    this.#committed = Array.from({ length: partitions }, () => ORIGIN)
    this.#elected = Array.from({ length: partitions }, () => [])
    for (let id = 1; id <= nodes; id++) {
      const replicas = Array.from({ length: partitions }, blank)
      this.nodes.push({
        id,
        directoryId: `d${id}`,
        incarnation: 1,
        up: true,
        silent: false,
        lags: false,
        applied: 0,
        replicas
      })
      this.#register(this.nodes[id - 1]!)
    }
    const sets = Array.from({ length: partitions }, (_, p) => [0, 1, 2].map((i) => ((p + i) % nodes) + 1))
    const made = sets.map((replicas) => ({ replicas, isr: replicas, leader: replicas[0]! }))
    this.#apply({ _tag: "CreateTopic", name: TOPIC, topicId: TOPIC, internal: false, partitions: made, configs: [] })
    this.#controller.activate(this.now, this.image)
  }

  get image(): MetadataImage {
    return this.images.at(-1)!
  }

  partition(p: number, image = this.image): PartitionImage {
    return image.topicById(TOPIC)!.partitions[p]!
  }

  #another(): Controller {
    const options = { ...defaultControllerOptions, balanceIntervalMs: 300, quorumBackoffMs: 200, reassignmentsMax: 1 }
    return new Controller(options, this.random.fork())
  }

  // --- the metadata log

  #apply(command: Command): ReturnType<typeof replay>["result"] {
    const before = this.image
    const { image, delta, result } = replay(before, command, before.offset)
    this.images.push(image)
    if (command._tag === "PartitionOps") {
      for (const { partition } of delta.partitionsChanged) this.#changed(this.partition(partition, before), partition)
    }
    if (result._tag === "PartitionsChanged") this.seen.refused += result.refused.length
    this.trace.push(JSON.stringify(command))
    this.#controller.applied(this.now, image, delta)
    return result
  }

  #changed(before: PartitionImage, p: number): void {
    const after = this.partition(p)
    const grown = countedReplicas(after).length - countedReplicas(before).length
    if (grown > 0) this.seen.counted++
    if (grown < 0) this.seen.removed++
    if (after.leaderEpoch === before.leaderEpoch) return
    if (after.leader === -1) {
      this.seen.offline++
      return
    }
    this.seen.elections++
    const leader = this.nodes[after.leader - 1]!
    const { position } = leader.replicas[p]!
    // A disk that has gone since is not the one that was elected: nobody leads, and it will be elected anew.
    if (leader.directoryId !== after.directories[after.replicas.indexOf(after.leader)]) return
    this.#elected[p]!.push({ epoch: after.leaderEpoch, position })
    if (comparePoints(position, this.#committed[p]!) < 0) {
      const held = `${position.epoch}/${position.offset}`
      const lost = this.#committed[p]!
      throw new Error(
        `partition ${p}: ${after.leader} leads ${after.leaderEpoch} with ${held}, ${lost.epoch}/${lost.offset} was committed`
      )
    }
  }

  #register(node: ModelNode): void {
    const { id: nodeId, incarnation, directoryId } = node
    this.#apply({ _tag: "RegisterNode", nodeId, incarnation, directoryId, endpoints: [], rack: null })
  }

  // --- one step of everything

  /** `faults`: none while it heals. */
  step(faults: boolean): void {
    this.now += this.random.between(1, 30)
    if (faults) this.#fault()
    for (const node of this.nodes) this.#live(node, faults)
    this.#deliver(faults)
    this.#controller.tick(this.now)
    this.#pump(faults)
  }

  #pump(faults: boolean): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > 100) throw new Error("the controller never comes to rest")
      const ready = this.#controller.ready()
      if (ready === undefined) break
      this.#pending.push(...ready.commands)
      for (const request of ready.promises) this.#letters.push({ _tag: "Ask", request })
      for (const { nodeId, partition, epoch, target } of ready.handOvers)
        this.#handOver(nodeId, partition, epoch, target)
      if (!faults || this.random.chance(0.8)) this.#commit(faults)
    }
    if (!faults || this.random.chance(0.5)) this.#commit(faults)
  }

  #commit(faults: boolean): void {
    for (const { ticket, command } of this.#pending.splice(0)) {
      if (faults && this.random.chance(0.03)) this.#controller.commandEnded(this.now, ticket, "lost")
      else this.#controller.commandEnded(this.now, ticket, this.#apply(command))
    }
  }

  #fault(): void {
    const node = this.random.pick(this.nodes)
    const dice = this.random.below(100)
    if (dice < 4) node.up = false
    else if (dice < 8) node.silent = !node.silent
    else if (dice < 14 && !node.up) this.#start(node, false)
    else if (dice < 15 && this.#canLose(node)) this.#start(node, true)
    else if (dice < 18) this.#changeController()
    else if (dice < 22) this.#reassign()
    else if (dice < 26) node.lags = !node.lags
  }

  /** A disk may be lost while a majority of each of its partitions has another: what is lost beyond that no rule brings back. */
  #canLose(node: ModelNode): boolean {
    // A set may be about to shrink.
    if (this.#pending.length > 0) return false
    return [...Array(this.partitions).keys()].every((p) => {
      const counted = countedReplicas(this.partition(p))
      const intact = counted.filter(
        (one) => one.node !== node.id && this.nodes[one.node - 1]!.directoryId === one.directoryId
      )
      return !counted.some((one) => one.node === node.id) || intact.length >= majorityOf(counted.length)
    })
  }

  #start(node: ModelNode, wiped: boolean): void {
    node.up = true
    node.silent = false
    node.lags = false
    node.incarnation++
    if (wiped) {
      node.directoryId = `d${node.id}.${node.incarnation}`
      node.replicas = node.replicas.map(blank)
    }
    for (const replica of node.replicas) Object.assign(replica, { leads: -1, refusedBy: -1 })
    this.#register(node)
  }

  #changeController(): void {
    this.seen.controllers++
    this.#controller.deactivate()
    // Some of what was proposed is in the log, the rest is not.
    this.#pending = this.#pending.slice(0, this.random.below(this.#pending.length + 1))
    const old = this.#controller
    this.#controller = this.#another()
    for (const { command } of this.#pending.splice(0)) this.#apply(command)
    if (old.ready() !== undefined) throw new Error("a controller that is not active wants nothing")
    this.#controller.activate(this.now, this.image)
  }

  #reassign(): void {
    const target = this.random.shuffle(this.nodes.map(({ id }) => id)).slice(0, this.random.between(1, 3))
    this.#controller.reassign(this.now, TOPIC, this.random.below(this.partitions), target)
  }

  // --- nodes

  #live(node: ModelNode, faults: boolean): void {
    if (!node.up) return
    const newest = this.images.length - 1
    if (!faults) node.applied = newest
    else if (!node.lags && this.random.chance(0.6))
      node.applied = this.random.between(Math.min(node.applied, newest), newest)
    for (let p = 0; p < this.partitions; p++) if (!faults || this.random.chance(0.7)) this.#lead(node, p, faults)
    if (node.silent || (faults && this.random.chance(0.3))) return
    this.#controller.heartbeat(this.now, {
      nodeId: node.id,
      directoryId: node.directoryId,
      incarnation: node.incarnation,
      appliedOffset: this.images[node.applied]!.offset,
      wantsToStop: false,
      partitions: this.#reports(node)
    })
  }

  /** The partition as the node knows it, if it may lead it (rules 9 and 19). */
  #led(node: ModelNode, p: number): PartitionImage | undefined {
    const image = this.images[node.applied]!
    const partition = image.topicById(TOPIC)?.partitions[p]
    const broker = image.brokers.get(node.id)
    if (partition === undefined || partition.leader !== node.id || broker?.incarnation !== node.incarnation)
      return undefined
    if (partition.electedAt <= broker.registeredAt || broker.directoryId !== node.directoryId) return undefined
    return aheadOf(node.replicas[p]!) <= partition.leaderEpoch ? partition : undefined
  }

  #lead(node: ModelNode, p: number, faults: boolean): void {
    const partition = this.#led(node, p)
    if (partition === undefined) return
    const replica = node.replicas[p]!
    const epoch = partition.leaderEpoch
    if (replica.leads !== epoch) {
      replica.leads = epoch
      replica.promised = epoch
      replica.markerOffset = replica.position.offset
      replica.position = { epoch, offset: replica.position.offset }
    }
    if (faults && this.random.chance(0.5)) replica.position = { epoch, offset: replica.position.offset + 1 }
    for (const { node: id, directoryId } of [...countedReplicas(partition), ...learners(partition)]) {
      const follower = this.nodes[id - 1]!
      if (id === node.id || !follower.up || follower.directoryId !== directoryId) continue
      if (faults && this.random.chance(0.4)) continue
      const copy = follower.replicas[p]!
      if (copy.promised > epoch) {
        // Rule 12: refused, by a learner as well, it leads no more and says so.
        replica.refusedBy = copy.promised
        return
      }
      copy.promised = epoch
      const from = copy.position.epoch === epoch ? copy.position.offset : replica.markerOffset
      const offset = faults ? this.random.between(from, replica.position.offset) : replica.position.offset
      copy.position = { epoch, offset }
    }
    this.#advance(partition, p)
  }

  /** What the leader may take for committed, by the set that it knows. */
  #advance(partition: PartitionImage, p: number): void {
    const epoch = partition.leaderEpoch
    const held = countedReplicas(partition)
      .map(({ node, directoryId }) => ({ node: this.nodes[node - 1]!, directoryId }))
      .filter(({ node, directoryId }) => node.directoryId === directoryId && node.replicas[p]!.position.epoch === epoch)
      .map(({ node }) => node.replicas[p]!.position.offset)
      .sort((a, b) => b - a)
    const offset = held[majorityOf(countedReplicas(partition).length) - 1]
    if (offset === undefined) return
    const point = { epoch, offset }
    if (comparePoints(point, this.#committed[p]!) <= 0) return
    for (const elected of this.#elected[p]!) {
      if (elected.epoch <= epoch || comparePoints(elected.position, point) >= 0) continue
      throw new Error(`partition ${p}: ${epoch}/${offset} was committed after ${elected.epoch} was elected without it`)
    }
    this.seen.commits++
    this.#committed[p] = point
  }

  #reports(node: ModelNode): ReadonlyArray<PartitionReport> {
    const reports: Array<PartitionReport> = []
    const image = this.images[node.applied]!
    for (let p = 0; p < this.partitions; p++) {
      const partition = image.topicById(TOPIC)?.partitions[p]
      if (partition === undefined) continue
      const say = (report: Report) => {
        const { leaderEpoch: epoch, configVersion } = partition
        reports.push({ topicId: TOPIC, partition: p, epoch, configVersion, report })
      }
      const { leads } = node.replicas[p]!
      const promised = aheadOf(node.replicas[p]!)
      if (promised > partition.leaderEpoch) say({ _tag: "PromiseAhead", promised })
      if (leads === partition.leaderEpoch && this.#led(node, p) !== undefined) this.#leaderReports(partition, p, say)
    }
    return reports
  }

  #leaderReports(partition: PartitionImage, p: number, say: (report: Report) => void): void {
    const { position } = this.nodes[partition.leader - 1]!.replicas[p]!
    const equal = ({ node, directoryId }: { readonly node: number; readonly directoryId: string }) =>
      this.nodes[node - 1]!.directoryId === directoryId &&
      comparePoints(this.nodes[node - 1]!.replicas[p]!.position, position) === 0
    const counted = countedReplicas(partition)
    const inSync = counted.filter(equal)
    say({ _tag: "InSync", isr: inSync.map(({ node }) => node) })
    say({ _tag: "Serves" })
    if (inSync.length >= majorityOf(counted.length)) say({ _tag: "Confirmed" })
    for (const learner of learners(partition).filter(equal)) say({ _tag: "CaughtUp", ...learner })
  }

  #handOver(nodeId: number, p: number, epoch: number, target: number): void {
    const node = this.nodes[nodeId - 1]!
    if (!node.up || this.#led(node, p)?.leaderEpoch !== epoch) return
    const { position } = node.replicas[p]!
    const taker = this.nodes[target - 1]!.replicas[p]!
    if (taker.promised > epoch) return
    taker.promised = epoch
    taker.position = position
    const report: Report = { _tag: "HandOver", target, ready: true }
    const { configVersion } = this.partition(p, this.images[node.applied])
    this.#controller.heartbeat(this.now, {
      nodeId,
      directoryId: node.directoryId,
      incarnation: node.incarnation,
      appliedOffset: this.images[node.applied]!.offset,
      wantsToStop: false,
      partitions: [{ topicId: TOPIC, partition: p, epoch, configVersion, report }]
    })
  }

  // --- messages

  #deliver(faults: boolean): void {
    const letters = faults ? this.random.shuffle(this.#letters) : this.#letters
    this.#letters = []
    for (const letter of letters) {
      if (faults && this.random.chance(0.2)) continue
      if (faults && this.random.chance(0.3)) this.#letters.push(letter)
      if (faults && this.random.chance(0.2)) {
        this.#letters.push(letter)
        continue
      }
      if (letter._tag === "Answer") this.#controller.promiseAnswered(this.now, letter.nodeId, letter.answers)
      else this.#promise(letter.request)
    }
    if (this.#letters.length > 500) this.#letters.length = 500
  }

  #promise({ nodeId, metadataOffset, partitions }: PromiseRequest): void {
    const node = this.nodes[nodeId - 1]!
    if (!node.up) return
    const { directoryId } = node
    const answers = partitions.map(({ topicId, partition, epoch }): PromiseAnswer => {
      const about = { topicId, partition, epoch, directoryId }
      // Rule 11.
      if (this.images[node.applied]!.offset < metadataOffset) return { ...about, answer: { _tag: "NotYet" } }
      const replica = node.replicas[partition]!
      if (replica.promised > epoch) return { ...about, answer: { _tag: "Refused", promised: replica.promised } }
      replica.promised = epoch
      if (replica.leads < epoch) replica.leads = -1
      return { ...about, answer: { _tag: "Position", position: replica.position } }
    })
    this.#letters.push({ _tag: "Answer", nodeId, answers })
  }

  // --- healing

  heal(): void {
    for (const node of this.nodes) {
      if (!node.up) this.#start(node, false)
      node.silent = false
      node.lags = false
    }
  }

  /** What is missing after healing; undefined when all is well. */
  unsettled(): string | undefined {
    for (let p = 0; p < this.partitions; p++) {
      const partition = this.partition(p)
      const { leader, isr, target, adding, directories, replicas } = partition
      if (leader === -1) return `partition ${p} is offline`
      if (this.image.brokers.get(leader)?.fenced !== false) return `the leader of ${p} is fenced`
      if (target.length + adding.length > 0) return `partition ${p} is still on its way to ${target}`
      const strange = replicas.find((node, i) => this.nodes[node - 1]!.directoryId !== directories[i])
      if (strange !== undefined) return `replica ${strange} of ${p} lies on a lost disk`
      if (isr.length !== replicas.length) return `in sync of ${p} are ${isr} of ${replicas}`
      if (leader !== replicas[0]) return `partition ${p} is led by ${leader}, not by its preferred replica`
      const ahead = this.nodes.find(
        (node) => replicas.includes(node.id) && node.replicas[p]!.promised > partition.leaderEpoch
      )
      if (ahead !== undefined) return `node ${ahead.id} has promised ${ahead.replicas[p]!.promised} of ${p}`
    }
    return undefined
  }
}

const blank = (): ModelReplica => ({ promised: 0, refusedBy: -1, position: ORIGIN, leads: -1, markerOffset: 0 })

/** The newest epoch that it knows to be promised. */
const aheadOf = ({ promised, refusedBy }: ModelReplica): number => Math.max(promised, refusedBy)
