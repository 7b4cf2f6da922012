/**
 * What a run was promised, and what a start may therefore bring back.
 *
 * Per partition the batches that were handed over, in order, with the offsets they must get; how far they were acknowledged;
 * how far the log start was moved and how far that was durable. For the metadata log the commands that were applied, and the
 * one that was on its way. `verify` holds a started node against all of it, and then takes what it found for the new truth:
 * what a node shows after a start it must never lose either.
 */
import { concatBytes } from "@chronik-effect/core/base/Bytes.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { emptyImage, type MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { replay } from "@chronik-effect/core/metadata/Replay.ts"
import { encodeSnapshot } from "@chronik-effect/core/metadata/Snapshot.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { Append } from "@chronik-effect/server/replication/Append.ts"
import type { Partition } from "@chronik-effect/server/replication/Partition.ts"
import type { Read } from "@chronik-effect/server/storage/PartitionStore.ts"
import { Deferred, Effect, Exit } from "effect"
import type { StorageStack } from "./StorageStack.ts"

export class Broken extends Error {}

const ensure = (holds: boolean, sentence: () => string): void => {
  if (!holds) throw new Broken(sentence())
}

/** Idempotent producers of the script. */
export const PRODUCERS = [7, 8] as const
const IN_FLIGHT_MAX = 5

interface Batch {
  readonly base: number
  readonly end: number
  /** As sent. */
  readonly sent: Uint8Array
  /** As it lies in the log. */
  readonly stored: Uint8Array
  readonly producerId: number
}

interface AppliedAt {
  readonly index: number
  readonly command: Command
}

export interface Outcome {
  readonly errorCode: number
  readonly baseOffset: number
}

/** One partition as it must be. */
export class PromisedLog {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  batches: Array<Batch> = []
  /** Everything below was acknowledged or shown. */
  acknowledged = 0
  /** The furthest that the log start was moved, and how far it was moved when the WAL was last flushed. */
  start = 0
  durableStart = 0
  /**
   * Per producer the oldest batch that its client may still retry. A client has five batches in flight at most: having sent a
   * sixth, which a crash took, it has heard of the first.
   */
  readonly retriedFrom = new Map<number, number>()

  constructor(topic: string, topicId: string, partition: number) {
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
  }

  get end(): number {
    return this.batches.at(-1)?.end ?? this.start
  }
  get name(): string {
    return `${this.topic}-${this.partition}`
  }

  add(sent: Uint8Array): Batch {
    const base = this.end
    const stored = sent.slice()
    RecordBatch.setBaseOffset(stored, 0, base)
    RecordBatch.setPartitionLeaderEpoch(stored, 0, 0)
    const end = RecordBatch.endOffset(stored, 0)
    const batch = { base, end, sent, stored, producerId: RecordBatch.producerId(sent, 0) }
    this.batches.push(batch)
    return batch
  }

  /** The next sequence of a producer that has appended everything promised so far. */
  nextSequence(producerId: number): number {
    const last = this.lastOf(producerId)
    return last === undefined
      ? 0
      : RecordBatch.baseSequence(last.sent, 0) + RecordBatch.lastOffsetDelta(last.sent, 0) + 1
  }

  lastOf(producerId: number): Batch | undefined {
    return this.batches.findLast((batch) => batch.producerId === producerId)
  }

  between(start: number, end: number): Uint8Array {
    return concatBytes(this.batches.filter((b) => b.end > start && b.end <= end).map((b) => b.stored))
  }
}

let salt = 0

/** `records` records, `bytes` in all, no two batches alike. */
export const makeBatch = (records: number, bytes: number, producerId = -1, sequence = -1): Uint8Array => {
  const value = new Uint8Array(Math.max(4, Math.floor(bytes / records)))
  const inputs = Array.from({ length: records }, () => {
    for (let j = 0, x = ++salt * 2_654_435_761; j < value.length; j += 5) value[j] = x = (x * 31 + j) >>> 0
    return { timestamp: Date.now(), value: value.slice() }
  })
  return buildBatch(inputs, producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: sequence })
}

