/** Random runs of a small cluster: chance moves it, `World` checks it, then it is healed and must come to rest. */
import { Prng } from "../../src/base/Prng.ts"
import type { Member } from "../../src/raft/Entry.ts"
import type { MembershipChange } from "../../src/raft/Raft.ts"
import type { RaftOptions } from "../../src/raft/RaftOptions.ts"
import { type Node, voters, World } from "./World.ts"

const STEPS = 400

interface Weights {
  readonly drop: number
  readonly double: number
  readonly reorder: number
  readonly crash: number
  readonly persist: number
  readonly propose: number
  readonly change: number
  readonly wipe: number
  readonly snapshot: number
  /** How fast clocks run compared with messages: slow ones let leaders live, fast ones keep elections going. */
  readonly paceMs: number
}

const drawWeights = (random: Prng): Weights => ({
  drop: random.fraction() * random.fraction() * 0.5,
  double: random.fraction() * 0.2,
  reorder: random.fraction() * 0.5,
  crash: random.fraction() * 0.04,
  persist: 0.1 + random.fraction() * 0.9,
  propose: random.fraction() * 0.4,
  change: random.chance(0.5) ? 0 : random.fraction() * 0.1,
  wipe: random.chance(0.7) ? 0 : 0.3,
  snapshot: random.pick([0.02, 0.2]),
  paceMs: random.pick([0.5, 1, 3, 10])
})

const drawOptions = (random: Prng): Partial<RaftOptions> => ({
  lease: random.chance(0.5),
  appendBytesMax: random.pick([50, 200, 100_000]),
  inflightBytesMax: random.pick([100, 400, 100_000]),
  uncommittedBytesMax: random.pick([300, 100_000]),
  cacheBytesMax: random.pick([0, 300, 100_000]),
  snapshotChunkBytes: random.pick([3, 20, 1000])
})

export class Chance {
  readonly world: World
  readonly #random: Prng
  readonly #weights: Weights
  readonly #size: number
  #ticket = 0
  /** Links that lose everything. */
  readonly #cut = new Set<string>()

