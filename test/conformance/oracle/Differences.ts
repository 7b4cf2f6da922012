/**
 * The differences from Apache Kafka that have a reason. `npm run oracle` fails on any other, and reports a rule that has
 * matched nothing; docs/oracle.md is made of this table.
 */
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import type { Difference, Value } from "./Compare.ts"

export interface Rule {
  /** An API's name, or "*" for all. */
  readonly api: string
  /** Inclusive; absent: all versions. */
  readonly versions?: readonly [number, number]
  /** Path of field names; "…[]" is an element that one side lacks; "(connection)" is answered or closed. */
  readonly path: string | RegExp
  /** What exactly is excused, in words for the document. */
  readonly what: string
  readonly when?: (difference: Difference, request: Value) => boolean
  readonly reason: string
}

/** What the script leaves out, because no rule could tell it from a mistake, or because Kafka's answer is not certain. */
export interface NotAsked {
  readonly what: string
  readonly reason: string
}

const isEmpty = (value: unknown): boolean => value === null || value === undefined || value === ""

/** The code of the innermost struct around the field that has one. */
const codeAround = ({ kafkaAround }: Difference): unknown =>
  kafkaAround.findLast((each) => "errorCode" in each)?.errorCode

const asks = (request: Value, wanted: (struct: Value) => boolean): boolean => {
  if (wanted(request)) return true
  return Object.values(request)
    .flatMap((value) => (Array.isArray(value) ? value : [value]))
    .some((value) => typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && asks(value, wanted))
}

/** The records of a Produce request, as views of their header. */
const sentBatches = (request: Value): ReadonlyArray<DataView> => {
  const topics = request.topicData as ReadonlyArray<{ partitionData: ReadonlyArray<{ records: Uint8Array | null }> }>
  return topics
    .flatMap(({ partitionData }) => partitionData.map(({ records }) => records))
    .filter((records): records is Uint8Array => records !== null && records.length >= RecordBatch.HEADER_BYTES)
    .map((records) => new DataView(records.buffer, records.byteOffset, records.length))
}

const attributesOf = (batch: DataView): number => batch.getInt16(RecordBatch.ATTRIBUTES_AT)

/** APIs that Kafka offers and ours does not. */
const NOT_SERVED: ReadonlyMap<number, string> = new Map([
  [17, "no SASL yet"],
  [24, "no transactions yet"],
  [25, "no transactions yet"],
  [26, "no transactions yet"],
  [27, "no transactions yet"],
  [28, "no transactions yet"],
  [34, "one data directory"],
  [36, "no SASL yet"],
  [38, "no delegation tokens"],
  [39, "no delegation tokens"],
  [40, "no delegation tokens"],
  [41, "no delegation tokens"],
  [50, "no SCRAM users yet"],
  [51, "no SCRAM users yet"],
  [55, "the quorum is our own"],
  [57, "no features to update"],
  [64, "no brokers to unregister"],
  [65, "no transactions yet"],
  [66, "no transactions yet"],
  [71, "no sink for clients' telemetry"],
  [72, "no sink for clients' telemetry"],
  [80, "the quorum is our own"],
  [81, "the quorum is our own"]
])
const SHARE_AND_STREAMS_FIRST = 76

const isNotServed = (entry: Value | undefined): boolean => {
  const key = Number(entry?.apiKey)
  return NOT_SERVED.has(key) || (key >= SHARE_AND_STREAMS_FIRST && key <= 92)
}

const NEWER: ReadonlySet<unknown> = new Set([18, 42])

