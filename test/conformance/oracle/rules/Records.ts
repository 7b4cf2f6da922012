/**
 * Differences in what goes into a log and comes out.
 */
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { asks, attributesOf, type Rule, sentBatches } from "../Rule.ts"

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
    what: "acks=-1 with a timeout of 0 or less: ours REQUEST_TIMED_OUT, Kafka NONE",
    when: ({ kafkaAround }, request) =>
      request.acks === -1 && Number(request.timeoutMs) <= 0 && kafkaAround.at(-1)?.errorCode === 0,
    reason:
      "Ours answers after an fsync, which takes time; Kafka on one node waits for nothing, with replicas it answers the same."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage)$/,
    what: "a batch that claims log append time on a topic with create time: ours INVALID_TIMESTAMP, Kafka stores it with the flag cleared",
    when: (_, request) =>
      sentBatches(request).some((batch) => (attributesOf(batch) & RecordBatch.LOG_APPEND_TIME_FLAG) !== 0),
    reason: "No client sends it; to clear the flag the broker would have to rewrite the batch and its CRC."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage)$/,
    what: "an uncompressed batch with a right CRC and header whose records do not parse: Kafka UNKNOWN_SERVER_ERROR, ours stores it",
    when: ({ kafkaAround }, request) =>
      kafkaAround.at(-1)?.errorCode === -1 &&
      sentBatches(request).some((batch) => batch.getUint8(RecordBatch.RECORDS_AT) === 0xff),
    reason:
      "The CRC shows that the producer meant these bytes; ours reads single records only where a rule of the topic needs it, which is what makes it fast."
  },
  {
    api: "Produce",
    path: /^responses\.partitionResponses\.(errorCode|baseOffset|logStartOffset|errorMessage)$/,
    what: "records with a negative time: Kafka UNKNOWN_SERVER_ERROR, ours stores them",
    when: ({ kafkaAround }, request) =>
      kafkaAround.at(-1)?.errorCode === -1 &&
      sentBatches(request).some((batch) => batch.getBigInt64(RecordBatch.BASE_TIMESTAMP_AT) < -1n),
    reason:
      "Kafka's failure is an exception while it looks at them; the time is the client's, and any number is stored."
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
