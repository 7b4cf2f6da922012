/**
 * The parts of a simulated world as they see each other: contracts only.
 *
 * One event heap, one seed. Time is virtual milliseconds (fractions count). Everything random is drawn from the world's
 * generators, so that a seed is a run. Nothing here knows Effect, sockets or files.
 */
import type { Prng } from "../../packages/core/src/base/Prng.ts"
import type { MetadataImage } from "../../packages/core/src/metadata/MetadataImage.ts"
import type { Entry, HardState, Snapshot } from "../../packages/core/src/raft/Entry.ts"
import type { Message } from "../../packages/core/src/raft/Message.ts"
import type { Raft } from "../../packages/core/src/raft/Raft.ts"
import type { ReplicaWrite } from "../../packages/core/src/replication/Output.ts"
import type { Replica } from "../../packages/core/src/replication/Replica.ts"
import type { Observation } from "./Observation.ts"

export interface Timer {
  readonly dueMs: number
}

export interface World {
  readonly seed: number
  readonly random: Prng
  readonly nowMs: () => number
  /** Runs `action` after a delay. Events of one moment run in the order in which they were made. */
  readonly after: (delayMs: number, label: string, action: () => void) => Timer
  readonly cancel: (timer: Timer) => void
  readonly observe: (observation: Observation) => void
  /** One line of the readable history; `node` is its column (-1: the world or a client). Costs nothing when not recorded. */
  readonly trace: (node: number, text: () => string) => void
  /** Counts that a state was seen, for the coverage table. */
  readonly cover: (state: string) => void
  readonly network: Network
}

export type Lane = "raft" | "replica" | "control" | "client"

/** What the network calls at a node, at most one call at a time. */
export interface Endpoint {
  readonly onMessage: (from: number, lane: Lane, message: unknown) => void
  /** The connection to `peer` broke: what was in flight either way may be lost. A hint only, it may also come late or never. */
  readonly onDisconnect: (peer: number) => void
}

export interface Network {
  /** May lose, double, delay or reorder, as the faults of the moment say. The message must not be changed afterwards. */
  readonly send: (from: number, to: number, lane: Lane, message: unknown, bytes: number) => void
  /** A process starts to listen under its number (nodes and clients share the numbers below 4,096). */
  readonly attach: (node: number, endpoint: Endpoint) => void
  /** Its process is gone. Peers that can see it are told a moment later. */
  readonly detach: (node: number) => void
}

/** A batch as simulated nodes keep it. */
export interface SimBatch {
  readonly ids: ReadonlyArray<string>
  readonly hash: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly bytes: number
}

/** What a node's write-ahead log holds, in order. */
export type DiskRecord =
  | { readonly _tag: "HardState"; readonly hardState: HardState }
  | { readonly _tag: "Entries"; readonly entries: ReadonlyArray<Entry> }
  /** `installed`: it came from the leader and replaces the whole log; otherwise it covers a prefix of the log. */
  | { readonly _tag: "RaftSnapshot"; readonly snapshot: Snapshot; readonly installed: boolean }
  | {
      readonly _tag: "Replica"
      readonly topicId: string
      readonly partition: number
      readonly write: ReplicaWrite<SimBatch>
    }
  | { readonly _tag: "LogStart"; readonly topicId: string; readonly partition: number; readonly offset: number }
  /** The node was added to an existing partition by the metadata entry that ends at `at`; older removals do not concern this log. */
  | { readonly _tag: "Hosted"; readonly topicId: string; readonly partition: number; readonly at: number }
  /** By the metadata entry that ends at `at` the node no longer holds this replica: its log is gone, its promise stays (rule 11). */
  | { readonly _tag: "Dropped"; readonly topicId: string; readonly partition: number; readonly at: number }

/**
 * A node's disk. `append` puts records behind what is there; they become durable together with a later sync (flights, at most
 * two under way, in order), which calls `onDurable` with the number of durable records. A crash keeps what is durable and an
 * arbitrary prefix of the rest.
 */
export interface Disk {
  readonly append: (record: DiskRecord) => number
  readonly records: ReadonlyArray<DiskRecord>
  readonly durableCount: number
  readonly crash: () => void
  /** An empty disk in place of this one. */
  readonly wipe: () => void
  /** Who is told, until the next crash. */
  readonly attach: (onDurable: (count: number) => void) => void
}

/** What checkers and workloads may look at. */
export interface NodeView {
  readonly node: number
  readonly up: boolean
  readonly paused: boolean
  readonly incarnation: number
  readonly directoryId: string
  readonly disk: Disk
  /** Undefined while the node is down. */
  readonly raft: Raft | undefined
  readonly image: MetadataImage
  readonly replica: (topicId: string, partition: number) => Replica<SimBatch> | undefined
  readonly replicas: () => Iterable<Replica<SimBatch>>
  /** The partition's log on this node as it stands (enqueued), in order: [baseOffset, endOffset, epoch, batch]. */
  readonly log: (topicId: string, partition: number) => ReadonlyArray<LoggedBatch>
  /** End offset, by disk: everything below is durable (survives any crash). */
  readonly durableLog: (
    topicId: string,
    partition: number
  ) => {
    readonly batches: ReadonlyArray<LoggedBatch>
    readonly position: { readonly epoch: number; readonly offset: number }
  }
  readonly pendingWaiters: number
}

export interface LoggedBatch {
  readonly baseOffset: number
  readonly endOffset: number
  readonly epoch: number
  readonly batch: SimBatch
}

export type RaftEnvelope = Message
