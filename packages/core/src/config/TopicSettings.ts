/**
 * A topic's configuration parsed once, for the code that acts on it at each append and each retention round.
 *
 * Made anew when the topic's configs or the broker's change; immutable in between. "For ever" (2^63-1) is
 * `Number.MAX_SAFE_INTEGER`, "no limit" of the retention keys stays -1, as in Kafka.
 */
import type { BrokerConfig } from "./BrokerConfig.ts"
import { booleanOf, integerOf, listElements } from "./ConfigDefinition.ts"
import { topicConfigValue } from "./TopicConfig.ts"

export type CompressionType = "uncompressed" | "zstd" | "lz4" | "snappy" | "gzip" | "producer"
export type TimestampType = "CreateTime" | "LogAppendTime"

export interface TopicSettings {
  /** Whether `cleanup.policy` names delete: retention applies. */
  readonly deletes: boolean
  /** Whether `cleanup.policy` names compact: keys are required. */
  readonly compacts: boolean
  /** -1: no limit by age. */
  readonly retentionMs: number
  /** -1: no limit by size. */
  readonly retentionBytes: number
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly segmentJitterMs: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  readonly fileDeleteDelayMs: number
  readonly deleteRetentionMs: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly minCleanableDirtyRatio: number
  readonly maxMessageBytes: number
  readonly timestampType: TimestampType
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  readonly compressionType: CompressionType
  readonly compressionGzipLevel: number
  readonly compressionLz4Level: number
  readonly compressionZstdLevel: number
  readonly minInsyncReplicas: number
  readonly uncleanLeaderElection: boolean
}

/**
 * The settings of a topic with these overrides on this broker.
 *
 * **Gotchas** overrides and the broker's values have been validated when they came in: a value that does not parse is a defect.
 */
export const topicSettings = (
  topic: { readonly configs: ReadonlyMap<string, string> },
  broker: BrokerConfig
): TopicSettings => (topic.configs.size === 0 ? inheritedSettings(broker) : settingsOf(topic.configs, broker))

const NONE: ReadonlyMap<string, string> = new Map()
/** A change of the broker's configs reaches every topic, and most have nothing of their own: parsed once for all of them. */
const inherited = new WeakMap<BrokerConfig, TopicSettings>()

const inheritedSettings = (broker: BrokerConfig): TopicSettings => {
  const known = inherited.get(broker)
  if (known !== undefined) return known
  const settings = settingsOf(NONE, broker)
  inherited.set(broker, settings)
  return settings
}

const settingsOf = (overrides: ReadonlyMap<string, string>, broker: BrokerConfig): TopicSettings => {
  const text = (name: string): string => topicConfigValue(overrides, broker, name) ?? ""
  const integer = (name: string): number => integerOf(text(name))
  const policy = listElements(text("cleanup.policy"))
  return {
    deletes: policy.includes("delete"),
    compacts: policy.includes("compact"),
    retentionMs: integer("retention.ms"),
    retentionBytes: integer("retention.bytes"),
    segmentBytes: integer("segment.bytes"),
    segmentMs: integer("segment.ms"),
    segmentJitterMs: integer("segment.jitter.ms"),
    segmentIndexBytes: integer("segment.index.bytes"),
    indexIntervalBytes: integer("index.interval.bytes"),
    fileDeleteDelayMs: integer("file.delete.delay.ms"),
    deleteRetentionMs: integer("delete.retention.ms"),
    minCompactionLagMs: integer("min.compaction.lag.ms"),
    maxCompactionLagMs: integer("max.compaction.lag.ms"),
    minCleanableDirtyRatio: Number(text("min.cleanable.dirty.ratio")),
    maxMessageBytes: integer("max.message.bytes"),
    timestampType: text("message.timestamp.type").trim() as TimestampType,
    timestampBeforeMaxMs: integer("message.timestamp.before.max.ms"),
    timestampAfterMaxMs: integer("message.timestamp.after.max.ms"),
    compressionType: text("compression.type").trim() as CompressionType,
    compressionGzipLevel: integer("compression.gzip.level"),
    compressionLz4Level: integer("compression.lz4.level"),
    compressionZstdLevel: integer("compression.zstd.level"),
    minInsyncReplicas: integer("min.insync.replicas"),
    uncleanLeaderElection: booleanOf(text("unclean.leader.election.enable"))
  }
}
