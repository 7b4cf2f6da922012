/**
 * Fetching: whole batches of one partition from an offset on, and the records in them.
 *
 * No fetch session: each request names what it wants. Every batch's CRC is checked before its records are looked at.
 *
 * **Bytes** what is handed out are views of the answer's frame, which nobody reuses.
 */
import { EMPTY_BYTES } from "@chronik-effect/core/base/Bytes.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { CompressionFault } from "@chronik-effect/core/record/Compression.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { openRecords, type ReadRecord, type RecordReader } from "@chronik-effect/core/record/Records.ts"
import * as Effect from "effect/Effect"
import { decompress } from "../../io/Compression.ts"
import { brokerError, type ClientError, clientError } from "./ClientError.ts"
import type { Connection } from "./Connection.ts"
import type { KafkaClient } from "./KafkaClient.ts"

export interface FetchFrom {
  readonly topic: string
  /** Needed from version 13 on. */
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  /** Of the whole answer; its first batch comes whole even if it is larger. */
  readonly maxBytes: number
  readonly minBytes: number
  readonly maxWaitMs: number
}

export interface Fetched {
  /** Whole batches, possibly followed by the beginning of one; the first may begin before the asked offset. */
  readonly records: Uint8Array
  readonly highWatermark: number
  readonly logStartOffset: number
}

const READ_COMMITTED = 1
/** No batch that a broker takes decompresses to more. */
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

/** One Fetch request for one partition. */
export const fetchOnce = (connection: Connection, from: FetchFrom): Effect.Effect<Fetched, ClientError> =>
  Effect.gen(function* () {
    const answer = yield* connection.request(
      FetchApi,
      {
        maxWaitMs: from.maxWaitMs,
        minBytes: from.minBytes,
        maxBytes: from.maxBytes,
        isolationLevel: READ_COMMITTED,
        topics: [
          {
            topic: from.topic,
            topicId: from.topicId,
            partitions: [{ partition: from.partition, fetchOffset: from.offset, partitionMaxBytes: from.maxBytes }]
          }
        ]
      },
      from.maxWaitMs
    )
    if (answer.errorCode !== ErrorCode.NONE) return yield* brokerError(answer.errorCode, "Fetch")
    const partition = answer.responses[0]?.partitions[0]
    if (partition === undefined) return { records: EMPTY_BYTES, highWatermark: -1, logStartOffset: -1 }
    if (partition.errorCode !== ErrorCode.NONE) {
      return yield* brokerError(partition.errorCode, `Fetching ${from.topic}-${from.partition} at ${from.offset}`)
    }
    const { highWatermark, logStartOffset } = partition
    return { records: partition.records ?? EMPTY_BYTES, highWatermark, logStartOffset }
  })

/**
 * Visits the whole batches of an answer and gives back the offset to ask for next. Fails on a broken CRC.
 * Control batches are counted over, not visited.
 */
export function visitBatches(
  bytes: Uint8Array,
  offset: number,
  visit: (bytes: Uint8Array, pos: number) => ClientError | undefined
): number | ClientError {
  let next = offset
  let pos = 0
  while (bytes.length - pos >= RecordBatch.HEADER_BYTES) {
    const size = RecordBatch.sizeInBytes(bytes, pos)
    if (size < RecordBatch.HEADER_BYTES) return clientError("protocol", `A batch claims to be ${size} bytes long.`)
    if (pos + size > bytes.length) break
    if (!RecordBatch.verifyCrc(bytes, pos)) {
      return clientError("protocol", `The batch at offset ${RecordBatch.baseOffset(bytes, pos)} has a wrong CRC.`)
    }
    const end = RecordBatch.endOffset(bytes, pos)
    if (end > next) {
      if (!RecordBatch.isControl(bytes, pos)) {
        const problem = visit(bytes, pos)
        if (problem !== undefined) return problem
      }
      next = end
    }
    pos += size
  }
  return next
}

/** A reader over one batch's records, decompressed if need be. */
export function recordsOf(bytes: Uint8Array, pos: number): RecordReader | ClientError {
  const reader = openRecords(bytes, pos, decompress, DECOMPRESSED_BYTES_MAX)
  return reader instanceof CompressionFault
    ? clientError("protocol", `The batch at offset ${RecordBatch.baseOffset(bytes, pos)}: ${reader.message}`)
    : reader
}

/** Every record in [from, end) of a partition, in order: for tests and small topics. */
export const readPartition = (
  client: KafkaClient,
  topic: string,
  partition: number,
  from: number,
  end: number
): Effect.Effect<ReadonlyArray<ReadRecord>, ClientError> =>
  Effect.gen(function* () {
    const records: Array<ReadRecord> = []
    const take = (bytes: Uint8Array, pos: number): ClientError | undefined => {
      const reader = recordsOf(bytes, pos)
      if (!("next" in reader)) return reader
      while (reader.next()) {
        if (reader.offset < from || reader.offset >= end) continue
        const { offset, timestamp } = reader
        records.push({ offset, timestamp, key: reader.key(), value: reader.value(), headers: reader.headers() })
      }
      return reader.malformed ? clientError("protocol", `A batch does not parse: ${reader.problem}.`) : undefined
    }
    let offset = from
    while (offset < end) {
      const fetched = yield* client.atLeader(topic, partition, (connection) =>
        Effect.gen(function* () {
          const { topicId } = yield* client.topic(topic)
          const maxBytes = 4 * 1024 * 1024
          return yield* fetchOnce(connection, {
            topic,
            topicId,
            partition,
            offset,
            maxBytes,
            minBytes: 1,
            maxWaitMs: 500
          })
        })
      )
      const next = visitBatches(fetched.records, offset, take)
      if (typeof next !== "number") return yield* next
      offset = next
    }
    return records
  })
