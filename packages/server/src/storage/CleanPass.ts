/**
 * One pass of compaction over one partition: the keys of the dirty part are gathered, then every file below its end is
 * written anew without what is superseded, small neighbours together, and swapped in one after the other.
 *
 * A pass may end before the dirty part does, when the keys fill the memory that they may take; the next one goes on there. It
 * is void when the log is cut or moved under it; what was swapped in until then stays, because each swap by itself leaves
 * the newest record of every key in the log: what is dropped has a newer record in a later file, below the high watermark.
 * For the same reason files are swapped in offset order: a tombstone goes after all that it hides.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { type CleanedBatch, type CleanRules, cleanBatch, gatherKeys } from "@chronik-effect/core/log/CleanBatch.ts"
import { type CleanPlan, groupFiles } from "@chronik-effect/core/log/CleanPlan.ts"
import { OffsetMap } from "@chronik-effect/core/log/OffsetMap.ts"
import type { Compressor } from "@chronik-effect/core/record/Compression.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { Effect, Exit } from "effect"
import type { DiskError } from "../io/Disk.ts"
import { CleanedFile } from "./CleanedFile.ts"
import { type Throttle, walkBatches } from "./CleanReader.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import type { SegmentFile } from "./SegmentFile.ts"
import { BUFFER_BYTES } from "./SegmentFileBuffers.ts"
import { swapIn } from "./SegmentSwap.ts"
import { StorageError } from "./SegmentsContext.ts"
import { attempt } from "./SettlerSync.ts"

/** What the records of one batch may unpack to. */
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

export interface CleanPassParts {
  readonly compress: Compressor
  /** `log.cleaner.dedupe.buffer.size`. */
  readonly dedupeBufferBytes: number
  readonly throttle: Throttle
  readonly seed: number
}

export interface CleanPassResult {
  /** The log was changed by somebody else: the rest of the pass was left out. */
  readonly isVoid: boolean
  /** Files were replaced, or more of the log counts as clean. */
  readonly isProgress: boolean
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly filesReplaced: number
}

interface Pass extends CleanPassParts {
  readonly store: PartitionStore
  readonly plan: CleanPlan
  readonly nowMillis: number
  bytesRead: number
  bytesWritten: number
  filesReplaced: number
}

/**
 * The files that a plan takes in hand: from now on nothing is appended to them. In the turn of the plan, which left out what
 * the settler was writing to.
 */
export const closeFiles = (store: PartitionStore, plan: CleanPlan): void => {
  for (const file of filesOf(store, plan)) {
    assert(file.closed || !file.isBeingWritten, "a file that the settler writes to must not be compacted")
    file.closed = true
  }
}

const filesOf = (store: PartitionStore, plan: CleanPlan): ReadonlyArray<SegmentFile> =>
  store.segments.files.filter((file) => file.endOffset <= plan.filesEndOffset && file.baseOffset < plan.endOffset)

/** Needs `closeFiles`. */
export const runCleanPass = Effect.fnUntraced(function* (
  parts: CleanPassParts,
  store: PartitionStore,
  plan: CleanPlan,
  nowMillis: number
): Effect.fn.Return<CleanPassResult, DiskError | StorageError> {
  const pass: Pass = { ...parts, store, plan, nowMillis, bytesRead: 0, bytesWritten: 0, filesReplaced: 0 }
  const files = filesOf(store, plan)
  const cleanedBefore = store.cleanedOffset
  for (const file of files) file.retain()
  const isVoid = yield* Effect.ensuring(
    cleanFiles(pass, files),
    Effect.sync(() => {
      for (const file of files) file.release()
    })
  )
  const { bytesRead, bytesWritten, filesReplaced } = pass
  const isProgress = filesReplaced > 0 || store.cleanedOffset > cleanedBefore
  return { isVoid, isProgress, bytesRead, bytesWritten, filesReplaced }
})

