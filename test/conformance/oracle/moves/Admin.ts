/**
 * Administration: records deleted, directories and producers looked at, elections, reassignments, ACLs, quotas.
 */

import { DeleteRecordsApi } from "@chronik-effect/core/protocol/messages/21_DeleteRecords.ts"
import { OffsetForLeaderEpochApi } from "@chronik-effect/core/protocol/messages/23_OffsetForLeaderEpoch.ts"
import { DescribeAclsApi } from "@chronik-effect/core/protocol/messages/29_DescribeAcls.ts"
import { CreateAclsApi } from "@chronik-effect/core/protocol/messages/30_CreateAcls.ts"
import { DeleteAclsApi } from "@chronik-effect/core/protocol/messages/31_DeleteAcls.ts"
import { DescribeLogDirsApi } from "@chronik-effect/core/protocol/messages/35_DescribeLogDirs.ts"
import { ElectLeadersApi } from "@chronik-effect/core/protocol/messages/43_ElectLeaders.ts"
import { AlterPartitionReassignmentsApi } from "@chronik-effect/core/protocol/messages/45_AlterPartitionReassignments.ts"
import { ListPartitionReassignmentsApi } from "@chronik-effect/core/protocol/messages/46_ListPartitionReassignments.ts"
import { DescribeClientQuotasApi } from "@chronik-effect/core/protocol/messages/48_DescribeClientQuotas.ts"
import { AlterClientQuotasApi } from "@chronik-effect/core/protocol/messages/49_AlterClientQuotas.ts"
import { DescribeProducersApi } from "@chronik-effect/core/protocol/messages/61_DescribeProducers.ts"
import { type Move, move } from "../Move.ts"
import type { World } from "../World.ts"

const deleteRecords = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await world.named()
  const index = world.partitionIndex(named.topic)
  const offset = world.offset(named.topic, index)
  const partitions = [{ partitionIndex: index, offset }]
  const topics = random.chance(0.05) ? [] : [{ name: named.name, partitions }]
  const { answer } = await run.ask(DeleteRecordsApi, { topics, timeoutMs: 10_000 })
  const got = answer?.topics[0]?.partitions[0]
  const partition = named.topic?.partitions[index]
  if (got?.errorCode !== 0 || partition === undefined) return
  partition.startOffset = got.lowWatermark
  partition.batches = partition.batches.filter(({ baseOffset, count }) => baseOffset + count > got.lowWatermark)
  if (random.chance(0.5)) {
    const partitions = [{ partition: index, leaderEpoch: 0 }]
    await run.ask(OffsetForLeaderEpochApi, { topics: [{ topic: named.name, partitions }] })
  }
}

const logDirs = async (world: World): Promise<void> => {
  const named = await world.named()
  const partitions = [0, world.partitionIndex(named.topic)]
  const topics = world.random.chance(0.1) ? [] : [{ topic: named.name, partitions }]
  await world.run.ask(DescribeLogDirsApi, { topics })
}

const producers = async (world: World): Promise<void> => {
  const named = await world.named()
  const partitionIndexes = [world.partitionIndex(named.topic), 0]
  const topics = world.random.chance(0.05) ? [] : [{ name: named.name, partitionIndexes }]
  await world.run.ask(DescribeProducersApi, { topics })
}

const elect = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await world.named()
  const topicPartitions = [{ topic: named.name, partitions: [world.partitionIndex(named.topic)] }]
  await run.ask(ElectLeadersApi, {
    electionType: random.pick([0, 0, 1, 2]),
    topicPartitions: random.chance(0.1) ? [] : topicPartitions,
    timeoutMs: 10_000
  })
}

const reassign = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await world.named()
  const index = world.partitionIndex(named.topic)
  const partitions = [{ partitionIndex: index, replicas: random.pick([null, [1], [7], [1, 1], [], [1, 7], [-1]]) }]
  await run.ask(AlterPartitionReassignmentsApi, {
    timeoutMs: 10_000,
    allowReplicationFactorChange: random.chance(0.7),
    topics: random.chance(0.05) ? [] : [{ name: named.name, partitions }]
  })
  const asked = [{ name: named.name, partitionIndexes: [index] }]
  await run.ask(ListPartitionReassignmentsApi, { timeoutMs: 10_000, topics: random.pick([null, asked, []]) })
}

