/**
 * A random model of one partition: five nodes, of which three or so are counted, two controllers, a metadata log that nodes
 * apply late, and every fault that is cheap to make. After each step the logs are compared with what was ever committed.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import { type Assignment, defaultReplicaOptions } from "../../src/replication/Assignment.ts"
import { majorityOf } from "../../src/replication/CommitQuorum.ts"
import type { ReplicaId } from "../../src/replication/Frame.ts"
import type { ReplicaEvent } from "../../src/replication/Output.ts"
import { comparePoints, type Point } from "../../src/replication/Point.ts"
import { sameReplica } from "../../src/replication/Seat.ts"
import { type Node, World } from "./World.ts"

const NAMES = ["A", "B", "C", "D", "E"]

/** An entry of the metadata log: the partition after it, and the place of the election that its epoch comes from. */
interface Entry {
  readonly assignment: Omit<Assignment, "mayLead">
  readonly electedAt: number
}

interface Attempt {
  readonly expected: number
  readonly version: number
  readonly epoch: number
  readonly answers: Map<number, { readonly id: ReplicaId; readonly position: Point }>
}

export class Model {
  readonly world: World
  readonly entries: Array<Entry>
  readonly applied: Array<number>
  readonly registeredAt: Array<number>
  readonly attempts: Array<Attempt | undefined> = [undefined, undefined]
  /** Offset → content, of all that was ever committed. */
  readonly committed = new Map<number, string>()
  committedEnd = 0
  readonly elected: Array<{
    readonly epoch: number
    readonly start: number
    readonly held: ReadonlyMap<number, string>
  }> = []
  readonly confirmed = new Set<string>()
  readonly leaders = new Map<number, string>()
  readonly seen = { elections: 0, truncations: 0, resets: 0, changes: 0, refusals: 0, committed: 0 }

  constructor(minInSync: number) {
    const options = { ...defaultReplicaOptions, inflightFramesMax: 3, highWatermarkNoteOffsets: 3, caughtUpOffsets: 2 }
    this.world = new World(NAMES, options, {
      write: (_node, write) => {
        if (write._tag === "Truncate") this.seen.truncations++
        if (write._tag === "Reset") this.seen.resets++
      },
      send: (message) => {
        if (message._tag === "Refusal") this.seen.refusals++
      },
      event: (node, event) => this.#event(node, event)
    })
    const counted = this.world.nodes.slice(0, 3).map((node) => node.id)
    const leader = counted[0]!
    const assignment = { epoch: 0, configVersion: 0, leader, unclean: false, counted, learners: [], minInSync }
    this.entries = [{ assignment, electedAt: 0 }]
    this.applied = this.world.nodes.map(() => 0)
    this.registeredAt = this.world.nodes.map(() => -1)
  }

  get current(): Entry {
    return this.entries.at(-1)!
  }

