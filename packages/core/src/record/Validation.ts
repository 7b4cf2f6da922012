/**
 * What a produced batch must be before it may enter a log: Kafka's rules in Kafka's order.
 *
 * `validateProduceBatch` answers with an `ErrorCode`; the plain path reads the 61 header bytes, the CRC, and of records that are
 * not compressed the lengths. Records are walked (`validateRecords`) where a rule needs it: a compacted topic (every record
 * has a key), a limit on old timestamps, or `walkRecords: true`. The first failed rule in this order decides:
 *
 * 1. shape: exactly one batch (87), of magic 2 (87; an impossible magic or size: 2), before Produce 7 a known codec (-1) and not
 *    zstd (76)
 * 2. base offset 0 (87), size (10), CRC (2), a known codec (-1)
 * 3. count > 0 and = lastOffsetDelta + 1, no control batch, a sequence (87) and an epoch (47) with a producer id, record
 *    keys (87), times (32), records that fill the batch (87)
 * 4. size against the segment (18)
 *
 * Compared with Kafka 4.3.1 on 60 malformed batches. On purpose different: undecodable compressed bytes and record offsets
 * other than 0 … n-1 are 87 (Kafka: -1, or accepted), a negative epoch of a producer that is not known yet is 47 as that of
 * a known one (Kafka: -1), a wrong header is believed on the plain path (Kafka walks every record and mends
 * `maxTimestamp`), and a producer's log-append-time bit is always 32 (Kafka clears it on a create-time topic).
 *
 * It deliberately knows nothing of sequences in order, producer epochs and transactions: that is the producer state's.
 * Bytes stay the caller's and unchanged; a log-append-time topic then calls `setLogAppendTime`. Kafka accepts a cut-off
 * piece of a further batch behind the first and drops it: append exactly `sizeInBytes` bytes, not the whole field.
 */
import { readInt8, readInt32 } from "../base/Bytes.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import { CompressionFault, type Decompressor } from "./Compression.ts"
import * as RecordBatch from "./RecordBatch.ts"
import { openRecords, type RecordReader, recordsFill } from "./Records.ts"

export interface BatchRules {
  /** Of the Produce request. */
  readonly apiVersion: number
  readonly maxMessageBytes: number
  /** Absent: no limit. */
  readonly segmentBytes?: number
  /** Milliseconds. */
  readonly now: number
  readonly timestampType: "CreateTime" | "LogAppendTime"
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  /** `cleanup.policy` contains `compact`. */
  readonly compacted: boolean
  /** Walk every record, also where no rule of the topic needs it. */
  readonly walkRecords?: boolean
  readonly decompress: Decompressor
  readonly decompressedBytesMax: number
}

/** One entry of RecordErrors in the Produce response (version 8 and later). */
export interface RecordError {
  readonly batchIndex: number
  readonly message: string
}

/** Filled in by a rejection; made by the caller, who answers with it. Untouched when the batch is valid. */
export interface Rejection {
  /** ErrorMessage of the Produce response: a sentence. */
  message: string
  readonly recordErrors: Array<RecordError>
}

/** More broken records than this are not listed one by one. */
export const RECORD_ERRORS_MAX = 1000

const RECORD_OVERHEAD_V0 = 14
export const ZSTD_PRODUCE_VERSION_MIN = 7
/** Ages beyond this cannot be exceeded by a time that a producer can write: `message.timestamp.before.max.ms` is off. */
const UNLIMITED_MS = Number.MAX_SAFE_INTEGER

const INCOMPLETE = 0
const CORRUPT = -1

export function makeRejection(): Rejection {
  return { message: "", recordErrors: [] }
}

