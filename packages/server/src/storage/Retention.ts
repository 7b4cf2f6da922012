/**
 * Removes old data: one fiber, every `log.retention.check.interval.ms`, all partitions whose policy deletes.
 *
 * What may go is planned by `core/log/Retention`; the WAL part counts as the newest segment. The log start moves through the
 * partition's owner, so that fetches see it, and files follow. Also here, because it has the clock: producers that have
 * expired, and log starts that the WAL had no room for.
 */
import { planRetention, type RetentionSegment } from "@chronik-effect/core/log/Retention.ts"
import { Context, Duration, Effect, Layer } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import { PartitionStores } from "./PartitionStores.ts"
import { StorageError } from "./SegmentsContext.ts"

export interface RetentionOptions {
  /** `log.retention.check.interval.ms`. */
  readonly checkIntervalMs: number
}

export class Retention extends Context.Service<
  Retention,
  {
    /** One round over all partitions now. Answers how many had their log start moved. */
    readonly round: Effect.Effect<number>
  }
>()("chronik/Retention") {}

/** Partitions looked at before the event loop gets its turn. */
const STORES_A_TURN = 64

const make = Effect.fnUntraced(function* (options: RetentionOptions) {
  const stores = yield* PartitionStores
  const round = Effect.gen(function* () {
    let moved = 0
    let seen = 0
    for (const store of [...stores.all()]) {
      if (retain(store, stores.context.nowMillis())) moved++
      if (++seen % STORES_A_TURN === 0) yield* Effect.yieldNow
    }
    return moved
  })
  yield* supervise(
    { name: "retention", restart: "always" },
    Effect.gen(function* () {
      while (true) {
        yield* Effect.sleep(Duration.millis(options.checkIntervalMs))
        yield* round
      }
    })
  )
  return Retention.of({ round })
})

/** One partition. Whether its log start moved. */
export const retain = (store: PartitionStore, nowMillis: number): boolean => {
  if (store.deleted) return false
  store.noteLogStart()
  store.producers.expire(nowMillis)
  const settings = store.identity.settings()
  if (!settings.deletes || (settings.retentionMs < 0 && settings.retentionBytes < 0)) return false
  const endOffset = Math.min(store.owner?.highWatermark() ?? store.logEndOffset, store.logEndOffset)
  try {
    const start = planRetention(segmentsOf(store), store.logStartOffset, endOffset, settings, nowMillis)
    if (start <= store.logStartOffset) return false
    if (store.owner === undefined) store.startAt(start)
    else store.owner.startAt(start)
    return true
  } catch (error) {
    // One unreadable time index must not keep the disk of all others from being freed.
    if (!(error instanceof StorageError)) throw error
    store.context.report(`Retention skips a partition. ${error.message}`)
    return false
  }
}

const segmentsOf = (store: PartitionStore): Array<RetentionSegment> => {
  const segments: Array<RetentionSegment> = store.segments.files.map((file) => ({
    baseOffset: file.baseOffset,
    endOffset: file.endOffset,
    bytes: file.size,
    maxTimestamp: file.largestTimestamp().timestamp
  }))
  const { index } = store
  if (index.size === 0) return segments
  let bytes = 0
  let maxTimestamp = -1
  for (let i = 0; i < index.size; i++) {
    bytes += index.length(i)
    maxTimestamp = Math.max(maxTimestamp, index.maxTimestamp(i))
  }
  segments.push({ baseOffset: index.firstOffset, endOffset: index.endOffset, bytes, maxTimestamp })
  return segments
}

export const layer = (options: RetentionOptions): Layer.Layer<Retention, never, PartitionStores> =>
  Layer.effect(Retention, make(options))
