/**
 * Fetch (key 1): record batches out of partitions.
 *
 * A fetch is a pure read of an offset-indexed log up to the high watermark (or the last stable offset). When it has enough,
 * or something to complain about, or no time to wait, it is answered in the socket's callback. Otherwise it parks with one
 * entry in the deadline heap and, for each of its partitions, one mark in the heap of bytes that it waits for: appends that
 * do not give it enough do not look at it (`core/purgatory`). A woken fetch is looked at again at the end of the turn, once,
 * however many of its partitions moved. Other news of a partition (log start, leader, deletion) wake all that are parked.
 *
 * **Limits** as with Kafka `min.bytes` is at most `max.bytes`, so that a fetch never waits for more than it takes. A fetch
 * whose partitions cannot bring `min.bytes` within their own limits waits for its time to end.
 * **Bounds** an answer holds at most `ANSWER_BYTES_MAX`, whatever the client allows, but always one whole batch. At most
 * `COLD_READS_MAX` reads are with the thread pool. In one round of the event loop a limited number of bytes is answered:
 * what is answered is sent, and what nobody takes is given up, before the next answers are made (`AnswerRounds`).
 * **Quotas** who has used up his quota, or would with this answer, gets an empty one at once with the time for which his
 * connection is not read (KIP-219), in every version. A full fetch then has no session, as Kafka's clients expect. Only an
 * answer that could never be within the quota, since its first batch is too large, is given to whoever owes nothing.
 * @see KIP-74 (sizes), KIP-227 (sessions), KIP-320 (epochs), KIP-516 (topic ids)
 */
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { encodeResponseFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { FetchApi, FetchRequest } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { ByteWait } from "@chronik-effect/core/purgatory/ByteWait.ts"
import { Cause, Effect, type Scope, Semaphore } from "effect"
import { type Deadline, Deadlines } from "../actor/Deadlines.ts"
import { NodeConfig } from "../config/NodeConfig.ts"
import { Turn, type Turnable } from "../io/Turn.ts"
import type { Connection, Request } from "../network/RequestHandler.ts"
import { ClientQuotas } from "../quota/ClientQuotas.ts"
import { Partitions } from "../replication/Partitions.ts"
import { BUFFERS_KEPT } from "../storage/SegmentFileBuffers.ts"
import { AnswerRounds } from "./AnswerRounds.ts"
import { answerWith } from "./FetchAnswer.ts"
import { type Look, type Looking, lookAll, releaseLooks } from "./FetchLook.ts"
import { type FetchContext, FetchSessions, type FetchTarget } from "./FetchSessions.ts"
import type { HotHandler } from "./Handler.ts"

/** Kafka's brokers cap an answer at 55 MiB; ours is smaller, since what a slow reader has not taken yet is our memory. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024
const READ_COMMITTED = 1
/** As many as there are pooled buffers: a cold read more would wait for the disk with a buffer of its own. */
const COLD_READS_MAX = BUFFERS_KEPT
const SESSION_EVICTION_MS = 120_000

interface Services {
  readonly partitions: Partitions["Service"]
  readonly deadlines: Deadlines["Service"]
  readonly parked: ParkedFetches
  readonly turn: Turn
  readonly rounds: AnswerRounds
  readonly coldReads: Semaphore.Semaphore
  readonly quotas: ClientQuotas["Service"]
  readonly sessions: FetchSessions
  readonly runFork: (effect: Effect.Effect<void>) => void
}

class PendingFetch implements Turnable {
  readonly #services: Services
  readonly #request: Request
  readonly #context: FetchContext
  readonly #looking: Looking
  readonly #minBytes: number
  #wait: ByteWait | undefined
  #deadline: Deadline | undefined
  #woken = false
  #answered = false

  constructor(services: Services, request: Request, body: FetchRequest, context: FetchContext) {
    let maxBytes = Math.min(body.maxBytes, ANSWER_BYTES_MAX)
    if (services.quotas.active.fetch) maxBytes = Math.min(maxBytes, services.quotas.fetchBytesMax(request))
    this.#services = services
    this.#request = request
    this.#context = context
    this.#minBytes = Math.min(body.minBytes, maxBytes)
    this.#looking = {
      partitions: services.partitions,
      runFork: services.runFork,
      byId: request.apiVersion >= 13,
      committedOnly: body.isolationLevel === READ_COMMITTED,
      maxBytes
    }
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
    const { quotas } = this.#services
    const pauseMs = quotas.active.fetch ? quotas.fetchThrottleMs(this.#request) : 0
    if (pauseMs > 0) return this.#throttled(pauseMs)
    const looks = this.#look()
    const missing = this.#missing(looks)
    if (maxWaitMs <= 0 || missing <= 0) return this.#answer(looks)
    this.#deadline = this.#services.deadlines.add(maxWaitMs, () => this.#inItsRound(() => this.#answer(this.#look())))
    this.#services.parked.add(this.#request.connection, this)
    this.#park(looks, missing)
  }

  /** Waits where `looks` have been, for `missing` more bytes. */
  #park(looks: ReadonlyArray<Look>, missing: number): void {
    releaseLooks(looks)
    const wait = this.#wait ?? new ByteWait(() => this.#wake())
    this.#wait = wait
    for (const { partition, target, counts } of looks) {
      // The first batch comes whole, however small the limit: one byte of it is always worth a look.
      if (partition !== undefined) wait.at(partition.readable(this.#looking.committedOnly), roomOf(target, counts))
    }
    wait.park(missing)
  }

  /** Called by a partition with news, in the middle of its pass. */
  #wake(): void {
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
    const missing = this.#missing(looks)
    if (missing <= 0) return this.#answer(looks)
    this.#wait?.cancel()
    this.#park(looks, missing)
  }

  #look(): ReadonlyArray<Look> {
    return lookAll(this.#looking, this.#context.targets)
  }

  /** How many bytes are too few for an answer; nothing when there is a reason to answer without them. */
  #missing(looks: ReadonlyArray<Look>): number {
    if (looks.length === 0) return 0
    let missing = this.#minBytes
    for (const look of looks) missing -= look.counts
    return missing
  }

  #unpark(): void {
    this.#wait?.cancel()
    if (this.#deadline === undefined) return
    this.#services.deadlines.remove(this.#deadline)
    this.#services.parked.remove(this.#request.connection, this)
    this.#deadline = undefined
  }

  #answer(looks: ReadonlyArray<Look>): void {
    if (this.#answered) return releaseLooks(looks)
    this.#answered = true
    this.#unpark()
    if (looks.every((look) => look.read?.cold === undefined)) return this.#respond(looks)
    const { coldReads, runFork } = this.#services
    runFork(coldReads.withPermits(1)(Effect.suspend(() => this.#respondCold(looks))))
  }

  /** Some of the bytes are not in the page cache, as far as we know: read them in the thread pool. */
  #respondCold(looks: ReadonlyArray<Look>): Effect.Effect<void> {
    if (!this.#request.connection.isOpen) {
      releaseLooks(looks)
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

  /** Nothing for now: the client is to ask again after `pauseMs`. */
  #throttled(pauseMs: number): void {
    const { apiVersion, correlationId } = this.#request
    const { sessionId, incremental } = this.#context
    this.#answered = true
    this.#services.sessions.drop(this.#context)
    const answer = { sessionId: incremental ? sessionId : 0, throttleTimeMs: pauseMs, responses: [] }
    this.#request.respond(encodeResponseFrame(FetchApi, apiVersion, correlationId, answer))
  }

  /** How long the client has to pause before it may have what `looks` found. */
  #pauseMs(looks: ReadonlyArray<Look>): number {
    let bytes = 0
    for (const { read } of looks) bytes += read?.bytes ?? 0
    return this.#services.quotas.fetched(this.#request, bytes)
  }

  #respond(looks: ReadonlyArray<Look>): void {
    const { quotas } = this.#services
    const pauseMs = quotas.active.fetch ? this.#pauseMs(looks) : 0
    if (pauseMs > 0) {
      releaseLooks(looks)
      return this.#throttled(pauseMs)
    }
    const request = this.#request
    const { responses, leases, bytes } = answerWith(looks, this.#context, this.#looking.committedOnly)
    this.#services.rounds.answered(bytes)
    const { sessionId } = this.#context
    request.respond(
      encodeResponseFrame(FetchApi, request.apiVersion, request.correlationId, {
        sessionId,
        responses,
        throttleTimeMs: quotas.active.time ? quotas.timeThrottleMs(request) : 0
      }),
      leases
    )
  }
}

/** What a partition may still count for: its own limit, less what is there already. */
const roomOf = (target: FetchTarget, counts: number): number => Math.max(target.maxBytes, 1) - counts

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

/** Kafka's answer to an isolation level that there is not; it has no code of its own for it. */
const noSuchIsolation = (body: FetchRequest) => ({
  errorCode: ErrorCode.UNKNOWN_SERVER_ERROR,
  responses: body.topics.map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions: partitions.map(({ partition }) => ({
      partitionIndex: partition,
      errorCode: ErrorCode.UNKNOWN_SERVER_ERROR,
      highWatermark: -1,
      records: new Uint8Array(0)
    }))
  }))
})

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
    quotas: yield* ClientQuotas,
    sessions,
    runFork: (effect) => void Effect.runForkWith(context)(Effect.forkScoped(effect))
  }
  const handler: HotHandler = {
    api: FetchApi,
    closed: (connection) => services.parked.abandon(connection),
    handleHot: (request) => {
      const version = request.apiVersion
      const body = codecOf(FetchRequest, version).decode(new Reader(request.bytes, request.start, request.end))
      if (body.isolationLevel !== 0 && body.isolationLevel !== READ_COMMITTED) {
        return request.respond(encodeResponseFrame(FetchApi, version, request.correlationId, noSuchIsolation(body)))
      }
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
