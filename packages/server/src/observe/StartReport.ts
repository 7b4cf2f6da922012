/**
 * What a node knows when it is ready: plain data for the start-up banner, for `startBroker`, and for tests.
 *
 * The server fills it once, after its listener accepts; nobody changes it afterwards. How it looks on a terminal is
 * `packages/cli/src/render/banner.ts`.
 */
import type { Durability } from "../config/NodeConfig.ts"

export interface RecoveryFacts {
  /** The last process on this data directory stopped in order: nothing had to be scanned beyond the checkpoint. */
  readonly cleanStop: boolean
  readonly topics: number
  readonly partitions: number
  /** Record batches found in WAL frames at start; 0 on an empty directory. */
  readonly walFrames: number
  /** Bytes of an unfinished block that were cut off the WAL's end. */
  readonly tornBytes: number
  readonly elapsedMs: number
}

export interface StartReport {
  readonly version: string
  readonly nodeId: number
  readonly clusterId: string
  /** Where the listener is bound. */
  readonly host: string
  readonly port: number
  /** What Metadata tells clients. */
  readonly advertisedHost: string
  readonly advertisedPort: number
  readonly durability: Durability
  /** Absolute; absent for an ephemeral node. */
  readonly dataDir?: string | undefined
  /** p50 of a write + fdatasync of one small block, measured at this start; absent when nothing is synced. */
  readonly fsyncMicros?: number | undefined
  /** True when this start created the data directory's content. */
  readonly fresh: boolean
  readonly recovery: RecoveryFacts
  /** From the start of the process (or of the call, when embedded) until the listener accepted. */
  readonly readyMs: number
}

/** A node that is up, for callers outside of Effect: the command line and tests. */
export interface RunningNode {
  /** Where clients connect. */
  readonly host: string
  readonly port: number
  /** `host:port`, as clients take it. */
  readonly bootstrap: string
  readonly report: StartReport
  /** Resolves with a sentence when the node cannot go on (a failed fsync); never, while it can and after `close`. */
  readonly failed: Promise<string>
  /** A clean stop; the same promise when called again. */
  readonly close: () => Promise<void>
}