/** Hands a batch to a partition. The outcome is noted by `told` within the call that brings it. */
export const handOver = (
  partition: Partition,
  batch: Uint8Array,
  told: (outcome: Outcome) => void = () => {}
): Effect.Effect<Outcome> => {
  const outcome = Deferred.makeUnsafe<Outcome>()
  const waiter = {
    copied: () => {},
    appended: (append: Append, errorCode: ErrorCode) => {
      const result = { errorCode, baseOffset: append.baseOffset }
      told(result)
      Deferred.doneUnsafe(outcome, Exit.succeed(result))
    }
  }
  partition.append(new Append(waiter, 0, batch, 0, batch.length, -1))
  return Deferred.await(outcome)
}

export const readAll = Effect.fnUntraced(function* (
  partition: Partition,
  from: number,
  end: number,
  maxBytes = 20_000
) {
  const parts: Array<Uint8Array> = []
  let at = from
  while (at < end) {
    let read: Read = partition.read(at, end, maxBytes, true)
    if (read.cold !== undefined) read = yield* partition.store.readCold(read.cold)
    ensure(
      read.bytes > 0,
      () => `a read of ${partition.topic}-${partition.partition} at ${at} of ${end} brought nothing`
    )
    parts.push(...read.slices.map((slice) => slice.slice()))
    for (const lease of read.leases) lease.release()
    at = read.nextOffset
  }
  return concatBytes(parts)
})

export class Promises {
  /** By topic id and partition. */
  readonly logs = new Map<string, PromisedLog>()
  /** What was applied, in order: the log has entries of its own between them. */
  commands: Array<AppliedAt> = []
  /** Proposed, without a word on it yet, and where it would be. */
  pending: AppliedAt | undefined
  /** A promise that a running node has broken: noticed in a callback of the node, told by `hold`. */
  broken: Broken | undefined
  #clusterId = ""

  log(topic: string, topicId: string, partition: number): PromisedLog {
    const key = `${topicId}/${partition}`
    const known = this.logs.get(key)
    if (known !== undefined) return known
    const log = new PromisedLog(topic, topicId, partition)
    this.logs.set(key, log)
    return log
  }

  /** The image after the applied commands and `more`, of a log that ends at `endOffset`. */
  image(endOffset: number, more: ReadonlyArray<AppliedAt> = []): MetadataImage {
    let image = emptyImage(this.#clusterId)
    for (const { index, command } of [...this.commands, ...more]) image = replay(image, command, index).image
    ensure(image.offset <= endOffset, () => `the metadata came back at ${endOffset}, and ${image.offset} was promised`)
    return image.with({ offset: endOffset })
  }

  /** Appends and notes what was promised. `isAlive` says whether a word still counts. */
  append(partition: Partition, log: PromisedLog, sent: Uint8Array, isAlive: () => boolean): Effect.Effect<Outcome> {
    const batch = log.add(sent)
    return handOver(partition, sent, ({ errorCode, baseOffset }) => {
      if (!isAlive()) return
      if (errorCode === ErrorCode.NONE) {
        if (baseOffset !== batch.base) {
          this.broken ??= new Broken(`${log.name} answered offset ${baseOffset} for the batch at ${batch.base}`)
        }
        log.acknowledged = Math.max(log.acknowledged, batch.end)
      } else if (errorCode === ErrorCode.KAFKA_STORAGE_ERROR && log.batches.at(-1) === batch && isAlive()) {
        // Refused before it got an offset, if nothing came behind it; a batch that waited for the disk may still be there.
        if (partition.logEndOffset <= batch.base) log.batches.pop()
      }
    })
  }

  propose(stack: StorageStack, command: Command, isAlive: () => boolean): Effect.Effect<void, unknown> {
    return Effect.suspend(() => {
      // One command at a time: it gets the next index.
      const at = { index: stack.metadata.image().offset, command }
      this.pending = at
      return Effect.map(stack.metadata.propose(command, 60_000), (result) => {
        if (!isAlive()) return
        ensure(result._tag !== "Rejected", () => `a command was rejected: ${JSON.stringify(result)}`)
        this.commands.push(at)
        this.pending = undefined
      })
    })
  }

  /** Throws what was noticed where it could not be thrown. */
  hold(): void {
    if (this.broken !== undefined) throw this.broken
  }

  /** Everything reserved so far is durable: log starts are. */
  flushed(): void {
    for (const log of this.logs.values()) log.durableStart = log.start
  }

  /** Holds a node that has just started, and not yet registered, against everything promised. */
  readonly verify = Effect.fnUntraced({ self: this }, function* (this: Promises, stack: StorageStack) {
    this.#verifyMetadata(stack.recoveredImage)
    const known = new Set<string>()
    for (const topic of stack.metadata.image().topics()) {
      for (const { partition: number } of topic.partitions) {
        const partition = stack.partitions.findById(topic.topicId, number)
        ensure(partition !== undefined, () => `${topic.name}-${number} is in the image and not hosted`)
        known.add(`${topic.topicId}/${number}`)
        yield* this.#verifyLog(stack, partition!, this.log(topic.name, topic.topicId, number))
      }
    }
    for (const [key, log] of this.logs) {
      if (known.has(key)) continue
      ensure(stack.partitions.findById(log.topicId, log.partition) === undefined, () => `${log.name} is back`)
      this.logs.delete(key)
    }
  })

  #verifyMetadata(image: MetadataImage): void {
    this.#clusterId = image.clusterId
    const { pending } = this
    this.pending = undefined
    const found = encodeSnapshot(image)
    const isAfter = (more: ReadonlyArray<AppliedAt>) =>
      Buffer.compare(found, encodeSnapshot(this.image(image.offset, more))) === 0
    if (isAfter([])) return
    const withPending = pending !== undefined && isAfter([pending])
    ensure(withPending, () => {
      const names = [...image.topics()].map((topic) => topic.name).join(", ")
      return `the metadata came back at ${image.offset} (topics ${names}), and ${this.commands.length} commands were acknowledged`
    })
    this.commands.push(pending!)
  }

