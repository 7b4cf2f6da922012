/**
 * What the replicas of one partition say to each other, and a controller to them. Plain data. Everything names the topic's id
 * (never its name) and the directory of the replica that speaks: a wiped disk under an old node id is another replica.
 *
 * `D` is whatever carries a record batch: a slice of received memory in the broker, a small object in the simulator.
 */
import type { Point } from "./Point.ts"

/** A replica's identity: a node and the directory that holds its log. */
export interface ReplicaId {
  readonly node: number
  readonly directoryId: string
}

/** An entry of zero width: epoch `epoch` begins at `offset`. */
export interface Marker {
  readonly epoch: number
  readonly offset: number
  /** Elected without a quorum: only across such a marker may a replica cut below its high watermark (rule 21). */
  readonly unclean: boolean
}

export interface Batch<D> {
  readonly epoch: number
  readonly baseOffset: number
  /** Exclusive. Offsets between two batches may be missing where the log was compacted. */
  readonly endOffset: number
  readonly data: D
}

interface Envelope {
  readonly topicId: string
  readonly partition: number
  readonly from: ReplicaId
  readonly to: ReplicaId
}

/**
 * Leader to follower: the log from `previous` to `end`. It holds the markers and batches in between, in log order; without any
 * it is a probe or carries the watermarks only.
 */
export interface Frame<D> extends Envelope {
  readonly _tag: "Frame"
  /** The leader's own epoch. */
  readonly epoch: number
  /**
   * The `configVersion` since which the leader deals with this life of the follower: a replica that was removed and added again
   * begins with an empty log. A follower whose metadata is older does not take the frame yet, and every answer echoes it: what a
   * former life acknowledged counts for nothing.
   */
  readonly session: number
  readonly previous: Point
  readonly end: Point
  readonly markers: ReadonlyArray<Marker>
  readonly batches: ReadonlyArray<Batch<D>>
  readonly logStartOffset: number
  /** The epoch that is in force at `logStartOffset` in the leader's log: where a follower that is below it begins anew. */
  readonly logStartEpoch: number
  readonly highWatermark: number
  /** The newest epoch of the leader's log that began with an unclean election, -1 for none: what a follower may cut across (rule 21). */
  readonly uncleanEpoch: number
  /**
   * What follows from the records before the log start (the state of idempotent producers), encoded by the shell. Only with a frame
   * that begins at the log start: a follower that begins anew there takes it with it, or it would take the next batch of any
   * producer for its first (rules 7 and 22).
   */
  readonly startState: Uint8Array | undefined
  /** A part of settled segment files, to be placed as files rather than through the write-ahead log. */
  readonly bulk: boolean
}

/** Follower to leader, cumulative; sent when what it says is durable. */
export interface Acknowledgement extends Envelope {
  readonly _tag: "Acknowledgement"
  readonly epoch: number
  readonly session: number
  /** End of the prefix that was checked against this leader in this epoch and is durable: never the local log end. */
  readonly verified: Point
  readonly highWatermark: number
}

/** Follower to leader: `previous` is not in my log. */
export interface Mismatch extends Envelope {
  readonly _tag: "Mismatch"
  readonly epoch: number
  readonly session: number
  readonly previous: Point
  /** The largest epoch <= `previous.epoch` held here and where it ends; (-1, -1) when there is none. */
  readonly hint: Point
}

/** Follower to leader: I have promised a newer epoch. The leader steps down and reports it. */
export interface Refusal extends Envelope {
  readonly _tag: "Refusal"
  readonly epoch: number
  readonly promised: number
}

/** Follower to leader: the metadata that names this epoch has not come here yet (after a bounded wait). Probe again later. */
export interface NotYet extends Envelope {
  readonly _tag: "NotYet"
  readonly epoch: number
  readonly session: number
}

export type ReplicaMessage<D> = Frame<D> | Acknowledgement | Mismatch | Refusal | NotYet
