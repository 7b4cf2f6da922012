/**
 * Topics come, grow, are looked at and go.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { CreatePartitionsApi } from "@chronik-effect/core/protocol/messages/37_CreatePartitions.ts"
import { DescribeClusterApi } from "@chronik-effect/core/protocol/messages/60_DescribeCluster.ts"
import { DescribeTopicPartitionsApi } from "@chronik-effect/core/protocol/messages/75_DescribeTopicPartitions.ts"
import { type Move, move } from "../Move.ts"
import type { World } from "../World.ts"

const INTERNAL = "__consumer_offsets"

const CONFIGS: ReadonlyArray<readonly [string, string | null]> = [
  ["cleanup.policy", "compact"],
  ["cleanup.policy", "compact,delete"],
  ["cleanup.policy", "nonsense"],
  ["cleanup.policy", ""],
  ["retention.ms", "-1"],
  ["retention.ms", "-2"],
  ["retention.ms", "9223372036854775807"],
  ["retention.ms", "9223372036854775808"],
  ["retention.ms", null],
  ["retention.ms", " 1000 "],
  ["max.message.bytes", "1000"],
  ["max.message.bytes", "-1"],
  ["max.message.bytes", "1e3"],
  ["segment.bytes", "1048576"],
  ["segment.bytes", "1048575"],
  ["min.insync.replicas", "0"],
  ["min.insync.replicas", "1"],
  ["min.cleanable.dirty.ratio", "0.25"],
  ["min.cleanable.dirty.ratio", "1.5"],
  ["message.timestamp.type", "LogAppendTime"],
  ["message.timestamp.type", "logappendtime"],
  ["compression.type", "zstd"],
  ["compression.type", "brotli"],
  ["unclean.leader.election.enable", "TRUE"],
  ["preallocate", "yes"],
  ["no.such.config", "1"],
  ["", "1"]
]

const create = async (world: World): Promise<void> => {
  const { random, run } = world
  const names = Array.from({ length: random.between(1, 3) }, () =>
    random.chance(0.8)
      ? world.freshName("t")
      : random.pick([
          (world.topics[0]?.name ?? "a").replace("-", "."),
          "",
          ".",
          "..",
          "x/y",
          "x".repeat(250),
          "__consumer_offsets",
          ...world.topics.map(({ name }) => name)
        ])
  )
  if (random.chance(0.1)) names.push(names[0]!)
  const topics = names.map((name) => {
    const assigned = random.chance(0.15)
    const configs = random.chance(0.4) ? Array.from({ length: random.between(1, 2) }, () => random.pick(CONFIGS)) : []
    return {
      name,
      numPartitions: assigned && random.chance(0.8) ? -1 : random.pick([1, 2, 3, 1, 2, 3, -1, 0, -2]),
      replicationFactor: assigned && random.chance(0.8) ? -1 : random.pick([1, 1, 1, 1, -1, 0, 2, -2]),
      assignments: assigned ? assignments(world) : [],
      configs: configs.map(([key, value]) => ({ name: key, value }))
    }
  })
  const validateOnly = random.chance(0.25)
  const { answer, version } = await run.ask(CreateTopicsApi, { topics, timeoutMs: 10_000, validateOnly })
  if (validateOnly || answer === undefined) return
  for (const { name, errorCode, numPartitions } of answer.topics) {
    if (errorCode !== 0) continue
    const asked = topics.find((each) => each.name === name)!
    const partitions =
      version >= 5 ? numPartitions : asked.assignments.length || (asked.numPartitions < 1 ? 4 : asked.numPartitions)
    const topic = await world.adopt(name, partitions)
    // Records would be subject to whatever it was configured with.
    await world.deleteTopic(topic)
  }
}

const assignments = ({ random }: World) =>
  random.pick([
    [{ partitionIndex: 0, brokerIds: [1] }],
    [
      { partitionIndex: 0, brokerIds: [1] },
      { partitionIndex: 1, brokerIds: [1] }
    ],
    [{ partitionIndex: 1, brokerIds: [1] }],
    [{ partitionIndex: 0, brokerIds: [7] }],
    [{ partitionIndex: 0, brokerIds: [1, 1] }],
    [{ partitionIndex: 0, brokerIds: [] }],
    [
      { partitionIndex: 0, brokerIds: [1] },
      { partitionIndex: 0, brokerIds: [1] }
    ]
  ])

const remove = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await Promise.all(Array.from({ length: random.between(1, 2) }, () => world.named()))
  const wrong = named.filter(({ topic }) => topic === undefined)
  const byId = random.chance(0.4)
  const both = random.chance(0.1)
  const neither = random.chance(0.05)
  const topics = wrong.map(({ name, id }) => ({
    name: neither || (byId && !both) ? null : name,
    topicId: !neither && (byId || both) ? id : ZERO_UUID
  }))
  await run.ask(DeleteTopicsApi, { topics, topicNames: wrong.map(({ name }) => name), timeoutMs: 10_000 })
  if (world.topics.length > 4 && random.chance(0.3)) await world.deleteTopic(random.pick(world.topics))
}

const removeById = async (world: World): Promise<void> => {
  const { random, run } = world
  const topic = await world.createTopic(1, {})
  const twice = random.chance(0.2)
  const one = { name: null, topicId: topic.id }
  const topics = twice ? [one, random.chance(0.5) ? one : { name: topic.name, topicId: ZERO_UUID }] : [one]
  const { answer } = await run.ask(DeleteTopicsApi, { topics, timeoutMs: 10_000 }, { from: 6 })
  if (answer?.responses.some(({ errorCode }) => errorCode === 0) !== true) return
  world.forget(topic)
  await world.untilGone(topic)
}

const grow = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await world.named()
  const before = named.topic?.partitions.length ?? 1
  const count = random.pick([before, before - 1, before + 1, before + 1, 0, -1, before + 2])
  const added = random.chance(0.3)
    ? random.pick([
        [{ brokerIds: [1] }],
        [{ brokerIds: [1] }, { brokerIds: [1] }],
        [{ brokerIds: [7] }],
        [{ brokerIds: [] }],
        []
      ])
    : null
  const one = { name: named.name, count, assignments: added }
  const topics = random.chance(0.1) ? [one, one] : [one]
  const validateOnly = random.chance(0.4)
  const { answer } = await run.ask(CreatePartitionsApi, { topics, timeoutMs: 10_000, validateOnly })
  if (validateOnly || named.topic === undefined || answer?.results[0]?.errorCode !== 0) return
  while (named.topic.partitions.length < count)
    named.topic.partitions.push({ startOffset: 0, endOffset: 0, batches: [] })
  await world.untilShown(named.name, count)
}

const look = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await Promise.all(Array.from({ length: random.between(0, 3) }, () => world.named()))
  // A name that is not there may be made by the question: that has a move of its own.
  const allowAutoTopicCreation = false
  const byId = random.chance(0.3)
  if (random.chance(0.1)) named.push({ name: INTERNAL, id: "kkkkkkkkTTTTTTTTaaaaaQ", topic: undefined })
  const topics = named.map(({ name, id }) => (byId ? { name: null, topicId: id } : { name, topicId: ZERO_UUID }))
  await run.ask(
    MetadataApi,
    {
      topics: random.chance(0.1) ? null : topics,
      allowAutoTopicCreation,
      includeClusterAuthorizedOperations: random.chance(0.3),
      includeTopicAuthorizedOperations: random.chance(0.3)
    },
    { from: byId ? 10 : 4 }
  )
}

/** Without the field that forbids it, and before: only what is there, because a name that is not would be made. */
const lookOld = async (world: World): Promise<void> => {
  const topic = await world.topic()
  await world.run.ask(MetadataApi, { topics: world.random.chance(0.2) ? [] : [{ name: topic.name }] }, { to: 3 })
}

