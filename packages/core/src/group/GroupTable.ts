/**
 * The groups of one coordinator partition by id, each under the protocol that its records say, with its committed offsets.
 *
 * `apply` is how records of membership become state: while loading, and when a decision of the consumer protocol takes
 * effect. A record of the other protocol makes the group one of that protocol. What it answers takes the record back,
 * down to the object that was there before.
 */
import { NO_TICKET, type Ticket } from "../coordinator/Decision.ts"
import { ClassicGroup } from "./classic/ClassicGroup.ts"
import { makeMember } from "./classic/Member.ts"
import { type ClassicContext, cancelSyncPhase, endSession } from "./classic/Rebalance.ts"
import { ConsumerGroup } from "./consumer/ConsumerGroup.ts"
import type { ConsumerRecord } from "./consumer/ConsumerRecord.ts"
import type { MemberTimers } from "./consumer/MemberTimers.ts"
import type { GroupMetadata, GroupMetadataRecord } from "./GroupRecord.ts"
import { OffsetTable } from "./offsets/OffsetTable.ts"

export type Group = ClassicGroup | ConsumerGroup

/** A group as the machine keeps it. Readers must not change it. */
export interface GroupEntry {
  group: Group
  readonly offsets: OffsetTable
}

/** A JoinGroup or SyncGroup that waited in a group that is no more. */
export interface Orphan {
  readonly ticket: Ticket
  readonly request: "Join" | "Sync"
  readonly memberId: string
}

const NOTHING = (): void => {}

export class GroupTable {
  /** In the order in which they came to be. */
  readonly entries = new Map<string, GroupEntry>()
  readonly #classic: ClassicContext
  readonly #timers: MemberTimers
  #orphans: Array<Orphan> = []

  constructor(classic: ClassicContext, timers: MemberTimers) {
    this.#classic = classic
    this.#timers = timers
  }

  get(groupId: string): GroupEntry | undefined {
    return this.entries.get(groupId)
  }

  make(groupId: string): GroupEntry {
    const entry = { group: new ClassicGroup(groupId), offsets: new OffsetTable() }
    this.entries.set(groupId, entry)
    return entry
  }

  apply(record: ConsumerRecord | GroupMetadataRecord): () => void {
    const entry = this.get(record.groupId)
    if (record._tag === "GroupMetadata") {
      if (entry === undefined && record.value === null) return NOTHING
      const group = record.value === null ? new ClassicGroup(record.groupId) : fromRecord(record.groupId, record.value)
      return this.swap(entry ?? this.make(record.groupId), group)
    }
    // A tombstone of a group that is of the other protocol by now says what everybody knows.
    if (record.value === null && entry?.group.type !== "consumer") return NOTHING
    const own = entry ?? this.make(record.groupId)
    const unswap = own.group.type === "consumer" ? NOTHING : this.swap(own, new ConsumerGroup(record.groupId))
    const group = own.group as ConsumerGroup
    const inverse = group.apply(record)
    return () => {
      group.apply(inverse)
      unswap()
    }
  }

  /** Puts another group in the place of the entry's; its timers end. */
  swap(entry: GroupEntry, next: Group): () => void {
    const before = entry.group
    this.#retire(before)
    entry.group = next
    return () => {
      this.#retire(entry.group)
      entry.group = before
    }
  }

  /** What waited in groups that were given up; each is handed out once. */
  takeOrphans(): ReadonlyArray<Orphan> {
    const orphans = this.#orphans
    this.#orphans = []
    return orphans
  }

  #retire(group: Group): void {
    if (group.type === "consumer") {
      this.#timers.stopGroup(group.groupId)
      return
    }
    for (const memberId of [...group.sessions.keys()]) endSession(this.#classic, group, memberId)
    if (group.joinTimer !== undefined) this.#classic.timers.remove(group.joinTimer)
    group.joinTimer = undefined
    cancelSyncPhase(this.#classic, group)
    for (const member of group.members.values()) {
      const { memberId } = member
      if (member.joinTicket !== NO_TICKET) {
        this.#orphans.push({ ticket: group.setJoinTicket(member, NO_TICKET), request: "Join", memberId })
      }
      if (member.syncTicket !== NO_TICKET) this.#orphans.push({ ticket: member.syncTicket, request: "Sync", memberId })
      member.syncTicket = NO_TICKET
    }
  }
}

const fromRecord = (groupId: string, value: GroupMetadata): ClassicGroup => {
  const group = new ClassicGroup(groupId)
  group.persisted = true
  group.generation = value.generation
  group.protocolType = value.protocolType === "" ? null : value.protocolType
  group.enter(value.members.length === 0 ? "Empty" : "Stable", value.currentStateTimestamp)
  group.protocolName = value.members.length === 0 ? null : value.protocol
  for (const saved of value.members) {
    const member = makeMember({
      memberId: saved.memberId,
      groupInstanceId: saved.groupInstanceId,
      clientId: saved.clientId,
      clientHost: saved.clientHost,
      rebalanceTimeoutMs: saved.rebalanceTimeoutMs < 0 ? saved.sessionTimeoutMs : saved.rebalanceTimeoutMs,
      sessionTimeoutMs: saved.sessionTimeoutMs,
      protocols: [{ name: value.protocol ?? "", metadata: saved.subscription }]
    })
    member.assignment = saved.assignment
    group.add(member)
  }
  if (value.leader !== null && group.members.has(value.leader)) group.leader = value.leader
  return group
}