const cleanFiles = Effect.fnUntraced(function* (pass: Pass, files: ReadonlyArray<SegmentFile>) {
  const { store, plan } = pass
  const keys = new OffsetMap(pass.dedupeBufferBytes, plan.endOffset - plan.dirtyFrom, pass.seed)
  const endOffset = yield* gatherDirty(pass, files, keys)
  if (endOffset === undefined) return true
  if (endOffset === plan.dirtyFrom && plan.endOffset > plan.dirtyFrom) {
    return yield* new StorageError({
      path: store.segments.directory,
      reason: `the keys of one batch do not fit into log.cleaner.dedupe.buffer.size=${pass.dedupeBufferBytes}. Raise it`
    })
  }
  const rules = rulesOf(pass, keys, endOffset)
  let horizon = Number.POSITIVE_INFINITY
  for (const group of groupsOf(pass, files, endOffset)) {
    const file = yield* cleanGroup(pass, group, rules)
    if (file === undefined) return true
  }
  store.cleanedOffset = Math.max(store.cleanedOffset, endOffset)
  for (const file of store.segments.files) {
    if (file.baseOffset < store.cleanedOffset) horizon = Math.min(horizon, file.deleteHorizonMillis ?? horizon)
  }
  store.deleteHorizonMillis = horizon
  return false
})

/** Up to where the keys found room; undefined: the log was cut. */
const gatherDirty = Effect.fnUntraced(function* (pass: Pass, files: ReadonlyArray<SegmentFile>, keys: OffsetMap) {
  const { plan, store } = pass
  const { decompress } = store.context
  let endOffset = plan.dirtyFrom
  let isFull = false
  for (const file of files) {
    if (file.endOffset <= plan.dirtyFrom || isFull) continue
    const from = Math.max(plan.dirtyFrom, file.baseOffset)
    const landing = yield* attempt(() => file.landing(from))
    pass.bytesRead += file.size - landing.position
    const isWhole = yield* walkBatches(file, landing, pass.throttle, (bytes, pos) => {
      const end = RecordBatch.endOffset(bytes, pos)
      if (end <= plan.dirtyFrom) return undefined
      const gathered = gatherKeys(bytes, pos, keys, decompress, DECOMPRESSED_BYTES_MAX)
      if (gathered === "full") {
        isFull = true
        return "stop"
      }
      if (gathered !== "gathered") return broken(file, bytes, pos, gathered.problem)
      endOffset = end
      return undefined
    })
    if (!isWhole) return undefined
  }
  return endOffset
})

const broken = (file: SegmentFile, bytes: Uint8Array, pos: number, problem: string) =>
  Effect.fail(file.damaged(`the records of the batch at offset ${RecordBatch.baseOffset(bytes, pos)}: ${problem}`))

const rulesOf = ({ store, nowMillis, compress }: Pass, keys: OffsetMap, endOffset: number): CleanRules => {
  const settings = store.identity.settings()
  const levels: Readonly<Record<number, number>> = {
    [RecordBatch.Codec.GZIP]: settings.compressionGzipLevel,
    [RecordBatch.Codec.LZ4]: settings.compressionLz4Level,
    [RecordBatch.Codec.ZSTD]: settings.compressionZstdLevel
  }
  return {
    nowMillis,
    deleteRetentionMs: settings.deleteRetentionMs,
    keys,
    endOffset,
    isLastOfProducer: (producerId, baseOffset) => {
      const committed = store.owner?.highWatermark() ?? store.logEndOffset
      return store.producers.lastBatchBelow(producerId, committed) === baseOffset
    },
    decompress: store.context.decompress,
    compress,
    compressionLevel: (codec) => levels[codec],
    decompressedBytesMax: DECOMPRESSED_BYTES_MAX
  }
}

const groupsOf = (
  pass: Pass,
  files: ReadonlyArray<SegmentFile>,
  endOffset: number
): ReadonlyArray<ReadonlyArray<SegmentFile>> => {
  const { plan, store, nowMillis } = pass
  if (plan.reason === "deleteHorizon") {
    // Nothing is dirty: only files with tombstones that have had their time are worth the trouble.
    return files.filter((file) => (file.deleteHorizonMillis ?? 0) <= nowMillis).map((file) => [file])
  }
  const taken = files.filter((file) => file.baseOffset < endOffset)
  const byFacts = new Map(taken.map((file) => [file.baseOffset, file]))
  const facts = taken.map(({ baseOffset, endOffset: end, size }) => {
    return { baseOffset, endOffset: end, bytes: size, maxTimestamp: -1, firstTimestamp: -1 }
  })
  return groupFiles(facts, store.identity.settings()).map((group) => group.map((one) => byFacts.get(one.baseOffset)!))
}

