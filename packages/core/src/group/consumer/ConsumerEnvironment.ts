/**
 * What consumer groups need to know of the world: topics, configuration, regular expressions. All of it is an argument, so
 * that the machine stays pure; the topics of an answer are those of the moment at which it is decided.
 */
import type { ConsumerGroupSettings } from "../../config/GroupConfig.ts"
import type { Assignor } from "../assignor/Assignor.ts"
import { rangeAssignor } from "../assignor/RangeAssignor.ts"
import { uniformAssignor } from "../assignor/UniformAssignor.ts"

export interface TopicView {
  readonly name: string
  readonly topicId: string
  /** How many. */
  readonly partitions: number
}

export interface TopicsView {
  /** Names this state of the topics in records; it never falls. */
  readonly version: number
  readonly topic: (name: string) => TopicView | undefined
  readonly topicById: (topicId: string) => TopicView | undefined
  readonly names: () => Iterable<string>
}

export interface RegexMatcher {
  /** Whether the whole name matches. */
  readonly matches: (name: string) => boolean
}

/** RE2 syntax, in linear time: the expressions are the clients'. `reason`: why it is not a regular expression. */
export type CompileRegex = (pattern: string) => RegexMatcher | { readonly reason: string }

export type AssignorName = "uniform" | "range"

/** `group.consumer.migration.policy`: in which direction a group with members may change its protocol. */
export type MigrationPolicy = "bidirectional" | "upgrade" | "downgrade" | "disabled"

export interface ConsumerEnvironment {
  readonly topics: () => TopicsView
  readonly compileRegex: CompileRegex
  /** What of the broker's and the group's own configuration is in force for a group. */
  readonly settingsOf: (groupId: string) => ConsumerGroupSettings
  /** `group.consumer.max.size` */
  readonly membersMax: number
  /** `group.consumer.assignors`: the first is used where no member prefers one. */
  readonly assignors: ReadonlyArray<AssignorName>
  readonly migrationPolicy: MigrationPolicy
}

export const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = { uniform: uniformAssignor, range: rangeAssignor }

const NO_TOPICS: TopicsView = {
  version: 0,
  topic: () => undefined,
  topicById: () => undefined,
  names: () => []
}

/** Kafka's defaults, without topics and without regular expressions. */
export const defaultConsumerEnvironment: ConsumerEnvironment = {
  topics: () => NO_TOPICS,
  compileRegex: () => ({ reason: "regular expressions are not supported here" }),
  settingsOf: () => ({ heartbeatIntervalMs: 5_000, sessionTimeoutMs: 45_000, assignmentIntervalMs: 1_000 }),
  membersMax: 2_147_483_647,
  assignors: ["uniform", "range"],
  migrationPolicy: "bidirectional"
}

export const mayUpgrade = (policy: MigrationPolicy): boolean => policy === "bidirectional" || policy === "upgrade"

export const mayDowngrade = (policy: MigrationPolicy): boolean => policy === "bidirectional" || policy === "downgrade"

/** Topics that one member may name. */
export const SUBSCRIBED_TOPICS_MAX = 10_000

/** What these names may add up to: they are one record, which must fit a batch. */
export const SUBSCRIBED_CHARACTERS_MAX = 256 * 1024

/** Topic names are shorter. */
export const TOPIC_NAME_LENGTH_MAX = 249

/** Member, instance and rack ids, and regular expressions; records hold them once for each member. */
export const IDENTITY_LENGTH_MAX = 4_096

/** Least time between two looks at all topics for the regular expressions of one group. */
export const REGEX_REFRESH_INTERVAL_MS = 10_000