/** Validates the records field `bytes[start, end)` of a Produce request. */
export function validateProduceBatch(
  bytes: Uint8Array,
  start: number,
  end: number,
  rules: BatchRules,
  rejection?: Rejection
): ErrorCode {
  const shape = validateShape(bytes, start, end, rules.apiVersion, rejection)
  if (shape !== ErrorCode.NONE) return shape
  const content = validateContent(bytes, start, rules, rejection)
  if (content !== ErrorCode.NONE) return content
  const header = validateHeader(bytes, start, rules, rejection)
  if (header !== ErrorCode.NONE) return header
  if (rules.walkRecords === true || rules.compacted || limitsAge(rules)) {
    const records = validateRecords(bytes, start, rules, rejection)
    if (records !== ErrorCode.NONE) return records
  } else if (!fills(bytes, start)) {
    return reject(
      rejection,
      ErrorCode.INVALID_RECORD,
      "The lengths of the records do not fill the record batch: no consumer could read it."
    )
  }
  const size = RecordBatch.sizeInBytes(bytes, start)
  if (rules.segmentBytes !== undefined && size > rules.segmentBytes) {
    return reject(
      rejection,
      ErrorCode.RECORD_LIST_TOO_LARGE,
      `The batch of ${size} bytes is larger than a segment of ${rules.segmentBytes} bytes.`
    )
  }
  // Behind the rules for records, as in Kafka, where it belongs to the producer's state.
  if (
    RecordBatch.producerId(bytes, start) > RecordBatch.NO_PRODUCER_ID &&
    RecordBatch.producerEpoch(bytes, start) < 0
  ) {
    return reject(
      rejection,
      ErrorCode.INVALID_PRODUCER_EPOCH,
      `The record batch has a producer id but ${RecordBatch.producerEpoch(bytes, start)} for its producer epoch.`
    )
  }
  return ErrorCode.NONE
}

/** What is compressed is not looked into: that would cost a produce many times over. */
function fills(bytes: Uint8Array, pos: number): boolean {
  if (RecordBatch.codecId(bytes, pos) !== RecordBatch.Codec.NONE) return true
  const end = pos + RecordBatch.sizeInBytes(bytes, pos)
  return recordsFill(bytes, pos + RecordBatch.RECORDS_AT, end, RecordBatch.recordsCount(bytes, pos))
}

/**
 * Size of the batch at `pos`, as a log reader sees it: INCOMPLETE (0) when the bytes end before it does, CORRUPT (-1) when
 * its length or magic is impossible. Magic 0 and 1 have the same first 17 bytes.
 */
function batchSizeAt(bytes: Uint8Array, pos: number, end: number): number {
  if (end - pos < RecordBatch.LOG_OVERHEAD) return INCOMPLETE
  const length = readInt32(bytes, pos + RecordBatch.BATCH_LENGTH_AT)
  if (length < RECORD_OVERHEAD_V0) return CORRUPT
  if (end - pos <= RecordBatch.MAGIC_AT) return INCOMPLETE
  const magic = readInt8(bytes, pos + RecordBatch.MAGIC_AT)
  if (magic < 0 || magic > RecordBatch.MAGIC) return CORRUPT
  return end - pos < RecordBatch.LOG_OVERHEAD + length ? INCOMPLETE : RecordBatch.LOG_OVERHEAD + length
}

function validateShape(
  bytes: Uint8Array,
  start: number,
  end: number,
  apiVersion: number,
  rejection: Rejection | undefined
): ErrorCode {
  const size = batchSizeAt(bytes, start, end)
  if (size === CORRUPT)
    return reject(rejection, ErrorCode.CORRUPT_MESSAGE, "The records have an impossible length or magic.")
  if (size === INCOMPLETE) {
    return reject(rejection, ErrorCode.INVALID_RECORD, "A produce request needs one whole record batch per partition.")
  }
  if (RecordBatch.magic(bytes, start) !== RecordBatch.MAGIC) {
    return reject(rejection, ErrorCode.INVALID_RECORD, "Only record batches of magic 2 are accepted.")
  }
  if (apiVersion < ZSTD_PRODUCE_VERSION_MIN) {
    const codec = validateCodec(bytes, start, rejection)
    if (codec !== ErrorCode.NONE) return codec
    if (RecordBatch.codecId(bytes, start) === RecordBatch.Codec.ZSTD) {
      return reject(
        rejection,
        ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        `Produce requests of version ${apiVersion} must not use zstd; it needs version ${ZSTD_PRODUCE_VERSION_MIN}.`
      )
    }
  }
  const following = batchSizeAt(bytes, start + size, end)
  if (following === CORRUPT) {
    return reject(rejection, ErrorCode.CORRUPT_MESSAGE, "Bytes that are no record batch follow the first one.")
  }
  if (following !== INCOMPLETE) {
    return reject(
      rejection,
      ErrorCode.INVALID_RECORD,
      "A produce request must have exactly one record batch per partition."
    )
  }
  return ErrorCode.NONE
}

