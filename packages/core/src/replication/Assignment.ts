/** What the metadata log says of one partition, as its replicas need it: the only way in which a role changes. */
import type { ReplicaId } from "./Frame.ts"

export interface Assignment {
  readonly epoch: number
  readonly configVersion: number
  /** Null: offline. */
  readonly leader: ReplicaId | null
  readonly unclean: boolean
  /** Voters of the partition: the denominator of every quorum. Those whose directory is lost stay until they are removed. */
  readonly counted: ReadonlyArray<ReplicaId>
  /** Replicas being added: they get the log, they count for nothing. */
  readonly learners: ReadonlyArray<ReplicaId>
  readonly minInSync: number
  /**
   * Whether this process may lead in `epoch`: elected after the registration of its current incarnation (rule 19). The shell
   * computes it from `electedAt` and `registeredAt` of the image.
   */
  readonly mayLead: boolean
}

export interface ReplicaOptions {
  /** Kafka's `replica.lag.time.max.ms`. */
  readonly lagTimeMaxMs: number
  /** How long a frame of an epoch that the metadata here does not know yet is kept before it is answered `NotYet` (R12). */
  readonly metadataWaitMs: number
  readonly handOverMs: number
  /** Bytes sent to one follower and not yet answered. */
  readonly inflightBytesMax: number
  readonly inflightFramesMax: number
  /** A learner whose verified position is at most this many offsets behind may be counted. */
  readonly caughtUpOffsets: number
  /** A frame without answer is sent again after this time. */
  readonly retryMs: number
  /** The high watermark is noted in the WAL after it has moved by so many offsets, or when the partition goes idle. */
  readonly highWatermarkNoteOffsets: number
}

export const defaultReplicaOptions: ReplicaOptions = {
  lagTimeMaxMs: 30_000,
  metadataWaitMs: 1_000,
  handOverMs: 500,
  inflightBytesMax: 8 * 1024 * 1024,
  inflightFramesMax: 8,
  caughtUpOffsets: 1_000,
  retryMs: 500,
  highWatermarkNoteOffsets: 10_000
}

/** A replica's log as recovery found it. Everything in it is durable. */
export interface RecoveredReplica {
  /**
   * In log order; the first is in force at `logStartOffset`, and `unclean` if an epoch at or before it began uncleanly. A new log
   * is [ORIGIN].
   */
  readonly markers: ReadonlyArray<{ readonly epoch: number; readonly offset: number; readonly unclean: boolean }>
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly highWatermark: number
  readonly promised: number
}