  constructor(seed: number) {
    this.#random = new Prng(seed)
    const random = this.#random
    this.#weights = drawWeights(random)
    this.world = new World(drawOptions(random), seed, () => {})
    this.#size = random.pick([1, 2, 3, 3, 3, 5])
    const spare = this.#weights.change > 0 ? 2 : 0
    const first = voters(Array.from({ length: this.#size }, (_, at) => at + 1))
    for (let id = 1; id <= this.#size; id++) this.world.add(id, first)
    for (let id = this.#size + 1; id <= this.#size + spare; id++) this.world.add(id)
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) this.#step()
    this.#heal()
  }

  #step(): void {
    const random = this.#random
    const { world } = this
    const weights = this.#weights
    const node = random.pick([...world.nodes.values()])
    if (node.raft === undefined) {
      if (random.chance(0.3)) world.start(node)
      return
    }
    if (random.chance(weights.crash)) return this.#crash(node)
    if (random.chance(weights.persist)) world.persist(node, random.between(0, node.writes.length))
    if (random.chance(weights.propose)) world.propose(node, ++this.#ticket, `p${this.#ticket}`)
    if (random.chance(0.1)) world.read(node, ++this.#ticket)
    if (random.chance(weights.snapshot)) world.saveSnapshot(node)
    if (random.chance(weights.change)) this.#change(node)
    if (random.chance(0.01)) {
      node.raft.transferLeadership(node.nowMs, random.pick([...world.nodes.values()]).member)
      world.pump(node)
    }
    if (random.chance(0.005)) {
      node.raft.campaign(node.nowMs)
      world.pump(node)
    }
    if (random.chance(0.02)) this.#repartition()
    this.#clocks(random.chance(0.01) ? random.fraction() * 200 : random.fraction() * weights.paceMs)
    this.#deliverSome()
  }

  /** Clocks run at one rate within the drift that leases allow for. */
  #clocks(byMs: number): void {
    for (const node of this.world.nodes.values()) {
      this.world.tick(node, byMs * (node.id % 2 === 0 ? 1 : 0.96))
    }
  }

  #crash(node: Node): void {
    const { world } = this
    world.count("crash")
    const voterCount = node.raft!.configuration.voters.length
    world.crash(node, this.#random.between(0, node.writes.length))
    // A wiped voter stays in the denominator: with more than one of them nothing would ever be elected again.
    if (voterCount > 2 && this.#size > 2 && ![...world.nodes.values()].some((one) => one.member.directoryId !== "a")) {
      if (this.#random.chance(this.#weights.wipe)) {
        world.count("wipe")
        world.wipe(node)
      }
    }
  }

  #change(node: Node): void {
    const random = this.#random
    const { learners } = node.raft!.configuration
    const promotes = learners.length > 0 && random.chance(0.6)
    let member: Member = promotes ? random.pick(learners) : random.pick([...this.world.nodes.values()]).member
    const _tag: MembershipChange["_tag"] = promotes ? "PromoteLearner" : random.pick(["AddLearner", "RemoveMember"])
    const ticket = ++this.#ticket
    // Of those that are left a majority must be alive in the end: once a disk is lost only its old name may go.
    if (_tag === "RemoveMember") {
      const { configuration } = node.raft!
      const dead = configuration.voters.filter(
        (one) => this.world.node(one.node).member.directoryId !== one.directoryId
      )
      if (dead.length > 0) member = dead[0]!
      else if (configuration.voters.length <= 3) return
    }
    const outcome = node.raft!.changeMembership(node.nowMs, ticket, { _tag, member })
    this.world.count(`${_tag} ${outcome}`)
    if (outcome === "proposed") this.world.fates.set(ticket, "open")
    this.world.pump(node)
  }

  #repartition(): void {
    this.#cut.clear()
    if (this.#random.chance(0.5)) return
    for (const from of this.world.nodes.keys()) {
      for (const to of this.world.nodes.keys()) if (this.#random.chance(0.3)) this.#cut.add(`${from} ${to}`)
    }
  }

  #deliverSome(): void {
    const random = this.#random
    const weights = this.#weights
    for (const [name, link] of [...this.world.links]) {
      if (link.length > 200) link.splice(0, 100)
      if (this.#cut.has(name)) {
        link.length = 0
        continue
      }
      for (let count = random.below(Math.min(link.length, 8) + 1); count > 0; count--) {
        const at = random.chance(weights.reorder) ? random.below(link.length) : 0
        const message = link[at]!
        if (!random.chance(weights.double)) link.splice(at, 1)
        if (!random.chance(weights.drop)) this.world.deliver(message)
        if (link.length === 0) break
      }
    }
  }

  /** Everybody up, everything arrives: a leader, one log, every proposal ended. */
  #heal(): void {
    const { world } = this
    this.#cut.clear()
    const all = [...world.nodes.values()]
    for (const node of all) if (node.raft === undefined) world.start(node)
    const ids = all.map((node) => node.id)
    for (let turn = 0; turn < 2000; turn++) {
      for (const node of all) {
        world.tick(node, 10)
        if (node.raft!.snapshotWanted) world.saveSnapshot(node)
      }
      world.settle(ids)
      const leader = all.find((node) => node.raft!.leaderReady)
      if (leader !== undefined && turn % 50 === 49) world.propose(leader, ++this.#ticket, `h${this.#ticket}`)
      if (this.#healed(leader)) return
    }
    throw new Error(`not healed: ${all.map((node) => describe(node)).join("; ")} open ${this.#open()}`)
  }

  #open(): ReadonlyArray<number> {
    return [...this.world.fates].filter(([, fate]) => fate === "open").map(([ticket]) => ticket)
  }

  #healed(leader: Node | undefined): boolean {
    if (leader === undefined) return false
    const raft = leader.raft!
    const { voters: voting, learners } = raft.configuration
    for (const member of [...voting, ...learners]) {
      const node = this.world.node(member.node)
      if (node.member.directoryId !== member.directoryId) continue
      if (node.appliedIndex !== raft.lastIndex || node.state.join(" ") !== leader.state.join(" ")) return false
      const { inflightBytes, pendingReads, pendingProposals, snapshotBytes, held } = node.raft!.memory
      if (inflightBytes + pendingReads + pendingProposals + snapshotBytes + held > 0) return false
    }
    return true
  }
}

export const describe = (node: Node): string => {
  const raft = node.raft!
  const { voters: voting, learners } = raft.configuration
  return `${node.id}${node.member.directoryId} ${raft.role} t${raft.term} last ${raft.lastTerm}/${raft.lastIndex} commit ${raft.commitIndex} applied ${node.appliedIndex} first ${raft.firstIndex} voters ${voting.map((one) => `${one.node}${one.directoryId}`)} learners ${learners.map((one) => `${one.node}${one.directoryId}`)}`
}
