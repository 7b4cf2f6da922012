/**
 * A coordinator that dies at any moment and comes back with its log: whatever was decided and not committed is gone, and a
 * part of it may be in the log although nobody was told. Clients go on with what they knew.
 *
 * However it went: nobody waits for ever, an assignment belongs to the generation that asks for it and to the leader that
 * computed it, acknowledged offsets stay, and clients that behave are all members of one stable generation again in time.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import type { Answer, Decision } from "../../src/coordinator/Decision.ts"
import type { GroupCommand, GroupResult } from "../../src/group/Commands.ts"
import { defaultGroupConfig } from "../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../src/group/GroupMachine.ts"
import type { GroupRecord } from "../../src/group/GroupRecord.ts"
import { ErrorCode } from "../../src/model/ErrorCode.ts"

/** `everybody`: each client does what it would do next, which makes runs reach deep. */
type Action = "proceed" | "everybody" | "heartbeat" | "leave" | "commit" | "change" | "newProcess" | "crash"

interface Step {
  readonly client: number
  readonly action: Action
  readonly passMs: number
  /** The log keeps up after this step, or it lags. */
  readonly committed: boolean
  /** At a crash: how many of the decisions under way are in the log all the same. */
  readonly kept: number
}

interface Client {
  readonly name: string
  readonly instance: string | null
  memberId: string
  generation: number
  /** Names the answer by which it became leader; 0: it leads nobody. */
  leads: number
  members: ReadonlyArray<string>
  metadata: number
  next: "join" | "sync" | "heartbeat"
  assignment: string
  /** Its one request under way, or -1. */
  ticket: number
  beatAt: number
}

const CLIENTS = 6
const SESSION_MS = 10_000
const REBALANCE_MS = 30_000
const BEAT_MS = 3_000
/** A first join phase that is extended, the session of a leader that died in it, and one more rebalance. */
const SETTLED_MS_MAX = REBALANCE_MS + SESSION_MS + REBALANCE_MS

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

class World {
  machine: GroupMachine
  readonly clients: ReadonlyArray<Client>
  readonly #config
  readonly #log: Array<GroupRecord> = []
  now = 0
  #ticket = 0
  #named = 0
  #held: Array<Decision<GroupRecord, GroupResult>> = []
  readonly #asked = new Map<number, { readonly client: Client; readonly command: GroupCommand }>()
  #acknowledgedOffset = -1
  #nextOffset = 0

