/**
 * Differences in configs.
 */
import type { Difference, Value } from "../Compare.ts"
import { asks, type Rule } from "../Rule.ts"

const TOPIC_OR_BROKER_CONFIG = /(^|\.)configs(\[\]|\.)/

const nameOf = ({ kafka, ours, kafkaAround }: Difference): string => {
  const element = [kafka, ours].find((each) => typeof each === "object" && each !== null && "configSource" in each)
  return String((element as Value | undefined)?.name ?? kafkaAround.find((each) => "configSource" in each)?.name)
}

const isOf = (resourceType: number, { kafkaAround }: Difference): boolean =>
  kafkaAround.some((each) => each.resourceType === resourceType)

const [BROKER, LOGGER, GROUP] = [4, 8, 32]
const TYPES: ReadonlySet<unknown> = new Set([2, BROKER, LOGGER, 16, GROUP])

/** What this broker has not, by the beginning of the names that configure it. */
const NOT_HERE = [
  "sasl.",
  "ssl.",
  "security.",
  "delegation.",
  "connections.max.reauth.ms",
  "connection.failed.authentication.delay.ms",
  "principal.builder.class",
  "authorizer.class.name",
  "early.start.listeners",
  "share.",
  "group.share.",
  "group.streams.",
  "controller.",
  "metadata.",
  "initial.broker.registration.timeout.ms",
  "remote.",
  "follower.fetch.last.tiered.offset.enable",
  "telemetry.",
  "metric",
  "kafka.metrics.",
  "config.providers",
  "alter.config.policy.class.name",
  "create.topic.policy.class.name",
  "client.quota.callback.class",
  "cordoned.log.dirs",
  "socket.connection.setup."
] as const

/** What a node says of itself: where it is and what it was started with. */
const OF_THE_NODE: ReadonlySet<string> = new Set([
  "advertised.listeners",
  "inter.broker.listener.name",
  "listener.security.protocol.map",
  "listeners",
  "log.dir",
  "log.dirs",
  "process.roles",
  "transaction.state.log.min.isr",
  "transaction.state.log.replication.factor"
])

/** Defaults that are other ones on purpose. */
const OTHER_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ["broker.heartbeat.interval.ms", "a node's death is noticed in under a second"],
  ["broker.session.timeout.ms", "a node's death is noticed in under a second"],
  ["group.coordinator.rebalance.protocols", "no streams groups"],
  ["group.initial.rebalance.delay.ms", "the first records come without a pause"],
  ["offsets.topic.replication.factor", "one node alone works as it comes"],
  ["sasl.enabled.mechanisms", "no SASL yet"]
])

/** Names of the script of which there is no resource. */
const MISSING: ReadonlySet<unknown> = new Set(["", "..", "a/b", "unknown"])

export const configRules: ReadonlyArray<Rule> = [
  {
    api: "*",
    path: /configs(\[\]|\.configSource|\.synonyms\[\]|\.synonyms\.source)$/,
    what: "min.insync.replicas: Kafka shows it as a dynamic default of the cluster, ours as the default",
    when: (difference) => nameOf(difference) === "min.insync.replicas",
    reason:
      "Formatting a Kafka with eligible leader replicas writes it into the metadata; ours has nothing written. The value is the same."
  },
  {
    api: "IncrementalAlterConfigs",
    path: /^responses\.(errorCode|errorMessage)$/,
    what: "an operation that does not exist: ours INVALID_REQUEST, Kafka UNKNOWN_SERVER_ERROR, or what another key of the resource deserves",
    when: ({ kafkaAround }, request) =>
      kafkaAround.at(-1)?.errorCode !== 0 &&
      asks(request, ({ configOperation }) => Number(configOperation) < 0 || Number(configOperation) > 3),
    reason:
      "The request is wrong, not the server; of several keys Kafka takes first which its hash map happens to hold first."
  },
  {
    api: "DescribeConfigs",
    path: TOPIC_OR_BROKER_CONFIG,
    what: `broker configs that ours does not have: ${NOT_HERE.join(" ")}`,
    when: (difference) =>
      isOf(BROKER, difference) &&
      difference.ours === undefined &&
      NOT_HERE.some((beginning) => nameOf(difference).startsWith(beginning)),
    reason:
      "They configure SASL, TLS, authorizers, tokens, share and streams groups, KRaft, tiered storage, telemetry and Java classes, which ours has not; a config without effect would mislead."
  },
  {
    api: "DescribeConfigs",
    path: "results.configs[]",
    what: "broker configs that Kafka does not have: allow.everyone.if.no.acl.found and metadata.acks",
    when: ({ kafka, ours }) =>
      kafka === undefined && ["allow.everyone.if.no.acl.found", "metadata.acks"].includes(String((ours as Value).name)),
    reason: "The first is a config of Kafka's authorizer that tools look for; the second is ours alone."
  },
  {
    api: "DescribeConfigs",
    path: TOPIC_OR_BROKER_CONFIG,
    what: `what a node says of itself: ${[...OF_THE_NODE].join(", ")}`,
    when: (difference) => isOf(BROKER, difference) && OF_THE_NODE.has(nameOf(difference)),
    reason: "The two nodes have other addresses and directories, and were started with other settings."
  },
  {
    api: "DescribeConfigs",
    path: /^results\.configs\.(value|synonyms\.value)$/,
    what: `other defaults: ${[...OTHER_DEFAULTS].map(([name, why]) => `${name} (${why})`).join(", ")}`,
    when: (difference) => isOf(BROKER, difference) && OTHER_DEFAULTS.has(nameOf(difference)),
    reason: "Each is another decision, for the reason beside it."
  },
  {
    api: "DescribeConfigs",
    path: "results.configs[]",
    what: "group configs of share and streams groups",
    when: (difference) =>
      isOf(GROUP, difference) && difference.ours === undefined && /^(share|streams)\./.test(nameOf(difference)),
    reason: "There are no such groups."
  },
  {
    api: "DescribeConfigs",
    path: TOPIC_OR_BROKER_CONFIG,
    what: "the levels of loggers: Kafka's Java loggers by name, ours one, root",
    when: (difference) => isOf(LOGGER, difference),
    reason: "They are names of Java packages."
  },
  {
    api: "DescribeConfigs",
    path: /^results/,
    what: "a resource of a type that does not exist: Kafka refuses all resources of the request, ours that one",
    when: (_, request) => asks(request, ({ resourceType }) => resourceType !== undefined && !TYPES.has(resourceType)),
    reason: "The others are well, and each has a code of its own."
  },
  {
    api: "AlterConfigs",
    path: /^responses\.(errorCode|errorMessage)$/,
    what: "replacing the configs of all brokers without min.insync.replicas: Kafka INVALID_CONFIG, ours takes it",
    when: ({ kafkaAround }, request) =>
      kafkaAround.at(-1)?.errorCode === 40 &&
      asks(request, (each) => each.resourceType === BROKER && each.resourceName === ""),
    reason: "Kafka must keep that config for its eligible leader replicas."
  },
  {
    api: "*",
    path: /^responses\.errorCode$/,
    what: "a config that is wrong for a resource that is not there: Kafka INVALID_CONFIG or INVALID_REQUEST, ours the code of the resource",
    when: ({ kafka, ours, kafkaAround }) => {
      const { resourceName } = kafkaAround.at(-1) ?? {}
      return [40, 42].includes(Number(kafka)) && [3, 17, 42].includes(Number(ours)) && MISSING.has(resourceName)
    },
    reason: "Of two mistakes each finds another one first."
  }
]