export const rules: ReadonlyArray<Rule> = [
  {
    api: "*",
    path: /(^|\.)(errorMessage|batchIndexErrorMessage)$/,
    what: "ours has a message with an error where Kafka has none",
    when: (difference) => isEmpty(difference.kafka) && !isEmpty(difference.ours) && codeAround(difference) !== 0,
    reason: "Clients put it into their log or exception when it is there; a sentence helps whoever reads that."
  },
  {
    api: "ApiVersions",
    path: "apiKeys[]",
    what: `keys that ours does not offer: ${[...NOT_SERVED].map(([key, why]) => `${key} (${why})`).join(", ")}, 76-92 (no share and streams groups)`,
    when: ({ kafka, ours }) => ours === undefined && isNotServed(kafka as Value),
    reason: "Clients change what they do on the mere presence of a key, so only what is served is offered."
  },
  {
    api: "ApiVersions",
    path: "apiKeys.maxVersion",
    what: "ours offers ApiVersions 5 and DeleteGroups 3",
    when: ({ kafka, ours, kafkaAround }) => Number(ours) === Number(kafka) + 1 && NEWER.has(kafkaAround.at(-1)?.apiKey),
    reason: "They are in Kafka 4.4 and were served early; the peer is 4.3.1."
  },
  {
    api: "ApiVersions",
    path: "apiKeys.minVersion",
    what: "ours offers Produce from version 0",
    when: ({ kafkaAround, ours }) => kafkaAround.at(-1)?.apiKey === 0 && ours === 0,
    reason: "Kafka 4 does so too since KAFKA-18659: a higher minimum makes older librdkafka stop compressing."
  },
  {
    api: "ApiVersions",
    path: /^(supportedFeatures|finalizedFeatures)\[\]$/,
    what: "features other than metadata.version and group.version are not listed",
    when: ({ kafka, ours }) => ours === undefined && !SHARED_FEATURES.has((kafka as Value).name),
    reason:
      "They announce transactions of version 2, share and streams groups, eligible leader replicas, which ours has not."
  },
  {
    api: "Metadata",
    path: /^topics(\.errorCode|\.topicId|\.partitions\[\])$/,
    what: "a topic that the request creates is in the answer at once; Kafka answers UNKNOWN_TOPIC_OR_PARTITION first",
    when: (difference, request) => {
      const topic = difference.kafkaAround.at(-1)
      return request.allowAutoTopicCreation !== false && topic?.errorCode === 3
    },
    reason:
      "Kafka creates it behind the answer and clients ask again after a pause; ours has it in the metadata log by then."
  },
  {
    api: "*",
    path: /configs\.(configSource|synonyms\[\]|synonyms\.source)$/,
    what: "min.insync.replicas: Kafka shows it as a dynamic default of the cluster, ours as the default",
    when: ({ kafkaAround }) => kafkaAround.some(({ name }) => name === "min.insync.replicas"),
    reason:
      "Formatting a Kafka with eligible leader replicas writes it into the metadata; ours has nothing written. The value is the same."
  },
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
    what: "compressed records with a negative time: Kafka UNKNOWN_SERVER_ERROR, ours stores them",
    when: ({ kafkaAround }, request) =>
      kafkaAround.at(-1)?.errorCode === -1 &&
      sentBatches(request).some((batch) => (attributesOf(batch) & RecordBatch.CODEC_MASK) !== 0),
    reason: "Kafka itself stores the same records uncompressed; its failure is an exception while it looks at them."
  },
  {
    api: "Produce",
    path: "responses.partitionResponses.errorCode",
    what: "a codec that does not exist, or compressed bytes that do not decompress: ours INVALID_RECORD, Kafka UNKNOWN_SERVER_ERROR",
    when: ({ kafka, ours }) => kafka === -1 && ours === 87,
    reason:
      "The request is wrong, not the server; UNKNOWN_SERVER_ERROR makes operators look for a fault that is not there."
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
  },
  {
    api: "DescribeLogDirs",
    path: "results.topics.partitions.partitionSize",
    what: "after DeleteRecords ours is smaller",
    when: ({ kafka, ours }) => Number(ours) < Number(kafka),
    reason:
      "Kafka counts the bytes of its files, in which deleted records stay until the whole file goes; ours counts what can be read."
  },
  {
    api: "IncrementalAlterConfigs",
    path: /^responses\.(errorCode|errorMessage)$/,
    what: "an operation that does not exist: ours INVALID_REQUEST, Kafka UNKNOWN_SERVER_ERROR",
    when: ({ kafkaAround }) => kafkaAround.at(-1)?.errorCode === -1,
    reason: "The request is wrong, not the server."
  },
  {
    api: "DescribeProducers",
    path: "topics.partitions.activeProducers.lastTimestamp",
    what: "ours is the broker's clock at the last append, Kafka's the time in the batch",
    when: ({ kafka, ours }) => Number(ours) > Number(kafka),
    reason: "Record times are the client's: a producer with a clock that is wrong would expire at once or never."
  }
]

const SHARED_FEATURES: ReadonlySet<unknown> = new Set(["metadata.version", "group.version"])

export const notAsked: ReadonlyArray<NotAsked> = [
  {
    what: "Produce with null records",
    reason: "Kafka 4.3.1 never answers it; ours says INVALID_RECORD."
  },
  {
    what: "a first commit to a group that is not there in which every offset is refused",
    reason: "Kafka keeps an empty group of it until its next look for expired offsets; ours makes none."
  },
  {
    what: "a tie in the choice of a group's protocol, and who leads when the leader of three or more leaves",
    reason: "Kafka takes whom its hash map happens to hold first; ours takes the first in the order of joining."
  }
]

export const ruleFor = (api: string, version: number, difference: Difference, request: Value): Rule | undefined =>
  rules.find(
    (rule) =>
      (rule.api === "*" || rule.api === api) &&
      (rule.versions === undefined || (version >= rule.versions[0] && version <= rule.versions[1])) &&
      (typeof rule.path === "string" ? rule.path === difference.path : rule.path.test(difference.path)) &&
      (rule.when === undefined || rule.when(difference, request))
  )
