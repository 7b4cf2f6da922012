/**
 * What a virtual client may ask of a simulated node: the clients' whole view of the cluster.
 *
 * `ask` is a request on a connection: it is handled at most once and answered at most once, later or never (a lost request, a
 * lost answer and a node that died look alike). Requests of one client to one node need not keep their order. Nothing is
 * retried below this port. An answer names its error as Kafka does; `NONE` is success.
 *
 * The clients draw every id (topics, commands, producers, records) themselves, so that the nodes need no chance for them.
 */
import type { Command } from "../../../packages/core/src/metadata/Command.ts"
import type { CommandResult, MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import type { ErrorCode } from "../../../packages/core/src/model/ErrorCode.ts"
import type { Configuration, Member } from "../../../packages/core/src/raft/Entry.ts"
import type { SimBatch } from "../World.ts"

export type ErrorName = keyof typeof ErrorCode

/** Only the leader takes it. `acks` 0 is never answered; 1: durable at the leader; -1: below the high watermark. */
export interface ProduceRequest {
  readonly _tag: "Produce"
  readonly topicId: string
  readonly partition: number
  readonly acks: 0 | 1 | -1
  /** `producerId` -1: not idempotent. */
  readonly batch: SimBatch
}

/**
 * Only the leader serves it, below its high watermark and at once (no parking): whole batches, the first of which holds
 * `offset`, about `bytesMax` of them but one at least when `offset` lies below the high watermark. An empty answer says that
 * `offset` is at or beyond the high watermark.
 */
export interface FetchRequest {
  readonly _tag: "Fetch"
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly bytesMax: number
}

/** A linearizable read of one topic by its name (ReadIndex, or the lease where it is on), at any node. */
export interface ReadTopicRequest {
  readonly _tag: "ReadTopic"
  readonly name: string
}

/** Any node takes it and sees that it gets to the controller. Retries carry the same `command.commandId`. */
export interface ProposeRequest {
  readonly _tag: "Propose"
  readonly command: Command
}

/** Any node takes it and passes it to the controller, or to the Raft leader, which may refuse it. */
export interface OperatorRequest {
  readonly _tag: "Operator"
  readonly order: OperatorOrder
}

export type OperatorOrder =
  | {
      readonly _tag: "Reassign"
      readonly topicId: string
      readonly partition: number
      readonly target: ReadonlyArray<number>
    }
  | { readonly _tag: "CancelReassignment"; readonly topicId: string; readonly partition: number }
  | { readonly _tag: "ElectPreferred"; readonly topicId: string; readonly partition: number }
  | { readonly _tag: "AddLearner"; readonly member: Member }
  | { readonly _tag: "PromoteLearner"; readonly member: Member }
  | { readonly _tag: "RemoveMember"; readonly member: Member }
  | { readonly _tag: "TransferLeadership"; readonly member: Member }

/** What this node itself knows at the moment: perhaps stale, never waited for. */
export interface WhereRequest {
  readonly _tag: "Where"
}

export type ClientRequest =
  | ProduceRequest
  | FetchRequest
  | ReadTopicRequest
  | ProposeRequest
  | OperatorRequest
  | WhereRequest

export type ClientAnswer =
  | {
      readonly _tag: "Produce"
      readonly error: ErrorName
      /** -1 with an error. For a duplicate: where the original lies. */
      readonly baseOffset: number
      /** Epoch in which the answering leader leads; -1 with an error. */
      readonly epoch: number
    }
  | {
      readonly _tag: "Fetch"
      readonly error: ErrorName
      readonly batches: ReadonlyArray<{ readonly baseOffset: number; readonly batch: SimBatch }>
      readonly highWatermark: number
    }
  /** `minInSync`: the topic's own `min.insync.replicas` as it is set, null when it is not. `topicId` null: no such topic. */
  | {
      readonly _tag: "ReadTopic"
      readonly error: ErrorName
      readonly topicId: string | null
      readonly minInSync: string | null
    }
  /**
   * `NONE`: the command (or an earlier one with its id) was applied, and this is its result, which may be `Rejected`. With an
   * error nothing is said: it may have been applied, or may still be.
   */
  | { readonly _tag: "Propose"; readonly error: ErrorName; readonly result: CommandResult | undefined }
  /** `NONE`: begun, not finished. */
  | { readonly _tag: "Operator"; readonly error: ErrorName }
  | {
      readonly _tag: "Where"
      readonly image: MetadataImage
      readonly configuration: Configuration
      readonly raftLeader: number | undefined
    }

export interface ClientPort {
  /** Ids of all nodes, up or down, in order. */
  readonly nodes: ReadonlyArray<number>
  /** `client` numbers the asker: one connection a client and node. */
  readonly ask: (client: number, node: number, request: ClientRequest, onAnswer: (answer: ClientAnswer) => void) => void
}
