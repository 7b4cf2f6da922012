/**
 * Broker keys of the group coordinator: classic groups, consumer groups (KIP-848) and committed offsets.
 */
import { CLUSTER_WIDE, type ConfigDefinition, define, KEPT } from "./ConfigDefinition.ts"

const MIB = 1024 * 1024

export const GROUP_COORDINATOR_CONFIGS: ReadonlyArray<ConfigDefinition> = [
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
  define("group.coordinator.rebalance.protocols", "list", "classic,consumer", "Group protocols that are served.", {
    values: ["classic", "consumer", "share", "streams"]
  }),
  define("group.coordinator.threads", "int", 4, `${KEPT}All coordinators run in the one event loop.`, { min: 1 }),
  define("group.coordinator.background.threads", "int", 2, `${KEPT}All coordinators run in the one event loop.`, {
    min: 1
  }),
  define("group.coordinator.append.linger.ms", "int", -1, `${KEPT}What arrives during one sync is one write.`, {
    min: -1
  }),
  define("group.coordinator.cached.buffer.max.bytes", "int", 1_048_588, KEPT, { min: 524_288, ...CLUSTER_WIDE }),
  // --- consumer groups
  define(
    "group.consumer.heartbeat.interval.ms",
    "int",
    5000,
    "Heartbeat interval told to members of consumer groups; a group may have its own (consumer.heartbeat.interval.ms).",
    { min: 1 }
  ),
  define(
    "group.consumer.min.heartbeat.interval.ms",
    "int",
    5000,
    "Smallest heartbeat interval that a consumer group may be given.",
    { min: 1 }
  ),
  define(
    "group.consumer.max.heartbeat.interval.ms",
    "int",
    15_000,
    "Largest heartbeat interval that a consumer group may be given.",
    { min: 1 }
  ),
  define(
    "group.consumer.session.timeout.ms",
    "int",
    45_000,
    "A member of a consumer group that is silent for this long is removed; a group may have its own (consumer.session.timeout.ms).",
    { min: 1 }
  ),
  define(
    "group.consumer.min.session.timeout.ms",
    "int",
    45_000,
    "Smallest session timeout that a consumer group may be given.",
    { min: 1 }
  ),
  define(
    "group.consumer.max.session.timeout.ms",
    "int",
    60_000,
    "Largest session timeout that a consumer group may be given.",
    { min: 1 }
  ),
  define(
    "group.consumer.assignment.interval.ms",
    "int",
    1000,
    "Least time between two computations of a consumer group's assignment; a group may have its own (consumer.assignment.interval.ms).",
    { min: 0, ...CLUSTER_WIDE }
  ),
  define(
    "group.consumer.min.assignment.interval.ms",
    "int",
    0,
    "Smallest assignment interval that a consumer group may be given.",
    { min: 0 }
  ),
  define(
    "group.consumer.max.assignment.interval.ms",
    "int",
    15_000,
    "Largest assignment interval that a consumer group may be given.",
    { min: 0 }
  ),
  define("group.consumer.max.size", "int", 2_147_483_647, "Most members of a consumer group.", { min: 1 }),
  define(
    "group.consumer.assignors",
    "list",
    "uniform,range",
    "Server-side assignors that members may choose; the first is used where none is chosen.",
    { values: ["uniform", "range"] }
  ),
  define(
    "group.consumer.migration.policy",
    "string",
    "bidirectional",
    "Whether a group with members may change between the classic and the consumer protocol: to the newer one (upgrade), to the older one (downgrade), both or none. An empty group always may.",
    { values: ["disabled", "downgrade", "upgrade", "bidirectional"] }
  ),
  // --- offsets
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