function validateContent(
  bytes: Uint8Array,
  pos: number,
  rules: BatchRules,
  rejection: Rejection | undefined
): ErrorCode {
  const baseOffset = RecordBatch.baseOffset(bytes, pos)
  if (baseOffset !== 0) {
    return reject(
      rejection,
      ErrorCode.INVALID_RECORD,
      `The base offset of a produced batch must be 0, but is ${baseOffset}.`
    )
  }
  const size = RecordBatch.sizeInBytes(bytes, pos)
  if (size > rules.maxMessageBytes) {
    return reject(
      rejection,
      ErrorCode.MESSAGE_TOO_LARGE,
      `The record batch has ${size} bytes, more than max.message.bytes=${rules.maxMessageBytes}.`
    )
  }
  // Also false for a batch that is shorter than its header, so that the rules below may read all of it.
  if (!RecordBatch.verifyCrc(bytes, pos)) {
    return reject(rejection, ErrorCode.CORRUPT_MESSAGE, "The CRC of the record batch is not that of its bytes.")
  }
  return validateCodec(bytes, pos, rejection)
}

function validateCodec(bytes: Uint8Array, pos: number, rejection: Rejection | undefined): ErrorCode {
  const codec = RecordBatch.codecId(bytes, pos)
  return RecordBatch.isCodec(codec)
    ? ErrorCode.NONE
    : reject(rejection, ErrorCode.UNKNOWN_SERVER_ERROR, `Compression codec ${codec} does not exist.`)
}

function validateHeader(
  bytes: Uint8Array,
  pos: number,
  rules: BatchRules,
  rejection: Rejection | undefined
): ErrorCode {
  const count = RecordBatch.recordsCount(bytes, pos)
  const lastOffsetDelta = RecordBatch.lastOffsetDelta(bytes, pos)
  if (count <= 0 || count !== lastOffsetDelta + 1) {
    return reject(
      rejection,
      ErrorCode.INVALID_RECORD,
      `The record batch has the offsets 0 to ${lastOffsetDelta} and announces ${count} records.`
    )
  }
  if (RecordBatch.isControl(bytes, pos)) {
    return reject(rejection, ErrorCode.INVALID_RECORD, "Clients are not allowed to write control records.")
  }
  const sequence = RecordBatch.baseSequence(bytes, pos)
  const producerId = RecordBatch.producerId(bytes, pos)
  // No broker gives out such an id. As a double it would be mixed up with its neighbours, and it cannot be written again.
  if (producerId > Number.MAX_SAFE_INTEGER) {
    return reject(rejection, ErrorCode.INVALID_RECORD, "The record batch has a producer id beyond 2^53.")
  }
  if (producerId > RecordBatch.NO_PRODUCER_ID && sequence < 0) {
    return reject(
      rejection,
      ErrorCode.INVALID_RECORD,
      `The record batch has a producer id but ${sequence} for its sequence number.`
    )
  }
  return validateTimes(bytes, pos, rules, rejection)
}

/** The batch's own times: only the largest is known, so that too old ones need `validateRecords`. */
function validateTimes(bytes: Uint8Array, pos: number, rules: BatchRules, rejection: Rejection | undefined): ErrorCode {
  if (RecordBatch.isLogAppendTime(bytes, pos)) {
    return reject(rejection, ErrorCode.INVALID_TIMESTAMP, "Producers must not set the timestamp type to LogAppendTime.")
  }
  if (rules.timestampType === "LogAppendTime") return ErrorCode.NONE
  const maxTimestamp = RecordBatch.maxTimestamp(bytes, pos)
  if (maxTimestamp > Number.MAX_SAFE_INTEGER) {
    return reject(rejection, ErrorCode.INVALID_TIMESTAMP, "The record batch has a timestamp beyond 2^53.")
  }
  if (maxTimestamp === RecordBatch.NO_TIMESTAMP || !(maxTimestamp - rules.now > rules.timestampAfterMaxMs)) {
    return ErrorCode.NONE
  }
  // The walk names the records; when it finds none (a wrong header) the header alone decides.
  const records = validateRecords(bytes, pos, rules, rejection)
  if (records === ErrorCode.INVALID_TIMESTAMP) return records
  return reject(
    rejection,
    ErrorCode.INVALID_TIMESTAMP,
    timeMessage(maxTimestamp, RecordBatch.lastOffsetDelta(bytes, pos), rules)
  )
}

