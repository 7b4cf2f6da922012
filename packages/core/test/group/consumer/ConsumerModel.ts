/**
 * A world of clients and one group machine, whose log lags, fails and survives restarts. Whatever happens, after each step:
 *
 * 1. no two clients own a partition at once, as far as both were heard of lately;
 * 2. the group's epochs never fall while it lives;
 * 3. what is remembered is what the log says, whenever nothing is on its way into it;
 * 4. the group's state is consistent in itself.
 *
 * And when events stop, everybody is stable soon, and owns what it shall have.
 */
import { expect } from "vitest"
import type { Answer, Decision } from "../../../src/coordinator/Decision.ts"
import type { GroupCommand, GroupResult } from "../../../src/group/Commands.ts"
import {
  type ConsumerEnvironment,
  defaultConsumerEnvironment
} from "../../../src/group/consumer/ConsumerEnvironment.ts"
import type { ConsumerGroup } from "../../../src/group/consumer/ConsumerGroup.ts"
import { MemberState } from "../../../src/group/consumer/ConsumerRecord.ts"
import { defaultGroupConfig } from "../../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../../src/group/GroupMachine.ts"
import type { GroupRecord } from "../../../src/group/GroupRecord.ts"
import { decodeGroupRecord, encodeGroupRecord } from "../../../src/group/RecordCodec.ts"
import { ErrorCode } from "../../../src/model/ErrorCode.ts"
import { showEpochs, showPartitions } from "../Show.ts"
import { FakeTopics } from "./FakeTopics.ts"
import { CLASSIC_SESSION_MS, GROUP, keysOf, type ModelClient } from "./ModelClient.ts"

export const SESSION_MS = 20_000
export const BEAT_MS = 3_000

interface Held {
  readonly ticket: number
  readonly command: GroupCommand | undefined
  readonly decision: Decision<GroupRecord, GroupResult>
}

export class ConsumerModel {
  readonly topics = new FakeTopics()
  readonly clients: ReadonlyArray<ModelClient>
  machine: GroupMachine
  now = 1_000_000
  readonly #environment: ConsumerEnvironment
  #log: Array<GroupRecord> = []
  #held: Array<Held> = []
  #ticket = 0
  #named = 0
  readonly #asked = new Map<number, ModelClient>()
  /** Answers to these are lost on the way. */
  readonly #dropped = new Set<number>()
  #epoch = 0
  #targetEpoch = 0

