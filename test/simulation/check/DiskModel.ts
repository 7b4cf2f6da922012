/**
 * What the records on the simulated disks add up to, by the checkers' own reading of them: one `Fold` over what is durable and
 * one over everything appended, a node and directory. It shares no code with the nodes, so that a mistake in their recovery or
 * in a machine is not repeated here.
 *
 * Folds are brought up to date when they are asked for, record by record. A crash may take back what was not durable, so the
 * fold over everything appended is then made again. A wiped disk starts new folds; the durable one of the old directory is kept,
 * since what it acknowledged in time was rightly counted.
 */
import type { Entry, HardState, Snapshot } from "../../../packages/core/src/raft/Entry.ts"
import type { Marker } from "../../../packages/core/src/replication/Frame.ts"
import type { ReplicaWrite } from "../../../packages/core/src/replication/Output.ts"
import type { Observation } from "../Observation.ts"
import type { DiskRecord, LoggedBatch, SimBatch } from "../World.ts"
import { type Checker, type ClusterView, partitionKey, Violation } from "./Checker.ts"

const ORIGIN_MARKER: Marker = { epoch: 0, offset: 0, unclean: false }

/** One partition's log as a disk has it. */
export class PartitionFold {
  markers: Array<Marker> = [ORIGIN_MARKER]
  batches: Array<LoggedBatch> = []
  startOffset = 0
  endOffset = 0
  promised = 0
  /** Raised when the log is dropped as a whole: what comes later is another replica. */
  generation = 0
  /** The log as it was when it was last dropped: what it acknowledged in time was rightly counted. */
  dropped: PartitionFold | undefined

  get lastEpoch(): number {
    return this.markers.at(-1)!.epoch
  }

  /** Whether the log holds everything of `epoch` up to `offset` (rule 1): its marker, and the offset not behind its end. */
  contains(epoch: number, offset: number): boolean {
    return this.#contains(epoch, offset) || this.dropped?.contains(epoch, offset) === true
  }

  #contains(epoch: number, offset: number): boolean {
    // A log that was reset or trimmed above the place has passed it.
    if (offset <= this.startOffset && this.startOffset > 0 && this.lastEpoch >= epoch) return true
    const at = this.markers.findLastIndex((marker) => marker.epoch <= epoch)
    if (at < 0 || this.markers[at]!.epoch !== epoch) return false
    return this.markers[at]!.offset <= offset && offset <= (this.markers[at + 1]?.offset ?? this.endOffset)
  }

  markerOf(epoch: number): Marker | undefined {
    return this.markers.findLast((marker) => marker.epoch === epoch)
  }

  /** Place in `batches` of the first one that ends behind `offset`. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.batches[middle]!.endOffset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  apply(where: string, write: ReplicaWrite<SimBatch>): void {
    switch (write._tag) {
      case "Promise":
        if (write.epoch < this.promised) {
          throw new Violation("promise-falls", `${where} lowers its promise from ${this.promised} to ${write.epoch}`)
        }
        this.promised = write.epoch
        return
      case "Marker":
        return this.#marker(where, write.marker)
      case "Batches":
        for (const batch of write.batches) this.#append(where, batch)
        return
      case "Bulk": {
        const rest = [...write.markers]
        for (const batch of write.batches) {
          while (rest[0] !== undefined && rest[0].offset <= batch.baseOffset) this.#marker(where, rest.shift()!)
          this.#append(where, batch)
        }
        for (const marker of rest) this.#marker(where, marker)
        return
      }
      case "Truncate":
        return this.#truncate(write.to)
      case "Reset":
        this.markers = [{ ...write.to, unclean: false }]
        this.batches = []
        this.startOffset = this.endOffset = write.to.offset
        return
      case "HighWatermark":
        return
    }
  }

  #marker(where: string, marker: Marker): void {
    if (marker.epoch <= this.lastEpoch || marker.offset !== this.endOffset) {
      const at = `after epoch ${this.lastEpoch} at log end ${this.endOffset}`
      throw new Violation("log-order", `${where} writes the marker (${marker.epoch}, ${marker.offset}) ${at}`)
    }
    // Not compared with the promise: a follower that catches up gets markers of epochs that ended long ago.
    this.promised = Math.max(this.promised, marker.epoch)
    this.markers.push(marker)
  }

  #append(
    where: string,
    batch: { readonly epoch: number; readonly data: SimBatch } & Omit<LoggedBatch, "batch">
  ): void {
    const { epoch, baseOffset, endOffset, data } = batch
    if (baseOffset !== this.endOffset || epoch !== this.lastEpoch || endOffset <= baseOffset) {
      const at = `at log end ${this.endOffset}, epoch ${this.lastEpoch}`
      throw new Violation("log-order", `${where} appends [${baseOffset}, ${endOffset}) of epoch ${epoch} ${at}`)
    }
    this.batches.push({ baseOffset, endOffset, epoch, batch: data })
    this.endOffset = endOffset
  }

  #truncate(to: { readonly epoch: number; readonly offset: number }): void {
    while (this.markers.length > 1 && this.lastEpoch > to.epoch) this.markers.pop()
    let kept = this.batches.length
    while (kept > 0 && this.batches[kept - 1]!.baseOffset >= to.offset) kept--
    this.batches.length = kept
    this.endOffset = to.offset
  }

  startAt(offset: number): void {
    if (offset <= this.startOffset) return
    this.startOffset = offset
    while (this.markers.length > 1 && this.markers[1]!.offset <= offset) this.markers.shift()
    const first = this.markers[0]!
    if (first.offset < offset) this.markers[0] = { ...first, offset }
  }

  drop(): void {
    const before = this.dropped
    this.dropped = new PartitionFold()
    this.dropped.dropped = before
    this.dropped.markers = this.markers
    this.dropped.startOffset = this.startOffset
    this.dropped.endOffset = this.endOffset
    this.markers = [ORIGIN_MARKER]
    this.batches = []
    this.startOffset = this.endOffset = 0
    this.generation++
  }
}

export class Fold {
  hardState: HardState = { term: 0, vote: null }
  snapshot: Snapshot | undefined
  /** Consecutive; the first one follows the snapshot. */
  entries: Array<Entry> = []
  readonly partitions = new Map<string, PartitionFold>()
  /** Records that are in here. */
  count = 0
  readonly node: number

  constructor(node: number) {
    this.node = node
  }

  catchUp(records: ReadonlyArray<DiskRecord>, end: number): void {
    while (this.count < end) this.#apply(records[this.count++]!)
  }

  get snapshotIndex(): number {
    return this.snapshot?.index ?? 0
  }

  get lastIndex(): number {
    return this.entries.at(-1)?.index ?? this.snapshotIndex
  }

  entryAt(index: number): Entry | undefined {
    const first = this.entries[0]
    return first === undefined ? undefined : this.entries[index - first.index]
  }

  /** Undefined: not held, or under the snapshot. */
  termAt(index: number): number | undefined {
    if (index === 0) return 0
    if (index === this.snapshotIndex) return this.snapshot?.term
    return this.entryAt(index)?.term
  }

  partition(key: string): PartitionFold {
    let found = this.partitions.get(key)
    if (found === undefined) {
      found = new PartitionFold()
      this.partitions.set(key, found)
    }
    return found
  }

  #apply(record: DiskRecord): void {
    switch (record._tag) {
      case "HardState":
        if (record.hardState.term < this.hardState.term) {
          const text = `lowers its term from ${this.hardState.term} to ${record.hardState.term}`
          throw new Violation("raft-term-falls", `node ${this.node} ${text}`)
        }
        this.hardState = record.hardState
        return
      case "Entries":
        return this.#append(record.entries)
      case "RaftSnapshot":
        if (record.snapshot.index <= this.snapshotIndex) return
        this.entries = record.installed ? [] : this.entries.filter(({ index }) => index > record.snapshot.index)
        this.snapshot = record.snapshot
        return
      case "Replica":
        return this.partition(partitionKey(record.topicId, record.partition)).apply(
          `node ${this.node}, partition ${partitionKey(record.topicId, record.partition)},`,
          record.write
        )
      case "LogStart":
        return this.partition(partitionKey(record.topicId, record.partition)).startAt(record.offset)
      case "Dropped":
        return this.partition(partitionKey(record.topicId, record.partition)).drop()
      case "Hosted":
        return
    }
  }

  #append(entries: ReadonlyArray<Entry>): void {
    const first = entries[0]
    if (first === undefined) return
    if (first.index > this.lastIndex + 1) {
      throw new Violation("raft-log-order", `node ${this.node} writes index ${first.index} behind ${this.lastIndex}`)
    }
    const kept = this.entries.findLastIndex(({ index }) => index < first.index) + 1
    this.entries.length = kept
    for (const entry of entries) if (entry.index > this.snapshotIndex) this.entries.push(entry)
  }
}

