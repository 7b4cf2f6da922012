/**
 * Differences in what is offered, and in administration.
 */
import type { Value } from "../Compare.ts"
import { codeAround, isEmpty, type Rule } from "../Rule.ts"

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

const SHARED_FEATURES: ReadonlySet<unknown> = new Set(["metadata.version", "group.version"])

export const administrationRules: ReadonlyArray<Rule> = [
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
    api: "DescribeLogDirs",
    path: "results.topics.partitions.partitionSize",
    what: "ours is smaller after DeleteRecords, and differs by a little where the broker itself compresses",
    when: ({ kafka, ours }) => Number(ours) < Number(kafka) * 1.2,
    reason:
      "Kafka counts the bytes of its files, in which deleted records stay until the whole file goes; ours counts what can be read. The compressors are others."
  },
  {
    api: "DescribeProducers",
    path: "topics.partitions.activeProducers.lastTimestamp",
    what: "ours is the broker's clock at the last append, Kafka's the time in the batch",
    when: ({ kafka, ours }) => Number(ours) > Number(kafka),
    reason: "Record times are the client's: a producer with a clock that is wrong would expire at once or never."
  },
  {
    api: "DescribeTopicPartitions",
    path: /^(topics|nextCursor)/,
    what: "a topic without a name: Kafka UNKNOWN_SERVER_ERROR for all topics of the request, ours INVALID_TOPIC_EXCEPTION for that one",
    when: (_, request) => (request.topics as ReadonlyArray<Value>).some(({ name }) => name === ""),
    reason: "Kafka's is an exception; the other topics of the request are well."
  },
  {
    api: "ElectLeaders",
    path: "errorCode",
    what: "an election type that does not exist, with no partition named: ours INVALID_REQUEST, Kafka NONE",
    when: (_, { topicPartitions }) => Array.isArray(topicPartitions) && topicPartitions.length === 0,
    reason: "The type is wrong whatever it is asked for."
  },
  {
    api: "Metadata",
    versions: [10, 11],
    path: /./,
    what: "topics asked by id: both refuse each with INVALID_REQUEST, Kafka's answer names no broker and no cluster",
    when: (_, request) => ((request.topics ?? []) as ReadonlyArray<Value>).some(({ name }) => name === null),
    reason: "The field is there since version 10 and may be used since 12; no client sends it before."
  },
  {
    api: "*",
    path: "topics.topicAuthorizedOperations",
    what: "a topic in error: Kafka tells operations that would be allowed on it, ours none",
    when: (difference) => codeAround(difference) !== 0,
    reason: "Clients do not look at them; without an authorizer the value says nothing."
  },
  {
    api: "DescribeClientQuotas",
    path: "errorCode",
    what: "a component with an unknown entity type and another mistake: Kafka UNSUPPORTED_VERSION, ours INVALID_REQUEST",
    when: ({ kafka, ours }, { components }) =>
      kafka === 35 &&
      ours === 42 &&
      (components as ReadonlyArray<Value>).some(({ entityType }) => entityType === "nonsense"),
    reason: "Of two mistakes each finds another one first."
  },
  {
    api: "AlterClientQuotas",
    path: "entries[]",
    what: "an entity that is named twice: Kafka answers it once, ours twice",
    when: ({ kafka }) => kafka === undefined,
    reason: "The second entry is not applied, and its answer says so."
  },
  {
    api: "AlterPartitionReassignments",
    path: "allowReplicationFactorChange",
    what: "a request without topics that says false: Kafka answers true",
    when: ({ kafka, ours }, { topics }) => kafka === true && ours === false && (topics as []).length === 0,
    reason: "Kafka answers such a request before it looks at the field."
  }
]
