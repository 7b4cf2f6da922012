/**
 * What Raft participants say to each other. Plain data; how it travels (FIFO a peer, bounded) is the shell's matter, and the
 * machine stays safe when messages are lost, doubled, delayed or reordered.
 *
 * Every message names the participant it comes from and the one it is meant for, directory ids included, and the sender's
 * term. A `round` numbers the leader's broadcasts within its term and is echoed: an answer proves that its sender still
 * followed this leader *after* that round was sent, which is what check-quorum, ReadIndex and the lease count.
 */
import type { Configuration, Entry, Member } from "./Entry.ts"

interface Envelope {
  readonly from: Member
  readonly to: Member
  readonly term: number
}

/** Asks whether an election could be won, in the term that the candidate would take; changes nothing at the receiver. */
export interface PreVote extends Envelope {
  readonly _tag: "PreVote"
  readonly lastIndex: number
  readonly lastTerm: number
}

export interface PreVoteResponse extends Envelope {
  readonly _tag: "PreVoteResponse"
  readonly granted: boolean
}

export interface Vote extends Envelope {
  readonly _tag: "Vote"
  readonly lastIndex: number
  readonly lastTerm: number
  /** By order of the old leader (TimeoutNow): a voter need not wait until it misses that leader. */
  readonly transfer: boolean
}

export interface VoteResponse extends Envelope {
  readonly _tag: "VoteResponse"
  readonly granted: boolean
}

/** Entries behind `previousIndex`, none for a heartbeat or a probe. */
export interface Append extends Envelope {
  readonly _tag: "Append"
  readonly previousIndex: number
  readonly previousTerm: number
  readonly entries: ReadonlyArray<Entry>
  /** The leader's commit index. */
  readonly commit: number
  readonly round: number
}

export interface AppendResponse extends Envelope {
  readonly _tag: "AppendResponse"
  readonly round: number
  /** End of the prefix that was checked against this leader in this term and is durable here: never the local log end. */
  readonly matchIndex: number
  /** Set when the entry at `previousIndex` did not match: the largest term <= previousTerm held here and where it ends. */
  readonly mismatch: { readonly previousIndex: number; readonly hintTerm: number; readonly hintIndex: number } | null
}

/** Part of a snapshot. Chunks of one snapshot go out in order, a bounded number in flight. */
export interface SnapshotChunk extends Envelope {
  readonly _tag: "SnapshotChunk"
  readonly round: number
  readonly snapshotIndex: number
  readonly snapshotTerm: number
  readonly configuration: Configuration
  readonly offset: number
  readonly totalBytes: number
  readonly bytes: Uint8Array
}

export interface SnapshotResponse extends Envelope {
  readonly _tag: "SnapshotResponse"
  readonly round: number
  readonly snapshotIndex: number
  /** Bytes received in order so far; the leader goes on (or begins again) from here. */
  readonly receivedBytes: number
  /** The whole snapshot is durable here, or was not needed: the log matches up to `snapshotIndex`. */
  readonly installed: boolean
}

/** The leader hands over: campaign at once. */
export interface TimeoutNow extends Envelope {
  readonly _tag: "TimeoutNow"
}

/** A follower asks the leader for an index that a linearizable read must wait for. */
export interface ReadIndex extends Envelope {
  readonly _tag: "ReadIndex"
  readonly id: number
}

export interface ReadIndexResponse extends Envelope {
  readonly _tag: "ReadIndexResponse"
  readonly id: number
  /** Null: no leader that could answer. */
  readonly index: number | null
}

export type Message =
  | PreVote
  | PreVoteResponse
  | Vote
  | VoteResponse
  | Append
  | AppendResponse
  | SnapshotChunk
  | SnapshotResponse
  | TimeoutNow
  | ReadIndex
  | ReadIndexResponse
