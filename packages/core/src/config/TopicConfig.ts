/**
 * The configuration keys of a topic, as Apache Kafka 4.x names them.
 *
 * Every key is accepted, kept and shown; the documentation of a key that changes nothing here says so. A topic's value is its
 * override, else the broker's value under the synonyms, else the default: `topicConfigValue`. The parsed form that the
 * partitions use is `TopicSettings`.
 */
import type { BrokerConfig } from "./BrokerConfig.ts"
import {
  type ConfigDefinition,
  type ConfigType,
  type DefinitionOptions,
  define,
  definitionTable,
  invalidReason,
  LONG_MAX,
  listElements,
  shown
} from "./ConfigDefinition.ts"

const HOUR_MS = 3_600_000
const MIB = 1024 * 1024

/**
 * Upper bound of `max.message.bytes`. A batch is one frame of the write-ahead log and a frame must fit one 16 MiB chunk of the
 * commit ring, with room for the block's header.
 */
export const MAX_MESSAGE_BYTES_LIMIT = 16 * MIB - 64 * 1024

/** The rule of `max.message.bytes` and `message.max.bytes`. */
export const messageBytesProblem = (text: string): string | undefined =>
  BigInt(text) > BigInt(MAX_MESSAGE_BYTES_LIMIT)
    ? `chronik-effect stores a batch in one frame of its log, so a batch may have at most ${MAX_MESSAGE_BYTES_LIMIT} bytes ` +
      "(16 MiB - 64 KiB): choose a smaller value, or let the producer send smaller batches"
    : undefined

/** `partition:broker` pairs, or `*`. */
const throttledReplicasProblem = (text: string): string | undefined =>
  text === "" || text === "*" || listElements(text).every((pair) => /^\d+:\d+$/.test(pair))
    ? undefined
    : "Expected the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."

const topic = (
  name: string,
  type: ConfigType,
  defaultValue: string | number | boolean,
  synonyms: NonNullable<DefinitionOptions["synonyms"]>,
  documentation: string,
  options: DefinitionOptions = {}
): ConfigDefinition =>
  define(name, type, defaultValue, documentation, { ...options, synonyms, mutability: "cluster-wide" })

const RETENTION: ReadonlyArray<ConfigDefinition> = [
  topic(
    "cleanup.policy",
    "list",
    "delete",
    ["log.cleanup.policy"],
    "What happens to old records: delete removes whole segments past the retention limits, compact keeps the last record of each key, both together do both.",
    { values: ["compact", "delete"] }
  ),
  topic(
    "retention.ms",
    "long",
    7 * 24 * HOUR_MS,
    ["log.retention.ms", ["log.retention.minutes", 60_000], ["log.retention.hours", HOUR_MS]],
    "How long records are kept when the policy is delete, by their timestamps; -1 keeps them whatever their age.",
    { min: -1 }
  ),
  topic(
    "retention.bytes",
    "long",
    -1,
    ["log.retention.bytes"],
    "How large one partition may grow before its oldest segments are deleted; -1 sets no limit."
  ),
  topic(
    "delete.retention.ms",
    "long",
    24 * HOUR_MS,
    ["log.cleaner.delete.retention.ms"],
    "How long compaction keeps tombstones, so that a reader from the beginning still sees the deletion.",
    { min: 0 }
  ),
  topic(
    "min.compaction.lag.ms",
    "long",
    0,
    ["log.cleaner.min.compaction.lag.ms"],
    "Records younger than this are not compacted.",
    { min: 0 }
  ),
  topic(
    "max.compaction.lag.ms",
    "long",
    LONG_MAX,
    ["log.cleaner.max.compaction.lag.ms"],
    "A record becomes due for compaction at the latest after this time.",
    { min: 1 }
  ),
  topic(
    "min.cleanable.dirty.ratio",
    "double",
    0.5,
    ["log.cleaner.min.cleanable.ratio"],
    "Share of a compacted log that must be uncompacted before it is compacted again.",
    { min: 0, max: 1 }
  ),
  topic(
    "file.delete.delay.ms",
    "long",
    60_000,
    ["log.segment.delete.delay.ms"],
    "How long the file of a deleted segment stays on disk.",
    { min: 0 }
  )
]