  readonly #verifyLog = Effect.fnUntraced(
    { self: this },
    function* (this: Promises, stack: StorageStack, partition: Partition, log: PromisedLog) {
      const { logStartOffset: start, logEndOffset: end, highWatermark, lastStableOffset } = partition
      const at = () => `${log.name}: start ${start}, end ${end}, high watermark ${highWatermark}`
      const wanted = () => `start ${log.durableStart}..${log.start}, acknowledged ${log.acknowledged}, sent ${log.end}`
      ensure(start >= log.durableStart && start <= log.start, () => `${at()}; wrong log start, promised ${wanted()}`)
      ensure(end >= log.acknowledged, () => `${at()}; acknowledged records are gone, promised ${wanted()}`)
      ensure(end <= Math.max(log.end, start), () => `${at()}; more than was ever sent, promised ${wanted()}`)
      ensure(highWatermark === end && lastStableOffset === end, () => `${at()}; wrong high watermark`)
      const bytes = yield* readAll(partition, start, end)
      const same = Buffer.compare(bytes, log.between(start, end)) === 0
      ensure(same, () => `${at()}; the bytes are not those that were sent, promised ${wanted()}`)
      for (const producerId of PRODUCERS) {
        const inFlight = log.batches.filter((batch) => batch.producerId === producerId).slice(-IN_FLIGHT_MAX)
        const oldest = Math.max(log.retriedFrom.get(producerId) ?? 0, inFlight[0]?.base ?? 0)
        log.retriedFrom.set(producerId, oldest)
      }
      log.batches = log.batches.filter((batch) => batch.end <= end)
      log.acknowledged = end
      log.start = log.durableStart = start
      this.#verifyProducers(stack, partition, log)
    }
  )

  /** Retries are answered with the original's offset, and the next sequence would be taken. */
  #verifyProducers(stack: StorageStack, partition: Partition, log: PromisedLog): void {
    const { producers } = partition.store
    const now = stack.stores.context.nowMillis()
    for (const producerId of PRODUCERS) {
      const mine = log.batches.filter((batch) => batch.producerId === producerId)
      // What retention removed, a start need not know.
      if (mine.length === 0 || mine.at(-1)!.base < log.start) continue
      const from = Math.max(log.start, log.retriedFrom.get(producerId) ?? 0)
      for (const batch of mine.slice(-IN_FLIGHT_MAX).filter((one) => one.base >= from)) {
        const { errorCode, duplicate } = producers.check(batch.sent, 0, now)
        ensure(
          errorCode === ErrorCode.NONE && duplicate?.baseOffset === batch.base,
          () =>
            `${log.name}: a retry of producer ${producerId} at ${batch.base} got ${errorCode}/${duplicate?.baseOffset}`
        )
      }
      const next = makeBatch(1, 10, producerId, log.nextSequence(producerId))
      const { errorCode, duplicate } = producers.check(next, 0, now)
      ensure(
        errorCode === ErrorCode.NONE && duplicate === undefined,
        () => `${log.name}: the next sequence of producer ${producerId} got ${errorCode}`
      )
    }
  }
}