  constructor(clients: ReadonlyArray<ModelClient>, intervalMs: number) {
    this.clients = clients
    const settings = { heartbeatIntervalMs: BEAT_MS, sessionTimeoutMs: SESSION_MS, assignmentIntervalMs: intervalMs }
    this.#environment = {
      ...defaultConsumerEnvironment,
      topics: () => this.topics,
      settingsOf: () => settings,
      compileRegex: (pattern) => ({ matches: (name) => new RegExp(`^(?:${pattern})$`).test(name) })
    }
    this.machine = this.#make()
  }

  #make(): GroupMachine {
    return new GroupMachine({ ...defaultGroupConfig, initialRebalanceDelayMs: 0 }, this.#environment)
  }

  setTopic(name: string, partitions: number): void {
    const before = this.topics.topic(name)?.partitions ?? 0
    if (partitions > 0 && partitions < before) return
    this.topics.set(name, partitions)
    if (partitions === 0 && before > 0) this.tell({ _tag: "TopicsDeleted", topics: [name] })
    this.tell({ _tag: "TopicsChanged" })
  }

  tell(command: GroupCommand): void {
    this.#hold(command)
  }

  /** The client's next request; its answer may be lost. */
  ask(client: ModelClient, command: GroupCommand, answerLost: boolean): void {
    const ticket = this.#hold(command)
    client.ticket = ticket
    client.askedAt = this.now
    this.#asked.set(ticket, client)
    if (answerLost) this.#dropped.add(ticket)
  }

  beat(client: ModelClient, answerLost = false): void {
    if (client.ticket < 0) this.ask(client, client.next(`u${++this.#named}`), answerLost)
  }

  #hold(command: GroupCommand): number {
    const ticket = ++this.#ticket
    this.#held.push({ ticket, command, decision: this.machine.decide(ticket, command, this.now) })
    return ticket
  }

  commitLog(): void {
    const held = this.#held
    this.#held = []
    for (const { decision } of held) this.#take(decision)
  }

  failLog(): void {
    const held = this.#held
    this.#held = []
    for (const { ticket, command, decision } of held) {
      if (decision.records.length === 0) this.#answer(decision.answers)
      else {
        this.#answer(this.machine.reject(ticket, command, decision, ErrorCode.NOT_COORDINATOR, this.now).answers)
      }
    }
  }

  /** The decision at `index` fails, and with it those that were built on it; the others are committed. */
  failOne(index: number): void {
    const held = this.#held
    this.#held = []
    for (const [i, { ticket, command, decision }] of held.entries()) {
      const lost = i === index % held.length || !this.machine.holds(decision)
      if (!lost || decision.records.length === 0) this.#take(decision)
      else this.#answer(this.machine.reject(ticket, command, decision, ErrorCode.NOT_COORDINATOR, this.now).answers)
    }
  }

  /** The decision at `index` is too large for one batch: its beginning is committed, its end is not. */
  failPart(index: number): void {
    const held = this.#held
    this.#held = []
    for (const [i, { ticket, command, decision }] of held.entries()) {
      const { records } = decision
      const kept = !this.machine.holds(decision)
        ? 0
        : i === index % held.length
          ? index % (records.length + 1)
          : records.length
      if (kept === records.length) this.#take(decision)
      else {
        this.#take({ ...decision, records: records.slice(0, kept), answers: [] })
        const rest = { ...decision, records: records.slice(kept) }
        this.#answer(this.machine.reject(ticket, command, rest, ErrorCode.NOT_COORDINATOR, this.now).answers)
      }
    }
  }

  /** The node dies and comes back: what was on its way is in the log up to `kept` decisions and a bit, and nobody is answered. */
  crash(kept: number, compacts: boolean): void {
    for (const { decision } of this.#held.slice(0, kept)) this.#append(decision.records)
    const cut = this.#held[kept]?.decision.records ?? []
    this.#append(cut.slice(0, kept % (cut.length + 1)))
    this.#held = []
    if (compacts) this.#log = compacted(this.#log)
    this.machine = this.#make()
    for (const record of this.#log) this.machine.load(record)
    for (const [ticket, client] of this.#asked) this.#lose(ticket, client)
    this.#asked.clear()
    this.#dropped.clear()
    const decision = this.machine.loaded(this.now)
    this.#held.push({ ticket: -1, command: undefined, decision })
    this.commitLog()
  }

  #append(records: ReadonlyArray<GroupRecord>): void {
    for (const record of records) {
      const { key, value } = encodeGroupRecord(record)
      this.#log.push(decodeGroupRecord(key, value)!)
      this.#checkEpochs(record)
    }
  }

  /** From a group's first record to its tombstone; a group that is made anew begins anew. */
  #checkEpochs(record: GroupRecord): void {
    if (record._tag === "ConsumerGroupMetadata") {
      if (record.value !== null) expect(record.value.epoch, "the group's epoch").toBeGreaterThanOrEqual(this.#epoch)
      this.#epoch = record.value?.epoch ?? 0
    } else if (record._tag === "ConsumerGroupTargetAssignmentMetadata") {
      const epoch = record.value?.assignmentEpoch ?? 0
      if (record.value !== null) expect(epoch, "the target's epoch").toBeGreaterThanOrEqual(this.#targetEpoch)
      this.#targetEpoch = epoch
    }
  }

  #take(decision: Decision<GroupRecord, GroupResult>): void {
    this.#append(decision.records)
    this.#answer(decision.answers)
    for (const record of decision.records) this.#answer(this.machine.replay(record, this.now).answers)
  }

  #answer(answers: ReadonlyArray<Answer<GroupResult>>): void {
    for (const { ticket, response } of answers) {
      const client = this.#asked.get(ticket)
      this.#asked.delete(ticket)
      if (client === undefined) {
        expect(response._tag, "only clients and housekeeping are answered").toBe("Done")
        continue
      }
      if (this.#dropped.delete(ticket)) {
        this.#lose(ticket, client)
        continue
      }
      if (client.ticket !== ticket) continue
      client.ticket = -1
      if (!("errorCode" in response) || response.errorCode === ErrorCode.NONE) client.heardAt = client.askedAt
      client.answered(response, (topic) => this.topics.topic(topic))
    }
  }

  #lose(ticket: number, client: ModelClient): void {
    if (client.ticket !== ticket) return
    client.ticket = -1
    client.lost()
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

  get inFlight(): boolean {
    return this.#held.some(({ decision }) => decision.records.length > 0)
  }

  get unanswered(): number {
    return this.#asked.size
  }

  check(): void {
    this.#checkOwners()
    if (this.inFlight) return
    const group = this.machine.consumerGroup(GROUP)
    if (group !== undefined) {
      expect(group.epoch).toBeGreaterThanOrEqual(group.targetEpoch)
      this.#checkGroup(group)
    }
    this.#checkReplay(group, this.#log)
  }

  #checkOwners(): void {
    const owners = new Map<string, string>()
    for (const client of this.clients) {
      // Who was silent for long may be fenced without knowing it.
      if (this.now - client.heardAt >= Math.min(SESSION_MS, CLASSIC_SESSION_MS)) continue
      for (const key of client.owned) {
        expect(owners.get(key), `${key} is owned by ${client.name} and nobody else`).toBeUndefined()
        owners.set(key, client.name)
      }
    }
  }

  #checkGroup(group: ConsumerGroup): void {
    for (const memberId of group.currents.keys()) expect(group.members.has(memberId), memberId).toBe(true)
    for (const memberId of group.targets.keys()) expect(group.members.has(memberId), memberId).toBe(true)
    for (const memberId of group.staticMembers.values()) expect(group.members.has(memberId), memberId).toBe(true)
    for (const [memberId, current] of group.currents) {
      expect(current.memberEpoch, "no member is ahead of the target").toBeLessThanOrEqual(group.targetEpoch)
      for (const [topicId, epochs] of current.pendingRevocation) {
        for (const partition of epochs.keys()) {
          expect(current.assigned.get(topicId)?.has(partition) === true, `${memberId} has what it owes`).toBe(false)
        }
      }
      if (group.isReconciled(memberId)) {
        expect(current.pendingRevocation.size, "who is stable owes nothing").toBe(0)
        // A target whose end was cut off is computed again.
        for (const [topicId, epochs] of group.epoch === group.targetEpoch ? current.assigned : []) {
          const target = group.targetOf(memberId).get(topicId) ?? []
          for (const partition of epochs.keys()) expect(target).toContain(partition)
        }
      }
      if (current.state === MemberState.UNREVOKED_PARTITIONS) expect(current.memberEpoch).not.toBe(0)
    }
  }

  #checkReplay(group: ConsumerGroup | undefined, log: ReadonlyArray<GroupRecord>): void {
    const loaded = this.#make()
    for (const record of log) loaded.load(record)
    loaded.loaded(this.now)
    const again = loaded.consumerGroup(GROUP)
    expect(again === undefined ? undefined : picture(again), "the log says what is remembered").toEqual(
      group === undefined ? undefined : picture(group)
    )
  }

  /** Events stop: everybody that lives beats until nothing moves any more. */
  settle(ms: number): void {
    this.commitLog()
    for (let passed = 0; passed < ms; passed += BEAT_MS) {
      for (const client of this.clients) this.beat(client)
      this.commitLog()
      this.check()
      this.pass(BEAT_MS)
    }
  }

  /** Every partition that anybody subscribes to is owned by one of those who do. */
  expectSettled(): void {
    const group = this.machine.consumerGroup(GROUP)
    this.#checkReplay(group, compacted(this.#log))
    if (group === undefined) {
      const classic = this.machine.classicGroup(GROUP)
      if (classic !== undefined && classic.members.size > 0) expect(classic.state).toBe("Stable")
    } else {
      expect(group.state, "the group").toBe(group.members.size === 0 ? "Empty" : "Stable")
      for (const [memberId, target] of group.targets) {
        const current = group.currents.get(memberId)!
        expect(showPartitions(target), memberId).toBe(
          showPartitions(
            new Map(Array.from(current.assigned, ([id, epochs]) => [id, [...epochs.keys()].sort(byNumber)]))
          )
        )
      }
    }
    const owned = new Set(this.clients.flatMap((client) => (client.joined ? [...client.owned] : [])))
    const wanted = new Set<string>()
    for (const client of this.clients) {
      if (!client.joined) continue
      for (const name of this.topics.names()) {
        const { names, regex } = client.subscription
        if (!names?.includes(name) && (regex === null || !new RegExp(`^(?:${regex})$`).test(name))) continue
        const topic = this.topics.topic(name)!
        const partitions = Array.from({ length: topic.partitions }, (_, i) => i)
        for (const key of keysOf([{ topicId: topic.topicId, partitions }])) wanted.add(key)
      }
    }
    expect([...owned].sort()).toEqual([...wanted].sort())
  }
}

