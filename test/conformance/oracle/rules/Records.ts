/**
 * Differences in what goes into a log and comes out.
 */
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { type BatchView, batchesOf } from "../Batches.ts"
import { asks, attributesOf, type Rule, sentBatches } from "../Rule.ts"

const isBeginningOf = (part: ReadonlyArray<BatchView>, whole: ReadonlyArray<BatchView>): boolean =>
  part.length > 0 &&
  part.length < whole.length &&
  part.every(({ baseOffset, records }, at) => whole[at]!.baseOffset === baseOffset && whole[at]!.records === records)

export const recordRules: ReadonlyArray<Rule> = [
  {
    api: "Produce",
    path: "responses.partitionResponses.logAppendTimeMs",
    what: "a batch that comes again: Kafka tells the batch's own time, ours -1 as the first time",
    when: ({ ours, kafka, kafkaAround }) => ours === -1 && Number(kafka) > 0 && kafkaAround.at(-1)?.errorCode === 0,
    reason: "The topic has create time, for which the field is -1; Kafka takes it from what it keeps of the producer."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage)$/,
    what: "a timeout of 0 or less: ours REQUEST_TIMED_OUT, Kafka NONE",
    when: ({ kafkaAround }, request) => Number(request.timeoutMs) <= 0 && kafkaAround.at(-1)?.errorCode === 0,
    reason:
      "Ours answers after an fsync, with acks=1 too, and that takes time; Kafka on one node waits for nothing, with replicas and acks=-1 it answers the same."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage|recordErrors\[\])$/,
    what: "a batch that claims log append time on a topic with create time: ours INVALID_TIMESTAMP, Kafka stores it with the flag cleared",
    when: (_, request) =>
      sentBatches(request).some((batch) => (attributesOf(batch) & RecordBatch.LOG_APPEND_TIME_FLAG) !== 0),
    reason: "No client sends it; to clear the flag the broker would have to rewrite the batch and its CRC."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage)$/,
    what: "records that do not fill their batch, whatever its right CRC: ours INVALID_RECORD, Kafka UNKNOWN_SERVER_ERROR",
    when: ({ kafkaAround }, request) =>
      kafkaAround.at(-1)?.errorCode === -1 &&
      sentBatches(request).some((batch) => batch.getUint8(RecordBatch.RECORDS_AT) === 0xff),
    reason: "Kafka's is an exception where it reads the records; with others that do not fill it answers as ours."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage)$/,
    what: "a record time below -1 on a topic for which the broker compresses anew: Kafka UNKNOWN_SERVER_ERROR, ours stores it",
    when: ({ kafkaAround }, request) =>
      kafkaAround.at(-1)?.errorCode === -1 &&
      sentBatches(request).some(
        (batch) =>
          batch.getBigInt64(RecordBatch.MAX_TIMESTAMP_AT) < -1n ||
          batch.getBigInt64(RecordBatch.BASE_TIMESTAMP_AT) < -1n
      ),
    reason: "Where it does not compress Kafka stores it too; the exception is its batch builder's."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage)$/,
    what: "a negative epoch of a producer that the partition does not know: ours INVALID_PRODUCER_EPOCH, Kafka UNKNOWN_SERVER_ERROR or NONE",
    when: ({ kafkaAround }, request) =>
      [-1, 0].includes(Number(kafkaAround.at(-1)?.errorCode)) &&
      sentBatches(request).some(
        (batch) =>
          batch.getBigInt64(RecordBatch.PRODUCER_ID_AT) >= 0n && batch.getInt16(RecordBatch.PRODUCER_EPOCH_AT) < 0
      ),
    reason: "It is what Kafka answers once it knows the producer; no broker gives out such an epoch."
  },
  {
    api: "Produce",
    path: "responses.partitionResponses.errorCode",
    what: "acks that do not exist, and a partition that does not exist or a codec that the version has not: ours INVALID_REQUIRED_ACKS, Kafka the other code",
    when: ({ kafka, ours }) => ours === 21 && [3, 76, 100].includes(Number(kafka)),
    reason: "Of two mistakes each finds another one first."
  },
  {
    api: "OffsetForLeaderEpoch",
    path: /^topics\.partitions\.(leaderEpoch|endOffset)$/,
    what: "an epoch below -1: Kafka answers it with itself and the first offset, ours with -1",
    when: (_, request) => asks(request, ({ leaderEpoch }) => Number(leaderEpoch) < -1),
    reason: "No leader has such an epoch, so no client can ask for it."
  },
  {
    api: "ListOffsets",
    versions: [7, 11],
    path: /^topics\.partitions\.(timestamp|offset|leaderEpoch)$/,
    what: "the largest timestamp of a log whose first records were deleted: Kafka may name a deleted one, ours the largest that is left, or none",
    when: ({ path, kafka, ours }, request) =>
      (ours === -1 || (path.endsWith("offset") ? Number(kafka) < Number(ours) : Number(kafka) > Number(ours))) &&
      asks(request, ({ timestamp }) => timestamp === -3),
    reason: "It lies before the log start and cannot be read: a client that goes there gets OFFSET_OUT_OF_RANGE."
  },
  {
    api: "Fetch",
    path: "responses.partitions.abortedTransactions",
    what: "read_committed, and no records because a limit is reached: Kafka null, ours an empty list",
    when: ({ kafka, ours, kafkaAround }) =>
      kafka === null && (ours as []).length === 0 && batchesOf(kafkaAround.at(-1)!.records as Uint8Array).length === 0,
    reason: "Kafka has not read anything then; clients take both for none."
  },
  {
    api: "Fetch",
    path: "responses.partitions.records[]",
    what: "Kafka's records of a partition end where a segment does, ours go on with the next one",
    when: ({ kafka, ours }) => isBeginningOf(kafka as ReadonlyArray<BatchView>, ours as ReadonlyArray<BatchView>),
    reason: "An answer within its limits may hold any number of batches; where segments end is each broker's business."
  },
  {
    api: "Fetch",
    path: /./,
    what: "a negative size or an isolation level that does not exist: Kafka UNKNOWN_SERVER_ERROR, ours takes 0",
    when: (_, request) =>
      Number(request.isolationLevel) > 1 ||
      Number(request.maxBytes) < 0 ||
      asks(request, ({ partitionMaxBytes }) => Number(partitionMaxBytes) < 0),
    reason:
      "Kafka's is an exception in the read path that fails the partition, or with a level the whole request. No client sends either."
  }
]
