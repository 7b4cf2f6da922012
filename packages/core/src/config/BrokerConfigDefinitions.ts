/**
 * The broker configuration keys: those that chronik-effect honours, and those that clients' tools expect to find in
 * DescribeConfigs. Names, types and defaults are Kafka's, except where a lone development broker wants another default
 * (`CLUSTER_DEFAULTS` then holds Kafka's).
 *
 * Keys of Kafka that name Java classes, key stores or its own quorum are left out: they would be answered with values that
 * mean nothing here.
 */
import { type ConfigDefinition, define, definitionTable, LONG_MAX, type Mutability } from "./ConfigDefinition.ts"
import { messageBytesProblem } from "./TopicConfig.ts"

const MIB = 1024 * 1024
const HOUR_MS = 3_600_000
const CLUSTER_WIDE = { mutability: "cluster-wide" as Mutability }
const KEPT = "Kept for Kafka's tools; has no effect here. "

const GENERAL: ReadonlyArray<ConfigDefinition> = [
  define("node.id", "int", 1, "Id of this node, unique in its cluster.", { min: 0 }),
  define("broker.id", "int", 1, "Older name of node.id.", { min: 0 }),
  define(
    "process.roles",
    "list",
    "broker,controller",
    `${KEPT}Every node is a broker; the voters are the controllers.`
  ),
  define("broker.rack", "string", null, "Rack of this node: the replicas of a partition are spread over racks."),
  define("listeners", "list", "PLAINTEXT://127.0.0.1:9092", "Addresses on which this node listens for Kafka clients."),
  define(
    "advertised.listeners",
    "list",
    null,
    "Addresses that clients are told to connect to; the listeners' where unset."
  ),
  define("log.dir", "string", "./chronik-data", "Data directory of this node."),
  define("log.dirs", "string", null, "Kafka's list form of log.dir; one directory is supported."),
  define("auto.create.topics.enable", "boolean", true, "Whether a Metadata request creates the topics that it names."),
  define("delete.topic.enable", "boolean", true, "Whether DeleteTopics is allowed."),
  define("num.partitions", "int", 1, "Partitions of a topic that is created without a number.", {
    min: 1,
    max: 100_000
  }),
  define("default.replication.factor", "int", 1, "Replicas of a topic that is created without a number.", {
    min: 1,
    max: 32_767
  }),
  define("background.threads", "int", 10, KEPT, { min: 1, ...CLUSTER_WIDE }),
  define("num.io.threads", "int", 8, KEPT, { min: 1, ...CLUSTER_WIDE }),
  define("num.network.threads", "int", 3, KEPT, { min: 1, mutability: "per-broker" }),
  define("num.recovery.threads.per.data.dir", "int", 2, KEPT, { min: 1, ...CLUSTER_WIDE }),
  define("num.replica.fetchers", "int", 1, KEPT, { min: 1, ...CLUSTER_WIDE }),
  define("inter.broker.listener.name", "string", null, KEPT),
  define("security.inter.broker.protocol", "string", "PLAINTEXT", KEPT, {
    values: ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
  }),
  define("listener.security.protocol.map", "string", "PLAINTEXT:PLAINTEXT", "Security protocol of each listener name."),
  define("allow.everyone.if.no.acl.found", "boolean", true, KEPT),
  define("ssl.keystore.password", "password", null, KEPT, { mutability: "per-broker" }),
  define("sasl.enabled.mechanisms", "list", "", "SASL mechanisms that clients may use.", { mutability: "per-broker" })
]