/**
 * Walks the records of a batch that has passed the header rules: they parse, fill the batch exactly, have the offsets
 * 0 … n-1, carry no attributes, have a key on a compacted topic and a time in range on a create-time topic.
 */
export function validateRecords(bytes: Uint8Array, pos: number, rules: BatchRules, rejection?: Rejection): ErrorCode {
  const reader = openRecords(bytes, pos, rules.decompress, rules.decompressedBytesMax)
  if (reader instanceof CompressionFault) {
    return reader.kind === "tooLarge"
      ? reject(rejection, ErrorCode.MESSAGE_TOO_LARGE, reader.message)
      : reject(rejection, ErrorCode.INVALID_RECORD, reader.message)
  }
  const compressed = RecordBatch.codecId(bytes, pos) !== RecordBatch.Codec.NONE
  const errors: Array<RecordError> = []
  let failed = 0
  let untimely = false
  while (reader.next()) {
    const problem = recordProblem(reader, compressed, rules)
    if (problem === undefined) continue
    failed++
    untimely ||= problem.untimely
    if (errors.length < RECORD_ERRORS_MAX) errors.push({ batchIndex: reader.index, message: problem.message })
  }
  if (reader.malformed)
    return reject(rejection, ErrorCode.INVALID_RECORD, `The records do not parse: ${reader.problem}.`)
  if (failed === 0) return ErrorCode.NONE
  const code = untimely ? ErrorCode.INVALID_TIMESTAMP : ErrorCode.INVALID_RECORD
  const what = untimely
    ? "invalid timestamp"
    : `${failed} record errors in total, the first being: ${errors[0]!.message}`
  reject(rejection, code, `One or more records have been rejected due to ${what}`)
  rejection?.recordErrors.push(...errors)
  return code
}

interface RecordProblem {
  readonly untimely: boolean
  readonly message: string
}

function recordProblem(reader: RecordReader, compressed: boolean, rules: BatchRules): RecordProblem | undefined {
  if (reader.offsetDelta !== reader.index) {
    const message = `Record ${reader.index} has the offset ${reader.offsetDelta} inside its batch.`
    return { untimely: false, message }
  }
  if (compressed && (reader.attributes & RecordBatch.CODEC_MASK) !== 0) {
    return { untimely: false, message: "A record inside a compressed batch must not be compressed itself." }
  }
  if (rules.compacted && reader.keyLength < 0) {
    return { untimely: false, message: "Compacted topic cannot accept message without key." }
  }
  if (rules.timestampType !== "CreateTime" || reader.timestamp === RecordBatch.NO_TIMESTAMP) return undefined
  const age = rules.now - reader.timestamp
  if (!(age > rules.timestampBeforeMaxMs || -age > rules.timestampAfterMaxMs)) return undefined
  return { untimely: true, message: timeMessage(reader.timestamp, reader.offset, rules) }
}

function timeMessage(timestamp: number, offset: number, rules: BatchRules): string {
  const first = rules.now - rules.timestampBeforeMaxMs
  const last = rules.now + rules.timestampAfterMaxMs
  return (
    `Timestamp ${timestamp} of message with offset ${offset} is out of range. ` +
    `The timestamp should be within [${first}, ${last}]`
  )
}

function limitsAge(rules: BatchRules): boolean {
  return rules.timestampType === "CreateTime" && rules.timestampBeforeMaxMs < UNLIMITED_MS
}

function reject(rejection: Rejection | undefined, code: ErrorCode, message: string): ErrorCode {
  if (rejection !== undefined) rejection.message = message
  return code
}