  constructor(delayMs: number) {
    this.#config = { ...defaultGroupConfig, initialRebalanceDelayMs: delayMs }
    this.machine = new GroupMachine(this.#config)
    this.clients = Array.from({ length: CLIENTS }, (_, i) => ({
      name: `c${i}`,
      instance: i >= 4 ? `i${i}` : null,
      memberId: "",
      generation: -1,
      leads: 0,
      members: [],
      metadata: 0,
      next: "join",
      assignment: "",
      ticket: -1,
      beatAt: 0
    }))
  }

  step({ client: index, action, passMs, committed, kept }: Step): void {
    this.pass(passMs)
    const client = this.clients[index]!
    if (action === "crash") this.crash(kept)
    else if (action === "newProcess") {
      Object.assign(client, { memberId: "", generation: -1, leads: 0, assignment: "", ticket: -1, next: "join" })
    } else if (action === "everybody") this.#everybody()
    else if (client.ticket < 0) this.ask(client, this.#command(client, action))
    if (committed) this.commitLog()
    this.check()
  }

  #everybody(): void {
    for (const client of this.clients) if (client.ticket < 0) this.ask(client, this.#command(client, "proceed"))
  }

  /** Time passes; what expires meanwhile is committed at once. */
  pass(ms: number): void {
    const until = this.now + ms
    for (
      let next = this.machine.nextDeadline();
      next !== undefined && next <= until;
      next = this.machine.nextDeadline()
    ) {
      this.now = Math.max(this.now, next)
      this.commitLog()
      this.#take(this.machine.tick(this.now))
      this.check()
    }
    this.now = until
  }

  crash(kept: number): void {
    for (const { records } of this.#held.slice(0, kept)) this.#log.push(...records)
    this.#held = []
    for (const { client } of this.#asked.values()) client.ticket = -1
    this.#asked.clear()
    this.machine = new GroupMachine(this.#config)
    for (const record of this.#log) this.machine.load(record)
    this.#take(this.machine.loaded(this.now))
    const offset = this.machine.groups.get("g")?.offsets.get("t", 0)?.offset ?? -1
    expect(offset, "an acknowledged offset outlives a crash").toBeGreaterThanOrEqual(this.#acknowledgedOffset)
  }

  commitLog(): void {
    const held = this.#held
    this.#held = []
    for (const decision of held) this.#take(decision)
  }

  /** Everybody does what a client does, until all are members of one generation. Returns how long that took. */
  settle(): number {
    const began = this.now
    while (!this.#settled()) {
      for (const client of this.clients) {
        const due = client.next !== "heartbeat" || this.now >= client.beatAt
        if (client.ticket < 0 && due) this.ask(client, this.#command(client, "proceed"))
        this.commitLog()
      }
      this.check()
      if (this.now - began > 10 * SETTLED_MS_MAX) return Number.POSITIVE_INFINITY
      this.pass(250)
    }
    return this.now - began
  }

  #settled(): boolean {
    const group = this.machine.classicGroup("g")
    if (group?.state !== "Stable" || group.members.size !== CLIENTS) return false
    return this.clients.every(
      ({ memberId, generation, next, assignment }) =>
        group.members.has(memberId) && next === "heartbeat" && generation === group.generation && assignment !== ""
    )
  }

  ask(client: Client, command: GroupCommand): void {
    const ticket = ++this.#ticket
    client.ticket = ticket
    this.#asked.set(ticket, { client, command })
    this.#held.push(this.machine.decide(ticket, command, this.now))
  }

  #command(client: Client, action: Exclude<Action, "everybody" | "newProcess" | "crash">): GroupCommand {
    const identity = { groupId: "g", memberId: client.memberId, groupInstanceId: client.instance }
    const member = { ...identity, generationId: client.generation }
    switch (action) {
      case "change":
        client.metadata++
        return this.#join(client)
      case "proceed":
        if (client.next === "join") return this.#join(client)
        return client.next === "sync" ? this.#sync(client) : this.#command(client, "heartbeat")
      case "heartbeat":
        return { _tag: "Heartbeat", ...member }
      case "leave":
        return { _tag: "Leave", groupId: "g", members: [identity] }
      case "commit": {
        const place = { topic: "t", topicId: "AAAAAAAAAAAAAAAAAAAAAA", partition: 0, leaderEpoch: -1, metadata: "" }
        const offsets = [{ ...place, offset: this.#nextOffset++ }]
        return { _tag: "Commit", ...member, retentionTimeMs: -1, offsets }
      }
    }
  }

  #join(client: Client): GroupCommand {
    return {
      _tag: "Join",
      groupId: "g",
      memberId: client.memberId,
      groupInstanceId: client.instance,
      clientId: client.name,
      clientHost: "/127.0.0.1",
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: new Uint8Array([client.metadata]) }],
      requireKnownMemberId: client.name !== "c0",
      supportsSkippingAssignment: true,
      uuid: String(++this.#named),
      kafkaUuid: `uuid${this.#named}`
    }
  }

  #sync(client: Client): GroupCommand {
    // Whose it is, of which generation, and by which leadership: a generation's number may come twice around a crash.
    const share = `${client.generation} ${client.leads}`
    const assignments =
      client.leads === 0
        ? []
        : client.members.map((memberId) => ({ memberId, assignment: new TextEncoder().encode(share) }))
    const { memberId, generation: generationId, instance: groupInstanceId } = client
    return {
      _tag: "Sync",
      groupId: "g",
      memberId,
      generationId,
      groupInstanceId,
      protocolType: null,
      protocolName: null,
      assignments
    }
  }

  #take(decision: Decision<GroupRecord, GroupResult>): void {
    this.#answer(decision.answers)
    for (const record of decision.records) {
      this.#log.push(record)
      this.#answer(this.machine.replay(record, this.now).answers)
    }
  }

  #answer(answers: ReadonlyArray<Answer<GroupResult>>): void {
    for (const { ticket, response } of answers) {
      const asked = this.#asked.get(ticket)
      expect(asked, `ticket ${ticket} is answered once`).toBeDefined()
      this.#asked.delete(ticket)
      const { client, command } = asked!
      if (command._tag === "Commit" && response._tag === "Commit" && response.errorCodes[0] === ErrorCode.NONE) {
        this.#acknowledgedOffset = Math.max(this.#acknowledgedOffset, command.offsets[0]!.offset)
      }
      if (client.ticket !== ticket) continue
      client.ticket = -1
      this.#learn(client, response)
    }
  }

  #learn(client: Client, response: GroupResult): void {
    const errorCode = "errorCode" in response ? response.errorCode : ErrorCode.NONE
    if (response._tag === "Join" && errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = response.memberId
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.FENCED_INSTANCE_ID) client.memberId = ""
    if (errorCode !== ErrorCode.NONE || response._tag === "Leave") client.next = "join"
    if (response._tag === "Leave") client.memberId = ""
    if (errorCode !== ErrorCode.NONE) return
    if (response._tag === "Join") this.#joined(client, response)
    if (response._tag === "Heartbeat") client.beatAt = this.now + BEAT_MS
    if (response._tag !== "Sync") return
    client.next = "heartbeat"
    client.beatAt = this.now + BEAT_MS
    client.assignment = text(response.assignment)
    if (client.assignment !== "")
      expect(Number(client.assignment.split(" ")[0]), "of the generation that asks").toBe(client.generation)
  }

  #joined(
    client: Client,
    { memberId, generationId, leader, skipAssignment, members }: GroupResult & { _tag: "Join" }
  ): void {
    const leads = leader === memberId && !skipAssignment ? ++this.#named : 0
    Object.assign(client, { memberId, generation: generationId, leads, next: "sync", assignment: "" })
    client.members = members.map((member) => member.memberId)
    if (leads > 0) expect(client.members, "a leader is told of itself").toContain(memberId)
  }

  check(): void {
    const group = this.machine.classicGroup("g")
    if (group === undefined) return
    if (group.members.size > 0) expect(group.members.has(group.leader ?? "")).toBe(true)
    for (const memberId of group.pendingSyncs) expect(group.members.has(memberId)).toBe(true)
    const shares = new Set<string>()
    for (const member of group.members.values()) {
      if (member.assignment.length > 0) shares.add(text(member.assignment))
      const waits = member.joinTicket >= 0 || member.syncTicket >= 0
      if (!waits) expect(group.sessions.has(member.memberId), "who does not wait has a session").toBe(true)
      if (member.joinTicket >= 0) expect(group.state).toBe("PreparingRebalance")
      if (member.syncTicket >= 0) expect(group.state).toBe("CompletingRebalance")
    }
    expect(shares.size, "all shares are of one leadership").toBeLessThanOrEqual(1)
    // A share of the generation before is shown until there is a new one.
    for (const share of shares) {
      const generation = Number(share.split(" ")[0])
      if (group.state === "Stable") expect(generation).toBe(group.generation)
      else expect(generation).toBeLessThan(group.generation + 1)
    }
    if (group.state === "PreparingRebalance") expect(group.joinTimer, "a join phase ends by time").toBeDefined()
    if (group.state === "CompletingRebalance" && group.writingGeneration < 0) {
      expect(
        group.syncTimer ?? group.sessions.get(group.leader ?? ""),
        "a leader that does not sync is missed"
      ).toBeDefined()
    }
  }

  get unanswered(): number {
    return this.#asked.size
  }
}

const step: fc.Arbitrary<Step> = fc.record({
  client: fc.nat(CLIENTS - 1),
  action: fc.oneof(
    { weight: 4, arbitrary: fc.constant<Action>("proceed") },
    { weight: 4, arbitrary: fc.constant<Action>("everybody") },
    { weight: 3, arbitrary: fc.constantFrom<Action>("heartbeat", "leave", "commit", "change", "newProcess") },
    { weight: 1, arbitrary: fc.constant<Action>("crash") }
  ),
  passMs: fc.oneof(
    { weight: 8, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.constantFrom(1, 1_000, 3_000) },
    { weight: 1, arbitrary: fc.constantFrom(9_999, 30_000) }
  ),
  committed: fc.constantFrom(true, true, false),
  kept: fc.nat(4)
})

const history = fc.record({
  steps: fc.array(step, { maxLength: 100 }),
  delayMs: fc.constantFrom(0, 3_000),
  settledFirst: fc.boolean(),
  kept: fc.nat(4)
})

test("clients that behave are one stable generation again, in time", () => {
  fc.assert(
    fc.property(history, ({ steps, delayMs, settledFirst, kept }) => {
      const world = new World(delayMs)
      if (settledFirst) world.settle()
      for (const one of steps) world.step(one)
      world.crash(kept)
      expect(world.settle()).toBeLessThanOrEqual(SETTLED_MS_MAX)
    }),
    { numRuns: 500 }
  )
})

test("after a crash time alone answers everybody and empties the group", () => {
  fc.assert(
    fc.property(history, fc.array(step, { maxLength: 20 }), ({ steps, delayMs, settledFirst, kept }, after) => {
      const world = new World(delayMs)
      if (settledFirst) world.settle()
      for (const one of steps) world.step(one)
      world.crash(kept)
      for (const one of after) world.step(one)
      for (let i = 0; i < 3; i++) {
        world.pass(1_000_000)
        world.commitLog()
      }
      expect(world.unanswered).toBe(0)
      expect(world.machine.classicGroup("g")?.members.size ?? 0).toBe(0)
      expect(world.machine.nextDeadline()).toBeUndefined()
    }),
    { numRuns: 500 }
  )
})