const acls = async (world: World): Promise<void> => {
  const { random, run } = world
  const code = () => random.between(0, 4)
  const filter = {
    resourceTypeFilter: code(),
    resourceNameFilter: random.pick([null, "t", ""]),
    patternTypeFilter: random.pick([1, 2, 3, 4]),
    principalFilter: random.pick([null, "User:a", "nonsense"]),
    hostFilter: random.pick([null, "*"]),
    operation: code(),
    permissionType: random.pick([1, 2, 3])
  }
  const creation = {
    resourceType: code(),
    resourceName: random.pick(["t", "", "kafka-cluster"]),
    resourcePatternType: random.pick([3, 4]),
    principal: random.pick(["User:a", "nonsense", ""]),
    host: "*",
    operation: code(),
    permissionType: random.pick([2, 3])
  }
  switch (random.below(3)) {
    case 0:
      await run.ask(DescribeAclsApi, filter)
      break
    case 1:
      await run.ask(CreateAclsApi, { creations: random.chance(0.1) ? [] : [creation] })
      break
    default:
      await run.ask(DeleteAclsApi, { filters: random.chance(0.1) ? [] : [filter, filter] })
  }
}

const KEYS: ReadonlyArray<readonly [string, number]> = [
  ["producer_byte_rate", 1_000_000_000.5],
  ["consumer_byte_rate", 1_000_000_000],
  ["request_percentage", 90_000],
  ["controller_mutation_rate", 1_000_000],
  ["connection_creation_rate", 1_000_000],
  ["producer_byte_rate", -1],
  ["producer_byte_rate", 0],
  ["no_such_key", 5],
  ["", 5]
]

const entityOf = (world: World) => {
  const { random } = world
  const name = () => random.pick([`${world.prefix}a`, `${world.prefix}b`])
  return random.pick([
    [{ entityType: "user", entityName: name() }],
    [{ entityType: "client-id", entityName: name() }],
    [
      { entityType: "user", entityName: name() },
      { entityType: "client-id", entityName: name() }
    ],
    [{ entityType: "ip", entityName: random.pick(["10.1.2.3", "no address", "10.1.2.4"]) }],
    [{ entityType: "nonsense", entityName: name() }],
    [
      { entityType: "user", entityName: name() },
      { entityType: "user", entityName: name() }
    ],
    [
      { entityType: "ip", entityName: "10.1.2.3" },
      { entityType: "user", entityName: name() }
    ],
    [{ entityType: "user", entityName: "" }],
    []
  ])
}

const quotas = async (world: World): Promise<void> => {
  const { random, run } = world
  const entry = () => {
    const ops = Array.from({ length: random.pick([1, 1, 2, 0]) }, () => {
      const [key, value] = random.pick(KEYS)
      return { key, value, remove: random.chance(0.25) }
    })
    return { entity: entityOf(world), ops }
  }
  const entries = random.chance(0.2) ? [entry(), entry()] : [entry()]
  await run.ask(AlterClientQuotasApi, { entries, validateOnly: random.chance(0.2) })
  await world.barrier()
  await describeQuotas(world)
}

const describeQuotas = async (world: World): Promise<void> => {
  const { random, run } = world
  const component = () => {
    const entityType = random.pick(["user", "client-id", "ip", "user", "client-id", "nonsense", ""])
    const matchType = random.pick([0, 1, 2, 2, 3])
    const exact = matchType === 0 ? `${world.prefix}a` : null
    return { entityType, matchType, match: random.chance(0.9) ? exact : random.pick(["x", null, ""]) }
  }
  const components = Array.from({ length: random.pick([0, 1, 1, 2]) }, component)
  await run.ask(DescribeClientQuotasApi, { components, strict: random.chance(0.4) })
}

export const adminMoves: ReadonlyArray<Move> = [
  move("delete records", [DeleteRecordsApi], 8, deleteRecords),
  move("describe log dirs", [DescribeLogDirsApi], 5, logDirs),
  move("describe producers", [DescribeProducersApi], 6, producers),
  move("elect leaders", [ElectLeadersApi], 4, elect),
  move("reassign", [AlterPartitionReassignmentsApi, ListPartitionReassignmentsApi], 4, reassign),
  move("ACLs", [DescribeAclsApi, CreateAclsApi, DeleteAclsApi], 5, acls),
  move("client quotas", [AlterClientQuotasApi, DescribeClientQuotasApi], 3, quotas),
  move("describe client quotas", [DescribeClientQuotasApi], 3, describeQuotas)
]
