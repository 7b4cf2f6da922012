/**
 * What a replica wants done. The machines of one node push into one `Outbox`, which the shell empties after each batch of
 * inputs in a fixed order: write, send, answer.
 *
 * Writes of a replica are numbered from 1 without gaps and go into the write-ahead log in that order; the shell reports
 * `durable(sequence)` (cumulative). An append by the leader is a write too: `Replica.append` numbers it, and the shell has
 * copied the batch in the same serial section. Messages are safe to send at once: the machine holds back what promises
 * something until it is durable.
 */
import type { Batch, Marker, ReplicaMessage } from "./Frame.ts"
import type { Point } from "./Point.ts"
import type { Replica } from "./Replica.ts"

export type ReplicaWrite<D> =
  /** From now on nothing of an epoch below `epoch` is accepted, appended or sent. */
  | { readonly _tag: "Promise"; readonly epoch: number }
  | { readonly _tag: "Marker"; readonly marker: Marker }
  | { readonly _tag: "Batches"; readonly batches: ReadonlyArray<Batch<D>> }
  /** Cut everything behind this point, markers at it that are not its own included. Producer state is rewound with it. */
  | { readonly _tag: "Truncate"; readonly to: Point }
  /**
   * Drop the whole log and begin at this point (rule 7). `state`: the leader's `Frame.startState`; undefined when the log begins
   * anew at its own start, whose state the shell has.
   */
  | { readonly _tag: "Reset"; readonly to: Point; readonly state: Uint8Array | undefined }
  | { readonly _tag: "HighWatermark"; readonly offset: number }
  /** Settled segment files that continue the log: durable when the files are, and in the WAL as one entry. */
  | {
      readonly _tag: "Bulk"
      readonly markers: ReadonlyArray<Marker>
      readonly batches: ReadonlyArray<Batch<D>>
      readonly end: Point
    }

export type ReplicaEvent =
  /** Waiters below it succeed, readers wake. Emitted by leader and follower. */
  | { readonly _tag: "HighWatermark"; readonly offset: number }
  /** This replica no longer leads (or follows in) `epoch`: every waiter of it fails with NOT_LEADER_OR_FOLLOWER, before anything of the next epoch is handled (rule 5). */
  | { readonly _tag: "LeftEpoch"; readonly epoch: number }
  /** The leader of `epoch` takes appends from now on. */
  | { readonly _tag: "Leads"; readonly epoch: number }
  /** The leader's own marker is committed: coordinators may load, ListOffsets(latest) may answer (rule 23). */
  | { readonly _tag: "EpochCommitted"; readonly epoch: number }
  /** For the controller: the in-sync set changed. */
  | {
      readonly _tag: "InSync"
      readonly epoch: number
      readonly configVersion: number
      readonly isr: ReadonlyArray<number>
    }
  /** For the controller: `configVersion` is in force and safe under its own quorum (rule 17). */
  | { readonly _tag: "Confirmed"; readonly epoch: number; readonly configVersion: number }
  /** For the controller: this learner's verified position is close enough to be counted. */
  | {
      readonly _tag: "CaughtUp"
      readonly epoch: number
      readonly configVersion: number
      readonly replica: { readonly node: number; readonly directoryId: string }
    }
  /** For the controller: the promise exceeds the epoch of the image, an election is open or burnt (rules 12, 13). */
  | { readonly _tag: "PromiseAhead"; readonly promised: number }
  /** For the controller: this leader has lacked Q for longer than `replica.lag.time.max.ms`, or has it again (rule 15). */
  | { readonly _tag: "Quorum"; readonly epoch: number; readonly lacking: boolean }
  /** Graceful hand-over (rule 14): the target holds everything, appends are parked; or it was given up and appends resume. */
  | { readonly _tag: "HandOver"; readonly epoch: number; readonly target: number; readonly ready: boolean }
  /** The position that answers a promise, now durable. */
  | { readonly _tag: "Promised"; readonly epoch: number; readonly position: Point }
  /** A peer has something to be sent: `planSend` will answer. At most one of these a peer until it is planned. */
  | { readonly _tag: "Sendable"; readonly peer: number }

export interface Outbox<D> {
  write(replica: Replica<D>, sequence: number, write: ReplicaWrite<D>): void
  send(replica: Replica<D>, message: ReplicaMessage<D>): void
  event(replica: Replica<D>, event: ReplicaEvent): void
}