  #event(node: Node, event: ReplicaEvent): void {
    if (event._tag === "HighWatermark") this.#committed(node, event.offset)
    if (event._tag === "Confirmed") this.confirmed.add(`${event.epoch}/${event.configVersion}`)
    if (event._tag === "Leads") {
      const who = `${node.name}${node.incarnation}`
      must((this.leaders.get(event.epoch) ?? who) === who, `two leaders in epoch ${event.epoch}`)
      this.leaders.set(event.epoch, who)
    }
    if (event._tag === "Promised") {
      for (const attempt of this.attempts) {
        if (attempt?.epoch === event.epoch) attempt.answers.set(node.id.node, { id: node.id, position: event.position })
      }
    }
  }

  #committed(node: Node, offset: number): void {
    for (const [base, content] of node.model.contents(offset)) {
      const before = this.committed.get(base) ?? content
      this.#complete(node.live.epoch, base, content)
      must(before === content, `offset ${base} was committed as ${before}, now as ${content}`)
      this.committed.set(base, content)
    }
    this.committedEnd = Math.max(this.committedEnd, offset)
    this.seen.committed = this.committedEnd
  }

  /** Leader completeness: what commits in an epoch is in the log of every leader that is elected later, from its election on. */
  #complete(epoch: number, offset: number, content: string): void {
    for (const elected of this.elected) {
      const missing = elected.epoch > epoch && offset >= elected.start && elected.held.get(offset) !== content
      must(!missing, `elected in epoch ${elected.epoch} without ${content} at ${offset}`)
    }
  }

  #elected(epoch: number, { model }: Node): void {
    this.elected.push({ epoch, start: model.start, held: new Map(model.contents(model.end)) })
    for (const [offset, content] of this.committed) this.#complete(epoch - 1, offset, content)
  }

  /** `node` applies the next entry of the metadata log. */
  learn(node: Node): void {
    const index = node.up ? this.applied[node.id.node]! : this.entries.length
    const entry = this.entries[index]
    if (entry === undefined) return
    this.applied[node.id.node] = index + 1
    const mayLead = entry.electedAt > this.registeredAt[node.id.node]!
    node.live.assign(this.world.now, { ...entry.assignment, mayLead })
  }

  /** A controller begins an election, asks the nodes in `mask`, and commits when a majority has answered. */
  elect(controller: number, mask: number, extra: number): void {
    const open = this.attempts[controller]
    const { assignment } = this.current
    if (open === undefined) {
      const highest = Math.max(assignment.epoch, ...this.world.nodes.map((node) => node.replica?.promised ?? 0))
      const epoch = (extra % 2 === 0 ? highest : assignment.epoch) + 1
      const { epoch: expected, configVersion: version } = assignment
      this.attempts[controller] = { expected, version, epoch, answers: new Map() }
    }
    const attempt = this.attempts[controller]!
    for (const node of this.world.nodes) {
      if (!node.up || (mask & (1 << node.id.node)) === 0) continue
      // Rule 11: the node has applied at least what the controller had.
      while (this.applied[node.id.node]! < this.entries.length) this.learn(node)
      if (!assignment.counted.some((replica) => sameReplica(replica, node.id))) continue
      node.live.promise(this.world.now, attempt.epoch)
    }
  }

  decide(controller: number): void {
    const attempt = this.attempts[controller]
    this.attempts[controller] = undefined
    const { assignment } = this.current
    if (attempt === undefined || attempt.expected !== assignment.epoch || attempt.version !== assignment.configVersion)
      return
    const answers = [...attempt.answers.values()].filter(({ id }) =>
      assignment.counted.some((one) => sameReplica(one, id))
    )
    if (answers.length < majorityOf(assignment.counted.length)) return
    answers.sort((a, b) => comparePoints(b.position, a.position))
    this.seen.elections++
    // The directory that answered may be lost by now: then nobody leads in this epoch.
    if (this.isPresent(answers[0]!.id)) this.#elected(attempt.epoch, this.world.nodes[answers[0]!.id.node]!)
    const next = { ...assignment, epoch: attempt.epoch, leader: answers[0]!.id }
    this.entries.push({ assignment: next, electedAt: this.entries.length })
  }

  /** A whole election that nothing disturbs but who takes part. */
  electAtOnce(mask: number, extra: number): void {
    this.attempts[0] = undefined
    this.elect(0, mask, extra)
    for (const node of this.world.nodes) if ((mask & (1 << node.id.node)) !== 0) node.sync()
    this.decide(0)
    for (const node of this.world.nodes) {
      if ((mask & (1 << node.id.node)) === 0) continue
      while (this.applied[node.id.node]! < this.entries.length) this.learn(node)
    }
  }

  /** One counted directory at a time may be lost: more would lose what was committed, rightly. */
  mayWipe(node: Node): boolean {
    const { counted } = this.current.assignment
    const rest = counted.filter((one) => this.isPresent(one) && one.node !== node.id.node)
    const countedHere = counted.some((one) => sameReplica(one, node.id))
    return !countedHere || (counted.every((one) => this.isPresent(one)) && rest.length >= majorityOf(counted.length))
  }

  isPresent(id: ReplicaId): boolean {
    return sameReplica(this.world.nodes[id.node]!.id, id)
  }

  /** A set that could still elect and commit if all nodes were up. */
  isAlive(counted: ReadonlyArray<ReplicaId>): boolean {
    return counted.filter((id) => this.isPresent(id)).length >= majorityOf(counted.length)
  }

  /** Rule 17: one change at a time, each only when the one before is confirmed. A lost directory goes first. */
  change(target: number, add: boolean): void {
    const { assignment, electedAt } = this.current
    const id = this.world.nodes[target]!.id
    const confirmed = this.confirmed.has(`${assignment.epoch}/${assignment.configVersion}`)
    const here = assignment.counted.some((one) => sameReplica(one, id))
    let { counted, learners } = assignment
    if (add && here) return
    if (add && !learners.some((one) => sameReplica(one, id))) {
      learners = [...learners.filter((one) => one.node !== target), id]
    } else if (add) {
      learners = learners.filter((one) => one.node !== target)
      counted = [...counted, id]
    } else {
      const victim = counted.find((one) => !this.isPresent(one)) ?? id
      counted = counted.filter((one) => !sameReplica(one, victim))
      if (sameReplica(victim, assignment.leader!) || counted.length === assignment.counted.length) return
    }
    const changes = counted.length !== assignment.counted.length
    if (changes && (!confirmed || !this.isAlive(counted))) return
    this.seen.changes++
    const configVersion = assignment.configVersion + (changes ? 1 : 0)
    this.entries.push({ assignment: { ...assignment, counted, learners, configVersion }, electedAt })
  }

  restart(node: Node, keep: number, wiped: boolean): void {
    if (wiped) node.wipe()
    else node.crash(keep)
    if (wiped) node.id = { node: node.id.node, directoryId: `${node.name}${node.incarnation + 1}` }
    node.start()
    // Its registration is an entry of the metadata log; what it had applied it has again.
    this.registeredAt[node.id.node] = this.entries.length
    this.entries.push({ ...this.current })
    const had = this.applied[node.id.node]!
    this.applied[node.id.node] = Math.max(0, had - 1)
  }

  check(): void {
    for (const node of this.world.nodes) {
      const { replica, model } = node
      if (replica === undefined) continue
      must(
        replica.logEndOffset === model.end,
        `${node.name} ends at ${replica.logEndOffset}, its writes at ${model.end}`
      )
      must(markersText(replica.markers) === markersText(model.markers), `${node.name}: markers are not as written`)
      for (const [base, content] of model.contents(replica.highWatermark)) {
        const expected = this.committed.get(base)
        must(
          expected === undefined || content === expected,
          `${node.name} shows ${content} at ${base}, not ${expected}`
        )
      }
      must(replica.memory < 1000, `${node.name} holds ${replica.memory} items`)
    }
  }

  /** After the faults: all nodes up, everything applied and delivered. */
  heal(): void {
    const { nodes } = this.world
    this.world.network = []
    for (let round = 0; round < 20; round++) {
      for (const node of nodes) while (this.applied[node.id.node]! < this.entries.length) this.learn(node)
      for (const node of nodes) for (const peer of nodes) node.live.disconnected(this.world.now, peer.id.node)
      this.world.settle()
      const leader = nodes.find(
        (node) => node.live.role === "leader" && node.live.epoch === this.current.assignment.epoch
      )
      if (leader !== undefined) break
      this.electAtOnce(31, 0)
    }
    this.world.pass(defaultReplicaOptions.retryMs)
    this.world.settle()
  }
}

