/**
 * What the group machine is asked and what it answers, as plain data without a wire version.
 *
 * The handlers turn requests of any version into these commands and fill in what a version lacks; chance (the part of a
 * new member's id that must be unique) is an argument. Byte fields may be views of a network buffer: the machine copies
 * what it keeps.
 */
import type { ErrorCode } from "../model/ErrorCode.ts"
import type { TopicPartitions } from "./consumer/PartitionSets.ts"

export interface JoinProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinCommand {
  readonly _tag: "Join"
  readonly groupId: string
  /** "" for a client that has none yet. */
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** `/127.0.0.1` */
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  /** In the client's order of preference. */
  readonly protocols: ReadonlyArray<JoinProtocol>
  /** JoinGroup v4+ (KIP-394): a dynamic member must come back with the id that it is given. */
  readonly requireKnownMemberId: boolean
  /** JoinGroup v9+ (KIP-814): the leader may be told that the assignment stands. */
  readonly supportsSkippingAssignment: boolean
  /** Unique text for a new member's id. */
  readonly uuid: string
  /** A uuid as Kafka writes its own: the id of a new member of a group of the consumer protocol. */
  readonly kafkaUuid: string
}

export interface SyncCommand {
  readonly _tag: "Sync"
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: ReadonlyArray<{ readonly memberId: string; readonly assignment: Uint8Array }>
}

