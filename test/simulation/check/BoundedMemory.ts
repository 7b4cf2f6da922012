/**
 * What the machines hold stays within bounds that follow from the options. One node is looked at every `EVERY_EVENTS` events, in
 * turn; what grows without end is seen soon enough.
 *
 * Of the entries that Raft keeps, those not yet applied are bounded by what the leader admits uncommitted, the others by the
 * cache. A replica keeps its writes that the disk has not finished and the frames on their way to its peers.
 */
import type { RaftOptions } from "../../../packages/core/src/raft/RaftOptions.ts"
import type { ReplicaOptions } from "../../../packages/core/src/replication/Assignment.ts"
import type { Observation } from "../Observation.ts"
import type { NodeView } from "../World.ts"
import { type Checker, type ClusterView, partitionKey, Violation } from "./Checker.ts"

const EVERY_EVENTS = 64
/** Writes that are durable while their node has not been told yet (it is busy or was paused). */
const UNTOLD_WRITES_MAX = 256
const ENTRY_BYTES_MAX = 4_096

export interface MemoryBounds {
  readonly raft: Pick<
    RaftOptions,
    | "cacheBytesMax"
    | "uncommittedBytesMax"
    | "inflightBytesMax"
    | "appendBytesMax"
    | "snapshotChunkBytes"
    | "snapshotBytesMax"
    | "pendingReadsMax"
    | "pendingProposalsMax"
  >
  readonly replicas: Pick<ReplicaOptions, "inflightFramesMax">
}

export class BoundedMemory implements Checker {
  readonly name = "bounded memory"
  readonly #view: ClusterView
  readonly #bounds: MemoryBounds
  #events = 0

  constructor(view: ClusterView, bounds: MemoryBounds) {
    this.#view = view
    this.#bounds = bounds
  }

  observe(_: Observation): void {}

  afterEvent(): void {
    if (++this.#events % EVERY_EVENTS !== 0) return
    const { nodes } = this.#view
    this.look(this.#view.node(nodes[(this.#events / EVERY_EVENTS) % nodes.length]!))
  }

  final(): void {
    for (const node of this.#view.nodes) this.look(this.#view.node(node))
  }

  look(view: NodeView): void {
    if (!view.up || view.paused) return
    this.#raft(view)
    const undurable = view.disk.records.length - view.disk.durableCount
    const frames = this.#bounds.replicas.inflightFramesMax * this.#view.nodes.length
    for (const { topicId, partition, memory } of view.replicas()) {
      const what = `queued items of ${partitionKey(topicId, partition)}`
      this.#check(view, what, memory, undurable + frames + UNTOLD_WRITES_MAX)
    }
  }

  #raft(view: NodeView): void {
    const raft = view.raft!
    const { cacheBytes, inflightBytes, pendingReads, pendingProposals, snapshotBytes } = raft.memory
    const { raft: bounds } = this.#bounds
    let unapplied = 0
    for (let index = raft.appliedIndex + 1; index <= raft.lastIndex; index++) {
      unapplied += (raft.entryAt(index)?.payload.length ?? 0) + ENTRY_OVERHEAD_BYTES
    }
    const peers = this.#view.nodes.length
    this.#check(view, "bytes of entries not applied", unapplied, bounds.uncommittedBytesMax + bounds.appendBytesMax)
    this.#check(view, "bytes of cached entries", cacheBytes - unapplied, bounds.cacheBytesMax + ENTRY_BYTES_MAX)
    // One entry or chunk is sent however small the limit is.
    const largest = Math.max(bounds.appendBytesMax + ENTRY_BYTES_MAX, bounds.snapshotChunkBytes)
    const inflight = peers * (bounds.inflightBytesMax + largest)
    this.#check(view, "bytes in flight to Raft peers", inflightBytes, inflight)
    this.#check(view, "Raft reads", pendingReads, bounds.pendingReadsMax)
    this.#check(view, "Raft proposals", pendingProposals, bounds.pendingProposalsMax)
    this.#check(view, "bytes of snapshots", snapshotBytes, bounds.snapshotBytesMax)
  }

  #check({ node }: NodeView, what: string, held: number, most: number): void {
    if (held > most) throw new Violation("memory-unbounded", `node ${node} holds ${held} ${what}, at most ${most}`)
  }
}

/** What an entry counts beside its payload. */
const ENTRY_OVERHEAD_BYTES = 32
