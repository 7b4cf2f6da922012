/**
 * The records of `__consumer_offsets` that this coordinator writes and reads, as plain data.
 *
 * A `null` value is a tombstone. Records of consumer groups are in `consumer/ConsumerRecord.ts`. What the topic may hold
 * besides (share and streams groups, written by another broker) has no place here: the codec skips it.
 */
import type { ConsumerRecord } from "./consumer/ConsumerRecord.ts"

export interface GroupMemberRecord {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  readonly subscription: Uint8Array
  readonly assignment: Uint8Array
}

export interface GroupMetadata {
  readonly protocolType: string
  readonly generation: number
  readonly protocol: string | null
  readonly leader: string | null
  /** -1 in records of old brokers. */
  readonly currentStateTimestamp: number
  readonly members: ReadonlyArray<GroupMemberRecord>
}

export interface CommittedOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestamp: number
  /** -1: none of its own, the broker's retention counts. */
  readonly expireTimestamp: number
  readonly topicId: string
}

export interface GroupMetadataRecord {
  readonly _tag: "GroupMetadata"
  readonly groupId: string
  readonly value: GroupMetadata | null
}

export interface OffsetRecord {
  readonly _tag: "Offset"
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  readonly value: CommittedOffset | null
}

export type GroupRecord = GroupMetadataRecord | OffsetRecord | ConsumerRecord
