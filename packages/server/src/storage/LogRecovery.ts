/**
 * What the WAL says about each partition at start, put together with its segment files.
 *
 * `collect` walks the WAL's frames once, in order, and keeps per stream where its batches lie; truncations and log starts
 * take effect as they come. A batch below the log's end with no truncation before it was carried forward by the settler:
 * it counts at its offset, whatever the order of addresses.
 *
 * `recoverStore` then looks at the files. The WAL is right wherever both have an offset: files are cut where the WAL begins
 * (an interrupted settle wrote more) and where a truncation in the WAL says so. The end of the last file is found by its
 * index and a scan of what follows. A gap between files and WAL is never closed: offsets stay, a read of them fails.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { utf8Text } from "@chronik-effect/core/base/Bytes.ts"
import { LeaderEpochs } from "@chronik-effect/core/log/LeaderEpochs.ts"
import { readMarkerFrame, readOffsetFrame } from "@chronik-effect/core/log/LogFrames.ts"
import { ProducerState } from "@chronik-effect/core/log/ProducerState.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { readWhole } from "../io/Disk.ts"
import type { CheckpointContent, CleanPartition, PartitionEntry } from "./Checkpoint.ts"
import { type PartitionIdentity, PartitionStore } from "./PartitionStore.ts"
import { replayFiles, seenMillis } from "./PartitionStoreRead.ts"
import { readSnapshots, replaceAhead } from "./PartitionStoreSnapshots.ts"
import { INDEX_SUFFIX, LOG_SUFFIX, SegmentFile, segmentName, TIME_INDEX_SUFFIX } from "./SegmentFile.ts"
import { completeSwaps, isSwapName, isUnfinishedName } from "./SegmentSwap.ts"
import { DELETED_SUFFIX, LEADER_EPOCH_FILE, partitionDirectoryName, Segments } from "./Segments.ts"
import { type StoreContext, storageMessage } from "./SegmentsContext.ts"
import type { Wal } from "./Wal.ts"

interface RecoveredBatch {
  readonly baseOffset: number
  readonly endOffset: number
  readonly address: number
  readonly length: number
  readonly maxTimestamp: number
  /** Copy of the header of a batch with a producer id. */
  readonly header: Uint8Array | undefined
}

/** One stream of the WAL, and its entry in the checkpoint. */
export class RecoveredStream {
  batches: Array<RecoveredBatch> = []
  /** With producer ids, below the log start and in no snapshot. */
  belowStart: ReadonlyArray<RecoveredBatch> = []
  logStartOffset = 0
  highWatermark = 0
  epochs = new LeaderEpochs()
  /** Files hold nothing at or beyond it that the WAL does not hold too. */
  filesEndMax = Number.MAX_SAFE_INTEGER
  settledOffset = 0
  cleanedOffset = 0
  deleteHorizonMillis = Number.POSITIVE_INFINITY
  clean: CleanPartition | undefined
  #endOffset = 0
  #sorted = true

