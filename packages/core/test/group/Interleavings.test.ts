/**
 * Random interleavings of clients that join, sync, beat, commit, leave and vanish, with commits of the log in between.
 * Whatever the order: one leader, generations rise, everybody who waits is answered once, and an assignment is given for
 * the current generation only.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import type { Answer, Decision } from "../../src/coordinator/Decision.ts"
import type { GroupCommand, GroupResult } from "../../src/group/Commands.ts"
import { defaultGroupConfig } from "../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../src/group/GroupMachine.ts"
import type { GroupRecord } from "../../src/group/GroupRecord.ts"
import { ErrorCode } from "../../src/model/ErrorCode.ts"

/** `proceed`: what a well-behaved client would do next. It makes runs reach deep. */
type Action = "proceed" | "join" | "sync" | "heartbeat" | "leave" | "commit" | "change" | "restartClient"
interface Step {
  readonly client: number
  readonly action: Action
  readonly passMs: number
  /** What happens to the log after this step. */
  readonly log: "commit" | "hold" | "fail"
}

interface Client {
  readonly name: string
  readonly instance: string | null
  memberId: string
  generation: number
  leads: boolean
  members: ReadonlyArray<string>
  metadata: number
  next: "join" | "sync" | "heartbeat"
  /** Its one request in flight; a client never sends a second one. */
  ticket: number
}

const CLIENTS = 6

class World {
  readonly machine: GroupMachine
  readonly clients: Array<Client>
  readonly log: Array<GroupRecord> = []
  now = 0
  #ticket = 0
  #uuid = 0
  #held: Array<{ ticket: number; command: GroupCommand; decision: Decision<GroupRecord, GroupResult> }> = []
  readonly #asked = new Map<number, { client: Client; command: GroupCommand }>()
  #generation = 0

  constructor(delayMs: number) {
    this.machine = new GroupMachine({ ...defaultGroupConfig, initialRebalanceDelayMs: delayMs, membersMax: 5 })
    this.clients = Array.from({ length: CLIENTS }, (_, i) => ({
      name: `c${i}`,
      instance: i >= 4 ? `i${i}` : null,
      memberId: "",
      generation: -1,
      leads: false,
      members: [],
      metadata: 0,
      next: "join",
      ticket: -1
    }))
  }

  step({ client: index, action, passMs, log }: Step): void {
    this.pass(passMs)
    const client = this.clients[index]!
    if (action === "restartClient")
      Object.assign(client, { memberId: "", generation: -1, leads: false, ticket: -1, next: "join" })
    else if (client.ticket < 0) this.ask(client, this.command(client, action))
    if (log === "commit") this.commitLog()
    else if (log === "fail") this.failLog()
    this.check()
  }

  pass(ms: number): void {
    const until = this.now + ms
    for (
      let next = this.machine.nextDeadline();
      next !== undefined && next <= until;
      next = this.machine.nextDeadline()
    ) {
      this.now = Math.max(this.now, next)
      this.commitLog()
      this.take(this.machine.tick(this.now))
      this.check()
    }
    this.now = until
  }

