/**
 * `group list | describe | reset | delete`, against any Kafka-compatible cluster, for groups of both protocols.
 */

import * as Admin from "@chronik-effect/server/client/kafka/Admin.ts"
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import * as GroupAdmin from "@chronik-effect/server/client/kafka/GroupAdmin.ts"
import type { KafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import * as Effect from "effect/Effect"
import type { Parsed } from "../args/Command.ts"
import { usage } from "../CliFailure.ts"
import { renderTable } from "../render/table.ts"
import { print, switched } from "./Flags.ts"
import { type ResetTarget, resetTargetOf, targetOffset } from "./ResetTarget.ts"
import { withClient } from "./WithClient.ts"

/** Partitions that are asked about at once. */
const CONCURRENCY = 16

export async function list(parsed: Parsed): Promise<number> {
  const groups = await withClient(parsed, GroupAdmin.listGroups)
  if (switched(parsed, "json")) {
    print(JSON.stringify(groups.map(({ groupId, groupType, groupState }) => ({ groupId, groupType, groupState }))))
    return 0
  }
  if (groups.length === 0) {
    print("There are no groups.")
    return 0
  }
  const rows = groups.map(({ groupId, groupType, groupState, protocolType }) => [
    groupId,
    groupType,
    groupState,
    protocolType
  ])
  print(renderTable([{ title: "GROUP" }, { title: "TYPE" }, { title: "STATE" }, { title: "PROTOCOL" }], rows))
  return 0
}

interface Position extends GroupAdmin.TopicPartition {
  readonly committed: number | undefined
  readonly end: number
  readonly member: GroupAdmin.GroupMember | undefined
}

interface Described {
  readonly group: GroupAdmin.DescribedGroup
  readonly positions: ReadonlyArray<Position>
}

/** What it has committed and what its members are assigned, beside where the logs end. */
const describeGroup = (client: KafkaClient, groupId: string): Effect.Effect<Described, ClientError> =>
  Effect.gen(function* () {
    const group = yield* GroupAdmin.describeGroup(client, groupId)
    const committed = yield* GroupAdmin.groupOffsets(client, groupId)
    const known = new Map<string, Omit<Position, "end">>()
    for (const { topic, partition, offset } of committed) {
      known.set(`${topic} ${partition}`, { topic, partition, committed: offset, member: undefined })
    }
    for (const member of group.members) {
      for (const { topic, partition } of member.assignment) {
        const key = `${topic} ${partition}`
        known.set(key, { topic, partition, committed: known.get(key)?.committed, member })
      }
    }
    const positions = yield* Effect.forEach(
      [...known.values()].sort(byPlace),
      (one) => Effect.map(Admin.listOffset(client, one.topic, one.partition, Admin.LATEST), (end) => ({ ...one, end })),
      { concurrency: CONCURRENCY }
    )
    return { group, positions }
  })

const byPlace = (a: GroupAdmin.TopicPartition, b: GroupAdmin.TopicPartition): number =>
  a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1

const lagOf = ({ committed, end }: Position): number | undefined =>
  committed === undefined ? undefined : end - committed

export async function describe(parsed: Parsed): Promise<number> {
  const groupId = parsed.arguments[0]!
  const { group, positions } = await withClient(parsed, (client) => describeGroup(client, groupId))
  if (switched(parsed, "json")) {
    const shown = positions.map((position) => ({
      topic: position.topic,
      partition: position.partition,
      committed: position.committed ?? null,
      end: position.end,
      lag: lagOf(position) ?? null,
      member: position.member?.memberId ?? null
    }))
    print(JSON.stringify({ ...group, positions: shown }))
    return 0
  }
  const { type, state, assignor, members } = group
  const by = assignor === "" ? "" : `  assigned by ${assignor}`
  print(`Group ${groupId}  ${type}  ${state}  ${members.length} ${members.length === 1 ? "member" : "members"}${by}`)
  if (positions.length === 0) {
    print("It has committed nothing and no partition is assigned.")
    return 0
  }
  const rows = positions.map((position) => [
    position.topic,
    String(position.partition),
    String(position.committed ?? "-"),
    String(position.end),
    String(lagOf(position) ?? "-"),
    position.member?.memberId ?? "-",
    position.member === undefined ? "-" : `${position.member.clientId} ${position.member.clientHost}`
  ])
  const right = "right" as const
  print(
    renderTable(
      [
        { title: "TOPIC" },
        { title: "PARTITION", align: right },
        { title: "COMMITTED", align: right },
        { title: "END", align: right },
        { title: "LAG", align: right },
        { title: "MEMBER" },
        { title: "CLIENT" }
      ],
      rows
    )
  )
  return 0
}

interface Move extends GroupAdmin.TopicPartition {
  readonly from: number | undefined
  readonly offset: number
}

/** `orders` or `orders:0,2`. */
function topicsOf(
  parsed: Parsed
): ReadonlyArray<{ readonly name: string; readonly partitions: ReadonlyArray<number> }> {
  return (parsed.flags.get("topic") ?? []).map((text) => {
    const [name = "", numbers] = text.split(":")
    const partitions = numbers === undefined ? [] : numbers.split(",").map(Number)
    if (name === "" || partitions.some((partition) => !Number.isInteger(partition) || partition < 0)) {
      throw usage(`--topic is "${text}", but it is a topic, or a topic and partitions: orders or orders:0,2.`)
    }
    return { name, partitions }
  })
}

const planReset = (
  client: KafkaClient,
  groupId: string,
  topics: ReturnType<typeof topicsOf>,
  target: ResetTarget
): Effect.Effect<ReadonlyArray<Move>, ClientError> =>
  Effect.gen(function* () {
    const committed = yield* GroupAdmin.groupOffsets(client, groupId)
    const places: Array<GroupAdmin.TopicPartition> = topics.length === 0 ? [...committed] : []
    for (const { name, partitions } of topics) {
      const wanted =
        partitions.length > 0
          ? partitions
          : (yield* client.topic(name)).partitions.map(({ partitionIndex }) => partitionIndex)
      for (const partition of wanted) places.push({ topic: name, partition })
    }
    return yield* Effect.forEach(
      [...places].sort(byPlace),
      ({ topic, partition }) => {
        const from = committed.find((one) => one.topic === topic && one.partition === partition)?.offset
        return Effect.map(targetOffset(client, topic, partition, target, from), (offset) => ({
          topic,
          partition,
          from,
          offset
        }))
      },
      { concurrency: CONCURRENCY }
    )
  })

export async function reset(parsed: Parsed): Promise<number> {
  const groupId = parsed.arguments[0]!
  const target = resetTargetOf(parsed)
  const topics = topicsOf(parsed)
  const execute = switched(parsed, "execute")
  const moves = await withClient(parsed, (client) =>
    Effect.tap(planReset(client, groupId, topics, target), (planned) =>
      execute && planned.length > 0 ? GroupAdmin.setGroupOffsets(client, groupId, planned) : Effect.void
    )
  )
  if (moves.length === 0) {
    print(`Group ${groupId} has committed nothing: name the topics with --topic.`)
    return 0
  }
  const right = "right" as const
  print(
    renderTable(
      [
        { title: "TOPIC" },
        { title: "PARTITION", align: right },
        { title: "FROM", align: right },
        { title: "TO", align: right }
      ],
      moves.map(({ topic, partition, from, offset }) => [topic, String(partition), String(from ?? "-"), String(offset)])
    )
  )
  print(execute ? `The offsets of group ${groupId} are set.` : "Nothing is changed yet: add --execute to do it.")
  return 0
}

export async function remove(parsed: Parsed): Promise<number> {
  const groupId = parsed.arguments[0]!
  await withClient(parsed, (client) => GroupAdmin.deleteGroup(client, groupId))
  print(`Group ${groupId} deleted.`)
  return 0
}
