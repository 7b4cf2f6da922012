/**
 * The broker configuration keys: those that chronik-effect honours, and those that clients' tools expect to find in
 * DescribeConfigs. Names, types and defaults are Kafka's, except where a lone development broker wants another default
 * (`CLUSTER_DEFAULTS` then holds Kafka's).
 *
 * Keys of Kafka that name Java classes, key stores or its own quorum are left out: they would be answered with values that
 * mean nothing here.
 */
import { GROUP_COORDINATOR_CONFIGS } from "./BrokerGroupConfigs.ts"
import { LOG_CONFIGS } from "./BrokerLogConfigs.ts"
import { TRANSACTION_CONFIGS } from "./BrokerTransactionConfigs.ts"
import { CLUSTER_WIDE, type ConfigDefinition, define, definitionTable, KEPT } from "./ConfigDefinition.ts"

const MIB = 1024 * 1024

const GENERAL: ReadonlyArray<ConfigDefinition> = [
  define("node.id", "int", null, "Id of this node, unique in its cluster.", { min: 0 }),
  define("broker.id", "int", -1, "Older name of node.id.", { min: -1 }),
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
  define("log.dir", "list", "./chronik-data", "Data directory of this node."),
  define("log.dirs", "list", null, "Kafka's list form of log.dir; one directory is supported."),
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
  define("num.network.threads", "int", 3, KEPT, { min: 1, ...CLUSTER_WIDE }),
  define("num.recovery.threads.per.data.dir", "int", 2, KEPT, { min: 1, ...CLUSTER_WIDE }),
  define("num.replica.fetchers", "int", 1, KEPT, { min: 1, ...CLUSTER_WIDE }),
  define("inter.broker.listener.name", "string", null, KEPT),
  define("security.inter.broker.protocol", "string", "PLAINTEXT", KEPT, {
    values: ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
  }),
  define("listener.security.protocol.map", "string", "PLAINTEXT:PLAINTEXT", "Security protocol of each listener name."),
  define("allow.everyone.if.no.acl.found", "boolean", true, KEPT),
  define("ssl.keystore.password", "password", null, KEPT, { mutability: "per-broker" }),
  define("sasl.enabled.mechanisms", "list", "", "SASL mechanisms that clients may use.", { mutability: "per-broker" }),
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
  define("connections.max.idle.ms", "long", 600_000, "A connection silent for this long is closed."),
  define("max.connections", "int", 2_147_483_647, "Connections that this node accepts.", { min: 0, ...CLUSTER_WIDE }),
  define("max.connections.per.ip", "int", 2_147_483_647, "Connections accepted from one address.", {
    min: 0,
    ...CLUSTER_WIDE
  }),
  define("queued.max.requests", "int", 500, KEPT, { min: 1 }),
  define("request.timeout.ms", "int", 30_000, "Longest wait of a request that other nodes must answer.", { min: 0 }),
  define("fetch.max.bytes", "int", 55 * MIB, "Most bytes in the answer to one Fetch.", { min: 1024 }),
  define("queued.max.request.bytes", "long", -1, KEPT),
  define(
    "max.connections.per.ip.overrides",
    "string",
    "",
    `${KEPT}All addresses have the limit max.connections.per.ip.`,
    CLUSTER_WIDE
  ),
  define("max.connection.creation.rate", "int", 2_147_483_647, KEPT, { min: 0, ...CLUSTER_WIDE }),
  define("max.request.partition.size.limit", "int", 2000, "Most partitions in one answer of DescribeTopicPartitions.", {
    min: 1
  }),
  define(
    "fetch.purgatory.purge.interval.requests",
    "int",
    1000,
    `${KEPT}A request that is answered leaves nothing to purge.`
  ),
  define(
    "producer.purgatory.purge.interval.requests",
    "int",
    1000,
    `${KEPT}A request that is answered leaves nothing to purge.`
  ),
  define(
    "delete.records.purgatory.purge.interval.requests",
    "int",
    1,
    `${KEPT}A request that is answered leaves nothing to purge.`
  ),
  define("max.incremental.fetch.session.cache.slots", "int", 1000, "Fetch sessions kept on this node.", { min: 0 })
]

const QUOTAS: ReadonlyArray<ConfigDefinition> = [
  define("quota.window.num", "int", 11, "Samples of a client's rate that are kept to judge it by its quota.", {
    min: 1
  }),
  define("quota.window.size.seconds", "int", 1, "Time that one such sample spans.", { min: 1 }),
  define("controller.quota.window.num", "int", 11, "Samples kept for controller_mutation_rate.", { min: 1 }),
  define("controller.quota.window.size.seconds", "int", 1, "Time that one such sample spans.", { min: 1 }),
  define("replication.quota.window.num", "int", 11, KEPT, { min: 1 }),
  define("replication.quota.window.size.seconds", "int", 1, KEPT, { min: 1 }),
  define("alter.log.dirs.replication.quota.window.num", "int", 11, KEPT, { min: 1 }),
  define("alter.log.dirs.replication.quota.window.size.seconds", "int", 1, KEPT, { min: 1 })
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
  define("replica.fetch.min.bytes", "int", 1, KEPT),
  define("replica.fetch.response.max.bytes", "int", 10 * MIB, KEPT, { min: 0 }),
  define("replica.fetch.backoff.ms", "int", 1000, KEPT, { min: 0 }),
  define("replica.socket.receive.buffer.bytes", "int", 65_536, KEPT),
  define("replica.high.watermark.checkpoint.interval.ms", "long", 5000, KEPT),
  define("num.replica.alter.log.dirs.threads", "int", null, KEPT),
  define("replica.socket.timeout.ms", "int", 30_000, KEPT),
  define("replica.selector.class", "string", null, KEPT),
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

/** All broker keys, by name, in the order of their names. */
export const BROKER_CONFIGS: ReadonlyMap<string, ConfigDefinition> = definitionTable([
  ...GENERAL,
  ...NETWORK,
  ...QUOTAS,
  ...LOG_CONFIGS,
  ...REPLICATION,
  ...GROUP_COORDINATOR_CONFIGS,
  ...TRANSACTION_CONFIGS
])

/** Defaults of a node in a cluster, where they are not those of a lone broker. */
export const CLUSTER_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ["group.initial.rebalance.delay.ms", "3000"],
  ["offsets.topic.replication.factor", "3"],
  ["transaction.state.log.replication.factor", "3"],
  ["transaction.state.log.min.isr", "2"]
])
