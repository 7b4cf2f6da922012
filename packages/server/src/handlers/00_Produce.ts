/**
 * Produce (key 0): record batches into partitions.
 *
 * Decode, check each batch's header and CRC while it lies cache-hot in the receive slab, put it into its partition's
 * mailbox, and answer when every partition has said what became of it. Everything but the partition's own work happens
 * synchronously in the socket's callback, so produces of one connection enter the mailboxes in the order of the wire.
 *
 * One `PendingProduce` a request is the waiter of all its appends, the holder of the frame's bytes until they are copied,
 * and the one exit: `#answer` runs once, by the last partition or by the timeout, for every value of acks.
 *
 * acks=0 has no answer; where such a request fails the connection is closed, as Kafka does.
 *
 * **Quotas** a request counts with all its bytes when it comes, whatever becomes of it. In every version it is answered as soon
 * as it is done, and tells for how long the connection is not read (KIP-219); before version 6 clients do not heed that.
 */
import { ErrorCode, errorName } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Descriptor.ts"
import { encodeResponseFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { ProduceApi, ProduceRequest, type ProduceResponse } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Effect } from "effect"
import { type Deadline, Deadlines } from "../actor/Deadlines.ts"
import { monotonicMicros } from "../io/Turn.ts"
import type { Request } from "../network/RequestHandler.ts"
import { Observation } from "../observe/Observation.ts"
import { ClientQuotas } from "../quota/ClientQuotas.ts"
import { Append, type AppendWaiter } from "../replication/Append.ts"
import { BatchProposer } from "../replication/BatchProposer.ts"
import type { Partition } from "../replication/Partition.ts"
import { Partitions } from "../replication/Partitions.ts"
import type { HotHandler } from "./Handler.ts"
import { acceptBatch, type RefusedBatch } from "./IncomingBatch.ts"

type TopicAnswer = Partially<ProduceResponse["responses"][number]>
type PartitionAnswer = {
  -readonly [K in keyof NonNullable<TopicAnswer["partitionResponses"]>[number]]: NonNullable<
    TopicAnswer["partitionResponses"]
  >[number][K]
}

interface Services {
  readonly partitions: Partitions["Service"]
  readonly proposer: BatchProposer["Service"]
  readonly deadlines: Deadlines["Service"]
  readonly observation: Observation["Service"]
  readonly quotas: ClientQuotas["Service"]
  readonly nowMillis: () => number
}

/** In `baseOffset` of an answer whose append is still under way. */
const PENDING = -2

/** All fields from the start: one hidden class for every answer. */
const unanswered = (index: number): PartitionAnswer => ({
  index,
  errorCode: ErrorCode.NONE,
  baseOffset: PENDING,
  logAppendTimeMs: -1,
  logStartOffset: -1,
  recordErrors: [],
  errorMessage: null
})

/** Kafka tells where the log starts with every refusal but these. */
const WITHOUT_LOG_START: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.REQUEST_TIMED_OUT
])

class PendingProduce implements AppendWaiter {
  readonly #services: Services
  readonly #request: Request
  readonly #acks: number
  #topics: ReadonlyArray<TopicAnswer & { readonly partitionResponses: ReadonlyArray<PartitionAnswer> }> = []
  #outstanding = 1
  #answered = false
  #deadline: Deadline | undefined
  #failed: ErrorCode = ErrorCode.NONE
  #throttleMs = 0
  #appendedMicros = 0
  #stream = 0

  constructor(services: Services, request: Request, acks: number) {
    this.#services = services
    this.#request = request
    this.#acks = acks
  }

