/**
 * Fetch (key 1): record batches out of partitions.
 *
 * A fetch is a pure read of an offset-indexed log up to the high watermark (or the last stable offset). When it has enough,
 * or something to complain about, or no time to wait, it is answered in the socket's callback. Otherwise it parks: it is
 * registered with each of its partitions, whose commits wake it, and with the deadline heap. A woken fetch is looked at
 * again at the end of the turn, once, however many of its partitions moved.
 *
 * **Bytes** answers are views of the commit ring or of pooled read buffers, pinned by leases that the connection releases
 * when the kernel has taken them. Runs of small batches are copied into one piece instead: a system call that gathers a
 * thousand slices costs more than the copy. So is an answer that would keep much larger buffers from their pool while others
 * wait for one: a reader that takes nothing costs the bytes that it asked for, not the buffers that they were read into.
 * **Bounds** an answer holds at most `ANSWER_BYTES_MAX`, whatever the client allows, but always one whole batch. At most
 * `COLD_READS_MAX` reads are with the thread pool. In one round of the event loop at most `ROUND_BYTES_MAX` are answered
 * (and one answer more): what is answered is sent, and what nobody takes is given up, before the next ones are made.
 * @see KIP-74 (sizes), KIP-227 (sessions), KIP-320 (epochs), KIP-516 (topic ids)
 */
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Descriptor.ts"
import { encodeResponseFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { FetchApi, FetchRequest, type FetchResponse } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { RecordSlices } from "@chronik-effect/core/protocol/RecordSlices.ts"
import { Cause, Effect, type Scope, Semaphore } from "effect"
import { type Deadline, Deadlines } from "../actor/Deadlines.ts"
import { NodeConfig } from "../config/NodeConfig.ts"
import { Turn, type Turnable } from "../io/Turn.ts"
import type { Connection, Lease, Request } from "../network/RequestHandler.ts"
import type { ParkedReader, Partition } from "../replication/Partition.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { Read } from "../storage/PartitionStore.ts"
import { BUFFERS_KEPT } from "../storage/SegmentFileBuffers.ts"
import { type FetchContext, FetchSessions, type FetchTarget } from "./FetchSessions.ts"
import type { HotHandler } from "./Handler.ts"
import { leaderEpochError } from "./LeaderEpochCheck.ts"

type TopicAnswer = Partially<FetchResponse["responses"][number]>
type PartitionAnswer = NonNullable<TopicAnswer["partitions"]>[number]

/** Kafka's brokers cap an answer at 55 MiB; ours is smaller, since what a slow reader has not taken yet is our memory. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024
const READ_COMMITTED = 1
/** Below this mean size the slices of an answer are copied into one piece. */
const GATHERED_SLICE_BYTES_MAX = 8 * 1024
/** As many as there are pooled buffers: a cold read more would wait for the disk with a buffer of its own. */
const COLD_READS_MAX = BUFFERS_KEPT
const ROUND_BYTES_MAX = 64 * 1024 * 1024
const SESSION_EVICTION_MS = 120_000

interface Services {
  readonly partitions: Partitions["Service"]
  readonly deadlines: Deadlines["Service"]
  readonly parked: ParkedFetches
  readonly turn: Turn
  readonly rounds: AnswerRounds
  readonly coldReads: Semaphore.Semaphore
  readonly runFork: (effect: Effect.Effect<void>) => void
}

/** What one look at one partition found. */
interface Look {
  readonly target: FetchTarget
  readonly errorCode: ErrorCode
  readonly partition: Partition | undefined
  readonly read: Read | undefined
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined
}

class PendingFetch implements ParkedReader, Turnable {
  readonly #services: Services
  readonly #request: Request
  readonly #context: FetchContext
  readonly #minBytes: number
  readonly #maxBytes: number
  readonly #committedOnly: boolean
  #parkedAt: ReadonlyArray<Partition> = []
  #deadline: Deadline | undefined
  #woken = false
  #answered = false

  constructor(services: Services, request: Request, body: FetchRequest, context: FetchContext) {
    this.#services = services
    this.#request = request
    this.#context = context
    this.#minBytes = body.minBytes
    this.#maxBytes = Math.min(body.maxBytes, ANSWER_BYTES_MAX)
    this.#committedOnly = body.isolationLevel === READ_COMMITTED
  }

  start(maxWaitMs: number): void {
    if (this.#services.rounds.hasRoom) this.#begin(maxWaitMs)
    else this.#inItsRound(() => this.#begin(maxWaitMs))
  }

  /** It may run far from the connection's callback: a defect must end this connection, not the process. */
  #inItsRound(look: () => void): void {
    this.#services.rounds.run(() => {
      try {
        look()
      } catch (cause) {
        this.#failed(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))
      }
    })
  }

  #failed(reason: string): void {
    this.#answered = true
    this.#unpark()
    this.#request.close(`answering its fetch failed; this is a defect of the broker, please report it: ${reason}`)
  }

  #begin(maxWaitMs: number): void {
    if (!this.#request.connection.isOpen) return this.#request.respondNothing()
    const looks = this.#look()
    if (maxWaitMs <= 0 || this.#isEnough(looks)) return this.#answer(looks)
    release(looks)
    const partitions = new Set<Partition>()
    for (const look of looks) if (look.partition !== undefined) partitions.add(look.partition)
    for (const partition of partitions) partition.park(this)
    this.#parkedAt = [...partitions]
    this.#deadline = this.#services.deadlines.add(maxWaitMs, () => this.#inItsRound(() => this.#answer(this.#look())))
    this.#services.parked.add(this.#request.connection, this)
  }

  /** Called by a partition whose readable end moved, in the middle of its pass. */
  wake(): void {
    if (this.#woken || this.#answered) return
    this.#woken = true
    this.#services.turn.add(this)
  }

  /** The connection is gone: nobody waits for the answer. */
  abandon(): void {
    if (this.#answered) return
    this.#answered = true
    this.#unpark()
    this.#request.respondNothing()
  }

  turn(): void {
    this.#inItsRound(() => this.#lookAgain())
  }

  #lookAgain(): void {
    this.#woken = false
    if (this.#answered) return
    const looks = this.#look()
    if (this.#isEnough(looks)) this.#answer(looks)
    else release(looks)
  }

  #look(): ReadonlyArray<Look> {
    const looks: Array<Look> = []
    let left = this.#maxBytes
    let any = false
    for (const target of this.#context.targets) {
      const look = this.#lookAt(target, left, !any)
      looks.push(look)
      if (look.read !== undefined && look.read.bytes > 0) {
        any = true
        left -= look.read.bytes
      }
    }
    return looks
  }

  #lookAt(target: FetchTarget, left: number, first: boolean): Look {
    const { partitions } = this.#services
    const byId = this.#request.apiVersion >= 13
    const partition = byId
      ? partitions.findById(target.topicId, target.partition)
      : partitions.find(target.topic, target.partition)
    const failed = (errorCode: ErrorCode): Look => ({
      target,
      errorCode,
      partition,
      read: undefined,
      diverging: undefined
    })
    if (partition === undefined) {
      return failed(
        byId && !partitions.knowsId(target.topicId) ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      )
    }
    if (partition.closedWith !== ErrorCode.NONE) return failed(partition.closedWith)
    const stale = leaderEpochError(target.currentLeaderEpoch, partition.leaderEpoch)
    if (stale !== ErrorCode.NONE) return failed(stale)
    const { fetchOffset } = target
    if (fetchOffset < partition.logStartOffset || fetchOffset > partition.logEndOffset) {
      return failed(ErrorCode.OFFSET_OUT_OF_RANGE)
    }
    // A record of an epoch that has not begun cannot have come from this log: nothing here says where the two parted.
    if (target.lastFetchedEpoch > partition.leaderEpoch) return failed(ErrorCode.OFFSET_OUT_OF_RANGE)
    const diverging = divergence(target, partition)
    if (diverging !== undefined) return { target, errorCode: ErrorCode.NONE, partition, read: undefined, diverging }
    const end = this.#committedOnly ? partition.lastStableOffset : partition.highWatermark
    if (fetchOffset >= end || (left <= 0 && !first))
      return { target, errorCode: ErrorCode.NONE, partition, read: undefined, diverging }
    try {
      const read = partition.read(fetchOffset, end, Math.min(target.maxBytes, Math.max(left, 0)), first)
      return { target, errorCode: ErrorCode.NONE, partition, read, diverging }
    } catch (cause) {
      this.#services.runFork(
        Effect.logError(`A fetch from ${partition.topic}-${partition.partition} at offset ${fetchOffset} failed`, cause)
      )
      return failed(ErrorCode.KAFKA_STORAGE_ERROR)
    }
  }

  #isEnough(looks: ReadonlyArray<Look>): boolean {
    let bytes = 0
    for (const look of looks) {
      if (look.errorCode !== ErrorCode.NONE || look.diverging !== undefined) return true
      if (look.read !== undefined) bytes += look.read.bytes
    }
    return bytes >= this.#minBytes || looks.length === 0
  }

  #unpark(): void {
    for (const partition of this.#parkedAt) partition.unpark(this)
    if (this.#deadline !== undefined) this.#services.deadlines.remove(this.#deadline)
    if (this.#parkedAt.length > 0) this.#services.parked.remove(this.#request.connection, this)
    this.#parkedAt = []
  }

  #answer(looks: ReadonlyArray<Look>): void {
    if (this.#answered) return release(looks)
    this.#answered = true
    this.#unpark()
    if (looks.every((look) => look.read?.cold === undefined)) return this.#respond(looks)
    const { coldReads, runFork } = this.#services
    runFork(coldReads.withPermits(1)(Effect.suspend(() => this.#respondCold(looks))))
  }

  /** Some of the bytes are not in the page cache, as far as we know: read them in the thread pool. */
  #respondCold(looks: ReadonlyArray<Look>): Effect.Effect<void> {
    if (!this.#request.connection.isOpen) {
      release(looks)
      return Effect.sync(() => this.#request.respondNothing())
    }
    const warmed = Effect.forEach(looks, (look) => {
      const cold = look.read?.cold
      if (look.partition === undefined || look.read === undefined || cold === undefined) return Effect.succeed(look)
      return look.partition.store.readCold(cold).pipe(
        Effect.map((read): Look => ({ ...look, read })),
        Effect.catchCause((cause) =>
          Effect.as(
            Effect.logError(
              `A cold fetch from ${look.partition?.topic}-${look.partition?.partition} failed: ${Cause.pretty(cause)}`
            ),
            { ...look, read: undefined, errorCode: ErrorCode.KAFKA_STORAGE_ERROR } as Look
          )
        )
      )
    })
    return Effect.map(warmed, (all) => this.#respond(all)).pipe(
      Effect.catchCause((cause) =>
        Effect.sync(() => {
          if (this.#request.connection.isOpen) this.#failed(Cause.pretty(cause))
        })
      )
    )
  }

  #respond(looks: ReadonlyArray<Look>): void {
    const request = this.#request
    const leases: Array<Lease> = []
    let bytes = 0
    const topics = new Map<string, { topic: string; topicId: string; partitions: Array<PartitionAnswer> }>()
    for (const look of looks) {
      const { target, read } = look
      if (read !== undefined && read.bytes > 0) {
        bytes += read.bytes
        this.#context.served(target)
      }
      if (this.#context.incremental && !isNews(look)) {
        release([look])
        continue
      }
      remember(look)
      let topic = topics.get(target.topic + target.topicId)
      if (topic === undefined) {
        topic = { topic: target.topic, topicId: target.topicId, partitions: [] }
        topics.set(target.topic + target.topicId, topic)
      }
      topic.partitions.push(answerOf(look, recordsOf(look, leases), this.#committedOnly))
    }
    this.#services.rounds.answered(bytes)
    request.respond(
      encodeResponseFrame(FetchApi, request.apiVersion, request.correlationId, {
        sessionId: this.#context.sessionId,
        responses: [...topics.values()]
      }),
      leases
    )
  }
}

/**
 * Spreads the making of answers over rounds of the event loop. A thousand readers whose requests come in the same round would
 * otherwise have all their answers in memory before the first one is sent.
 */
class AnswerRounds {
  readonly #turn: Turn
  #waiting: Array<() => void> = []
  #bytes = 0
  #scheduled = false

  constructor(turn: Turn) {
    this.#turn = turn
  }

  get hasRoom(): boolean {
    return this.#bytes < ROUND_BYTES_MAX && this.#waiting.length === 0
  }

  /** Runs `look` now, or in its turn when this round has answered enough. */
  run(look: () => void): void {
    if (this.hasRoom) look()
    else this.#waiting.push(look)
  }

  answered(bytes: number): void {
    this.#bytes += bytes
    if (bytes > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#turn.nextRound(this.#nextRound)
  }

  readonly #nextRound = (): void => {
    this.#scheduled = false
    this.#bytes = 0
    let taken = 0
    while (taken < this.#waiting.length && this.#bytes < ROUND_BYTES_MAX) this.#waiting[taken++]!()
    this.#waiting = this.#waiting.slice(taken)
    if (this.#waiting.length > 0) this.#schedule()
  }
}

/** Who is parked, by connection: a connection that goes takes its parked fetches with it. */
class ParkedFetches {
  readonly #byConnection = new Map<number, Set<PendingFetch>>()

  add(connection: Connection, fetch: PendingFetch): void {
    const known = this.#byConnection.get(connection.id)
    if (known === undefined) this.#byConnection.set(connection.id, new Set([fetch]))
    else known.add(fetch)
  }

  remove(connection: Connection, fetch: PendingFetch): void {
    const known = this.#byConnection.get(connection.id)
    if (known?.delete(fetch) === true && known.size === 0) this.#byConnection.delete(connection.id)
  }

  abandon(connection: Connection): void {
    for (const fetch of this.#byConnection.get(connection.id) ?? []) fetch.abandon()
  }
}

const release = (looks: ReadonlyArray<Look>): void => {
  for (const look of looks) for (const lease of look.read?.leases ?? []) lease.release()
}

/** The client's log and ours part before what it asks for: where, in our terms (KIP-595's rule for consumers). */
const divergence = (target: FetchTarget, partition: Partition): Look["diverging"] => {
  if (target.lastFetchedEpoch < 0) return undefined
  const { leaderEpoch, endOffset } = partition.store.epochs.endOffsetFor(
    target.lastFetchedEpoch,
    partition.highWatermark
  )
  if (leaderEpoch === -1 || (leaderEpoch === target.lastFetchedEpoch && endOffset >= target.fetchOffset))
    return undefined
  return { epoch: leaderEpoch, endOffset }
}

/** KIP-227: what an incremental answer must name. An error is news each time, and so is its end. */
const isNews = ({ target, errorCode, diverging, read, partition }: Look): boolean =>
  errorCode !== ErrorCode.NONE ||
  target.toldError ||
  diverging !== undefined ||
  (read !== undefined && read.bytes > 0) ||
  (partition !== undefined &&
    (partition.highWatermark !== target.toldHighWatermark || partition.logStartOffset !== target.toldLogStartOffset))

const remember = ({ target, errorCode, partition }: Look): void => {
  target.toldError = errorCode !== ErrorCode.NONE
  target.toldHighWatermark = partition?.highWatermark ?? -1
  target.toldLogStartOffset = partition?.logStartOffset ?? -1
}

/** The records as they go into the answer. Leases that these need are added to `leases`, all others end here. */
const recordsOf = ({ partition, read }: Look, leases: Array<Lease>): Uint8Array | RecordSlices => {
  if (read === undefined || partition === undefined) return EMPTY
  const { slices } = read
  const scattered = slices.length !== 1 && read.bytes / Math.max(1, slices.length) <= GATHERED_SLICE_BYTES_MAX
  if (!scattered && !pinsTooMuch(read, partition)) {
    leases.push(...read.leases)
    return slices.length === 1 ? slices[0]! : new RecordSlices(slices)
  }
  const whole = Buffer.allocUnsafe(read.bytes)
  let at = 0
  for (const slice of slices) {
    whole.set(slice, at)
    at += slice.length
  }
  for (const lease of read.leases) lease.release()
  return whole
}

/** Whether the answer would fill less than half of the buffers that it keeps, and half of the pool is out already. */
const pinsTooMuch = (read: Read, partition: Partition): boolean =>
  partition.store.context.buffers.scarce && read.bytes < read.pinnedBytes / 2

const EMPTY = new Uint8Array(0)

const answerOf = (look: Look, records: Uint8Array | RecordSlices, committedOnly: boolean): PartitionAnswer => {
  const { target, errorCode, partition, diverging } = look
  const known = partition !== undefined && errorCode === ErrorCode.NONE
  return {
    partitionIndex: target.partition,
    errorCode,
    highWatermark: known ? partition.highWatermark : -1,
    lastStableOffset: known ? partition.lastStableOffset : -1,
    logStartOffset: known ? partition.logStartOffset : -1,
    divergingEpoch: diverging,
    abortedTransactions: committedOnly && known ? [] : null,
    preferredReadReplica: -1,
    records
  }
}

const SESSION_SLOTS = "max.incremental.fetch.session.cache.slots"

export const make = Effect.gen(function* () {
  const clock = yield* Effect.clockWith(Effect.succeed)
  const { broker } = yield* NodeConfig
  const context = yield* Effect.context<Scope.Scope>()
  const random = new Prng(clock.currentTimeMillisUnsafe())
  const sessions = new FetchSessions(broker.integer(SESSION_SLOTS), SESSION_EVICTION_MS, () => random.uint32() >>> 1)
  const turn = new Turn()
  const services: Services = {
    partitions: yield* Partitions,
    deadlines: yield* Deadlines,
    parked: new ParkedFetches(),
    turn,
    rounds: new AnswerRounds(turn),
    coldReads: yield* Semaphore.make(COLD_READS_MAX),
    runFork: (effect) => void Effect.runForkWith(context)(Effect.forkScoped(effect))
  }
  const handler: HotHandler = {
    api: FetchApi,
    closed: (connection) => services.parked.abandon(connection),
    handleHot: (request) => {
      const version = request.apiVersion
      const body = codecOf(FetchRequest, version).decode(new Reader(request.bytes, request.start, request.end))
      const opened = sessions.open(
        body.sessionId,
        version >= 7 ? body.sessionEpoch : -1,
        body.topics,
        body.forgottenTopicsData,
        version >= 13,
        clock.currentTimeMillisUnsafe()
      )
      if (typeof opened === "number") {
        return request.respond(encodeResponseFrame(FetchApi, version, request.correlationId, { errorCode: opened }))
      }
      new PendingFetch(services, request, body, opened).start(body.maxWaitMs)
    }
  }
  return handler
})
