import { describe, expect, it } from "vitest"
import { type Assignment, defaultReplicaOptions, type ReplicaOptions } from "../../src/replication/Assignment.ts"
import type { ReplicaEvent } from "../../src/replication/Output.ts"
import { ORIGIN } from "../../src/replication/Point.ts"
import { Replica } from "../../src/replication/Replica.ts"
import { isFrame, type Message, type Node, World, type Write } from "./World.ts"

class Bench {
  readonly writes: Array<readonly [string, Write]> = []
  readonly sent: Array<Message> = []
  readonly events: Array<readonly [string, ReplicaEvent]> = []
  readonly world: World
  readonly assignment: Assignment

  constructor(options: Partial<ReplicaOptions> = {}) {
    this.world = new World(
      ["A", "B", "C"],
      { ...defaultReplicaOptions, ...options },
      {
        write: (node, write) => this.writes.push([node.name, write]),
        send: (message) => this.sent.push(message),
        event: (node, event) => this.events.push([node.name, event])
      }
    )
    const counted = this.world.nodes.map((node) => node.id)
    const leader = counted[0]!
    this.assignment = {
      epoch: 0,
      configVersion: 0,
      leader,
      unclean: false,
      counted,
      learners: [],
      minInSync: 1,
      mayLead: true
    }
    for (const node of this.world.nodes) node.live.assign(0, this.assignment)
    this.world.settle()
  }

  node(name: string): Node {
    return this.world.node(name)
  }
  elect(epoch: number, name: string): void {
    for (const node of this.world.nodes) node.live.promise(this.world.now, epoch)
    this.world.settle()
    for (const node of this.world.nodes) {
      node.live.assign(this.world.now, { ...this.assignment, epoch, leader: this.node(name).id })
    }
  }
  eventsOf(name: string, from = 0): ReadonlyArray<string> {
    return this.events.slice(from).flatMap(([node, event]) => (node === name ? [event._tag] : []))
  }
}