const SEGMENTS: ReadonlyArray<ConfigDefinition> = [
  topic(
    "segment.bytes",
    "int",
    1024 * MIB,
    ["log.segment.bytes"],
    "Size at which a segment file is closed and the next one begins.",
    { min: MIB }
  ),
  topic(
    "segment.ms",
    "long",
    7 * 24 * HOUR_MS,
    ["log.roll.ms", ["log.roll.hours", HOUR_MS]],
    "Age at which a segment file is closed although it is not full, so that retention and compaction can work on it.",
    { min: 1 }
  ),
  topic(
    "segment.jitter.ms",
    "long",
    0,
    ["log.roll.jitter.ms", ["log.roll.jitter.hours", HOUR_MS]],
    "Most that is taken off segment.ms by chance, so that segments are not all closed at once.",
    { min: 0 }
  ),
  topic(
    "segment.index.bytes",
    "int",
    10 * MIB,
    ["log.index.size.max.bytes"],
    "Largest size of the index file of a segment.",
    { min: 4 }
  ),
  topic(
    "index.interval.bytes",
    "int",
    4096,
    ["log.index.interval.bytes"],
    "How many bytes of log lie between two entries of the offset index.",
    { min: 0 }
  ),
  topic(
    "preallocate",
    "boolean",
    false,
    ["log.preallocate"],
    "Kept for Kafka's tools; here the write-ahead log is always preallocated and segment files never are."
  ),
  topic(
    "flush.messages",
    "long",
    LONG_MAX,
    ["log.flush.interval.messages"],
    "Kept for Kafka's tools; here every acknowledged record has been flushed already.",
    { min: 1 }
  ),
  topic(
    "flush.ms",
    "long",
    LONG_MAX,
    ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    "Kept for Kafka's tools; here every acknowledged record has been flushed already.",
    { min: 0 }
  )
]

