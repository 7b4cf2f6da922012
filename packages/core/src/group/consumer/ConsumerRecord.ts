/**
 * The records that hold a group of the consumer protocol (KIP-848), as plain data: one kind for each thing that changes alone.
 *
 * A `null` value is a tombstone. A value is never changed after it was made: group, log and tests share it. Together the
 * records of a group are its whole durable state, so the inverse of a record is the record that was there before it.
 */
import type { JoinProtocol } from "../Commands.ts"

/** topicId → partitions, ascending. */
export type Partitions = ReadonlyMap<string, ReadonlyArray<number>>

/** topicId → partition → the epoch at which the member was given it. Commits with an older member epoch are refused. */
export type EpochPartitions = ReadonlyMap<string, ReadonlyMap<number, number>>

/** What a member needs to be told that it is to join, sync and beat as a member of a classic group. */
export interface ClassicMemberMetadata {
  readonly sessionTimeoutMs: number
  /** In the member's order of preference; at least one. All carry the same subscription. */
  readonly supportedProtocols: ReadonlyArray<JoinProtocol>
}

export interface MemberMetadata {
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Ascending and distinct. */
  readonly subscribedTopicNames: ReadonlyArray<string>
  /** "" or null: none. */
  readonly subscribedTopicRegex: string | null
  readonly rebalanceTimeoutMs: number
  /** null: whatever the broker prefers. */
  readonly serverAssignor: string | null
  /** null: the member speaks the consumer protocol. */
  readonly classic: ClassicMemberMetadata | null
}

/** Where a member is on its way to its target; the numbers are those of the log. */
export const MemberState = {
  /** It has what its epoch says. */
  STABLE: 0,
  /** It must give partitions up before it may enter the next epoch. */
  UNREVOKED_PARTITIONS: 1,
  /** It is in the target's epoch and waits for partitions that others have not given up yet. */
  UNRELEASED_PARTITIONS: 2
} as const
export type MemberState = (typeof MemberState)[keyof typeof MemberState]

export interface CurrentAssignment {
  /** -2: a static member that left for a while. */
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  /** A state that this version does not know is kept as it is; its member is made to join again. */
  readonly state: number
  readonly assigned: EpochPartitions
  readonly pendingRevocation: EpochPartitions
}

export interface ResolvedRegex {
  /** Ascending. */
  readonly topics: ReadonlyArray<string>
  /** Which state of the topics it was resolved against; never falls. */
  readonly version: number
  readonly timestamp: number
}

interface Of<Tag extends string, Value> {
  readonly _tag: Tag
  readonly groupId: string
  readonly value: Value | null
}

export interface GroupEpoch {
  readonly epoch: number
  /** Of the subscribed topics as the group last saw them; how it is made is the writer's own business. */
  readonly metadataHash: number
}

export interface TargetEpoch {
  readonly assignmentEpoch: number
  /** 0 in records of brokers that did not write it. */
  readonly assignmentTimestamp: number
}

export type GroupEpochRecord = Of<"ConsumerGroupMetadata", GroupEpoch>
export type MemberMetadataRecord = Of<"ConsumerGroupMemberMetadata", MemberMetadata> & { readonly memberId: string }
export type TargetEpochRecord = Of<"ConsumerGroupTargetAssignmentMetadata", TargetEpoch>
export type TargetMemberRecord = Of<"ConsumerGroupTargetAssignmentMember", Partitions> & { readonly memberId: string }
export type CurrentMemberRecord = Of<"ConsumerGroupCurrentMemberAssignment", CurrentAssignment> & {
  readonly memberId: string
}
export type RegexRecord = Of<"ConsumerGroupRegularExpression", ResolvedRegex> & { readonly regularExpression: string }

export type ConsumerRecord =
  | GroupEpochRecord
  | MemberMetadataRecord
  | TargetEpochRecord
  | TargetMemberRecord
  | CurrentMemberRecord
  | RegexRecord

export const isConsumerRecord = (record: { readonly _tag: string }): record is ConsumerRecord =>
  record._tag.startsWith("ConsumerGroup")

export const NO_PARTITIONS: Partitions = new Map()
export const NO_EPOCH_PARTITIONS: EpochPartitions = new Map()
