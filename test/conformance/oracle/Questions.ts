/**
 * One plausible request for each API, from which every version is asked of a real Kafka. Fields that a version lacks
 * are left out by `pruned`. The topic that it is about exists when these are asked.
 */
import { type Fields, type FieldType, includes, type Message } from "@chronik-effect/core/protocol/Descriptor.ts"

type Value = Record<string, unknown>

/** Places in the questions for what only the caller can tell: see `filled`. */
const topic = Symbol("topic")
const groupId = Symbol("group id")
const otherGroupId = Symbol("another group id")
const otherTopic = Symbol("another topic")
const topicId = Symbol("topic id")
const batch = Symbol("batch")

const questions: Readonly<Record<string, Value>> = {
  Produce: {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: topic, topicId, partitionData: [{ index: 0, records: batch }] }]
  },
  Fetch: {
    maxWaitMs: 10,
    maxBytes: 1000,
    sessionEpoch: -1,
    topics: [{ topic, topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 300 }] }]
  },
  ListOffsets: { replicaId: -1, topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }] },
  Metadata: { topics: [{ name: topic }], includeTopicAuthorizedOperations: true },
  OffsetCommit: {
    groupId,
    generationIdOrMemberEpoch: -1,
    topics: [{ name: topic, topicId, partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "m" }] }]
  },
  OffsetFetch: {
    groupId,
    topics: [{ name: topic, partitionIndexes: [0, 1] }],
    groups: [{ groupId, topics: [{ name: topic, topicId, partitionIndexes: [0, 1] }] }]
  },
  FindCoordinator: { key: groupId, coordinatorKeys: [groupId] },
  // Of a member that is not there: one that joins would stay.
  JoinGroup: {
    groupId: otherGroupId,
    memberId: "nobody",
    sessionTimeoutMs: 6000,
    rebalanceTimeoutMs: 500,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array([0, 1]) }]
  },
  Heartbeat: { groupId, generationId: 3, memberId: "nobody" },
  LeaveGroup: { groupId, memberId: "nobody", members: [{ memberId: "nobody" }] },
  SyncGroup: { groupId, generationId: 3, memberId: "nobody", protocolType: "consumer", protocolName: "range" },
  DescribeGroups: { groups: [groupId, "unknown-group"], includeAuthorizedOperations: true },
  ListGroups: {},
  SaslHandshake: { mechanism: "PLAIN" },
  ApiVersions: { clientSoftwareName: "chronik", clientSoftwareVersion: "1" },
  CreateTopics: {
    topics: [
      { name: otherTopic, numPartitions: 2, replicationFactor: 1, configs: [{ name: "retention.ms", value: "9" }] }
    ],
    timeoutMs: 1000,
    validateOnly: true
  },
  DeleteTopics: { topics: [{ name: "unknown" }], topicNames: ["unknown"], timeoutMs: 500 },
  DeleteRecords: { topics: [{ name: topic, partitions: [{ partitionIndex: 1, offset: -1 }] }], timeoutMs: 500 },
  InitProducerId: { transactionalId: null, transactionTimeoutMs: 1000 },
  OffsetForLeaderEpoch: { topics: [{ topic, partitions: [{ partition: 0, leaderEpoch: 0 }] }] },
  AddPartitionsToTxn: {
    v3AndBelowTransactionalId: "golden-txn",
    v3AndBelowProducerId: 7,
    v3AndBelowTopics: [{ name: topic, partitions: [0] }],
    transactions: [{ transactionalId: "golden-txn", producerId: 7, topics: [{ name: topic, partitions: [0] }] }]
  },
  AddOffsetsToTxn: { transactionalId: "golden-txn", producerId: 7, groupId },
  EndTxn: { transactionalId: "golden-txn", producerId: 7, committed: true },
  WriteTxnMarkers: {
    markers: [{ producerId: 7, producerEpoch: 1, topics: [{ name: topic, partitionIndexes: [1] }] }]
  },
  TxnOffsetCommit: {
    transactionalId: "golden-txn",
    groupId,
    producerId: 7,
    topics: [{ name: topic, topicId, partitions: [{ partitionIndex: 0, committedOffset: 1 }] }]
  },
  DescribeAcls: { resourceTypeFilter: 2, operation: 2, permissionType: 3, patternTypeFilter: 3 },
  CreateAcls: {
    creations: [
      {
        resourceType: 2,
        resourceName: topic,
        resourcePatternType: 3,
        principal: "User:a",
        host: "*",
        operation: 3,
        permissionType: 3
      }
    ]
  },
  DeleteAcls: { filters: [{ resourceTypeFilter: 2, patternTypeFilter: 3, operation: 2, permissionType: 3 }] },
  DescribeConfigs: {
    resources: [{ resourceType: 2, resourceName: topic, configurationKeys: ["retention.ms", "cleanup.policy"] }],
    includeSynonyms: true,
    includeDocumentation: true
  },
  AlterConfigs: {
    resources: [{ resourceType: 2, resourceName: topic, configs: [{ name: "retention.ms", value: "900000000" }] }],
    validateOnly: true
  },
  AlterReplicaLogDirs: { dirs: [{ path: "/nowhere", topics: [{ name: topic, partitions: [0] }] }] },
  DescribeLogDirs: { topics: [{ topic, partitions: [0] }] },
  SaslAuthenticate: { authBytes: new Uint8Array([0]) },
  CreatePartitions: { topics: [{ name: topic, count: 9 }], timeoutMs: 500, validateOnly: true },
  CreateDelegationToken: { maxLifetimeMs: -1 },
  RenewDelegationToken: { hmac: new Uint8Array([1]) },
  ExpireDelegationToken: { hmac: new Uint8Array([1]) },
  DescribeDelegationToken: { owners: null },
  DeleteGroups: { groupsNames: ["unknown-group"] },
  ElectLeaders: { topicPartitions: [{ topic, partitions: [0] }], timeoutMs: 500 },
  IncrementalAlterConfigs: {
    resources: [
      {
        resourceType: 2,
        resourceName: topic,
        configs: [{ name: "retention.ms", configOperation: 0, value: "900000000" }]
      }
    ],
    validateOnly: true
  },
  AlterPartitionReassignments: {
    timeoutMs: 500,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, replicas: null }] }]
  },
  ListPartitionReassignments: { timeoutMs: 500, topics: null },
  OffsetDelete: { groupId, topics: [{ name: topic, partitions: [{ partitionIndex: 1 }] }] },
  DescribeClientQuotas: { components: [] },
  AlterClientQuotas: {
    entries: [{ entity: [{ entityType: "user", entityName: "u" }], ops: [{ key: "producer_byte_rate", value: 1.5 }] }],
    validateOnly: true
  },
  DescribeUserScramCredentials: { users: [{ name: "nobody" }] },
  AlterUserScramCredentials: { deletions: [{ name: "nobody", mechanism: 1 }] },
  UpdateFeatures: {
    timeoutMs: 500,
    featureUpdates: [{ feature: "transaction.version", maxVersionLevel: 2, upgradeType: 1 }],
    validateOnly: true
  },
  DescribeCluster: { includeClusterAuthorizedOperations: true },
  DescribeProducers: { topics: [{ name: topic, partitionIndexes: [0] }] },
  DescribeTransactions: { transactionalIds: ["golden-txn"] },
  ListTransactions: { stateFilters: ["Ongoing", "Nonsense"] },
  ConsumerGroupHeartbeat: {
    groupId: otherGroupId,
    memberId: "AAAAAAAAAAAAAAAAAAAAAQ",
    memberEpoch: 7,
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: [topic],
    topicPartitions: []
  },
  ConsumerGroupDescribe: { groupIds: [otherGroupId], includeAuthorizedOperations: true },
  ListConfigResources: {},
  DescribeTopicPartitions: { topics: [{ name: topic }], responsePartitionLimit: 1 }
}