const RECORDS: ReadonlyArray<ConfigDefinition> = [
  topic(
    "max.message.bytes",
    "int",
    1_048_588,
    ["message.max.bytes"],
    "Largest record batch (after compression) that a producer may send, at most 16 MiB - 64 KiB.",
    { min: 0, check: messageBytesProblem }
  ),
  topic(
    "message.timestamp.type",
    "string",
    "CreateTime",
    ["log.message.timestamp.type"],
    "Whether a record carries the producer's time (CreateTime) or the time of its append (LogAppendTime).",
    { values: ["CreateTime", "LogAppendTime"] }
  ),
  topic(
    "message.timestamp.before.max.ms",
    "long",
    LONG_MAX,
    ["log.message.timestamp.before.max.ms"],
    "How far a record's timestamp may lie before the broker's clock.",
    { min: 0 }
  ),
  topic(
    "message.timestamp.after.max.ms",
    "long",
    HOUR_MS,
    ["log.message.timestamp.after.max.ms"],
    "How far a record's timestamp may lie after the broker's clock.",
    { min: 0 }
  ),
  topic(
    "compression.type",
    "string",
    "producer",
    ["compression.type"],
    "Codec of the stored batches; producer keeps what the producer chose.",
    { values: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"] }
  ),
  topic(
    "compression.gzip.level",
    "int",
    -1,
    ["compression.gzip.level"],
    "Level used where the broker compresses by gzip.",
    {
      check: (text) => (/^(-1|[1-9])$/.test(text) ? undefined : "Value must be between 1 and 9 or equal to -1")
    }
  ),
  topic(
    "compression.lz4.level",
    "int",
    9,
    ["compression.lz4.level"],
    "Level used where the broker compresses by lz4.",
    {
      min: 1,
      max: 17
    }
  ),
  topic(
    "compression.zstd.level",
    "int",
    3,
    ["compression.zstd.level"],
    "Level used where the broker compresses by zstd.",
    {
      min: -131_072,
      max: 22
    }
  )
]

const REPLICATION: ReadonlyArray<ConfigDefinition> = [
  topic(
    "min.insync.replicas",
    "int",
    1,
    ["min.insync.replicas"],
    "How many replicas must be in sync before a produce with acks=all is accepted.",
    { min: 1 }
  ),
  topic(
    "unclean.leader.election.enable",
    "boolean",
    false,
    ["unclean.leader.election.enable"],
    "Whether a replica that may lack acknowledged records can lead when no other replica is left. Records are lost then."
  ),
  topic(
    "leader.replication.throttled.replicas",
    "list",
    "",
    [],
    "Replicas (partition:broker) whose replication is throttled on the sending side.",
    { check: throttledReplicasProblem }
  ),
  topic(
    "follower.replication.throttled.replicas",
    "list",
    "",
    [],
    "Replicas (partition:broker) whose replication is throttled on the receiving side.",
    { check: throttledReplicasProblem }
  )
]

const TIERING = "Kept for Kafka's tools; chronik-effect has no remote storage. "
const remoteUnavailable = (text: string): string | undefined =>
  text.toLowerCase() === "true" ? "Tiered Storage functionality is disabled in the broker" : undefined

const REMOTE: ReadonlyArray<ConfigDefinition> = [
  topic("remote.storage.enable", "boolean", false, [], `${TIERING}Must be false.`, { check: remoteUnavailable }),
  topic("remote.log.copy.disable", "boolean", false, [], `${TIERING}Would stop copying to it.`),
  topic(
    "remote.log.delete.on.disable",
    "boolean",
    false,
    [],
    `${TIERING}Would delete what is there once it is disabled.`
  ),
  topic("local.retention.ms", "long", -2, ["log.local.retention.ms"], `${TIERING}-2 means retention.ms.`, { min: -2 }),
  topic("local.retention.bytes", "long", -2, ["log.local.retention.bytes"], `${TIERING}-2 means retention.bytes.`, {
    min: -2
  })
]

/** All topic keys, by name, in the order of their names. */
export const TOPIC_CONFIGS: ReadonlyMap<string, ConfigDefinition> = definitionTable([
  ...RETENTION,
  ...SEGMENTS,
  ...RECORDS,
  ...REPLICATION,
  ...REMOTE
])

/** The value of a topic's key in force: override, else the broker's (synonyms, then default). */
export const topicConfigValue = (
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig,
  name: string
): string | undefined => {
  const definition = TOPIC_CONFIGS.get(name)
  if (definition === undefined) return undefined
  return overrides.get(name) ?? brokerValueOf(definition, broker)
}

/** What a topic without an override gets for the key from this broker. */
export const brokerValueOf = (definition: ConfigDefinition, broker: BrokerConfig): string => {
  for (const synonym of definition.synonyms) {
    const text = broker.text(synonym.name)
    if (text !== null && text !== undefined) return scaled(text, synonym.factor)
  }
  return definition.default ?? ""
}

const scaled = (text: string, factor: number): string => {
  if (factor === 1) return text
  const value = BigInt(text)
  return String(value < 0n ? -1n : value * BigInt(factor))
}

/**
 * Why this set of overrides is not legal for a topic: the first sentence, or undefined.
 *
 * **Gotchas** also checks what no single key can see: a minimum below its maximum, and unknown names.
 */
export const topicConfigsProblem = (
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig
): string | undefined => {
  for (const [name, text] of overrides) {
    const definition = TOPIC_CONFIGS.get(name)
    if (definition === undefined) return `Unknown topic config name: ${shown(name)}`
    const reason = invalidReason(definition, text)
    if (reason !== undefined) return reason
  }
  const long = (name: string) => BigInt((topicConfigValue(overrides, broker, name) ?? "0").trim())
  const [min, max] = [long("min.compaction.lag.ms"), long("max.compaction.lag.ms")]
  if (min > max) {
    return `conflict topic config setting min.compaction.lag.ms (${min}) > max.compaction.lag.ms (${max})`
  }
  return undefined
}
