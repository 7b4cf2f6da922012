/**
 * Broker keys of the log: the defaults that topics inherit under other names, retention, compaction and flushing.
 */
import { CLUSTER_WIDE, type ConfigDefinition, define, KEPT, LONG_MAX } from "./ConfigDefinition.ts"
import { messageBytesProblem } from "./TopicConfig.ts"

const MIB = 1024 * 1024
const HOUR_MS = 3_600_000

export const LOG_CONFIGS: ReadonlyArray<ConfigDefinition> = [
  define("log.cleanup.policy", "list", "delete", "Default of cleanup.policy.", {
    values: ["compact", "delete"],
    ...CLUSTER_WIDE
  }),
  define("log.retention.ms", "long", null, "Default of retention.ms; goes before log.retention.minutes.", {
    min: -1,
    ...CLUSTER_WIDE
  }),
  define("log.retention.minutes", "int", null, "Default of retention.ms in minutes; goes before log.retention.hours.", {
    min: -1
  }),
  define("log.retention.hours", "int", 168, "Default of retention.ms in hours.", { min: -1 }),
  define("log.retention.bytes", "long", -1, "Default of retention.bytes.", CLUSTER_WIDE),
  define("log.retention.check.interval.ms", "long", 300_000, "How often retention looks for segments to delete.", {
    min: 1
  }),
  define("log.segment.bytes", "int", 1024 * MIB, "Default of segment.bytes.", { min: MIB, ...CLUSTER_WIDE }),
  define("log.segment.delete.delay.ms", "long", 60_000, "Default of file.delete.delay.ms.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("log.roll.ms", "long", null, "Default of segment.ms; goes before log.roll.hours.", {
    min: 1,
    ...CLUSTER_WIDE
  }),
  define("log.roll.hours", "int", 168, "Default of segment.ms in hours.", { min: 1 }),
  define("log.roll.jitter.ms", "long", null, "Default of segment.jitter.ms; goes before log.roll.jitter.hours.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("log.roll.jitter.hours", "int", 0, "Default of segment.jitter.ms in hours.", { min: 0 }),
  define("log.index.size.max.bytes", "int", 10 * MIB, "Default of segment.index.bytes.", { min: 4, ...CLUSTER_WIDE }),
  define("log.index.interval.bytes", "int", 4096, "Default of index.interval.bytes.", { min: 0, ...CLUSTER_WIDE }),
  define("log.preallocate", "boolean", false, "Default of preallocate.", CLUSTER_WIDE),
  define("log.flush.interval.messages", "long", LONG_MAX, "Default of flush.messages.", { min: 1, ...CLUSTER_WIDE }),
  define("log.flush.interval.ms", "long", null, "Default of flush.ms.", CLUSTER_WIDE),
  define("log.flush.scheduler.interval.ms", "long", LONG_MAX, KEPT),
  define("log.flush.offset.checkpoint.interval.ms", "int", 60_000, KEPT, { min: 0 }),
  define("log.cleaner.enable", "boolean", true, "Whether compaction runs on this node."),
  define("log.cleaner.threads", "int", 1, KEPT, { min: 0, ...CLUSTER_WIDE }),
  define("log.cleaner.backoff.ms", "long", 15_000, "Pause of compaction when there is nothing to do.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("log.cleaner.io.buffer.size", "int", 524_288, KEPT, { min: 0, ...CLUSTER_WIDE }),
  define("log.cleaner.io.buffer.load.factor", "double", 0.9, KEPT, CLUSTER_WIDE),
  define(
    "log.cleaner.io.max.bytes.per.second",
    "double",
    "1.7976931348623157E308",
    "Most bytes that compaction reads and writes in a second.",
    CLUSTER_WIDE
  ),
  define(
    "log.cleaner.dedupe.buffer.size",
    "long",
    128 * MIB,
    "Memory for the keys of one pass of compaction.",
    CLUSTER_WIDE
  ),
  define("log.cleaner.delete.retention.ms", "long", 24 * HOUR_MS, "Default of delete.retention.ms.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("log.cleaner.min.compaction.lag.ms", "long", 0, "Default of min.compaction.lag.ms.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("log.cleaner.max.compaction.lag.ms", "long", LONG_MAX, "Default of max.compaction.lag.ms.", {
    min: 1,
    ...CLUSTER_WIDE
  }),
  define("log.cleaner.min.cleanable.ratio", "double", 0.5, "Default of min.cleanable.dirty.ratio.", {
    min: 0,
    max: 1,
    ...CLUSTER_WIDE
  }),
  define("log.message.timestamp.type", "string", "CreateTime", "Default of message.timestamp.type.", {
    values: ["CreateTime", "LogAppendTime"],
    ...CLUSTER_WIDE
  }),
  define("log.message.timestamp.before.max.ms", "long", LONG_MAX, "Default of message.timestamp.before.max.ms.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("log.message.timestamp.after.max.ms", "long", HOUR_MS, "Default of message.timestamp.after.max.ms.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("log.flush.start.offset.checkpoint.interval.ms", "int", 60_000, KEPT, { min: 0 }),
  define("log.dir.failure.timeout.ms", "long", 30_000, `${KEPT}A node whose disk fails stops at once.`, { min: 1 }),
  define("log.local.retention.ms", "long", -2, KEPT, { min: -2, ...CLUSTER_WIDE }),
  define("log.local.retention.bytes", "long", -2, KEPT, { min: -2, ...CLUSTER_WIDE }),
  define("message.max.bytes", "int", 1_048_588, "Default of max.message.bytes.", {
    min: 0,
    check: messageBytesProblem,
    ...CLUSTER_WIDE
  }),
  define("compression.type", "string", "producer", "Default of the topic config of this name.", {
    values: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"],
    ...CLUSTER_WIDE
  }),
  define("compression.gzip.level", "int", -1, "Default of the topic config of this name.", {
    min: -1,
    max: 9,
    ...CLUSTER_WIDE
  }),
  define("compression.lz4.level", "int", 9, "Default of the topic config of this name.", {
    min: 1,
    max: 17,
    ...CLUSTER_WIDE
  }),
  define("compression.zstd.level", "int", 3, "Default of the topic config of this name.", {
    min: -131_072,
    max: 22,
    ...CLUSTER_WIDE
  })
]
