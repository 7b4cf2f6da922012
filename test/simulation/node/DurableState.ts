/**
 * What the records on a simulated disk add up to: the state that a recovery would find. Records are applied once each, in
 * order, when they become durable, so that a checker can ask at any moment what would survive a crash, and a restart needs no
 * second reading of the log.
 *
 * A real broker finds the same by reading its write-ahead log and files; the rules here are those of its recovery.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import { type Entry, type HardState, INITIAL_HARD_STATE, type Snapshot } from "../../../packages/core/src/raft/Entry.ts"
import type { RecoveredReplica } from "../../../packages/core/src/replication/Assignment.ts"
import type { Batch, Marker } from "../../../packages/core/src/replication/Frame.ts"
import type { ReplicaWrite } from "../../../packages/core/src/replication/Output.ts"
import { ORIGIN, type Point } from "../../../packages/core/src/replication/Point.ts"
import type { DiskRecord, LoggedBatch, SimBatch } from "../World.ts"
import { PartitionLog } from "./PartitionLog.ts"

export const partitionKey = (topicId: string, partition: number): string => `${topicId}/${partition}`

const ORIGIN_MARKER: Marker = { ...ORIGIN, unclean: false }

export class DurablePartition {
  markers: Array<Marker> = [ORIGIN_MARKER]
  batches: Array<LoggedBatch> = []
  logStartOffset = 0
  logEndOffset = 0
  highWatermark = 0
  promised = 0
  /** What producers had done before the first batch that is here. */
  baseState: Uint8Array | undefined
  /** The metadata offset at which this log began, or was dropped: older entries, replayed after a restart, do not touch it. */
  since = 0

  get position(): Point {
    return { epoch: this.markers.at(-1)!.epoch, offset: this.logEndOffset }
  }

  apply(write: ReplicaWrite<SimBatch>): void {
    switch (write._tag) {
      case "Promise":
        assert(write.epoch >= this.promised, "a promise is never lowered on disk")
        this.promised = write.epoch
        return
      case "Marker":
        return this.#marker(write.marker)
      case "Batches":
        return this.#append(write.batches)
      case "Truncate":
        return this.#truncate(write.to)
      case "Reset":
        this.markers = [{ ...write.to, unclean: false }]
        this.baseState = write.state ?? this.log().startState()
        this.batches = []
        this.logStartOffset = this.logEndOffset = write.to.offset
        // At the log start of the leader, which is committed; below what was committed here only after an unclean election.
        this.highWatermark = write.to.offset
        return
      case "HighWatermark":
        this.highWatermark = write.offset
        return
      case "Bulk":
        return this.#bulk(write.markers, write.batches)
    }
  }

  #marker(marker: Marker): void {
    assert(marker.epoch > this.markers.at(-1)!.epoch, "markers rise on disk")
    assert(marker.offset === this.logEndOffset, "a marker is written at the log end")
    this.markers.push(marker)
    this.promised = Math.max(this.promised, marker.epoch)
  }

  #append(batches: ReadonlyArray<Batch<SimBatch>>): void {
    for (const { baseOffset, endOffset, epoch, data } of batches) {
      assert(baseOffset === this.logEndOffset, "batches are dense on disk")
      assert(epoch === this.markers.at(-1)!.epoch, "a batch follows the marker of its epoch")
      this.batches.push({ baseOffset, endOffset, epoch, batch: data })
      this.logEndOffset = endOffset
    }
  }

  #bulk(markers: ReadonlyArray<Marker>, batches: ReadonlyArray<Batch<SimBatch>>): void {
    let next = 0
    for (const batch of batches) {
      while (next < markers.length && markers[next]!.offset <= batch.baseOffset) this.#marker(markers[next++]!)
      this.#append([batch])
    }
    for (const marker of markers.slice(next)) this.#marker(marker)
  }

  #truncate(to: Point): void {
    while (this.markers.length > 1 && this.markers.at(-1)!.epoch > to.epoch) this.markers.pop()
    while (this.batches.length > 0 && this.batches.at(-1)!.baseOffset >= to.offset) this.batches.pop()
    this.logEndOffset = to.offset
    // Only an unclean election cuts so deep; the new high watermark is noted with it.
    this.highWatermark = Math.min(this.highWatermark, to.offset)
  }

  startAt(offset: number): void {
    this.logStartOffset = Math.max(this.logStartOffset, offset)
    while (this.markers.length > 1 && this.markers[1]!.offset <= offset) this.markers.shift()
    const first = this.markers[0]!
    if (first.offset < offset) this.markers[0] = { ...first, offset }
  }

  drop(at: number): void {
    this.since = at
    this.markers = [ORIGIN_MARKER]
    this.batches = []
    this.baseState = undefined
    this.logStartOffset = this.logEndOffset = this.highWatermark = 0
  }

  /** A log as a process begins with it. */
  log(): PartitionLog {
    return new PartitionLog(this.logStartOffset, this.logEndOffset, this.batches, this.baseState)
  }

  clone(): DurablePartition {
    const copy = new DurablePartition()
    copy.markers = [...this.markers]
    copy.batches = [...this.batches]
    copy.logStartOffset = this.logStartOffset
    copy.logEndOffset = this.logEndOffset
    copy.highWatermark = this.highWatermark
    copy.promised = this.promised
    copy.baseState = this.baseState
    copy.since = this.since
    return copy
  }

  recovered(): RecoveredReplica {
    return {
      markers: [...this.markers],
      logStartOffset: this.logStartOffset,
      logEndOffset: this.logEndOffset,
      // Notes come now and then: what was let go of was committed.
      highWatermark: Math.max(Math.min(this.highWatermark, this.logEndOffset), this.logStartOffset),
      promised: Math.max(this.promised, this.markers.at(-1)!.epoch)
    }
  }
}