  start(body: ProduceRequest): void {
    const { quotas } = this.#services
    if (quotas.active.produce)
      this.#throttleMs = quotas.produced(this.#request, this.#request.end - this.#request.start)
    const nowMillis = this.#services.nowMillis()
    this.#topics = body.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map((data) => {
        const answer = unanswered(data.index)
        this.#partition(topic.name, topic.topicId, data.index, data.records, answer, nowMillis, body.transactionalId)
        return answer
      })
    }))
    if (this.#acks === 0) return this.#finishUnanswered()
    if (--this.#outstanding === 0) return this.#answer()
    this.#deadline = this.#services.deadlines.add(Math.max(0, body.timeoutMs), () => this.#timedOut())
  }

  copied(): void {
    this.#request.release()
  }

  appended(append: Append, errorCode: ErrorCode): void {
    const answer = append.tag as PartitionAnswer
    if (errorCode === ErrorCode.NONE) {
      answer.baseOffset = append.baseOffset
      this.#appendedMicros = append.appendedMicros
      this.#stream = append.stream
    } else this.#refuse(answer, errorCode)
    if (--this.#outstanding === 0 && this.#acks !== 0) this.#answer()
  }

  #partition(
    name: string,
    topicId: string,
    index: number,
    records: Uint8Array | null,
    answer: PartitionAnswer,
    nowMillis: number,
    transactionalId: string | null
  ): void {
    const { partitions } = this.#services
    const byId = this.#request.apiVersion >= 13
    const partition = byId ? partitions.findById(topicId, index) : partitions.find(name, index)
    if (partition === undefined) {
      const unknown = byId && !partitions.knowsId(topicId)
      return this.#refuse(answer, unknown ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    }
    if (partition.internal && this.#request.clientId !== "__admin_client") {
      return this.#refuse(answer, ErrorCode.INVALID_TOPIC_EXCEPTION)
    }
    answer.logStartOffset = partition.logStartOffset
    const { apiVersion } = this.#request
    const accepted = acceptBatch(records, partition.settings, apiVersion, nowMillis, transactionalId)
    if (!(accepted instanceof Uint8Array)) return this.#refuseBatch(answer, accepted)
    if (partition.settings.timestampType === "LogAppendTime") answer.logAppendTimeMs = nowMillis
    this.#append(partition, accepted, answer)
  }

  #append(partition: Partition, batch: Uint8Array, answer: PartitionAnswer): void {
    if (partition.lacksReplicas && this.#acks === -1) {
      return this.#refuse(answer, ErrorCode.NOT_ENOUGH_REPLICAS)
    }
    this.#outstanding++
    this.#request.retain()
    partition.append(new Append(this, answer, batch, 0, batch.length, this.#acks))
  }

  #refuse(answer: PartitionAnswer, errorCode: ErrorCode): void {
    answer.errorCode = errorCode
    answer.baseOffset = -1
    answer.logAppendTimeMs = -1
    if (WITHOUT_LOG_START.has(errorCode)) answer.logStartOffset = -1
    this.#failed = errorCode
    if (this.#acks === 0 && this.#answered) this.#closeUnanswered()
  }

  #refuseBatch(answer: PartitionAnswer, refused: RefusedBatch): void {
    this.#refuse(answer, refused.errorCode)
    if (refused.beforeLog) answer.logStartOffset = -1
    answer.errorMessage = refused.message
    answer.recordErrors = refused.recordErrors.map((e) => ({
      batchIndex: e.batchIndex,
      batchIndexErrorMessage: e.message
    }))
  }

  #timedOut(): void {
    for (const { partitionResponses } of this.#topics) {
      for (const answer of partitionResponses) {
        if (answer.baseOffset === PENDING) this.#refuse(answer, ErrorCode.REQUEST_TIMED_OUT)
      }
    }
    this.#answer()
  }

  /** The client of acks=0 waits for nothing; it learns of a failure by the end of its connection. */
  #finishUnanswered(): void {
    this.#answered = true
    if (this.#failed !== ErrorCode.NONE) return this.#closeUnanswered()
    this.#request.respondNothing()
  }

  #closeUnanswered(): void {
    const { clientId, connection } = this.#request
    connection.close(
      `a produce request with acks=0 of client ${clientId ?? "(unnamed)"} failed with ${errorName(this.#failed)}; closing the connection is the only way to tell`
    )
  }

  #answer(): void {
    if (this.#answered) return
    this.#answered = true
    const { observation, proposer, deadlines, quotas } = this.#services
    const request = this.#request
    if (quotas.active.time) this.#throttleMs = Math.max(this.#throttleMs, quotas.timeThrottleMs(request))
    if (this.#deadline !== undefined) deadlines.remove(this.#deadline)
    request.respond(
      encodeResponseFrame(ProduceApi, request.apiVersion, request.correlationId, {
        responses: this.#topics,
        throttleTimeMs: this.#throttleMs
      })
    )
    const { writtenMicros, durableMicros, committedMicros } = proposer.times
    observation.recorder.record(
      request.connection.id,
      request.correlationId,
      this.#stream,
      request.end - request.start,
      request.receivedAtMicros,
      this.#appendedMicros,
      writtenMicros,
      durableMicros,
      committedMicros,
      committedMicros === 0 ? monotonicMicros() : committedMicros,
      this.#failed
    )
  }
}

export const make = Effect.gen(function* () {
  const clock = yield* Effect.clockWith(Effect.succeed)
  const services: Services = {
    partitions: yield* Partitions,
    proposer: yield* BatchProposer,
    deadlines: yield* Deadlines,
    observation: yield* Observation,
    quotas: yield* ClientQuotas,
    nowMillis: () => clock.currentTimeMillisUnsafe()
  }
  const handler: HotHandler = {
    api: ProduceApi,
    handleHot: (request) => {
      const body = codecOf(ProduceRequest, request.apiVersion).decode(
        new Reader(request.bytes, request.start, request.end)
      )
      if (body.acks < -1 || body.acks > 1) return respondInvalidAcks(request, body)
      new PendingProduce(services, request, body.acks).start(body)
    }
  }
  return handler
})

const respondInvalidAcks = (request: Request, body: ProduceRequest): void => {
  const responses = body.topicData.map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitionResponses: topic.partitionData.map((data) => ({
      ...unanswered(data.index),
      baseOffset: -1,
      errorCode: ErrorCode.INVALID_REQUIRED_ACKS
    }))
  }))
  request.respond(encodeResponseFrame(ProduceApi, request.apiVersion, request.correlationId, { responses }))
}
