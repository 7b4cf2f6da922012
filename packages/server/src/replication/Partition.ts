/**
 * One partition that this node leads: its mailbox, its log's state, and the fiber that appends to it.
 *
 * For each append it checks, assigns offsets, copies the batch into the commit ring and registers the waiter, without a
 * suspension in between: one serial section, so offsets are dense and the order in the WAL is the order of offsets. While
 * nothing waits, the section runs in the caller's turn. Otherwise (the ring has no room, a change of the log is under way)
 * appends go through the mailbox, and the fiber is the only one who takes from it. Nobody here ever waits for the disk.
 *
 * The batch proposer reports what is durable (`durable`), which moves the high watermark, completes waiters in offset order
 * and wakes parked readers. Reads are plain calls on the state and need no message.
 *
 * An idle partition costs its state only: the fiber starts with the first append and there is no timer.
 *
 * Not here: bytes on disk (`storage/PartitionStore`), quorum of more than the local disk (cluster), Kafka's request shapes.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import type { TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { ReadableBytes } from "@chronik-effect/core/purgatory/ByteWait.ts"
import {
  lastOffsetDelta,
  maxTimestamp,
  NO_PRODUCER_ID,
  producerId,
  setBaseOffset,
  setPartitionLeaderEpoch
} from "@chronik-effect/core/record/RecordBatch.ts"
import { Watermarks } from "@chronik-effect/core/replication/Watermarks.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { type Cause, Effect, Queue, type Scope } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import type { PartitionStore, Read } from "../storage/PartitionStore.ts"
import type { Wal, WalFailed } from "../storage/Wal.ts"
import { Append, AppendFailed, type AppendWaiter, DeferredAppend } from "./Append.ts"
import { ParkedReaders } from "./ParkedReaders.ts"
import { WaiterQueue } from "./WaiterQueue.ts"

/** A change of the log other than an append (DeleteRecords, retention): runs on the fiber, between appends. */
export interface Control {
  readonly _tag: "Control"
  readonly run: Effect.Effect<void>
}

export interface PartitionParts {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  /** Counted replicas, in sync or not. */
  readonly replicas: number
  readonly inSyncReplicas: number
  /** One of the broker's own topics: clients may read it, not write it. */
  readonly internal: boolean
  readonly stream: number
  readonly store: PartitionStore
  readonly settings: TopicSettings
  readonly wal: Wal["Service"]
  /** Monotonic microseconds. */
  readonly nowMicros: () => number
  /** Wall clock in milliseconds, for producer state. */
  readonly nowMillis: () => number
}

const DEFECTS_A_MINUTE_MAX = 5