  command(client: Client, action: Exclude<Action, "restartClient">): GroupCommand {
    const identity = { groupId: "g", memberId: client.memberId, groupInstanceId: client.instance }
    const member = { ...identity, generationId: client.generation }
    switch (action) {
      case "proceed":
        return this.command(client, client.next)
      case "change":
        client.metadata++
        return this.command(client, "join")
      case "join":
        return {
          _tag: "Join",
          ...identity,
          clientId: client.name,
          clientHost: "/127.0.0.1",
          sessionTimeoutMs: 10_000,
          rebalanceTimeoutMs: 30_000,
          protocolType: "consumer",
          protocols: [{ name: "range", metadata: new Uint8Array([client.metadata]) }],
          requireKnownMemberId: client.name !== "c0",
          supportsSkippingAssignment: true,
          uuid: String(++this.#uuid),
          kafkaUuid: `uuid${this.#uuid}`
        }
      case "sync": {
        // The leader writes the generation into each assignment, so that a stale one shows.
        const assignment = new Uint8Array([client.generation & 0xff])
        const assignments = client.leads ? client.members.map((memberId) => ({ memberId, assignment })) : []
        return { _tag: "Sync", ...member, protocolType: null, protocolName: null, assignments }
      }
      case "heartbeat":
        return { _tag: "Heartbeat", ...member }
      case "leave":
        return {
          _tag: "Leave",
          groupId: "g",
          members: [{ memberId: client.memberId, groupInstanceId: client.instance }]
        }
      case "commit": {
        const offset = {
          topic: "t",
          topicId: "AAAAAAAAAAAAAAAAAAAAAA",
          partition: 0,
          offset: 1,
          leaderEpoch: -1,
          metadata: ""
        }
        return { _tag: "Commit", ...member, retentionTimeMs: -1, offsets: [offset] }
      }
    }
  }

  ask(client: Client, command: GroupCommand): void {
    const ticket = ++this.#ticket
    client.ticket = ticket
    this.#asked.set(ticket, { client, command })
    this.#held.push({ ticket, command, decision: this.machine.decide(ticket, command, this.now) })
  }

  take(decision: Decision<GroupRecord, GroupResult>): void {
    this.answer(decision.answers)
    for (const record of decision.records) {
      this.log.push(record)
      this.answer(this.machine.replay(record, this.now).answers)
    }
  }

  commitLog(): void {
    const held = this.#held
    this.#held = []
    for (const { decision } of held) this.take(decision)
  }

  failLog(): void {
    const held = this.#held
    this.#held = []
    for (const { ticket, command, decision } of held) {
      if (decision.records.length === 0) this.answer(decision.answers)
      else this.answer(this.machine.reject(ticket, command, decision, ErrorCode.NOT_COORDINATOR, this.now).answers)
    }
  }

  answer(answers: ReadonlyArray<Answer<GroupResult>>): void {
    for (const { ticket, response } of answers) {
      const asked = this.#asked.get(ticket)
      expect(asked, `ticket ${ticket} is answered once`).toBeDefined()
      this.#asked.delete(ticket)
      const { client } = asked!
      if (client.ticket !== ticket) continue
      client.ticket = -1
      const failed = "errorCode" in response && response.errorCode !== ErrorCode.NONE
      client.next = failed ? "join" : response._tag === "Join" ? "sync" : "heartbeat"
      if (response._tag === "Join") this.joined(client, response)
      if (response._tag === "Sync" && response.errorCode === ErrorCode.NONE && response.assignment.length > 0) {
        expect(response.assignment[0], "an assignment is of the generation that asked").toBe(client.generation & 0xff)
      }
    }
  }

  joined(client: Client, result: GroupResult & { _tag: "Join" }): void {
    if (result.errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = result.memberId
    if (result.errorCode === ErrorCode.UNKNOWN_MEMBER_ID || result.errorCode === ErrorCode.FENCED_INSTANCE_ID)
      client.memberId = ""
    if (result.errorCode !== ErrorCode.NONE) return
    expect(result.generationId).toBeGreaterThanOrEqual(client.memberId === result.memberId ? client.generation : -1)
    Object.assign(client, {
      memberId: result.memberId,
      generation: result.generationId,
      leads: result.leader === result.memberId && !result.skipAssignment,
      members: result.members.map(({ memberId }) => memberId)
    })
    if (result.members.length > 0) expect(result.leader).toBe(result.memberId)
  }

  check(): void {
    const group = this.machine.classicGroup("g")
    if (group === undefined) {
      this.#generation = 0
      return
    }
    expect(group.generation).toBeGreaterThanOrEqual(this.#generation)
    this.#generation = group.generation
    if (group.state === "Empty") expect(group.members.size).toBe(0)
    if (group.members.size > 0) expect(group.members.has(group.leader ?? "")).toBe(true)
    for (const memberId of group.pendingSyncs) expect(group.members.has(memberId)).toBe(true)
    for (const memberId of group.pendingJoins) expect(group.members.has(memberId)).toBe(false)
    for (const memberId of group.staticMembers.values()) expect(group.members.has(memberId)).toBe(true)
    let joining = 0
    for (const member of group.members.values()) {
      if (member.joinTicket >= 0) joining++
      if (member.syncTicket >= 0) expect(group.state).toBe("CompletingRebalance")
      const waits = member.joinTicket >= 0 || member.syncTicket >= 0
      if (!waits) expect(group.sessions.has(member.memberId), "who does not wait has a session").toBe(true)
    }
    expect(group.awaitingJoin).toBe(joining)
    if (joining > 0 && this.#held.length === 0) expect(group.state).toBe("PreparingRebalance")
  }

  get unanswered(): number {
    return this.#asked.size
  }
}

const step: fc.Arbitrary<Step> = fc.record({
  client: fc.nat(CLIENTS - 1),
  action: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Action>("proceed") },
    {
      weight: 2,
      arbitrary: fc.constantFrom<Action>("join", "sync", "heartbeat", "leave", "commit", "change", "restartClient")
    }
  ),
  passMs: fc.constantFrom(0, 0, 0, 1, 1_000, 9_999, 30_000),
  log: fc.constantFrom("commit", "commit", "hold", "fail")
})

test("any interleaving keeps the invariants, and nobody waits for ever", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(0, 3_000), (steps, delayMs) => {
      const world = new World(delayMs)
      for (const one of steps) world.step(one)
      world.commitLog()
      // Time alone answers everybody and empties the group.
      world.pass(1_000_000)
      world.commitLog()
      world.pass(1_000_000)
      expect(world.unanswered).toBe(0)
      expect(world.machine.classicGroup("g")?.members.size ?? 0).toBe(0)
      expect(world.machine.nextDeadline()).toBeUndefined()
    }),
    { numRuns: 1_000 }
  )
})

test("what the log says is what the machine remembers", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World(0)
      for (const one of steps) world.step({ ...one, log: "commit" })
      const group = world.machine.classicGroup("g")
      const loaded = new GroupMachine(defaultGroupConfig)
      for (const record of world.log) loaded.load(record)
      const again = loaded.classicGroup("g")
      if (group?.state !== "Stable" && group?.state !== "Empty") return
      expect(again?.generation ?? 0).toBe(group.persisted ? group.generation : 0)
      if (group.state !== "Stable") return
      expect(again?.state).toBe("Stable")
      expect(again?.leader).toBe(group.leader)
      expect([...again!.members.values()].map((m) => [m.memberId, [...m.assignment]])).toEqual(
        [...group.members.values()].map((m) => [m.memberId, [...m.assignment]])
      )
    }),
    { numRuns: 300 }
  )
})
