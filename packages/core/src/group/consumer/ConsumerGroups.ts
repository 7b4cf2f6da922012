/**
 * The consumer protocol's part of the group machine: dispatch, timers, and what a lost write leaves behind.
 *
 * Durable state is in each `ConsumerGroup`. What is decided takes effect through the journal; the machine confirms each
 * record when it is replayed, or has it taken back.
 *
 * A target of many members does not fit one batch, so decisions are divisible. A beginning of one is safe: the epoch of the
 * target is behind its shares, so that it is computed again, and no share lets a member own what another one holds. A member
 * whose records were cut off joins anew.
 */
import { assert } from "../../base/Assert.ts"
import { DeadlineHeap } from "../../base/DeadlineHeap.ts"
import type { Ticket } from "../../coordinator/Decision.ts"
import type { ErrorCode } from "../../model/ErrorCode.ts"
import {
  type ConsumerHeartbeatCommand,
  type HeartbeatCommand,
  type JoinCommand,
  joinError,
  type LeaveCommand,
  type SyncCommand,
  syncError
} from "../Commands.ts"
import {
  type ClassicContext,
  type GroupTurn,
  prepareRebalance,
  renewSession as renewClassicSession
} from "../classic/Rebalance.ts"
import type { GroupRecord } from "../GroupRecord.ts"
import { GroupTable } from "../GroupTable.ts"
import type { OffsetTable } from "../offsets/OffsetTable.ts"
import { beatInConsumerGroup, joinConsumerGroup, leaveConsumerGroup, syncWithConsumerGroup } from "./ClassicMembers.ts"
import { type ConsumerContext, currentOf, renewSession } from "./ConsumerContext.ts"
import type { ConsumerEnvironment } from "./ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import { planConsumerExpiry } from "./ConsumerOffsets.ts"
import { isConsumerRecord, MemberState } from "./ConsumerRecord.ts"
import { remove } from "./Departure.ts"
import { consumerHeartbeat } from "./Heartbeat.ts"
import { Journal } from "./Journal.ts"
import { type MemberTimerEvent, MemberTimers } from "./MemberTimers.ts"
import { deleteGroupRecords } from "./Migration.ts"

export class ConsumerGroups {
  readonly context: ConsumerContext
  readonly table: GroupTable
  readonly #heap = new DeadlineHeap<MemberTimerEvent>()
  readonly #journal = new Journal()

  constructor(environment: ConsumerEnvironment, classic: ClassicContext) {
    const timers = new MemberTimers(this.#heap)
    this.table = new GroupTable(classic, timers)
    this.context = { environment, classic, table: this.table, journal: this.#journal, timers, topicChanges: 0 }
  }

  heartbeat(turn: GroupTurn, ticket: Ticket, command: ConsumerHeartbeatCommand): void {
    turn.divisible = true
    consumerHeartbeat(this.context, turn, ticket, command)
  }

  /** What a member of the classic protocol asks of a consumer group. */
  member(
    turn: GroupTurn,
    ticket: Ticket,
    group: ConsumerGroup,
    command: JoinCommand | SyncCommand | HeartbeatCommand | LeaveCommand
  ): void {
    turn.divisible = true
    switch (command._tag) {
      case "Join":
        joinConsumerGroup(this.context, turn, group, ticket, command)
        return
      case "Sync":
        turn.answer(ticket, syncWithConsumerGroup(this.context, turn, group, command))
        return
      case "Heartbeat": {
        const errorCode = beatInConsumerGroup(this.context, turn, group, command)
        turn.answer(ticket, { _tag: "Heartbeat", errorCode })
        return
      }
      case "Leave":
        turn.answer(ticket, leaveConsumerGroup(this.context, turn, group, command))
        return
    }
  }

  topicsChanged(): void {
    this.context.topicChanges++
  }

  /** Tombstones of the group; those of its offsets come first and are the caller's. */
  delete(turn: GroupTurn, group: ConsumerGroup): void {
    assert(group.members.size === 0, "only an empty group is deleted")
    deleteGroupRecords(this.context, turn, group)
  }

  expire(turn: GroupTurn, group: ConsumerGroup, offsets: OffsetTable, retentionMs: number): void {
    const { records, isLeft } = planConsumerExpiry(group, offsets, turn.now, retentionMs)
    for (const record of records) turn.append(record)
    if (!isLeft && group.isPersisted) this.delete(turn, group)
  }

  isInFlight(groupId: string): boolean {
    return this.#journal.isInFlight(groupId)
  }

  /** True when the record has had its effect already. */
  confirm(record: GroupRecord): boolean {
    return this.#journal.confirm(record)
  }

  /** Whether what was decided is still in effect: it is not when something that it was built on was taken back. */
  holds(records: ReadonlyArray<GroupRecord>): boolean {
    return records.every((record) => !isConsumerRecord(record) || this.#journal.has(record))
  }

  /** The records are not in the log: everything is as if they had never been decided, but for time. */
  takeBack(turn: GroupTurn, records: ReadonlyArray<GroupRecord>, told: ErrorCode): void {
    for (const groupId of this.#journal.takeBack(records)) {
      const group = this.table.get(groupId)?.group
      if (group?.type === "consumer") {
        this.#keepTime(turn, group)
        // What was seen of the topics may be what was lost.
        group.topicsSeen = -1
      } else if (group !== undefined && group.members.size > 0) {
        for (const member of group.members.values()) {
          renewClassicSession(this.context.classic, turn, group, member.memberId, member.sessionTimeoutMs)
        }
        prepareRebalance(this.context.classic, turn, group)
      }
    }
    for (const { ticket, request, memberId } of this.table.takeOrphans()) {
      turn.answer(ticket, request === "Join" ? joinError(told, memberId) : syncError(told))
    }
  }

  /** Members that the log holds are taken as alive for one session. */
  loaded(turn: GroupTurn): void {
    for (const { group } of this.table.entries.values()) if (group.type === "consumer") this.#keepTime(turn, group)
  }

  nextDeadline(): number {
    return this.#heap.nextDeadline()
  }

  /** Takes one timer that ran out; the group in which something may have changed, undefined when none is left. */
  tick(turn: GroupTurn): string | undefined {
    const event = this.#heap.popExpired(turn.now)
    if (event === undefined) return undefined
    const { groupId, memberId } = event
    this.context.timers.expired(event)
    const group = this.table.get(groupId)?.group
    assert(
      group?.type === "consumer" && group.members.has(memberId),
      `a timer of ${memberId} of ${groupId} outlived it`
    )
    remove(this.context, turn, group, new Set([memberId]))
    return groupId
  }

  /** Every member has a session, and one that has partitions to give up the time to do so; nobody else has timers. */
  #keepTime(turn: GroupTurn, group: ConsumerGroup): void {
    const { timers } = this.context
    const { groupId } = group
    for (const memberId of timers.membersWithTimers(groupId)) {
      if (!group.members.has(memberId)) timers.stopMember(groupId, memberId)
    }
    for (const [memberId, member] of group.members) {
      renewSession(this.context, turn, groupId, memberId, member)
      const owes = currentOf(group, memberId).state === MemberState.UNREVOKED_PARTITIONS && member.classic === null
      if (owes) timers.start("Rebalance", groupId, memberId, turn.now + member.rebalanceTimeoutMs)
      else timers.stop("Rebalance", groupId, memberId)
    }
  }
}
