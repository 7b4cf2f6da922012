/**
 * `topic create | list | describe | delete`, against any Kafka-compatible cluster.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import * as Admin from "@chronik-effect/server/client/kafka/Admin.ts"
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import type { KafkaClient, TopicMetadata } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import * as Effect from "effect/Effect"
import type { Parsed } from "../args/Command.ts"
import { usage } from "../CliFailure.ts"
import { type Column, renderTable } from "../render/table.ts"
import { readInt } from "../settings/Setting.ts"
import { print, switched } from "./Flags.ts"
import { withClient } from "./WithClient.ts"

function optionalInt(parsed: Parsed, name: string, max: number, what: string): number | undefined {
  const text = parsed.flags.get(name)?.[0]
  return text === undefined ? undefined : readInt(text, `--${name}`, 1, max, what)
}

function pairs(parsed: Parsed, name: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const text of parsed.flags.get(name) ?? []) {
    const equals = text.indexOf("=")
    if (equals <= 0)
      throw usage(`--${name} is "${text}", but it is a name and a value with "=" between: retention.ms=1000.`)
    found.set(text.slice(0, equals).trim(), text.slice(equals + 1).trim())
  }
  return found
}

export async function create(parsed: Parsed): Promise<number> {
  const name = parsed.arguments[0]!
  const topic: Admin.NewTopic = {
    name,
    partitions: optionalInt(parsed, "partitions", 100_000, "a count of partitions"),
    replicationFactor: optionalInt(parsed, "replication-factor", 1_000, "a replication factor"),
    configs: pairs(parsed, "config")
  }
  const made = await withClient(parsed, (client) =>
    Admin.createTopic(client, topic).pipe(
      Effect.catch((error) =>
        error.code === ErrorCode.TOPIC_ALREADY_EXISTS && switched(parsed, "if-not-exists")
          ? Effect.succeed(undefined)
          : Effect.fail(error)
      )
    )
  )
  print(made === undefined ? `Topic ${name} exists already.` : `Topic ${name} created${sizeOf(made)}.`)
  return 0
}

const sizeOf = (made: Admin.CreatedTopic): string =>
  made.partitions < 0
    ? ""
    : ` with ${made.partitions} ${made.partitions === 1 ? "partition" : "partitions"} and replication factor ${made.replicationFactor}`

export async function list(parsed: Parsed): Promise<number> {
  const all = await withClient(parsed, Admin.listTopics)
  const topics = all.filter((topic) => switched(parsed, "internal") || !topic.isInternal)
  if (switched(parsed, "json")) {
    print(JSON.stringify(topics.map((topic) => ({ name: topic.name, partitions: topic.partitions.length }))))
    return 0
  }
  if (topics.length === 0) {
    print("There are no topics.")
    return 0
  }
  const columns: ReadonlyArray<Column> = [
    { title: "TOPIC" },
    { title: "PARTITIONS", align: "right" },
    { title: "REPLICAS", align: "right" }
  ]
  const rows = topics.map((topic) => [
    topic.name ?? "",
    String(topic.partitions.length),
    String(topic.partitions[0]?.replicaNodes.length ?? 0)
  ])
  print(renderTable(columns, rows))
  return 0
}

interface Described {
  readonly topic: TopicMetadata
  readonly offsets: ReadonlyArray<{ readonly start: number; readonly end: number }>
  readonly configs: ReadonlyArray<Admin.ConfigEntry>
}

const describeTopic = (client: KafkaClient, name: string): Effect.Effect<Described, ClientError> =>
  Effect.gen(function* () {
    const topic = yield* client.topic(name, true)
    const partitions = [...topic.partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)
    const offsets = yield* Effect.forEach(
      partitions,
      ({ partitionIndex }) =>
        Effect.all({
          start: Admin.listOffset(client, name, partitionIndex, Admin.EARLIEST),
          end: Admin.listOffset(client, name, partitionIndex, Admin.LATEST)
        }),
      { concurrency: 16 }
    )
    return { topic: { ...topic, partitions }, offsets, configs: yield* Admin.topicConfigs(client, name) }
  })

const TOPIC_SOURCE = 1

export async function describe(parsed: Parsed): Promise<number> {
  const name = parsed.arguments[0]!
  const { topic, offsets, configs } = await withClient(parsed, (client) => describeTopic(client, name))
  const own = configs.filter((config) => config.source === TOPIC_SOURCE)
  if (switched(parsed, "json")) {
    const partitions = topic.partitions.map((partition, i) => ({
      partition: partition.partitionIndex,
      leader: partition.leaderId,
      leaderEpoch: partition.leaderEpoch,
      replicas: partition.replicaNodes,
      isr: partition.isrNodes,
      startOffset: offsets[i]!.start,
      endOffset: offsets[i]!.end
    }))
    const set = Object.fromEntries(own.map((config) => [config.name, config.value]))
    print(JSON.stringify({ name, topicId: topic.topicId, internal: topic.isInternal, partitions, configs: set }))
    return 0
  }
  print(`Topic ${name}  id ${topic.topicId}${topic.isInternal ? "  internal" : ""}`)
  for (const config of own) print(`  ${config.name} = ${config.value ?? ""}`)
  const titles = ["PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "START", "END", "RECORDS"]
  const rows = topic.partitions.map((partition, i) => [
    String(partition.partitionIndex),
    String(partition.leaderId),
    String(partition.leaderEpoch),
    partition.replicaNodes.join(","),
    partition.isrNodes.join(","),
    String(offsets[i]!.start),
    String(offsets[i]!.end),
    String(offsets[i]!.end - offsets[i]!.start)
  ])
  print(
    renderTable(
      titles.map((title) => ({ title, align: "right" as const })),
      rows
    )
  )
  return 0
}

export async function remove(parsed: Parsed): Promise<number> {
  const name = parsed.arguments[0]!
  const deleted = await withClient(parsed, (client) =>
    Admin.deleteTopic(client, name).pipe(
      Effect.as(true),
      Effect.catch((error) =>
        error.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION && switched(parsed, "if-exists")
          ? Effect.succeed(false)
          : Effect.fail(error)
      )
    )
  )
  print(deleted ? `Topic ${name} deleted.` : `There is no topic ${name}.`)
  return 0
}
