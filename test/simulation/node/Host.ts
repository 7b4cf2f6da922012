/** What the drivers of one process share: its identity, its clock, its disk, and ways to the world. One object a process lifetime. */
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import type { Observation } from "../Observation.ts"
import type { Disk, DiskRecord, Lane } from "../World.ts"

/** Thresholds and periods of a simulated node; drawn from the seed. */
export interface NodeSettings {
  readonly heartbeatMs: number
  readonly sessionMs: number
  readonly promiseWaitMs: number
  readonly snapshotAfterBytes: number
  readonly produceTimeoutMs: number
  /** Batches at the end of a log that a leader sends as a tail; what is older goes as bulk. */
  readonly tailBatches: number
}

export interface Host {
  readonly node: number
  readonly directoryId: string
  readonly incarnation: number
  /** Ids of this process begin here: an answer to a process before it must not be taken for one to this. */
  readonly firstId: number
  readonly settings: NodeSettings
  readonly random: Prng
  /** The node's own monotonic clock. */
  readonly nowMs: () => number
  readonly send: (to: number, lane: Lane, message: unknown, bytes: number) => void
  readonly observe: (observation: Observation) => void
  readonly trace: (text: () => string) => void
  readonly cover: (state: string) => void
  /** Appends to the write-ahead log and calls `durable` when that record, and all before it, are. */
  readonly write: (record: DiskRecord, durable: (() => void) | undefined) => void
  readonly disk: Disk
}
