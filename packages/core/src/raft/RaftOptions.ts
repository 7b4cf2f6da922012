/** Settings of one Raft participant. Durations are milliseconds of its own monotonic clock. */
import type { Configuration, Entry, HardState, Member, Snapshot } from "./Entry.ts"

export interface RaftOptions {
  readonly self: Member
  /** A follower that hears nothing campaigns after a time drawn from `electionTimeoutMs` to twice that. */
  readonly electionTimeoutMs: number
  readonly heartbeatMs: number
  /** Answer reads from a lease instead of asking a quorum each time (rule 28). Off: ReadIndex rounds. */
  readonly lease: boolean
  /** The most that clocks of two nodes may run apart, as a fraction: the lease is shorter by it. */
  readonly clockDriftMax: number
  /** Bytes of entries in one Append message (one entry is always allowed). */
  readonly appendBytesMax: number
  /** Bytes sent to one peer and not yet answered. */
  readonly inflightBytesMax: number
  /** Bytes of entries proposed here and not yet committed; beyond it `propose` answers `busy`. */
  readonly uncommittedBytesMax: number
  /** Bytes of applied entries kept in memory for peers that are behind; one that is further behind gets a snapshot. */
  readonly cacheBytesMax: number
  readonly snapshotChunkBytes: number
  /** A snapshot larger than this is refused by the receiver. */
  readonly snapshotBytesMax: number
  readonly pendingReadsMax: number
  readonly pendingProposalsMax: number
}

export const defaultRaftOptions = (self: Member): RaftOptions => ({
  self,
  electionTimeoutMs: 150,
  heartbeatMs: 50,
  lease: false,
  clockDriftMax: 0.1,
  appendBytesMax: 1024 * 1024,
  inflightBytesMax: 4 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
  cacheBytesMax: 16 * 1024 * 1024,
  snapshotChunkBytes: 256 * 1024,
  snapshotBytesMax: 1024 * 1024 * 1024,
  pendingReadsMax: 10_000,
  pendingProposalsMax: 65_536
})

/** What the disk gave back. Everything in it is durable. */
export interface Recovered {
  readonly hardState: HardState
  readonly snapshot: Snapshot | undefined
  /** Consecutive, the first one at most `snapshot.index + 1`. */
  readonly entries: ReadonlyArray<Entry>
  /** The configuration that a cluster begins with, given to each of its first voters alike; empty for everybody else. */
  readonly bootstrap: Configuration
}

/** Where the leader reads the newest snapshot for a peer that is behind. Saved by the shell, announced by `snapshotSaved`. */
export interface SnapshotSource {
  /** Bytes `[offset, offset + maxBytes)` of the payload of the snapshot at `index`; undefined when it is gone. */
  readonly read: (index: number, offset: number, maxBytes: number) => Uint8Array | undefined
}