/** What compaction leaves in the end: the last value of each key, and no tombstones. */
const compacted = (log: ReadonlyArray<GroupRecord>): Array<GroupRecord> => {
  const last = new Map<string, GroupRecord>()
  for (const record of log) {
    const key = Buffer.from(encodeGroupRecord(record).key).toString("latin1")
    last.delete(key)
    if (record.value !== null) last.set(key, record)
  }
  return [...last.values()]
}

const byNumber = (a: number, b: number): number => a - b

/** Everything that is durable of a group, as text. */
const picture = (group: ConsumerGroup): string =>
  [
    `epoch ${group.epoch} hash ${group.metadataHash} target ${group.targetEpoch} at ${group.targetTimestamp}`,
    ...Array.from(
      group.members,
      ([id, { classic, ...member }]) => `${id} ${JSON.stringify(member)} ${classic !== null}`
    ).sort(),
    ...Array.from(group.targets, ([id, target]) => `target ${id} ${showPartitions(target)}`).sort(),
    ...Array.from(
      group.currents,
      ([id, current]) =>
        `current ${id} ${current.memberEpoch} ${current.previousMemberEpoch} ${current.state} ${showEpochs(current.assigned)} ${showEpochs(current.pendingRevocation)}`
    ).sort(),
    ...Array.from(group.regexes, ([regex, { topics }]) => `regex ${regex} ${topics.join(",")}`).sort(),
    ...Array.from(group.staticMembers, ([instance, id]) => `${instance} is ${id}`).sort()
  ].join("\n")