interface Folds {
  readonly directoryId: string
  readonly durable: Fold
  appended: Fold
  crashed: boolean
}

export class DiskModel implements Checker {
  readonly name = "disk model"
  readonly view: ClusterView
  /** By node; the present directory last. */
  readonly #folds = new Map<number, Array<Folds>>()

  constructor(view: ClusterView) {
    this.view = view
  }

  /** To be told first of all: a crash takes back what was not durable, and a wipe may follow it. */
  observe(o: Observation): void {
    if (o._tag !== "Crashed" && o._tag !== "Started") return
    const { directoryId } = this.view.node(o.node)
    for (const folds of this.#folds.get(o.node) ?? []) folds.crashed = true
    this.durable(o.node, directoryId)
  }

  /** Everything appended on this node, durable or not. */
  appended(node: number): Fold {
    const { disk, directoryId } = this.view.node(node)
    const folds = this.#of(node, directoryId)
    if (folds.crashed) {
      folds.appended = new Fold(node)
      folds.crashed = false
    }
    folds.appended.catchUp(disk.records, disk.records.length)
    return folds.appended
  }

  /** What has been durable in this directory; the last that was seen of it when the disk was wiped since. */
  durable(node: number, directoryId: string): Fold {
    const view = this.view.node(node)
    const { durable } = this.#of(node, directoryId)
    if (view.directoryId === directoryId) durable.catchUp(view.disk.records, view.disk.durableCount)
    return durable
  }

  appendedPartition(node: number, topicId: string, partition: number): PartitionFold {
    return this.appended(node).partition(partitionKey(topicId, partition))
  }

  durablePartition(node: number, directoryId: string, topicId: string, partition: number): PartitionFold {
    return this.durable(node, directoryId).partition(partitionKey(topicId, partition))
  }

  #of(node: number, directoryId: string): Folds {
    let known = this.#folds.get(node)
    if (known === undefined) {
      known = []
      this.#folds.set(node, known)
    }
    for (let i = known.length - 1; i >= 0; i--) if (known[i]!.directoryId === directoryId) return known[i]!
    const folds = { directoryId, durable: new Fold(node), appended: new Fold(node), crashed: false }
    known.push(folds)
    return folds
  }
}
