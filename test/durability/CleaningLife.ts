/**
 * What a compacted partition goes through between two crashes: keyed appends, passes of the cleaner, reads that are under way
 * while files are swapped, a clock that jumps so that tombstones have their time. `KeyedLog` says what may be found.
 */
import type { Prng } from "@chronik-effect/core/base/Prng.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { Clock, Effect } from "effect"
import type { KeyedLog } from "./KeyedLog.ts"
import { readAll } from "./Promises.ts"
import { NODE_ID, type StorageStack } from "./StorageStack.ts"

export const TOPIC_ID = "TTTTTTTTTTTTTTTTTTTTTA"
export const DELETE_RETENTION_MS = 60_000

/** The real clock, and what a test has added to it. */
export class ShiftedTime {
  shiftMs = 0

  readonly provide = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.clockWith((real) => {
      const now = () => real.currentTimeMillisUnsafe() + this.shiftMs
      const clock: Clock.Clock = Object.assign(Object.create(real) as Clock.Clock, {
        currentTimeMillisUnsafe: now,
        currentTimeMillis: Effect.sync(now)
      })
      return Effect.provideService(effect, Clock.Clock, clock)
    })
}

export const compactedTopic = (configs: Readonly<Record<string, string>> = {}): Command => ({
  _tag: "CreateTopic",
  name: "kv",
  topicId: TOPIC_ID,
  internal: false,
  partitions: [{ replicas: [NODE_ID], isr: [NODE_ID], leader: NODE_ID }],
  configs: Object.entries({
    "cleanup.policy": "compact",
    "segment.bytes": "20000",
    "min.cleanable.dirty.ratio": "0.2",
    "delete.retention.ms": String(DELETE_RETENTION_MS),
    ...configs
  })
})

export interface CleaningLife {
  readonly stack: StorageStack
  readonly log: KeyedLog
  readonly random: Prng
  readonly time: ShiftedTime
  readonly isAlive: () => boolean
}

export const partitionOf = (stack: StorageStack) => stack.partitions.findById(TOPIC_ID, 0)!
const nowOf = ({ stack }: CleaningLife) => stack.stores.context.nowMillis()

/** Everything readable, held against everything sent. */
export const verifyWhole = Effect.fnUntraced(function* (life: CleaningLife) {
  const { log, stack } = life
  const partition = partitionOf(stack)
  const { logStartOffset: start, highWatermark: end } = partition
  const untouchedFrom = partition.store.segments.endOffset
  const bytes = yield* readAll(partition, start, end)
  if (!life.isAlive()) return bytes
  log.verify(bytes, { start, end, nowMillis: nowOf(life), untouchedFrom: Math.max(0, untouchedFrom) })
  return bytes
})

const append = (life: CleaningLife) =>
  Effect.forEach(
    Array.from({ length: life.random.between(1, 8) }),
    () => life.log.append(partitionOf(life.stack), life.random, nowOf(life), life.isAlive),
    { concurrency: "unbounded", discard: true }
  )

/** A pass, with readers at random offsets in flight while files are swapped and removed. */
const cleanUnderReaders = (life: CleaningLife) => {
  const { stack, random } = life
  const reader = Effect.suspend(() => {
    const partition = partitionOf(stack)
    const { logStartOffset, highWatermark } = partition
    const from = random.between(logStartOffset, highWatermark)
    return from === highWatermark
      ? Effect.void
      : readAll(partition, from, highWatermark, random.pick([300, 3_000])).pipe(
          Effect.tap((bytes) => Effect.sync(() => verifyPart(life, bytes, highWatermark)))
        )
  })
  return Effect.all([stack.cleaner.round, reader, reader, reader], { concurrency: "unbounded", discard: true })
}

/** What a reader in flight has got is right by the rules, whichever of the old and the new files it came from. */
const verifyPart = ({ log, isAlive, stack }: CleaningLife, bytes: Uint8Array, end: number): void => {
  if (!isAlive() || bytes.length === 0) return
  const { segments } = partitionOf(stack).store
  const nowMillis = stack.stores.context.nowMillis()
  const start = RecordBatch.baseOffset(bytes, 0)
  log.verify(bytes, { start, end, nowMillis, untouchedFrom: segments.endOffset, isUnderSwap: true })
}

/** Runs `steps` steps. Succeeds when they are done; what happens after a crash is of no interest. */
export const liveCleaning = Effect.fnUntraced(function* (life: CleaningLife, steps: number) {
  const { random, stack } = life
  for (let step = 0; step < steps && life.isAlive(); step++) {
    const dice = random.below(100)
    if (dice < 70) yield* append(life)
    else if (dice < 82) yield* cleanUnderReaders(life)
    else if (dice < 87) yield* stack.settler.settleNow(partitionOf(stack).store)
    else if (dice < 92) {
      life.time.shiftMs += random.pick([1_000, DELETE_RETENTION_MS])
    } else {
      yield* verifyWhole(life)
      if (life.isAlive()) life.log.verifyProducers(partitionOf(stack), nowOf(life))
    }
    life.log.hold()
  }
  yield* stack.wal.flushed
})
