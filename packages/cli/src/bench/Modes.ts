/**
 * The four things a benchmark measures. Each runs on a prepared ground until the meter's end.
 */

import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import { clientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import type { Connection } from "@chronik-effect/server/client/kafka/Connection.ts"
import { fetchOnce, recordsOf, visitBatches } from "@chronik-effect/server/client/kafka/Fetch.ts"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { inspect, type Seen } from "./Content.ts"
import { type Arrivals, drive } from "./Drive.ts"
import { type Ground, type Lane, openLanes } from "./Ground.ts"
import type { Ledger } from "./Ledger.ts"
import type { Meter } from "./Meter.ts"
import type { Plan } from "./Plan.ts"

export interface Field {
  readonly ground: Ground
  readonly plan: Plan
  readonly ledger: Ledger
  /** Made when everything is connected, so that connecting is not measured. */
  readonly startMeter: () => Meter
}

export const produce = (field: Field): Effect.Effect<void, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    const { ground, plan, ledger } = field
    const lanes = yield* openLanes(ground, plan, ledger, plan.concurrency, plan.batchRecords)
    yield* drive({ lanes, meter: field.startMeter(), ledger, rate: plan.rate, unanswered: plan.acks === 0 })
  })

/** Send to arrival: a consumer waits at the end of each partition, and tells the lane of what has come. */
export const roundTrip = (field: Field): Effect.Effect<void, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    const { ground, plan, ledger } = field
    const lanes = yield* openLanes(ground, plan, ledger, plan.concurrency, plan.batchRecords)
    const waiting = new Map<number, Map<number, () => void>>(lanes.map((lane) => [lane.index, new Map()]))
    const arrivals: Arrivals = {
      expect: (lane: Lane, lastSequence, arrived) => waiting.get(lane.index)!.set(lastSequence, arrived)
    }
    const seen: Seen = { tag: 0, lane: 0, sequence: 0, intact: false }
    const take = (bytes: Uint8Array, pos: number): ClientError | undefined => {
      const reader = recordsOf(bytes, pos)
      if (!("next" in reader)) return reader
      while (reader.next()) {
        if (!inspect(reader.bytes, reader.valueStart, reader.valueStart + Math.max(reader.valueLength, 0), seen))
          continue
        if (seen.tag !== ledger.tag) continue
        const lane = waiting.get(seen.lane)
        const arrived = lane?.get(seen.sequence)
        if (arrived === undefined) continue
        lane!.delete(seen.sequence)
        arrived()
      }
      return undefined
    }
    const used = [...new Set(lanes.map((lane) => lane.partition))]
    const tails = yield* Effect.forEach(used, (p) =>
      Effect.forkScoped(tail(ground, plan, p, take), { startImmediately: true })
    )
    const send = drive({
      lanes,
      meter: field.startMeter(),
      ledger,
      rate: plan.rate,
      unanswered: plan.acks === 0,
      arrivals
    })
    // A tail never ends by itself: when one fails, nothing arrives any more.
    yield* Effect.raceAllFirst([send, ...tails.map(Fiber.join)])
  })

const TAIL_WAIT_MS = 500

const tail = (
  ground: Ground,
  plan: Plan,
  partition: number,
  take: (bytes: Uint8Array, pos: number) => ClientError | undefined
): Effect.Effect<never, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    const { client, topic, topicId } = ground
    const connection = yield* client.dedicated(yield* client.leaderAddress(topic, partition))
    let offset = ground.startOffsets[partition]!
    while (true) {
      const from = {
        topic,
        topicId,
        partition,
        offset,
        maxBytes: plan.fetchBytes,
        minBytes: 1,
        maxWaitMs: TAIL_WAIT_MS
      }
      const fetched = yield* fetchOnce(connection, from)
      const next = visitBatches(fetched.records, offset, take)
      if (typeof next !== "number") return yield* next
      offset = next
    }
  })

/** Every connection reads its partition from where the run began to its end, again and again. */
export const consume = (field: Field): Effect.Effect<void, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    const { ground, plan, ledger } = field
    yield* preload(ground, plan, ledger)
    const connections = yield* Effect.forEach(
      Array.from({ length: plan.concurrency }, (_, i) => i % ground.startOffsets.length),
      (partition) =>
        Effect.gen(function* () {
          const address = yield* ground.client.leaderAddress(ground.topic, partition)
          return { connection: yield* ground.client.dedicated(address, { reuseFrames: true }), partition }
        }),
      { concurrency: 32 }
    )
    const meter = field.startMeter()
    yield* Effect.forEach(connections, (one) => readAgain(ground, plan, one.connection, one.partition, meter), {
      concurrency: "unbounded",
      discard: true
    })
  })