export interface HeartbeatCommand {
  readonly _tag: "Heartbeat"
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface LeavingMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface LeaveCommand {
  readonly _tag: "Leave"
  readonly groupId: string
  readonly members: ReadonlyArray<LeavingMember>
}

export interface OffsetToCommit {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface CommitCommand {
  readonly _tag: "Commit"
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** OffsetCommit below v9: its generation cannot be a member epoch of the consumer protocol. */
  readonly beforeMemberEpochs?: boolean
  /** -1: the broker's `offsets.retention.minutes`. */
  readonly retentionTimeMs: number
  readonly offsets: ReadonlyArray<OffsetToCommit>
}

/** ConsumerGroupHeartbeat (KIP-848): joins (member epoch 0), stays (n), leaves (-1), leaves for a while (-2). */
export interface ConsumerHeartbeatCommand {
  readonly _tag: "ConsumerHeartbeat"
  readonly groupId: string
  /** Made by the client; "" only where the version lets the broker make one, which is then `uuid`. */
  readonly memberId: string
  readonly memberEpoch: number
  /** null here and below: as before. */
  readonly instanceId: string | null
  readonly rackId: string | null
  /** -1: as before. */
  readonly rebalanceTimeoutMs: number
  readonly subscribedTopicNames: ReadonlyArray<string> | null
  readonly subscribedTopicRegex: string | null
  readonly serverAssignor: string | null
  /** What the member owns. */
  readonly topicPartitions: ReadonlyArray<TopicPartitions> | null
  readonly clientId: string
  /** `/127.0.0.1` */
  readonly clientHost: string
  /** ConsumerGroupHeartbeat v1+ (KIP-1082): a member brings its id. */
  readonly requireMemberId: boolean
  /** Kafka's text form of 16 random bytes, for a member that may come without an id. */
  readonly uuid: string
}

/** Topics came, went or grew: consumer groups look at their subscriptions anew. Told after the topics show it. */
export interface TopicsChangedCommand {
  readonly _tag: "TopicsChanged"
}

/** Drops what expired: offsets past their retention, and groups that are empty and hold none. Asked by the runtime. */
export interface ExpireCommand {
  readonly _tag: "ExpireOffsets"
}

/** The topics are gone; offsets of a topic that was made anew under the name belong to another topic id. */
export interface TopicsDeletedCommand {
  readonly _tag: "TopicsDeleted"
  readonly topics: ReadonlyArray<string>
}

/** Forgets a group that has no members, with everything that it committed. */
export interface DeleteGroupCommand {
  readonly _tag: "DeleteGroup"
  readonly groupId: string
}

export interface OffsetsToDelete {
  readonly topic: string
  readonly partitions: ReadonlyArray<number>
}

/** Forgets single committed offsets; of a group of consumers only of topics that it is not subscribed to. */
export interface DeleteOffsetsCommand {
  readonly _tag: "DeleteOffsets"
  readonly groupId: string
  readonly topics: ReadonlyArray<OffsetsToDelete>
}

export type GroupCommand =
  | JoinCommand
  | SyncCommand
  | HeartbeatCommand
  | LeaveCommand
  | CommitCommand
  | DeleteGroupCommand
  | DeleteOffsetsCommand
  | ConsumerHeartbeatCommand
  | ExpireCommand
  | TopicsChangedCommand
  | TopicsDeletedCommand

export interface JoinedMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Uint8Array
}

export interface JoinResult {
  readonly _tag: "Join"
  readonly errorCode: ErrorCode
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  /** Filled for the leader only. */
  readonly members: ReadonlyArray<JoinedMember>
}

export interface SyncResult {
  readonly _tag: "Sync"
  readonly errorCode: ErrorCode
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Uint8Array
}

export interface HeartbeatResult {
  readonly _tag: "Heartbeat"
  readonly errorCode: ErrorCode
}

export interface LeaveResult {
  readonly _tag: "Leave"
  readonly errorCode: ErrorCode
  readonly members: ReadonlyArray<LeavingMember & { readonly errorCode: ErrorCode }>
}

export interface CommitResult {
  readonly _tag: "Commit"
  /** One a committed offset, in the command's order. */
  readonly errorCodes: ReadonlyArray<ErrorCode>
}

export interface DeleteGroupResult {
  readonly _tag: "DeleteGroup"
  readonly errorCode: ErrorCode
}

export interface DeleteOffsetsResult {
  readonly _tag: "DeleteOffsets"
  readonly errorCode: ErrorCode
  /** In the command's order; empty when the whole is refused. */
  readonly topics: ReadonlyArray<{
    readonly topic: string
    readonly partitions: ReadonlyArray<{ readonly partition: number; readonly errorCode: ErrorCode }>
  }>
}

export interface ConsumerHeartbeatResult {
  readonly _tag: "ConsumerHeartbeat"
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
  /** null with an error. */
  readonly memberId: string | null
  readonly memberEpoch: number
  readonly heartbeatIntervalMs: number
  /** null: as before. */
  readonly assignment: ReadonlyArray<TopicPartitions> | null
}

/** Housekeeping is done; nobody reads it. */
export interface DoneResult {
  readonly _tag: "Done"
}

export type GroupResult =
  | JoinResult
  | SyncResult
  | HeartbeatResult
  | LeaveResult
  | CommitResult
  | DeleteGroupResult
  | DeleteOffsetsResult
  | ConsumerHeartbeatResult
  | DoneResult

export const NO_BYTES = new Uint8Array(0)

export const joinError = (errorCode: ErrorCode, memberId: string): JoinResult => ({
  _tag: "Join",
  errorCode,
  generationId: -1,
  protocolType: null,
  protocolName: null,
  leader: "",
  skipAssignment: false,
  memberId,
  members: []
})

export const syncError = (errorCode: ErrorCode): SyncResult => ({
  _tag: "Sync",
  errorCode,
  protocolType: null,
  protocolName: null,
  assignment: NO_BYTES
})

export const consumerHeartbeatError = (errorCode: ErrorCode, errorMessage: string | null): ConsumerHeartbeatResult => ({
  _tag: "ConsumerHeartbeat",
  errorCode,
  errorMessage,
  memberId: null,
  memberEpoch: 0,
  heartbeatIntervalMs: 0,
  assignment: null
})

/** What `command` is answered when the group, the coordinator or the log refuses all of it. */
export const refusal = (command: GroupCommand, errorCode: ErrorCode): GroupResult => {
  switch (command._tag) {
    case "Join":
      return joinError(errorCode, command.memberId)
    case "Sync":
      return syncError(errorCode)
    case "Heartbeat":
      return { _tag: "Heartbeat", errorCode }
    case "Leave":
      return { _tag: "Leave", errorCode, members: [] }
    case "Commit":
      return { _tag: "Commit", errorCodes: command.offsets.map(() => errorCode) }
    case "DeleteGroup":
      return { _tag: "DeleteGroup", errorCode }
    case "DeleteOffsets":
      return { _tag: "DeleteOffsets", errorCode, topics: [] }
    case "ConsumerHeartbeat":
      return consumerHeartbeatError(errorCode, null)
    case "ExpireOffsets":
    case "TopicsChanged":
    case "TopicsDeleted":
      return { _tag: "Done" }
  }
}