export class Partition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly stream: number
  readonly store: PartitionStore
  readonly watermarks: Watermarks
  readonly internal: boolean
  leaderEpoch: number
  replicas: number
  inSyncReplicas: number
  settings: TopicSettings
  /** Records appended since the start of the process, for metrics. */
  appendedBytes = 0

  readonly #wal: Wal["Service"]
  readonly #nowMicros: () => number
  readonly #nowMillis: () => number
  readonly #waiters = new WaiterQueue()
  #readers: ParkedReaders | undefined
  #mailbox: Queue.Queue<Append | Control> | undefined
  /** Messages in the mailbox or taken from it and not yet done: while there are any, every further one goes behind them. */
  #queued = 0
  #batch: ReadonlyArray<Append | Control> = []
  #taken = 0
  #run: ((start: Effect.Effect<unknown, never, Scope.Scope>) => void) | undefined
  /** Why nothing can be appended any more, or NONE. */
  #closed: ErrorCode = ErrorCode.NONE

  constructor(parts: PartitionParts, run: (start: Effect.Effect<unknown, never, Scope.Scope>) => void) {
    this.topic = parts.topic
    this.topicId = parts.topicId
    this.partition = parts.partition
    this.stream = parts.stream
    this.store = parts.store
    this.internal = parts.internal
    this.leaderEpoch = parts.leaderEpoch
    this.replicas = parts.replicas
    this.inSyncReplicas = parts.inSyncReplicas
    this.settings = parts.settings
    this.#wal = parts.wal
    this.#nowMicros = parts.nowMicros
    this.#nowMillis = parts.nowMillis
    this.#run = run
    // Recovery has verified every batch below the log end on this node's disk, which is the whole quorum.
    this.watermarks = new Watermarks(parts.store.logStartOffset, parts.store.logEndOffset, parts.store.logEndOffset)
  }

  get logStartOffset(): number {
    return this.watermarks.logStartOffset
  }
  get highWatermark(): number {
    return this.watermarks.highWatermark
  }
  get lastStableOffset(): number {
    return this.watermarks.lastStableOffset
  }
  get logEndOffset(): number {
    return this.watermarks.logEndOffset
  }
  /** NONE while the partition serves; otherwise the code that every append gets. */
  get closedWith(): ErrorCode {
    return this.#closed
  }
  /** Too few replicas are in sync for acks=all. A topic cannot ask for more replicas than it has. */
  get lacksReplicas(): boolean {
    return this.inSyncReplicas < Math.min(this.settings.minInsyncReplicas, this.replicas)
  }
  get mailboxDepth(): number {
    return this.#mailbox === undefined ? 0 : Queue.sizeUnsafe(this.#mailbox)
  }

  /**
   * Appends now if nobody is before it and the ring has room, else behind what the mailbox holds. Order of calls is order
   * of offsets.
   *
   * The serial section needs no suspension, so an empty mailbox need not be waited for: the batch is copied while it is hot
   * in the cache, and a turn of the loop and a wake-up of the fiber are saved for each append.
   */
  append(message: Append): void {
    if (this.#closed !== ErrorCode.NONE) return refuse(message, this.#closed)
    if (this.#queued > 0) return this.#offer(message)
    try {
      if (!this.#appendNow(message, this.#nowMicros())) this.#offer(message)
    } catch (defect) {
      refuse(message, ErrorCode.UNKNOWN_SERVER_ERROR)
      // The supervisor counts it like one of the fiber's own: after too many the partition goes offline.
      this.#offer({ _tag: "Control", run: Effect.die(defect) })
    }
  }

  /** Appends one batch built by the broker itself. Completes with its base offset when it is committed. */
  readonly appendBatch = (batch: Uint8Array): Effect.Effect<number, AppendFailed> =>
    Effect.suspend(() => {
      const waiter = new DeferredAppend()
      this.append(new Append(waiter, undefined, batch, 0, batch.length, -1))
      return waiter.await
    })

  /** Runs `change` on the partition's fiber, between appends. */
  control(change: Effect.Effect<void>): void {
    if (this.#closed === ErrorCode.NONE) this.#offer({ _tag: "Control", run: change })
  }

  /** Whole batches from the one that contains `offset`, below `endOffset`. */
  read(offset: number, endOffset: number, maxBytes: number, minOneBatch: boolean): Read {
    assert(endOffset <= this.highWatermark, "a reader must not see beyond the high watermark")
    return this.store.read(offset, endOffset, maxBytes, minOneBatch)
  }

  /** Everything below `endOffset` is durable here, and with a replica set of one that is the quorum. */
  durable(endOffset: number): void {
    if (!this.watermarks.committed(endOffset)) return
    this.#waiters.completeBelow(this.watermarks.highWatermark)
    this.#readers?.moved(this.watermarks.highWatermark, this.watermarks.lastStableOffset, this.store.index)
  }

  /** Records below `offset` are no longer served. */
  startAt(offset: number): void {
    if (!this.watermarks.startsAt(offset)) return
    this.store.startAt(offset)
    this.wakeReaders()
  }

  /**
   * DeleteRecords: nothing below `offset`, which must not lie beyond the high watermark, is served from now on. Completes
   * with the log start when a crash can no longer bring the records back.
   */
  deleteRecords(offset: number): Effect.Effect<number, AppendFailed | WalFailed> {
    return Effect.suspend(() => {
      if (this.#closed !== ErrorCode.NONE) return Effect.fail(new AppendFailed({ errorCode: this.#closed }))
      assert(offset <= this.highWatermark, "records beyond the high watermark must not be deleted")
      this.startAt(offset)
      return this.#logStartNoted
    })
  }

  readonly #logStartNoted = Effect.gen({ self: this }, function* (this: Partition) {
    while (!this.store.noteLogStart()) {
      if (this.#wal.full()) return yield* new AppendFailed({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR })
      yield* this.#wal.room
    }
    const start = this.logStartOffset
    // Also where nothing moved: the request that moved it may not have been answered yet.
    yield* this.#wal.flushed
    return start
  })

  /** Where a reader parks that has looked at everything which may be read now. */
  readable(committedOnly: boolean): ReadableBytes {
    this.#readers ??= new ParkedReaders()
    return this.#readers.at(committedOnly ? this.lastStableOffset : this.highWatermark, committedOnly)
  }

  /** Fetches that wait for this partition. */
  get parkedReaders(): number {
    return this.#readers?.waiting ?? 0
  }

  /** Something other than new records has happened that readers must look at. */
  wakeReaders(): void {
    this.#readers?.wakeAll()
  }

  /** Refuses everything from now on, and fails what waits: on deletion, shutdown, a failed disk. */
  close(errorCode: ErrorCode): void {
    assert(errorCode !== ErrorCode.NONE, "a partition closes with an error")
    if (this.#closed !== ErrorCode.NONE) return
    this.#closed = errorCode
    this.#refuseTaken(errorCode)
    if (this.#mailbox !== undefined) {
      for (const message of Effect.runSync(Queue.clear(this.#mailbox))) {
        if (message._tag === "Append") refuse(message, errorCode)
        this.#queued--
      }
      // Its fiber would wait for the next message as long as the node lives, one for each deleted partition.
      Queue.shutdownUnsafe(this.#mailbox)
    }
    this.#waiters.failAll(errorCode)
    this.wakeReaders()
  }

  #offer(message: Append | Control): void {
    if (this.#mailbox === undefined) this.#start()
    this.#queued++
    Queue.offerUnsafe(this.#mailbox!, message)
  }

  #start(): void {
    const mailbox = Effect.runSync(Queue.unbounded<Append | Control>())
    this.#mailbox = mailbox
    const name = `partition ${this.topic}-${this.partition}`
    const fiber = supervise(
      {
        name,
        restart: { max: DEFECTS_A_MINUTE_MAX },
        onDown: () => this.#refuseTaken(ErrorCode.UNKNOWN_SERVER_ERROR),
        onGiveUp: (cause) => this.#giveUp(name, cause)
      },
      this.#loop(mailbox)
    )
    this.#run!(fiber)
  }

  readonly #loop = Effect.fnUntraced(
    { self: this },
    function* (this: Partition, mailbox: Queue.Queue<Append | Control>) {
      while (this.#closed === ErrorCode.NONE) {
        this.#batch = yield* Queue.takeAll(mailbox)
        const now = this.#nowMicros()
        for (this.#taken = 0; this.#taken < this.#batch.length; ) {
          const message = this.#batch[this.#taken]!
          if (message._tag === "Control") yield* message.run
          else if (!this.#appendNow(message, now)) {
            yield* this.#wal.room
            continue
          }
          this.#taken++
          this.#queued--
        }
        this.#batch = []
      }
    }
  )

  #giveUp(name: string, _cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Effect.andThen(
      Effect.logError(
        `The ${name} failed more than ${DEFECTS_A_MINUTE_MAX} times within a minute and is offline until the broker is restarted; all other partitions go on.`
      ),
      Effect.sync(() => this.close(ErrorCode.KAFKA_STORAGE_ERROR))
    )
  }

  #refuseTaken(errorCode: ErrorCode): void {
    for (let i = this.#taken; i < this.#batch.length; i++) {
      const message = this.#batch[i]!
      if (message._tag === "Append") refuse(message, errorCode)
      this.#queued--
    }
    this.#batch = []
  }

  /** The serial section. False when the ring has no room: the same message is tried again. */
  #appendNow(message: Append, nowMicros: number): boolean {
    const { bytes, start, end } = message
    if (this.#closed !== ErrorCode.NONE) return refused(message, this.#closed)
    const numbered = producerId(bytes, start) !== NO_PRODUCER_ID
    if (numbered) {
      const check = this.store.producers.check(bytes, start, this.#nowMillis())
      if (check.errorCode !== ErrorCode.NONE) return refused(message, check.errorCode)
      if (check.duplicate !== undefined) {
        return this.#answerDuplicate(message, check.duplicate.baseOffset, check.duplicate.endOffset)
      }
    }
    const baseOffset = this.watermarks.logEndOffset
    const endOffset = baseOffset + lastOffsetDelta(bytes, start) + 1
    const wal = this.#wal
    const length = end - start
    const address = wal.reserve(FrameKind.Batch, this.stream, length, endOffset)
    if (address < 0) return wal.full() ? refused(message, ErrorCode.KAFKA_STORAGE_ERROR) : false
    const ring = wal.chunkAt(address)
    const place = wal.placeAt(address)
    // One contiguous copy out of cache-hot receive memory; the header is patched in the copy, outside the batch's CRC.
    ring.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), place)
    setBaseOffset(ring, place, baseOffset)
    setPartitionLeaderEpoch(ring, place, this.leaderEpoch)
    this.store.indexed(baseOffset, endOffset, address, length, maxTimestamp(ring, place))
    if (numbered) this.store.producers.appended(ring, place, baseOffset, this.#nowMillis())
    this.watermarks.appended(baseOffset, endOffset)
    this.appendedBytes += length
    message.baseOffset = baseOffset
    message.endOffset = endOffset
    message.appendedMicros = nowMicros
    message.stream = this.stream
    if (message.acks !== 0) this.#waiters.push(message)
    message.waiter.copied(message)
    return true
  }

  /** A retry of a batch that is held: it completes where the original does, which may still be on its way to the disk. */
  #answerDuplicate(message: Append, baseOffset: number, endOffset: number): boolean {
    message.baseOffset = baseOffset
    message.endOffset = endOffset
    message.waiter.copied(message)
    if (endOffset <= this.watermarks.highWatermark) message.waiter.appended(message, ErrorCode.NONE)
    else this.#waiters.push(message)
    return true
  }
}

const refuse = (message: Append, errorCode: ErrorCode): void => {
  message.waiter.copied(message)
  message.waiter.appended(message, errorCode)
}

const refused = (message: Append, errorCode: ErrorCode): true => {
  refuse(message, errorCode)
  return true
}

export type { AppendWaiter }