/** What a question is about. */
export interface About {
  readonly topic: string
  readonly topicId: string
  readonly groupId: string
}

const filled = (value: unknown, known: ReadonlyMap<unknown, unknown>): unknown => {
  if (known.has(value)) return known.get(value)
  if (Array.isArray(value)) return value.map((each) => filled(each, known))
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, filled(each, known)]))
}

/** The question for an API; `records` is a batch to produce into the topic. */
export const questionOf = (api: string, about: About, records: Uint8Array): Value => {
  const known = new Map<unknown, unknown>([
    [topic, about.topic],
    [topicId, about.topicId],
    [groupId, about.groupId],
    [otherGroupId, `${about.groupId}-other`],
    [otherTopic, `${about.topic}-other`],
    [batch, records]
  ])
  return filled(questions[api] ?? {}, known) as Value
}

const prune = (type: FieldType, version: number, value: unknown): unknown => {
  if (type.kind === "array" && Array.isArray(value)) return value.map((each) => prune(type.element, version, each))
  if (type.kind === "struct" && value !== null) return pruneFields(type.fields, version, value as Value)
  return value
}

const pruneFields = (fields: Fields, version: number, value: Value): Value =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => fields[name] !== undefined && includes(fields[name].versions, version))
      .map(([name, each]) => [name, prune(fields[name]!.type, version, each)])
  )

/** The value without the fields that this version lacks. */
export const pruned = (message: Message<unknown>, version: number, value: Value): Value =>
  pruneFields(message.fields, version, value)