const isFiller = (bytes: Uint8Array, pos: number): boolean =>
  RecordBatch.recordsCount(bytes, pos) === 0 && RecordBatch.producerId(bytes, pos) < 0

/** The file that now holds the group's offsets; undefined: the log has changed. */
const cleanGroup = Effect.fnUntraced(function* (pass: Pass, group: ReadonlyArray<SegmentFile>, rules: CleanRules) {
  const { segments, identity, context } = pass.store
  const gather = context.buffers.lease(BUFFER_BYTES)
  const first = group[0]!
  const { endOffset } = group.at(-1)!
  const written = yield* attempt(
    () => new CleanedFile(segments, first.baseOffset, endOffset, identity.settings(), gather.bytes)
  ).pipe(Effect.onError(() => Effect.sync(() => gather.release())))
  const isSwapped = yield* rewriteGroup(pass, group, rules, written).pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        gather.release()
        written.release()
        // After the first step of the swap the file has another name, and the swap takes care of it.
        if (Exit.isFailure(exit) || exit.value !== "swapped") written.discard()
      })
    )
  )
  if (isSwapped === "unchanged") return first
  return isSwapped === "swapped" ? written.file : undefined
})

const rewriteGroup = Effect.fnUntraced(function* (
  pass: Pass,
  group: ReadonlyArray<SegmentFile>,
  rules: CleanRules,
  written: CleanedFile
) {
  const { store, throttle } = pass
  let isChanged = group.length > 1
  const { file } = written
  for (const old of group) {
    const start = { position: 0, baseOffset: old.baseOffset, lastOffset: -1 }
    const isWhole = yield* walkBatches(old, start, throttle, (bytes, pos, size) => {
      const result = cleanBatch(bytes, pos, rules)
      // A filler goes and comes again.
      if (result._tag !== "Kept" && !isFiller(bytes, pos)) isChanged = true
      if (result._tag === "Broken") return broken(old, bytes, pos, result.problem)
      if (result._tag === "Gone") {
        written.gone(bytes, pos)
        return undefined
      }
      file.deleteHorizonMillis = Math.min(file.deleteHorizonMillis ?? 0, result.deleteHorizonMillis)
      return addTo(pass, written, old, result, bytes, pos, size)
    })
    if (!isWhole) return "changed"
    pass.bytesRead += old.size
  }
  if (!isChanged) {
    group[0]!.deleteHorizonMillis = file.deleteHorizonMillis
    return "unchanged"
  }
  yield* written.finish
  file.settledMark = Math.min(...group.map((old) => old.settledMark))
  file.verified(0, file.size)
  const isSwapped = store.deleted ? false : yield* swapIn(store.segments, group, file)
  if (!isSwapped) return "changed"
  pass.bytesWritten += file.size
  pass.filesReplaced += group.length
  return "swapped"
})

const addTo = (
  pass: Pass,
  written: CleanedFile,
  old: SegmentFile,
  result: Extract<CleanedBatch, { readonly _tag: "Kept" | "Rewritten" }>,
  bytes: Uint8Array,
  pos: number,
  size: number
): Effect.Effect<void, DiskError | StorageError> | undefined => {
  const from = result._tag === "Kept" ? bytes : result.bytes
  const at = result._tag === "Kept" ? pos : 0
  const length = result._tag === "Kept" ? size : from.length
  if (!written.hasPositions(length)) {
    return Effect.fail(
      new StorageError({ path: old.logPath, reason: "it would be larger than 2^31 bytes when compacted" })
    )
  }
  if (written.hasRoom(length)) {
    written.add(from, at, length)
    return undefined
  }
  return written.flush.pipe(
    Effect.andThen(Effect.suspend(() => pass.throttle.used(BUFFER_BYTES))),
    Effect.andThen(attempt(() => written.add(from, at, length)))
  )
}
