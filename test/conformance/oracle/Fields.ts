/**
 * What the fields of answers mean to a comparison: which hold ids, times, endpoints, wording, and where order is no promise.
 *
 * Rules by the name of a field hold in every API, rules by a path (`Api.field.field`) in one. What is not named here is
 * compared as it is.
 */
import type { Kind } from "./Symbols.ts"

export type Meaning =
  | "literal"
  /** Not compared. */
  | "ignored"
  /** A text or none: wording is free, presence is not. */
  | "wording"
  /** The present, as each broker's clock shows it; any other time is literal. */
  | "present"
  | "host"
  | "port"
  | { readonly id: Kind }

const byName: Readonly<Record<string, Meaning>> = {
  throttleTimeMs: "ignored",
  errorMessage: "wording",
  batchIndexErrorMessage: "wording",
  documentation: "wording",
  host: "host",
  port: "port",
  logAppendTimeMs: "present",
  timestamp: "present",
  lastTimestamp: "present",
  clusterId: { id: "cluster" },
  memberId: { id: "member" },
  leader: { id: "member" },
  producerId: { id: "producer" },
  sessionId: { id: "session" },
  logDir: { id: "path" },
  totalBytes: "ignored",
  usableBytes: "ignored",
  finalizedFeaturesEpoch: "ignored"
}

const byPath: Readonly<Record<string, Meaning>> = {}

export const meaningOf = (api: string, path: string, name: string, kind: string): Meaning =>
  byPath[`${api}.${path}`] ?? byName[name] ?? (kind === "uuid" ? { id: "uuid" } : "literal")

/**
 * Arrays whose order is no promise: Kafka builds them from hash maps. Their elements are matched by these fields; "a|b" is
 * the first of the two that is not empty. Without fields the whole elements are matched.
 */
export const unordered: Readonly<Record<string, ReadonlyArray<string>>> = {
  "Produce.responses": ["name|topicId"],
  "Produce.responses.partitionResponses": ["index"],
  "Fetch.responses": ["topic|topicId"],
  "Fetch.responses.partitions": ["partitionIndex"],
  "OffsetCommit.topics": ["name|topicId"],
  "OffsetCommit.topics.partitions": ["partitionIndex"],
  "DescribeGroups.groups": ["groupId"],
  "Metadata.topics": ["name|topicId"],
  "Metadata.topics.partitions": ["partitionIndex"],
  "JoinGroup.members": ["memberId"],
  "DescribeGroups.groups.members": ["memberId"],
  "ListGroups.groups": ["groupId"],
  "ApiVersions.apiKeys": ["apiKey"],
  "ApiVersions.supportedFeatures": ["name"],
  "ApiVersions.finalizedFeatures": ["name"],
  "OffsetFetch.topics": ["name"],
  "OffsetFetch.topics.partitions": ["partitionIndex"],
  "OffsetFetch.groups.topics": ["name|topicId"],
  "OffsetFetch.groups.topics.partitions": ["partitionIndex"],
  "CreateTopics.topics": ["name"],
  "CreateTopics.topics.configs": ["name"],
  "CreatePartitions.results": ["name"],
  "DeleteTopics.responses": ["name|topicId"],
  "DescribeConfigs.results.configs": ["name"],
  "DescribeConfigs.results": ["resourceType", "resourceName"],
  "AlterConfigs.responses": ["resourceType", "resourceName"],
  "IncrementalAlterConfigs.responses": ["resourceType", "resourceName"],
  "ListConfigResources.configResources": ["resourceType", "resourceName"],
  "DescribeLogDirs.results.topics": ["name"],
  "DescribeLogDirs.results.topics.partitions": ["partitionIndex"],
  "ElectLeaders.replicaElectionResults": ["topic"],
  "ElectLeaders.replicaElectionResults.partitionResult": ["partitionId"],
  "DeleteGroups.results": ["groupId"],
  "DeleteRecords.topics": ["name"],
  "DeleteRecords.topics.partitions": ["partitionIndex"],
  "ConsumerGroupDescribe.groups": ["groupId"],
  "ConsumerGroupDescribe.groups.members.assignment.topicPartitions": ["topicId"],
  "ConsumerGroupDescribe.groups.members.targetAssignment.topicPartitions": ["topicId"],
  "ConsumerGroupDescribe.groups.members": ["memberId"],
  "ConsumerGroupHeartbeat.assignment.topicPartitions": ["topicId"],
  "ConsumerGroupHeartbeat.assignment.topicPartitions.partitions": [],
  "ConsumerGroupDescribe.groups.members.assignment.topicPartitions.partitions": [],
  "ConsumerGroupDescribe.groups.members.targetAssignment.topicPartitions.partitions": [],
  "DescribeClientQuotas.entries": ["entity"],
  "DescribeClientQuotas.entries.values": ["key"],
  "DescribeClientQuotas.entries.entity": ["entityType"],
  "AlterClientQuotas.entries": ["entity"],
  "AlterClientQuotas.entries.entity": ["entityType"],
  "OffsetForLeaderEpoch.topics": ["topic"],
  "OffsetForLeaderEpoch.topics.partitions": ["partition"],
  "DescribeProducers.topics.partitions.activeProducers": ["producerId"],
  "ListOffsets.topics": ["name"],
  "ListOffsets.topics.partitions": ["partitionIndex"]
}

/**
 * Lists in which one topic may stand several times, because the partitions that failed come first: such elements are put
 * together before the comparison, by the fields of `unordered`.
 */
export const merged: Readonly<Record<string, string>> = {
  "Fetch.responses": "partitions",
  "ListOffsets.topics": "partitions",
  "Produce.responses": "partitionResponses",
  "OffsetForLeaderEpoch.topics": "partitions",
  "OffsetCommit.topics": "partitions"
}