/** What a preloaded batch holds at most, whatever the plan's batch size: reading is what is measured. */
const PRELOAD_BATCH_BYTES = 64 * 1024

const preload = (ground: Ground, plan: Plan, ledger: Ledger): Effect.Effect<void, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    if (plan.preloadRecords === 0) return
    const perBatch = Math.max(plan.batchRecords, Math.floor(PRELOAD_BATCH_BYTES / plan.recordBytes), 1)
    const lanes = yield* openLanes(ground, { ...plan, acks: -1 }, ledger, ground.startOffsets.length, perBatch)
    const share = Math.ceil(plan.preloadRecords / lanes.length)
    yield* Effect.forEach(
      lanes,
      (lane) =>
        Effect.gen(function* () {
          while (lane.source.nextSequence < share) {
            const batch = lane.source.next(Date.now())
            const appended = yield* lane.sink.produce(batch)
            ledger.confirmed(lane.index, lane.source.records, appended.baseOffset)
            lane.source.recycle(batch)
          }
        }),
      { concurrency: "unbounded", discard: true }
    )
  })

const readAgain = (
  ground: Ground,
  plan: Plan,
  connection: Connection,
  partition: number,
  meter: Meter
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { topic, topicId } = ground
    const start = ground.firstOffsets[partition]!
    let offset = start
    while (performance.now() < meter.endMs && connection.isOpen) {
      const sentMs = performance.now()
      const from = { topic, topicId, partition, offset, maxBytes: plan.fetchBytes, minBytes: 1, maxWaitMs: 100 }
      const answer = yield* Effect.result(fetchOnce(connection, from))
      if (answer._tag === "Failure") {
        meter.failed(answer.failure)
        offset = start
        continue
      }
      const { records, highWatermark } = answer.success
      const counted = countRecords(records, offset)
      meter.done(sentMs, performance.now(), counted.records, records.length)
      // At the end a fetch would wait for more: from the beginning again.
      offset = counted.records === 0 || counted.next >= highWatermark ? start : counted.next
    }
  })

/** Headers only: the records are checked when they are read back. */
function countRecords(bytes: Uint8Array, offset: number): { readonly records: number; readonly next: number } {
  let records = 0
  let next = offset
  let pos = 0
  while (bytes.length - pos >= RecordBatch.HEADER_BYTES) {
    const size = RecordBatch.sizeInBytes(bytes, pos)
    if (size < RecordBatch.HEADER_BYTES || pos + size > bytes.length) break
    const end = RecordBatch.endOffset(bytes, pos)
    records += RecordBatch.recordsCount(bytes, pos)
    if (end > next) next = end
    pos += size
  }
  return { records, next }
}

/** Metadata of the run's topic, each answer checked for all partitions with a leader. */
export const metadata = (field: Field): Effect.Effect<void, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    const { ground, plan } = field
    const address = yield* ground.client.leaderAddress(ground.topic, 0)
    const connections = yield* Effect.forEach(
      Array.from({ length: plan.concurrency }),
      () => ground.client.dedicated(address),
      { concurrency: 32 }
    )
    const meter = field.startMeter()
    yield* Effect.forEach(connections, (connection) => ask(ground, connection, meter), {
      concurrency: "unbounded",
      discard: true
    })
  })

const ask = (ground: Ground, connection: Connection, meter: Meter): Effect.Effect<void> =>
  Effect.gen(function* () {
    const request = { topics: [{ name: ground.topic }], allowAutoTopicCreation: false }
    const partitions = ground.startOffsets.length
    while (performance.now() < meter.endMs && connection.isOpen) {
      const sentMs = performance.now()
      const answer = yield* Effect.result(connection.request(MetadataApi, request))
      if (answer._tag === "Failure") {
        meter.failed(answer.failure)
        continue
      }
      const topic = answer.success.topics[0]
      const complete =
        topic?.errorCode === ErrorCode.NONE &&
        topic.partitions.length === partitions &&
        topic.partitions.every((partition) => partition.leaderId >= 0)
      if (complete) meter.done(sentMs, performance.now(), 0, 0)
      else meter.failed(clientError("protocol", `Metadata of ${ground.topic} is not complete.`))
    }
  })