export class DurableState {
  hardState: HardState = INITIAL_HARD_STATE
  snapshot: Snapshot | undefined
  entries: Array<Entry> = []
  readonly partitions = new Map<string, DurablePartition>()
  /** Records of the disk that are in here. */
  count = 0

  /** Takes in the records up to `end`. */
  catchUp(records: ReadonlyArray<DiskRecord>, end: number): void {
    while (this.count < end) this.#apply(records[this.count++]!)
  }

  /** For a process that starts: what it found then, whatever becomes durable later. */
  clone(): DurableState {
    const copy = new DurableState()
    copy.hardState = this.hardState
    copy.snapshot = this.snapshot
    copy.entries = [...this.entries]
    for (const [key, partition] of this.partitions) copy.partitions.set(key, partition.clone())
    copy.count = this.count
    return copy
  }

  partition(topicId: string, partition: number): DurablePartition {
    const key = partitionKey(topicId, partition)
    let state = this.partitions.get(key)
    if (state === undefined) {
      state = new DurablePartition()
      this.partitions.set(key, state)
    }
    return state
  }

  #apply(record: DiskRecord): void {
    switch (record._tag) {
      case "HardState":
        assert(record.hardState.term >= this.hardState.term, "the term never falls on disk")
        this.hardState = record.hardState
        return
      case "Entries":
        return this.#appendEntries(record.entries)
      case "RaftSnapshot":
        return this.#snapshot(record.snapshot, record.installed)
      case "Replica":
        return this.partition(record.topicId, record.partition).apply(record.write)
      case "LogStart":
        return this.partition(record.topicId, record.partition).startAt(record.offset)
      case "Hosted":
        this.partition(record.topicId, record.partition).since = record.at
        return
      case "Dropped":
        return this.partition(record.topicId, record.partition).drop(record.at)
    }
  }

  #appendEntries(entries: ReadonlyArray<Entry>): void {
    if (entries.length === 0) return
    const first = entries[0]!.index
    const base = this.entries[0]?.index ?? first
    assert(first <= base + this.entries.length, "entries are consecutive on disk")
    const kept = Math.max(0, first - base)
    this.entries.length = Math.min(this.entries.length, kept)
    this.entries.push(...entries)
  }

  #snapshot(snapshot: Snapshot, installed: boolean): void {
    if (this.snapshot !== undefined && snapshot.index <= this.snapshot.index) return
    this.snapshot = snapshot
    this.entries = installed ? [] : this.entries.filter((entry) => entry.index > snapshot.index)
  }
}
