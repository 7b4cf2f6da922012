/**
 * What every decision about consumer groups works with, and the one way in which it writes.
 */
import { assert } from "../../base/Assert.ts"
import type { ClassicContext, GroupTurn } from "../classic/Rebalance.ts"
import type { GroupMetadataRecord } from "../GroupRecord.ts"
import type { GroupTable } from "../GroupTable.ts"
import type { ConsumerEnvironment } from "./ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import {
  type ConsumerRecord,
  type CurrentAssignment,
  type MemberMetadata,
  MemberState,
  NO_EPOCH_PARTITIONS
} from "./ConsumerRecord.ts"
import type { Journal } from "./Journal.ts"
import type { MemberTimers } from "./MemberTimers.ts"

export interface ConsumerContext {
  readonly environment: ConsumerEnvironment
  readonly classic: ClassicContext
  readonly table: GroupTable
  readonly journal: Journal
  readonly timers: MemberTimers
  /** How often the topics have changed; a group that saw fewer changes looks again. */
  topicChanges: number
}

/** Appends the record; whatever is decided from here on finds it in effect. */
export const write = (
  context: ConsumerContext,
  turn: GroupTurn,
  record: ConsumerRecord | GroupMetadataRecord
): void => {
  context.journal.stage(record, context.table.apply(record))
  turn.append(record)
}

export const consumerGroup = (context: ConsumerContext, groupId: string): ConsumerGroup => {
  const group = context.table.get(groupId)?.group
  assert(group?.type === "consumer", `${groupId} is a group of the consumer protocol`)
  return group
}

/** Where a member begins: nothing given, nothing owed. */
export const NO_ASSIGNMENT: CurrentAssignment = {
  memberEpoch: 0,
  previousMemberEpoch: 0,
  state: MemberState.STABLE,
  assigned: NO_EPOCH_PARTITIONS,
  pendingRevocation: NO_EPOCH_PARTITIONS
}

export const currentOf = (group: ConsumerGroup, memberId: string): CurrentAssignment =>
  group.currents.get(memberId) ?? NO_ASSIGNMENT

/** The member was heard of: its session begins anew. */
export const renewSession = (
  context: ConsumerContext,
  turn: GroupTurn,
  groupId: string,
  memberId: string,
  member: MemberMetadata
): void => {
  const timeoutMs = member.classic?.sessionTimeoutMs ?? context.environment.settingsOf(groupId).sessionTimeoutMs
  context.timers.start("Session", groupId, memberId, turn.now + timeoutMs)
}
