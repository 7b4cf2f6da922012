/**
 * Producing: batches to partitions, with or without a producer id.
 *
 * `ProduceLane` is the fast half: it lays a finished batch into a Produce request on one connection, and is what the
 * benchmark drives. `makeProducer` is the comfortable half: it builds the batch, finds the leader, numbers the batches of an
 * idempotent producer and sends them again with the same number when the answer is lost.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { decodeResponse, encodeRequestFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { ProduceApi, type ProduceResponse } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { InitProducerIdApi } from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import { buildBatch, type RecordInput } from "@chronik-effect/core/record/BatchBuilder.ts"
import type { Codec } from "@chronik-effect/core/record/RecordBatch.ts"
import { incrementSequence } from "@chronik-effect/core/record/RecordBatch.ts"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { compress } from "../../io/Compression.ts"
import { brokerError, ClientError, clientError } from "./ClientError.ts"
import type { Connection } from "./Connection.ts"
import type { KafkaClient } from "./KafkaClient.ts"

export type Acks = -1 | 0 | 1

export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

/** What the broker said about one batch. With acks=0 it says nothing: `baseOffset` is -1. */
export interface Appended {
  readonly partition: number
  readonly baseOffset: number
  readonly logAppendTimeMs: number
}

export interface ProduceTarget {
  readonly topic: string
  /** Needed from version 13 on. */
  readonly topicId: string
  readonly partition: number
}

const NOT_SAID: Omit<Appended, "partition"> = { baseOffset: -1, logAppendTimeMs: -1 }

/** Sends batches to one partition over one connection, any number in flight. */
export class ProduceLane {
  readonly connection: Connection
  readonly target: ProduceTarget
  private readonly acks: Acks
  private readonly timeoutMs: number
  private readonly version: number

  constructor(connection: Connection, target: ProduceTarget, acks: Acks, timeoutMs: number, version: number) {
    this.connection = connection
    this.target = target
    this.acks = acks
    this.timeoutMs = timeoutMs
    this.version = version
  }

  /** Sends one batch; exactly one of the callbacks is called (for acks=0 at once, before the broker has seen it). */
  send(batch: Uint8Array, appended: (answer: Appended) => void, failed: (error: ClientError) => void): void {
    const { connection, target } = this
    const correlationId = connection.takeCorrelationId()
    const parts = encodeRequestFrame(ProduceApi, this.version, correlationId, connection.clientId, {
      acks: this.acks,
      timeoutMs: this.timeoutMs,
      topicData: [
        {
          name: target.topic,
          topicId: target.topicId,
          partitionData: [{ index: target.partition, records: batch }]
        }
      ]
    })
    if (this.acks === 0) {
      const error = connection.submitUnanswered(parts)
      if (error === undefined) appended({ partition: target.partition, ...NOT_SAID })
      else failed(error)
      return
    }
    connection.submit(parts, correlationId, this.timeoutMs, {
      received: (bytes, start, end) => {
        const answer = this.read(bytes, start, end)
        if (answer instanceof ClientError) failed(answer)
        else appended(answer)
      },
      failed
    })
  }

  /** The same as an Effect. */
  produce(batch: Uint8Array): Effect.Effect<Appended, ClientError> {
    return Effect.callback((resume) => {
      this.send(
        batch,
        (answer) => resume(Effect.succeed(answer)),
        (error) => resume(Effect.fail(error))
      )
    })
  }

  private read(bytes: Uint8Array, start: number, end: number): Appended | ClientError {
    const { topic, partition } = this.target
    let answer: ProduceResponse
    try {
      answer = decodeResponse(ProduceApi, this.version, bytes, start, end).value
    } catch (error) {
      return clientError("protocol", `The answer to Produce cannot be read: ${String(error)}`)
    }
    const entry = answer.responses[0]?.partitionResponses[0]
    if (entry === undefined) return clientError("protocol", `The answer to Produce names no partition of ${topic}.`)
    if (entry.errorCode !== ErrorCode.NONE) {
      return brokerError(entry.errorCode, `Producing to ${topic}-${partition}`, entry.errorMessage)
    }
    return { partition, baseOffset: entry.baseOffset, logAppendTimeMs: entry.logAppendTimeMs }
  }
}

/** A lane on this connection, in the newest version that both sides speak. */
export const produceLane = (
  connection: Connection,
  target: ProduceTarget,
  acks: Acks,
  timeoutMs: number
): Effect.Effect<ProduceLane, ClientError> =>
  Effect.suspend(() => {
    const version = connection.versionOf(ProduceApi)
    return typeof version === "number"
      ? Effect.succeed(new ProduceLane(connection, target, acks, timeoutMs, version))
      : Effect.fail(version)
  })

/** A fresh producer id without a transaction. */
export const initProducerId = (client: KafkaClient): Effect.Effect<ProducerIdentity, ClientError> =>
  client.atAny((connection) =>
    Effect.gen(function* () {
      const answer = yield* connection.request(InitProducerIdApi, {
        transactionalId: null,
        transactionTimeoutMs: client.timeoutMs
      })
      if (answer.errorCode !== ErrorCode.NONE) return yield* brokerError(answer.errorCode, "InitProducerId")
      return { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
    })
  )

export interface ProducerOptions {
  /** Default -1: all in-sync replicas. */
  readonly acks?: Acks | undefined
  readonly codec?: Codec | undefined
  /** A producer id and sequences, so that a batch that is sent twice is stored once. Implies acks=-1. */
  readonly idempotent?: boolean | undefined
}

export interface Producer {
  readonly identity: ProducerIdentity | undefined
  /** Sends the records as one batch. Batches of one partition are stored in the order of the calls. */
  readonly send: (
    topic: string,
    partition: number,
    records: ReadonlyArray<RecordInput>
  ) => Effect.Effect<Appended, ClientError>
}

interface PartitionState {
  /** One batch at a time, so that a batch that is sent again cannot overtake. */
  readonly turn: Semaphore.Semaphore
  nextSequence: number
}

export const makeProducer = Effect.fnUntraced(function* (
  client: KafkaClient,
  options: ProducerOptions = {}
): Effect.fn.Return<Producer, ClientError> {
  const acks = options.idempotent === true ? -1 : (options.acks ?? -1)
  const identity = options.idempotent === true ? yield* initProducerId(client) : undefined
  const partitions = new Map<string, PartitionState>()
  const codec = options.codec === undefined ? {} : { codec: options.codec, compress }

  const send: Producer["send"] = (topic, partition, records) =>
    Effect.suspend(() => {
      const key = `${topic}-${partition}`
      const known = partitions.get(key)
      const state = known ?? { turn: Semaphore.makeUnsafe(1), nextSequence: 0 }
      if (known === undefined) partitions.set(key, state)
      return state.turn.withPermits(1)(sendNext(state, topic, partition, records))
    })

  const sendNext = (state: PartitionState, topic: string, partition: number, records: ReadonlyArray<RecordInput>) =>
    Effect.suspend(() => {
      const numbered = identity === undefined ? {} : { ...identity, baseSequence: state.nextSequence }
      const batch = buildBatch(records, { ...codec, ...numbered })
      return client.atLeader(topic, partition, (connection) =>
        Effect.gen(function* () {
          const { topicId } = yield* client.topic(topic)
          const lane = yield* produceLane(connection, { topic, topicId, partition }, acks, client.timeoutMs)
          const appended = yield* lane.produce(batch)
          // Only now: a batch without an answer is sent again under the same number.
          state.nextSequence = incrementSequence(state.nextSequence, records.length)
          return appended
        })
      )
    })

  return { identity, send }
})