const makeByLooking = async (world: World): Promise<void> => {
  const { random, run } = world
  const name = world.freshName("auto")
  const asked = { topics: [{ name }], allowAutoTopicCreation: true }
  await run.ask(MetadataApi, asked)
  const topic = await world.adopt(name, 4)
  if (random.chance(0.5)) await run.ask(MetadataApi, asked)
  await world.deleteTopic(topic)
}

const describe = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await Promise.all(Array.from({ length: random.between(0, 4) }, () => world.named()))
  const cursor = random.chance(0.3)
    ? { topicName: named[0]?.name ?? "a", partitionIndex: random.pick([0, 1, 5, -1]) }
    : null
  await run.ask(DescribeTopicPartitionsApi, {
    topics: named.map(({ name }) => ({ name })),
    responsePartitionLimit: random.pick([2000, 1, 2, 3, 0, -1]),
    cursor
  })
}

const cluster = async (world: World): Promise<void> => {
  const { random, run } = world
  await run.ask(DescribeClusterApi, {
    includeClusterAuthorizedOperations: random.chance(0.5),
    endpointType: random.pick([1, 1, 1, 2, 0, 3]),
    includeFencedBrokers: random.chance(0.3)
  })
}

export const topicMoves: ReadonlyArray<Move> = [
  move("create topics", [CreateTopicsApi], 3, create),
  move("delete topics that are not there", [DeleteTopicsApi], 4, remove),
  move("delete a topic by id", [DeleteTopicsApi], 1, removeById),
  move("create partitions", [CreatePartitionsApi], 6, grow),
  move("metadata", [MetadataApi], 14, look),
  move("metadata, old versions", [MetadataApi], 4, lookOld),
  move("metadata that creates", [MetadataApi], 1, makeByLooking),
  move("describe topic partitions", [DescribeTopicPartitionsApi], 6, describe),
  move("describe cluster", [DescribeClusterApi], 4, cluster)
]