  add(batch: RecoveredBatch): void {
    if (batch.baseOffset < this.#endOffset) this.#sorted = false
    this.#endOffset = Math.max(this.#endOffset, batch.endOffset)
    this.batches.push(batch)
  }

  truncateTo(offset: number): void {
    this.batches = this.batches.filter((batch) => batch.baseOffset < offset)
    this.filesEndMax = Math.min(this.filesEndMax, offset)
    // The frame is still here, so everything appended after it is too: files count below it only.
    this.settledOffset = Math.min(this.settledOffset, offset)
    this.cleanedOffset = Math.min(this.cleanedOffset, offset)
    this.#endOffset = Math.min(this.#endOffset, offset)
  }

  /** In offset order, each once (its newest copy), without what lies below the log start or surely in files. */
  finish(): void {
    if (!this.#sorted) {
      const newest = new Map<number, RecoveredBatch>()
      for (const batch of this.batches) newest.set(batch.baseOffset, batch)
      this.batches = [...newest.values()].sort((a, b) => a.baseOffset - b.baseOffset)
    }
    // Their records are gone; what their producers wrote last is still to be known.
    this.belowStart = this.batches.filter(({ header, endOffset }) => {
      return header !== undefined && endOffset > this.settledOffset && endOffset <= this.logStartOffset
    })
    // Copies carried forward stay in the WAL after they were settled together with what followed them.
    const first = Math.max(this.logStartOffset, this.settledOffset)
    this.batches = this.batches.filter((batch) => batch.endOffset > first)
    this.#sorted = true
  }
}

export interface RecoveredLogs {
  readonly streams: Map<number, RecoveredStream>
  /** Address of the oldest frame that is no batch and in no checkpoint; Infinity if there is none. */
  readonly uncoveredAddress: number
  /** Where the checkpoint on disk was taken. */
  readonly checkpointAddress: number
}

/** Reads the checkpoint's and the WAL's word on all streams. */
export const collectLogs = (wal: Wal["Service"], checkpoint: CheckpointContent | undefined): RecoveredLogs => {
  const streams = new Map<number, RecoveredStream>()
  for (const entry of checkpoint?.partitions ?? []) streams.set(entry.stream, fromCheckpoint(entry))
  const checkpointAddress = checkpoint?.address ?? 0
  if (checkpoint?.clean && wal.recovered.cleanStop) {
    return { streams, uncoveredAddress: Number.POSITIVE_INFINITY, checkpointAddress }
  }
  let uncoveredAddress = Number.POSITIVE_INFINITY
  wal.recovered.frames((kind, stream, address, payload, at, length) => {
    if (kind > FrameKind.LogStart || kind === FrameKind.Metadata || kind === FrameKind.Vote) return
    if (kind === FrameKind.Promise) return
    let recovered = streams.get(stream)
    if (recovered === undefined) {
      recovered = new RecoveredStream()
      streams.set(stream, recovered)
    }
    const fresh = address >= checkpointAddress
    if (kind === FrameKind.Batch) {
      const epoch = recovered.epochs.latestEpoch
      visitBatch(recovered, address, payload, at, length, fresh)
      if (recovered.epochs.latestEpoch === epoch) return
    } else visitControl(recovered, kind, payload, at, length, fresh)
    if (fresh) uncoveredAddress = Math.min(uncoveredAddress, address)
  })
  for (const stream of streams.values()) {
    stream.clean = undefined
    stream.finish()
  }
  return { streams, uncoveredAddress, checkpointAddress }
}

const fromCheckpoint = (entry: PartitionEntry): RecoveredStream => {
  const recovered = new RecoveredStream()
  recovered.logStartOffset = entry.logStartOffset
  recovered.highWatermark = entry.highWatermark
  recovered.settledOffset = entry.settledOffset
  recovered.cleanedOffset = entry.cleanedOffset
  recovered.deleteHorizonMillis = entry.deleteHorizonMillis
  recovered.epochs = LeaderEpochs.fromPairs(entry.epochs)
  recovered.clean = entry.clean
  return recovered
}

const visitBatch = (
  recovered: RecoveredStream,
  address: number,
  payload: Uint8Array,
  at: number,
  length: number,
  fresh: boolean
): void => {
  assert(RecordBatch.sizeInBytes(payload, at) === length, "a batch frame of the WAL must hold exactly one batch")
  const baseOffset = RecordBatch.baseOffset(payload, at)
  if (fresh) {
    const epoch = RecordBatch.partitionLeaderEpoch(payload, at)
    if (epoch > recovered.epochs.latestEpoch) recovered.epochs.assign(epoch, baseOffset)
  }
  recovered.add({
    baseOffset,
    endOffset: RecordBatch.endOffset(payload, at),
    address,
    length,
    maxTimestamp: RecordBatch.maxTimestamp(payload, at),
    header: RecordBatch.producerId(payload, at) < 0 ? undefined : payload.slice(at, at + RecordBatch.HEADER_BYTES)
  })
}

const visitControl = (
  recovered: RecoveredStream,
  kind: number,
  payload: Uint8Array,
  at: number,
  length: number,
  fresh: boolean
): void => {
  if (kind === FrameKind.Marker) {
    if (fresh) readMarkerFrame(payload, at, length, (epoch, start) => void recovered.epochs.assign(epoch, start))
    return
  }
  const offset = readOffsetFrame(payload, at)
  if (kind === FrameKind.LogStart) recovered.logStartOffset = Math.max(recovered.logStartOffset, offset)
  else if (kind === FrameKind.HighWatermark) recovered.highWatermark = Math.max(recovered.highWatermark, offset)
  else if (kind === FrameKind.Truncate) {
    recovered.truncateTo(offset)
    if (!fresh) return
    recovered.highWatermark = Math.min(recovered.highWatermark, offset)
    recovered.epochs.truncateTo(offset)
  }
}

/** The store of one partition as its files and `recovered` (undefined: nothing in WAL or checkpoint) have it. */
export const recoverStore = (
  context: StoreContext,
  identity: PartitionIdentity,
  recovered: RecoveredStream = new RecoveredStream(),
  directoryExists: boolean
): PartitionStore => {
  const name = partitionDirectoryName(identity.topic, identity.partition, identity.topicId)
  const segments = new Segments(context, context.disk.join(context.directory, name))
  segments.directoryExists = directoryExists
  const walFirst = recovered.batches[0]?.baseOffset ?? recovered.clean?.batches[0] ?? -1
  if (recovered.clean !== undefined) restoreFiles(segments, recovered.clean)
  else if (directoryExists) findFiles(segments, recovered, walFirst)
  segments.removeBelow(recovered.logStartOffset)
  let logStartOffset = Math.max(recovered.logStartOffset, segments.firstOffset)
  if (segments.files.length === 0 && walFirst > logStartOffset) logStartOffset = walFirst
  const batchesEnd = recovered.batches.at(-1)?.endOffset ?? -1
  const logEndOffset = Math.max(
    logStartOffset,
    segments.endOffset,
    batchesEnd,
    recovered.clean?.logEndOffset ?? recovered.settledOffset
  )
  reportHole(segments, logStartOffset, walFirst < 0 ? logEndOffset : walFirst)
  const epochs = recoverEpochs(segments, recovered, logStartOffset, logEndOffset)
  const store = new PartitionStore(identity, context, segments, {
    logStartOffset,
    logEndOffset,
    highWatermark: Math.min(recovered.highWatermark, logEndOffset),
    producers: new ProducerState(),
    epochs
  })
  store.cleanedOffset = recovered.cleanedOffset
  store.deleteHorizonMillis = recovered.deleteHorizonMillis
  store.checkpointed(recovered.settledOffset)
  if (segments.files.length > 0 && identity.settings().compacts) context.uncleaned.add(store)
  indexBatches(store, recovered)
  recoverProducers(store, recovered)
  return store
}

const indexBatches = (store: PartitionStore, recovered: RecoveredStream): void => {
  const { batches, clean } = recovered
  for (const { baseOffset, endOffset, address, length, maxTimestamp } of batches) {
    store.index.append(baseOffset, endOffset, address, length, maxTimestamp)
    store.touch(address)
  }
  const flat = clean?.batches ?? []
  for (let i = 0; i + 4 < flat.length; i += 5) {
    store.index.append(flat[i]!, flat[i + 1]!, flat[i + 2]!, flat[i + 3]!, flat[i + 4]!)
    store.touch(flat[i + 2]!)
  }
}

const restoreFiles = (segments: Segments, clean: CleanPartition): void => {
  for (const [base, end, size, timestamp, offset, first] of clean.files) {
    const path = segments.context.disk.join(segments.directory, segmentName(base!))
    const file = new SegmentFile(segments.context, path, base!, end!, size!)
    if (timestamp! > -2) file.setLargestTimestamp(timestamp!, offset!)
    if (first! > -2) file.firstTimestamp = first!
    segments.add(file)
  }
}

/** Ten thousand directories are listed in a start: each once, unless a crash has interrupted a swap in it. */
const namesAfterSwaps = (segments: Segments): ReadonlyArray<string> => {
  const { context, directory } = segments
  const names = context.disk.list(directory)
  if (!names.some(isSwapName)) return names
  completeSwaps(segments)
  return context.disk.list(directory)
}

const findFiles = (segments: Segments, recovered: RecoveredStream, walFirst: number): void => {
  const { context, directory } = segments
  const { disk } = context
  const end = Math.min(recovered.filesEndMax, walFirst < 0 ? Number.MAX_SAFE_INTEGER : walFirst)
  const bases: Array<number> = []
  for (const name of namesAfterSwaps(segments)) {
    const path = disk.join(directory, name)
    if (name.endsWith(DELETED_SUFFIX) || name.endsWith(".tmp") || isUnfinishedName(name)) context.removeLater(path)
    if (!name.endsWith(LOG_SUFFIX)) continue
    const base = Number(name.slice(0, -LOG_SUFFIX.length))
    if (!Number.isSafeInteger(base)) continue
    if (base < end) bases.push(base)
    // Made by a settle that was not finished, or cut: the WAL holds what counts of it.
    else {
      for (const suffix of [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
        disk.remove(disk.join(directory, segmentName(base) + suffix))
      }
      segments.namesUnsynced = true
    }
  }
  bases.sort((a, b) => a - b)
  bases.forEach((base, i) => {
    const path = disk.join(directory, segmentName(base!))
    const size = context.handles.get(path + LOG_SUFFIX).size()
    const file = new SegmentFile(context, path, base, bases[i + 1] ?? Number.MAX_SAFE_INTEGER, size)
    if (i === bases.length - 1 && !cutTail(segments, file, end, recovered.filesEndMax)) return
    segments.add(file)
  })
}

/** Finds where the last file ends, at `endMax` at most. False when nothing is left of it. */
const cutTail = (segments: Segments, file: SegmentFile, endMax: number, truncatedTo: number): boolean => {
  const { context } = segments
  const bytes = file.size
  let end = file.baseOffset
  const visit = (header: Uint8Array, pos: number): boolean => {
    if (RecordBatch.endOffset(header, pos) > endMax) return false
    end = RecordBatch.endOffset(header, pos)
    return true
  }
  let stopped = file.scan(file.landing(endMax === Number.MAX_SAFE_INTEGER ? endMax : endMax - 1), visit)
  // The index led astray: it is not synced with the file.
  if (end === file.baseOffset && stopped > 0) {
    stopped = file.scan({ position: 0, baseOffset: file.baseOffset, lastOffset: -1 }, visit)
  }
  if (stopped < bytes && endMax === Number.MAX_SAFE_INTEGER) {
    context.report(storageMessage(file.logPath, `no batch continues the log at position ${stopped} of ${bytes}`))
  }
  file.size = stopped
  file.endOffset = Math.max(end, file.baseOffset)
  file.cutIndexes()
  if (stopped < bytes && endMax !== Number.MAX_SAFE_INTEGER) {
    const handle = context.handles.get(file.logPath)
    handle.truncate(stopped)
    // The note of the truncation may be recycled soon; an interrupted settle is repeated anyway.
    if (truncatedTo === endMax) handle.datasyncNow()
  }
  return end > file.baseOffset || stopped > 0
}

const reportHole = (segments: Segments, logStartOffset: number, nextOffset: number): void => {
  const { files, endOffset, context, directory } = segments
  if (files.length === 0 || endOffset >= nextOffset || endOffset < logStartOffset) return
  context.report(
    storageMessage(directory, `offsets ${endOffset} to ${nextOffset - 1} are missing and reads of them will fail`)
  )
}

const recoverEpochs = (
  segments: Segments,
  recovered: RecoveredStream,
  logStartOffset: number,
  logEndOffset: number
): LeaderEpochs => {
  let { epochs } = recovered
  const { disk } = segments.context
  const path = disk.join(segments.directory, LEADER_EPOCH_FILE)
  if (epochs.size === 0 && segments.files.length > 0 && disk.exists(path)) {
    epochs = LeaderEpochs.decodeText(utf8Text(readWhole(disk, path))) ?? epochs
  }
  // A marker at the very end is an entry of the log; one beyond it never became durable.
  epochs.truncateTo(logEndOffset + 1)
  epochs.startAt(logStartOffset)
  return epochs
}

const recoverProducers = (store: PartitionStore, recovered: RecoveredStream): void => {
  const { producers } = store
  if (recovered.clean !== undefined) {
    if (recovered.clean.producers.length > 0) producers.decode(recovered.clean.producers)
    return
  }
  const snapshots = store.segments.directoryExists ? readSnapshots(store.segments) : []
  const hasFiles = store.segments.files.length > 0
  // Where no snapshot can be used the files tell, from their beginning.
  let known = snapshots.length > 0 && hasFiles ? store.segments.firstOffset : -1
  // Also where no file is left: sequences outlive the records that retention has taken.
  for (const snapshot of snapshots) {
    producers.decode(snapshot.state)
    // Taken ahead of what became durable: what it lost may be in the older one.
    if (snapshot.endOffset <= store.logEndOffset || producers.truncateTo(store.logEndOffset)) {
      known = snapshot.endOffset
      break
    }
    producers.clear()
  }
  // Without any snapshot no batch in files has a producer: the settler writes one before it lets the first such batch go.
  if (known >= 0 && known < store.segments.endOffset) replayFiles(store, producers, known)
  for (const { baseOffset, header, maxTimestamp } of [...recovered.belowStart, ...recovered.batches]) {
    if (header !== undefined && baseOffset >= known)
      producers.appended(header, 0, baseOffset, seenMillis(store, maxTimestamp))
  }
  replaceAhead(store, snapshots)
}