describe("Replica", () => {
  it("leaves an epoch before it says anything of the next (rule 5)", () => {
    const bench = new Bench()
    const from = bench.events.length
    bench.elect(1, "A")
    expect(bench.eventsOf("A", from)).toEqual(["LeftEpoch", "PromiseAhead", "Promised", "Leads"])
  })

  it("sends nothing and confirms nothing once it has promised a newer epoch (rule 9)", () => {
    const { world, ...bench } = new Bench()
    const a = world.node("A")
    world.append(a, 3, false)
    const plan = a.live.planSend(0, 1, 0)!
    expect(plan).toMatchObject({ node: 1, from: 0, limit: 3, bulk: false, watermarkOnly: false })
    const writes = bench.writes.length
    a.live.promise(0, 1)
    expect(bench.writes.slice(writes).map(([, write]) => write._tag)).toEqual(["Promise"])
    expect(a.live.confirmSend(0, plan, 3, 3, a.model.batches)).toBeUndefined()
    expect(a.live.planSend(0, 2, 0)).toBeUndefined()
    expect(a.live.append(0, 1, 1)).toEqual({ _tag: "Refused", reason: "not-leader" })
  })

  it("changes nothing by planning, and refuses a plan that is older than what has happened since", () => {
    const { world } = new Bench()
    const a = world.node("A")
    world.append(a, 3, false)
    const plan = a.live.planSend(0, 1, 0)!
    expect(a.live.planSend(0, 1, 0)).toEqual(plan)
    expect(a.live.progress(1)).toMatchObject({ mode: "replicate", next: ORIGIN, inflightBytes: 0 })
    expect(a.live.confirmSend(0, plan, 3, 30, a.model.batches)).toMatchObject({ end: { epoch: 0, offset: 3 } })
    expect(a.live.progress(1)).toMatchObject({ next: { epoch: 0, offset: 3 }, inflightBytes: 30 })
    expect(a.live.confirmSend(0, plan, 3, 30, a.model.batches)).toBeUndefined()
    a.live.disconnected(0, 1)
    expect(a.live.progress(1)).toMatchObject({ mode: "probe", next: ORIGIN, inflightBytes: 0 })
  })

  it("bounds what is on the way to one follower, by bytes and by frames, and delays no other", () => {
    const { world } = new Bench({ inflightBytesMax: 10, inflightFramesMax: 3 })
    const a = world.node("A")
    for (let i = 0; i < 8; i++) world.append(a, 6, false)
    a.sendable.clear()
    expect(world.sendTo(a, 1, 1, 0)).toBe(true)
    expect(a.live.planSend(0, 1, 0)).toMatchObject({ maxBytes: 4 })
    expect(world.sendTo(a, 1, 1, 0)).toBe(true)
    expect(a.live.planSend(0, 1, 0)).toBeUndefined()
    expect(world.sendTo(a, 2, 1, 0)).toBe(true)
    world.settle()
    expect(world.nodes.map((node) => node.live.highWatermark)).toEqual([48, 48, 48])
  })

  it("says once that a peer may be sent to, until somebody plans", () => {
    const { world } = new Bench()
    const a = world.node("A")
    const counted: Array<number> = []
    const replica = new Replica<string>(
      a.id,
      "t",
      0,
      { markers: [{ ...ORIGIN, unclean: false }], logStartOffset: 0, logEndOffset: 0, highWatermark: 0, promised: 0 },
      defaultReplicaOptions,
      {
        write: () => undefined,
        send: () => undefined,
        event: (_replica, event) => {
          if (event._tag === "Sendable") counted.push(event.peer)
        }
      }
    )
    const counts = world.nodes.map((node) => node.id)
    replica.assign(0, {
      epoch: 0,
      configVersion: 0,
      leader: a.id,
      unclean: false,
      counted: counts,
      learners: [],
      minInSync: 1,
      mayLead: true
    })
    for (let i = 0; i < 5; i++) replica.append(0, 1, 1)
    expect(counted).toEqual([1, 2])
  })

  it("notes the high watermark behind the data that it covers, now and then (rule 3)", () => {
    const { world, ...bench } = new Bench({ highWatermarkNoteOffsets: 5 })
    const a = world.node("A")
    for (let i = 0; i < 6; i++) {
      world.append(a, 2, false)
      world.settle()
    }
    for (const name of ["A", "B", "C"]) {
      let end = 0
      const notes: Array<number> = []
      for (const [node, write] of bench.writes) {
        if (node !== name) continue
        if (write._tag === "Append") end = write.batch.endOffset
        if (write._tag === "Batches") end = write.batches.at(-1)!.endOffset
        if (write._tag !== "HighWatermark") continue
        expect(write.offset).toBeLessThanOrEqual(end)
        notes.push(write.offset)
      }
      expect(notes).toEqual([6, 12])
    }
  })

  it("ignores what is not meant for it: topic, directory, sender, older assignments", () => {
    const { world, ...bench } = new Bench()
    const [a, b] = [world.node("A"), world.node("B")]
    world.append(a, 2, false)
    world.send(a)
    const frame = world.network.filter(isFrame).find((one) => one.to.node === 1)!
    const before = bench.writes.length
    b.live.receive(0, { ...frame, topicId: "u" })
    b.live.receive(0, { ...frame, to: { ...frame.to, directoryId: "other" } })
    b.live.receive(0, { ...frame, from: world.node("C").id })
    b.live.receive(0, { ...frame, end: { epoch: 0, offset: 9 } })
    expect(bench.writes.length).toBe(before)
    b.live.receive(0, frame)
    expect(bench.writes.length).toBe(before + 1)

    b.live.assign(0, { ...bench.assignment, epoch: 3, configVersion: 2 })
    b.live.assign(0, { ...bench.assignment, epoch: 2, configVersion: 9 })
    b.live.assign(0, { ...bench.assignment, epoch: 3, configVersion: 1, leader: b.id })
    expect([b.live.epoch, b.live.role]).toEqual([3, "follower"])
  })

  it("steps down on a refusal of a replica that it sends to, and on no other", () => {
    const bench = new Bench()
    const { world } = bench
    const a = world.node("A")
    const refusal = { _tag: "Refusal", topicId: "t", partition: 0, to: a.id, epoch: 0, promised: 4 } as const
    a.live.receive(0, { ...refusal, from: { node: 1, directoryId: "other" } })
    a.live.receive(0, { ...refusal, from: world.node("B").id, promised: 0 })
    a.live.receive(0, { ...refusal, from: world.node("B").id, epoch: 7 })
    expect(a.live.role).toBe("leader")
    const from = bench.events.length
    a.live.receive(0, { ...refusal, from: world.node("B").id })
    expect(bench.eventsOf("A", from)).toEqual(["LeftEpoch", "PromiseAhead"])
    // Not again in this epoch, whatever is assigned within it.
    a.live.assign(0, { ...bench.assignment, configVersion: 1 })
    expect(a.live.role).toBe("none")
  })

  it("asks a silent peer ever more seldom, and at once again after it has answered", () => {
    const { world, assignment } = new Bench({ lagTimeMaxMs: 1e9 })
    const a = world.node("A")
    world.node("B").crash(0)
    world.node("C").crash(0)
    a.live.disconnected(0, 1)
    a.live.disconnected(0, 2)
    const waits: Array<number> = []
    for (let i = 0; i < 6; i++) {
      world.settle()
      const due = a.live.nextDeadline()
      waits.push(due - world.now)
      world.pass(due - world.now)
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 4000, 4000])

    const b = world.node("B")
    b.start()
    b.live.assign(world.now, assignment)
    world.settle()
    expect(a.live.progress(1)).toMatchObject({ mode: "replicate" })
    b.crash(0)
    a.live.disconnected(world.now, 1)
    world.send(a)
    expect(a.live.nextDeadline() - world.now).toBe(500)
  })

  it("costs nothing while idle: no deadline, nothing queued", () => {
    const { world } = new Bench()
    world.append(world.node("A"), 3, true)
    world.settle()
    for (const node of world.nodes) {
      expect(node.live.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
      expect(node.live.memory).toBe(0)
    }
  })
})