const NETWORK: ReadonlyArray<ConfigDefinition> = [
  define(
    "socket.request.max.bytes",
    "int",
    100 * MIB,
    "Largest request that is read; a larger one closes its connection.",
    {
      min: 1
    }
  ),
  define("socket.send.buffer.bytes", "int", 102_400, `${KEPT}The system's default is used.`),
  define("socket.receive.buffer.bytes", "int", 102_400, `${KEPT}The system's default is used.`),
  define("socket.listen.backlog.size", "int", 50, "Connections that may wait to be accepted.", { min: 1 }),
  define("connections.max.idle.ms", "long", 600_000, "A connection silent for this long is closed.", CLUSTER_WIDE),
  define("max.connections", "int", 2_147_483_647, "Connections that this node accepts.", { min: 0, ...CLUSTER_WIDE }),
  define("max.connections.per.ip", "int", 2_147_483_647, "Connections accepted from one address.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("queued.max.requests", "int", 500, KEPT, { min: 1 }),
  define("request.timeout.ms", "int", 30_000, "Longest wait of a request that other nodes must answer.", { min: 0 }),
  define("fetch.max.bytes", "int", 55 * MIB, "Most bytes in the answer to one Fetch.", { min: 1024 }),
  define("max.incremental.fetch.session.cache.slots", "int", 1000, "Fetch sessions kept on this node.", { min: 0 })
]

const LOG: ReadonlyArray<ConfigDefinition> = [
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
  define("log.cleaner.dedupe.buffer.size", "long", 128 * MIB, KEPT, CLUSTER_WIDE),
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

const REPLICATION: ReadonlyArray<ConfigDefinition> = [
  define("min.insync.replicas", "int", 1, "Default of the topic config of this name.", { min: 1, ...CLUSTER_WIDE }),
  define("unclean.leader.election.enable", "boolean", false, "Default of the topic config of this name.", CLUSTER_WIDE),
  define(
    "replica.lag.time.max.ms",
    "long",
    30_000,
    "A replica that has not reached the leader's end for this long is out of sync."
  ),
  define("replica.fetch.max.bytes", "int", MIB, KEPT, { min: 0 }),
  define("replica.fetch.wait.max.ms", "int", 500, KEPT),
  define("replica.socket.timeout.ms", "int", 30_000, KEPT),
  define("replica.selector.class", "class", null, KEPT),
  define(
    "auto.leader.rebalance.enable",
    "boolean",
    true,
    "Whether leaderships return to the preferred replicas by themselves."
  ),
  define("leader.imbalance.check.interval.seconds", "long", 300, "How often leaderships are looked at for that.", {
    min: 1
  }),
  define("broker.heartbeat.interval.ms", "int", 100, "How often a node reports to the controller.", { min: 10 }),
  define("broker.session.timeout.ms", "int", 600, "A node silent for this long is fenced.", { min: 50 }),
  define("controlled.shutdown.enable", "boolean", true, KEPT)
]

const GROUPS: ReadonlyArray<ConfigDefinition> = [
  define(
    "group.initial.rebalance.delay.ms",
    "int",
    0,
    "How long the first rebalance of a group waits for more members.",
    { min: 0 }
  ),
  define("group.min.session.timeout.ms", "int", 6000, "Smallest session timeout that a group member may ask for.", {
    min: 0
  }),
  define("group.max.session.timeout.ms", "int", 1_800_000, "Largest session timeout that a group member may ask for.", {
    min: 0
  }),
  define("group.max.size", "int", 2_147_483_647, "Most members of a group.", { min: 1 }),
  define("group.coordinator.rebalance.protocols", "list", "classic", "Group protocols that are served.", {
    values: ["classic", "consumer", "share", "streams"]
  }),
  define(
    "group.consumer.heartbeat.interval.ms",
    "int",
    5000,
    "Heartbeat interval told to members of consumer groups.",
    { min: 1 }
  ),
  define("group.consumer.session.timeout.ms", "int", 45_000, "Session timeout of members of consumer groups.", {
    min: 1
  }),
  define("group.consumer.max.size", "int", 2_147_483_647, "Most members of a consumer group.", { min: 1 }),
  define("offsets.topic.num.partitions", "int", 50, "Partitions of __consumer_offsets, fixed when it is created.", {
    min: 1
  }),
  define("offsets.topic.replication.factor", "short", 1, "Replicas of __consumer_offsets, used when it is created.", {
    min: 1
  }),
  define("offsets.topic.segment.bytes", "int", 100 * MIB, "segment.bytes of __consumer_offsets.", { min: 1 }),
  define("offsets.topic.compression.codec", "int", 0, KEPT, { min: 0, max: 4 }),
  define(
    "offsets.retention.minutes",
    "int",
    10_080,
    "How long committed offsets of a group without members are kept.",
    { min: 1 }
  ),
  define("offsets.retention.check.interval.ms", "long", 600_000, "How often expired offsets are looked for.", {
    min: 1
  }),
  define("offset.metadata.max.bytes", "int", 4096, "Longest metadata string of an offset commit."),
  define("offsets.commit.timeout.ms", "int", 5000, "Longest wait for an offset commit to be replicated.", { min: 1 }),
  define("offsets.load.buffer.size", "int", 5 * MIB, KEPT, { min: 1 })
]

const TRANSACTIONS: ReadonlyArray<ConfigDefinition> = [
  define("transaction.max.timeout.ms", "int", 900_000, "Longest transaction timeout that a producer may ask for.", {
    min: 1
  }),
  define(
    "transaction.state.log.num.partitions",
    "int",
    50,
    "Partitions of __transaction_state, fixed when it is created.",
    { min: 1 }
  ),
  define(
    "transaction.state.log.replication.factor",
    "short",
    1,
    "Replicas of __transaction_state, used when it is created.",
    { min: 1 }
  ),
  define("transaction.state.log.min.isr", "int", 1, "min.insync.replicas of __transaction_state.", { min: 1 }),
  define("transaction.state.log.segment.bytes", "int", 100 * MIB, "segment.bytes of __transaction_state.", { min: 1 }),
  define(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    "int",
    10_000,
    "How often timed-out transactions are looked for.",
    { min: 1 }
  ),
  define("transactional.id.expiration.ms", "int", 604_800_000, "How long an unused transactional id is remembered.", {
    min: 1
  }),
  define(
    "transaction.partition.verification.enable",
    "boolean",
    true,
    "Whether a produce is checked against its transaction.",
    CLUSTER_WIDE
  ),
  define(
    "producer.id.expiration.ms",
    "int",
    86_400_000,
    "How long a partition remembers an idle idempotent producer.",
    { min: 1, ...CLUSTER_WIDE }
  ),
  define(
    "metadata.acks",
    "string",
    "quorum",
    "When a change of configs or quotas is answered: quorum, or leader (may be lost on a fail-over).",
    {
      values: ["quorum", "leader"]
    }
  )
]

/** All broker keys, by name, in the order of their names. */
export const BROKER_CONFIGS: ReadonlyMap<string, ConfigDefinition> = definitionTable([
  ...GENERAL,
  ...NETWORK,
  ...LOG,
  ...REPLICATION,
  ...GROUPS,
  ...TRANSACTIONS
])

/** Defaults of a node in a cluster, where they are not those of a lone broker. */
export const CLUSTER_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ["group.initial.rebalance.delay.ms", "3000"],
  ["offsets.topic.replication.factor", "3"],
  ["transaction.state.log.replication.factor", "3"],
  ["transaction.state.log.min.isr", "2"]
])
