/** Random commands over a small world, so that they meet each other: few names, nodes and topic ids. */
import * as fc from "fast-check"
import type { QuotaEntity } from "../../src/metadata/ClientQuotas.ts"
import type { Command } from "../../src/metadata/Command.ts"
import { emptyImage, type MetadataImage } from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"

export const topicIdOf = (n: number): string => `${"topic".padEnd(20, "A")}${String.fromCharCode(65 + (n % 26))}A`

const node = fc.integer({ min: 1, max: 4 })
const nodes = fc.uniqueArray(node, { minLength: 1, maxLength: 3 })
const topicId = fc.integer({ min: 0, max: 5 }).map(topicIdOf)
const name = fc.constantFrom("a", "b", "a.b", "a_b", "orders")
const partitions = fc.array(
  nodes.map((replicas) => ({ replicas, isr: replicas, leader: replicas[0]! })),
  { minLength: 1, maxLength: 3 }
)
const commandId = fc.option(fc.constantFrom("n1-1-0", "n1-1-1", "n2-7-3"), { nil: null })
const changes = fc.array(
  fc.record({
    name: fc.constantFrom("retention.ms", "cleanup.policy"),
    op: fc.constantFrom(0, 1, 2, 3) as fc.Arbitrary<0 | 1 | 2 | 3>,
    value: fc.constantFrom("1", "compact", "delete,compact")
  }),
  { maxLength: 3 }
)

const op = fc.record({
  topicId,
  partition: fc.integer({ min: 0, max: 2 }),
  expectedEpoch: fc.integer({ min: 0, max: 2 }),
  expectedConfigVersion: fc.constantFrom(0, 0, 1),
  election: fc.option(
    fc.record({
      leader: fc.oneof(node, fc.constant(-1)),
      leaderEpoch: fc.integer({ min: 0, max: 4 }),
      unclean: fc.boolean(),
      directoryId: fc.constantFrom("dirA", "dirA", "dirB", "")
    }),
    { nil: null }
  ),
  isr: fc.option(nodes, { nil: null }),
  replicas: fc.option(nodes, { nil: null }),
  adding: fc.option(nodes, { nil: null }),
  removing: fc.option(nodes, { nil: null }),
  target: fc.option(nodes, { nil: null }),
  countedDirectory: fc.constantFrom(null, "dirA", "dirB")
})

const quotaName = fc.constantFrom(null, "a", "b")
const quotaEntity: fc.Arbitrary<QuotaEntity> = fc.oneof(
  quotaName.map((name): QuotaEntity => [["user", name]]),
  quotaName.map((name): QuotaEntity => [["client-id", name]]),
  quotaName.map((name): QuotaEntity => [["ip", name]]),
  fc.tuple(quotaName, quotaName).map(
    ([clientId, user]): QuotaEntity => [
      ["client-id", clientId],
      ["user", user]
    ]
  )
)

export const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    _tag: fc.constant("RegisterNode" as const),
    commandId,
    nodeId: node,
    incarnation: fc.integer({ min: 1, max: 3 }),
    directoryId: fc.constantFrom("dirA", "dirB"),
    endpoints: fc.constant([{ listener: "PLAINTEXT", host: "h", port: 9092, securityProtocol: "PLAINTEXT" }]),
    rack: fc.option(fc.constantFrom("r1", "r2"), { nil: null })
  }),
  fc.record({
    _tag: fc.constant("FenceNode" as const),
    commandId,
    nodeId: node,
    incarnation: fc.integer({ min: 1, max: 3 }),
    fenced: fc.boolean()
  }),
  fc.record({ _tag: fc.constant("UnregisterNode" as const), commandId, nodeId: node }),
  fc.record({
    _tag: fc.constant("CreateTopic" as const),
    commandId,
    name,
    topicId,
    internal: fc.boolean(),
    partitions,
    configs: fc.constantFrom([], [["retention.ms", "7"] as const])
  }),
  fc.record({ _tag: fc.constant("DeleteTopic" as const), commandId, topicId }),
  fc.record({
    _tag: fc.constant("CreatePartitions" as const),
    commandId,
    topicId,
    from: fc.integer({ min: 1, max: 3 }),
    partitions
  }),
  fc.record({ _tag: fc.constant("PartitionOps" as const), commandId, ops: fc.array(op, { maxLength: 3 }) }),
  fc.record({
    _tag: fc.constant("AlterConfigs" as const),
    commandId,
    resourceType: fc.constant(2 as const),
    resource: topicId,
    changes
  }),
  fc.record({
    _tag: fc.constant("AlterConfigs" as const),
    commandId,
    resourceType: fc.constant(4 as const),
    resource: fc.constantFrom("", "1"),
    changes
  }),
  fc.record({
    _tag: fc.constant("AlterConfigs" as const),
    commandId,
    resourceType: fc.constantFrom(16 as const, 32 as const),
    resource: fc.constantFrom("g", "h"),
    changes
  }),
  fc.record({
    _tag: fc.constant("AlterClientQuotas" as const),
    commandId,
    entity: quotaEntity,
    changes: fc.array(
      fc.record({
        key: fc.constantFrom("producer_byte_rate", "request_percentage"),
        value: fc.constantFrom(null, 1, 0.25, 1e12)
      }),
      { maxLength: 3 }
    )
  }),
  fc.record({
    _tag: fc.constant("AllocateProducerIds" as const),
    commandId,
    nodeId: node,
    count: fc.integer({ min: 1, max: 1000 })
  }),
  fc.record({
    _tag: fc.constant("SetFeature" as const),
    commandId,
    name: fc.constantFrom("f", "g"),
    level: fc.integer({ min: 0, max: 2 })
  })
)

export const commands = fc.array(command, { maxLength: 40 })

export const replayAll = (list: ReadonlyArray<Command>, from: MetadataImage = emptyImage("cluster")): MetadataImage =>
  list.reduce((image, next) => replay(image, next, image.offset).image, from)
