/**
 * What nodes and operators say to the controller, and what it wants done. Plain data. Partitions are named by topic id, never
 * by topic name (rule 30).
 */
import type { Command } from "../metadata/Command.ts"
import type { Point } from "../replication/Point.ts"

/**
 * One fact about one replica on the node that reports it. Epoch and config version are those under which it became true: a
 * report under others than the image's is dropped (rule 30), but for `PromiseAhead`, since a promise never falls.
 */
export interface PartitionReport {
  readonly topicId: string
  readonly partition: number
  readonly epoch: number
  readonly configVersion: number
  readonly report: Report
}

export type Report =
  /** Of the leader: these replicas keep up. */
  | { readonly _tag: "InSync"; readonly isr: ReadonlyArray<number> }
  /** Of the leader: the config version is in force and safe under its own quorum (rule 17). */
  | { readonly _tag: "Confirmed" }
  /** Of the leader: this learner may be counted. */
  | { readonly _tag: "CaughtUp"; readonly node: number; readonly directoryId: string }
  /** Of any replica: it has promised an epoch beyond the image's (rule 12). */
  | { readonly _tag: "PromiseAhead"; readonly promised: number }
  /** Of the leader: it has lacked its quorum for too long, or has it again (rule 15). */
  | { readonly _tag: "Quorum"; readonly lacking: boolean }
  /** Of the leader: the target holds everything and appends are parked; or it was given up (rule 14). */
  | { readonly _tag: "HandOver"; readonly target: number; readonly ready: boolean }
  /** Of the leader: it takes requests in this epoch (rule 24). */
  | { readonly _tag: "Serves" }
  /** Of the leader: its replica has failed (rule 15). */
  | { readonly _tag: "Offline"; readonly reason: string }

export interface NodeHeartbeat {
  readonly nodeId: number
  readonly directoryId: string
  readonly incarnation: number
  /** End offset of the metadata that the node has applied. */
  readonly appliedOffset: number
  readonly wantsToStop: boolean
  /** What changed since the last acknowledged heartbeat; everything after a change of the controller or of the node. */
  readonly partitions: ReadonlyArray<PartitionReport>
}

export type HeartbeatAnswer =
  | { readonly _tag: "Accepted"; readonly fenced: boolean; readonly mayStop: boolean }
  /** `newer-incarnation`: another process has registered under this id, so this one exits (rule 20). */
  | { readonly _tag: "Refused"; readonly reason: "newer-incarnation" | "not-registered" | "not-controller" }

export interface PromiseAnswer {
  readonly topicId: string
  readonly partition: number
  /** The epoch asked. */
  readonly epoch: number
  /** Directory of the replica that answers. */
  readonly directoryId: string
  readonly answer:
    | { readonly _tag: "Position"; readonly position: Point }
    | { readonly _tag: "Refused"; readonly promised: number }
    /** The node has not applied the metadata that the question refers to (rule 11). */
    | { readonly _tag: "NotYet" }
    | { readonly _tag: "NotHosted" }
}

/** One call to one node for all partitions. A node answers once it has applied the metadata to `metadataOffset` (rule 11). */
export interface PromiseRequest {
  readonly nodeId: number
  readonly metadataOffset: number
  readonly partitions: ReadonlyArray<{ readonly topicId: string; readonly partition: number; readonly epoch: number }>
}

/** To the leader `nodeId`: let `target` catch up to the last record and park appends (rule 14). */
export interface HandOverRequest {
  readonly nodeId: number
  readonly topicId: string
  readonly partition: number
  readonly epoch: number
  readonly target: number
}

export interface ControllerReady {
  /** To be proposed in this order. Each ticket comes back once through `commandEnded`. */
  readonly commands: ReadonlyArray<{ readonly ticket: number; readonly command: Command }>
  /** At most one a node. They may be lost: the controller asks again. */
  readonly promises: ReadonlyArray<PromiseRequest>
  readonly handOvers: ReadonlyArray<HandOverRequest>
}

export type OperatorAnswer =
  | { readonly _tag: "Started" }
  | { readonly _tag: "Refused"; readonly errorCode: number; readonly message: string }