/** Called very often: cheaper than `expect`. */
function must(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence)
}

const markersText = (markers: ReadonlyArray<{ readonly epoch: number; readonly offset: number }>): string =>
  markers.map(({ epoch, offset }) => `${epoch}@${offset}`).join(" ")

type Step = readonly [number, number, number]

/** Kinds of steps, each with its weight in the five temperaments of a run: a hole shows only where its faults come together. */
const KINDS: ReadonlyArray<readonly [name: string, ...weights: ReadonlyArray<number>]> = [
  ["append", 18, 14, 12, 14, 12],
  ["send", 16, 8, 10, 10, 10],
  ["deliver", 21, 10, 12, 16, 12],
  ["sync", 14, 8, 8, 14, 8],
  ["learn", 6, 4, 8, 4, 4],
  ["promise", 4, 6, 10, 4, 4],
  ["decide", 4, 4, 8, 3, 4],
  ["change", 3, 2, 2, 2, 14],
  ["pass", 2, 4, 2, 2, 2],
  ["lose", 2, 1, 2, 4, 2],
  ["double", 2, 1, 2, 12, 2],
  ["disconnect", 1, 1, 2, 4, 1],
  ["startAt", 1, 3, 1, 1, 1],
  ["handOver", 1, 1, 1, 0, 1],
  ["restart", 3, 4, 6, 3, 4],
  ["settle", 1, 14, 6, 3, 12],
  ["elect", 1, 15, 8, 4, 7]
]
const TEMPERAMENTS = 5

