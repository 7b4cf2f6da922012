/**
 * The records field of a produce request, checked and brought into the form in which the topic stores it.
 *
 * Producers' bytes are stored as they came: header and CRC are checked, nothing is copied. Two topic configs change them:
 * `message.timestamp.type=LogAppendTime` stamps the batch in place, and a `compression.type` other than the producer's
 * makes a new batch (10 to 20 times the price of a produce: it is the operator's choice).
 */
import { writeInt16, writeInt32 } from "@chronik-effect/core/base/Bytes.ts"
import type { CompressionType, TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { CompressionFault } from "@chronik-effect/core/record/Compression.ts"
import {
  ATTRIBUTES_AT,
  attributes,
  BATCH_LENGTH_AT,
  CODEC_MASK,
  Codec,
  codecId,
  HEADER_BYTES,
  isTransactional,
  LOG_OVERHEAD,
  MAGIC,
  magic,
  RECORDS_AT,
  setLogAppendTime,
  sizeInBytes,
  updateCrc
} from "@chronik-effect/core/record/RecordBatch.ts"
import {
  type BatchRules,
  makeRejection,
  type RecordError,
  validateProduceBatch,
  ZSTD_PRODUCE_VERSION_MIN
} from "@chronik-effect/core/record/Validation.ts"
import { compress, decompress } from "../io/Compression.ts"

export interface RefusedBatch {
  /** Already the shape of the request is wrong, so the partition was not even looked at: its log start is not told. */
  readonly beforeLog: boolean
  readonly errorCode: ErrorCode
  readonly message: string
  readonly recordErrors: ReadonlyArray<RecordError>
}

/** A compressed batch may hold at most this much: beyond it is taken for an attack. */
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

/** Nobody coordinates transactions here: stored, the batch would lie in one that never ends, as soon as somebody does. */
const NO_TRANSACTION: RefusedBatch = {
  beforeLog: true,
  errorCode: ErrorCode.INVALID_TXN_STATE,
  message: "The record batch belongs to a transaction, and this broker has none open: it does not serve transactions.",
  recordErrors: []
}

/** Kafka asks for the authorization of a transactional id, and there is none to be authorized. */
const NO_TRANSACTIONAL_ID: RefusedBatch = {
  beforeLog: true,
  errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  message: "The record batch belongs to a transaction, and the request names no transactional id.",
  recordErrors: []
}

const CODEC_OF: Record<Exclude<CompressionType, "producer">, Codec> = {
  uncompressed: Codec.NONE,
  gzip: Codec.GZIP,
  snappy: Codec.SNAPPY,
  lz4: Codec.LZ4,
  zstd: Codec.ZSTD
}

/** The batch as it is to be stored (a view of `records`, or memory of its own), or why it is not. */
export const acceptBatch = (
  records: Uint8Array | null,
  settings: TopicSettings,
  apiVersion: number,
  nowMillis: number,
  transactionalId: string | null
): Uint8Array | RefusedBatch => {
  if (records === null) {
    return {
      beforeLog: true,
      errorCode: ErrorCode.INVALID_RECORD,
      message: "The request names a partition without records.",
      recordErrors: []
    }
  }
  if (transactionalId === null && seemsTransactional(records)) return NO_TRANSACTIONAL_ID
  const errorCode = validateProduceBatch(records, 0, records.length, rulesOf(settings, apiVersion, nowMillis))
  if (errorCode !== ErrorCode.NONE) return explained(records, settings, apiVersion, nowMillis)
  if (isTransactional(records, 0)) return NO_TRANSACTION
  const size = sizeInBytes(records, 0)
  let bytes = size === records.length ? records : records.subarray(0, size)
  if (settings.compressionType !== "producer" && CODEC_OF[settings.compressionType] !== codecId(bytes, 0)) {
    const recompressed = recompress(bytes, CODEC_OF[settings.compressionType])
    if (recompressed instanceof CompressionFault) {
      return refuse(ErrorCode.CORRUPT_MESSAGE, recompressed.message)
    }
    if (recompressed.length > settings.maxMessageBytes) {
      const message = `The batch has ${recompressed.length} bytes after recompression, more than max.message.bytes=${settings.maxMessageBytes}.`
      return refuse(ErrorCode.MESSAGE_TOO_LARGE, message)
    }
    bytes = recompressed
  }
  if (settings.timestampType === "LogAppendTime") setLogAppendTime(bytes, 0, nowMillis)
  return bytes
}

/** Kafka asks who writes before it looks at what is written. */
const seemsTransactional = (records: Uint8Array): boolean =>
  records.length >= HEADER_BYTES && magic(records, 0) === MAGIC && isTransactional(records, 0)

const refuse = (errorCode: ErrorCode, message: string): RefusedBatch => ({
  beforeLog: false,
  errorCode,
  message,
  recordErrors: []
})

/** The refused batch once more, with the reasons written down: the usual path has no object for them. */
const explained = (
  records: Uint8Array,
  settings: TopicSettings,
  apiVersion: number,
  nowMillis: number
): RefusedBatch => {
  const rejection = makeRejection()
  const errorCode = validateProduceBatch(
    records,
    0,
    records.length,
    rulesOf(settings, apiVersion, nowMillis),
    rejection
  )
  const { message, recordErrors } = rejection
  return { beforeLog: isMisshapen(records, errorCode, apiVersion), errorCode, message, recordErrors }
}

/**
 * Not exactly one whole batch of magic 2, of a codec that the version knows: Kafka looks at that before it looks for the log. A
 * piece of another batch behind it does no harm.
 */
const isMisshapen = (records: Uint8Array, errorCode: ErrorCode, apiVersion: number): boolean => {
  if (errorCode === ErrorCode.UNSUPPORTED_COMPRESSION_TYPE || records.length < HEADER_BYTES) return true
  if (errorCode === ErrorCode.UNKNOWN_SERVER_ERROR && apiVersion < ZSTD_PRODUCE_VERSION_MIN) return true
  const size = sizeInBytes(records, 0)
  const behind = records.length - size
  return magic(records, 0) !== MAGIC || behind < 0 || (behind >= HEADER_BYTES && behind >= sizeInBytes(records, size))
}

/** One object for all calls: it does not outlive the validation that it is made for, and nothing suspends in between. */
const rules: { -readonly [K in keyof BatchRules]: BatchRules[K] } = {
  apiVersion: 0,
  now: 0,
  maxMessageBytes: 0,
  segmentBytes: 0,
  timestampType: "CreateTime",
  timestampBeforeMaxMs: 0,
  timestampAfterMaxMs: 0,
  compacted: false,
  decompress,
  decompressedBytesMax: DECOMPRESSED_BYTES_MAX
}

const rulesOf = (settings: TopicSettings, apiVersion: number, now: number): BatchRules => {
  rules.apiVersion = apiVersion
  rules.now = now
  rules.maxMessageBytes = settings.maxMessageBytes
  rules.segmentBytes = settings.segmentBytes
  rules.timestampType = settings.timestampType
  rules.timestampBeforeMaxMs = settings.timestampBeforeMaxMs
  rules.timestampAfterMaxMs = settings.timestampAfterMaxMs
  rules.compacted = settings.compacts
  return rules
}

const recompress = (bytes: Uint8Array, codec: Codec): Uint8Array | CompressionFault => {
  const records = decompress(codecId(bytes, 0) as Codec, bytes.subarray(RECORDS_AT), DECOMPRESSED_BYTES_MAX)
  if (records instanceof CompressionFault) return records
  const body = compress(codec, records)
  const batch = new Uint8Array(HEADER_BYTES + body.length)
  batch.set(bytes.subarray(0, HEADER_BYTES))
  batch.set(body, HEADER_BYTES)
  writeInt32(batch, BATCH_LENGTH_AT, batch.length - LOG_OVERHEAD)
  writeInt16(batch, ATTRIBUTES_AT, (attributes(batch, 0) & ~CODEC_MASK) | codec)
  updateCrc(batch, 0)
  return batch
}