function act(model: Model, temperament: number, [kind, a, b]: Step): void {
  const { world } = model
  const node = world.nodes[a % 5]!
  const at = b % Math.max(1, world.network.length)
  switch (kindOf(kind, temperament)) {
    case "append": {
      const leader = world.nodes.find((one) => one.live.role === "leader" && (b % 3 > 0 || one === node))
      if (leader !== undefined) world.append(leader, 1 + (b % 3), b % 2 === 0)
      return
    }
    case "send":
      return world.send(node, 1 + (b % 3), b % 5 === 0 ? Math.floor(node.model.end / 2) : 0)
    case "deliver":
      return deliverAt(model, b % 4 === 0 ? at : 0)
    case "sync":
      return node.sync(b % 3 === 0 ? node.durableCount + 1 : node.stored.length)
    case "learn":
      return model.learn(node)
    case "promise":
      return model.elect(a % 2, b % 32, b)
    case "decide":
      return model.decide(a % 2)
    case "change":
      return model.change(b % 5, a % 3 > 0)
    case "pass":
      return world.pass([10, 500, 1000, 30_000][b % 4]!)
    case "lose":
      world.network.splice(at, 1)
      return
    case "double":
      world.network.push(...world.network.slice(at, at + 1))
      return
    case "disconnect":
      return node.live.disconnected(world.now, b % 5)
    case "startAt": {
      const room = node.live.highWatermark - node.live.logStartOffset
      if (room > 0) node.startAt(node.live.logStartOffset + 1 + (b % room))
      return
    }
    case "handOver":
      return node.live.handOver(world.now, b % 5)
    case "restart":
      return model.restart(node, b % 4, b % 8 === 0 && model.mayWipe(node))
    case "settle":
      return world.settle(masked(model, b), masked(model, b % 3 === 0 ? b >> 5 : 31))
    case "elect":
      return model.electAtOnce(b % 32, a)
  }
}

function kindOf(kind: number, temperament: number): string {
  const sum = KINDS.reduce((total, entry) => total + Number(entry[temperament + 1]), 0)
  let left = kind % sum
  for (const entry of KINDS) {
    left -= Number(entry[temperament + 1])
    if (left < 0) return entry[0]
  }
  throw new Error("weights must cover every kind")
}

const masked = (model: Model, mask: number): ReadonlyArray<Node> =>
  model.world.nodes.filter((node) => (mask & (1 << node.id.node)) !== 0)

function deliverAt(model: Model, at: number): void {
  const [message] = model.world.network.splice(at, 1)
  if (message !== undefined) model.world.deliver(message)
}

const total = { elections: 0, truncations: 0, resets: 0, changes: 0, refusals: 0, committed: 0, healed: 0 }

const steps = fc.array(fc.tuple(fc.nat(9999), fc.nat(999), fc.nat(999)), { size: "max", maxLength: 250 })

test("whatever happens, what was committed stays, and after healing all logs are equal", () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 3 }), fc.nat(TEMPERAMENTS - 1), (list, minInSync, temperament) => {
      const model = new Model(minInSync)
      for (const node of model.world.nodes) model.learn(node)
      for (const step of list) {
        act(model, temperament, step)
        model.check()
      }
      model.heal()
      model.check()
      const { assignment } = model.current
      const leader = model.world.nodes.find(
        (node) => node.live.role === "leader" && node.live.epoch === assignment.epoch
      )
      expect(leader, "somebody leads after healing").toBeDefined()
      const present = assignment.counted.filter((one) => model.isPresent(one)).length
      const enough = present >= assignment.minInSync
      const reached = enough ? leader!.live.logEndOffset : leader!.live.highWatermark
      expect(leader!.live.highWatermark).toBe(reached)
      for (const id of assignment.counted.filter((one) => model.isPresent(one))) {
        const other = model.world.nodes[id.node]!
        expect(other.live.position, `${other.name} holds all`).toEqual(leader!.live.position)
        expect(other.live.highWatermark).toBe(reached)
      }
      const named = [...assignment.counted, ...assignment.learners]
      if (enough && named.every((id) => model.isPresent(id))) {
        for (const node of model.world.nodes) expect(node.live.nextDeadline(), "idle costs nothing").toBe(Infinity)
      }
      for (const key of Object.keys(model.seen) as Array<keyof typeof model.seen>) total[key] += model.seen[key]
      total.healed++
    }),
    {
      numRuns: Number(process.env.RUNS ?? 300),
      interruptAfterTimeLimit: 20_000,
      ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) })
    }
  )
  // A model that sees nothing proves nothing.
  for (const [what, count] of Object.entries(total)) expect(count, what).toBeGreaterThan(0)
  if (process.env.RUNS !== undefined) console.log(total)
})
