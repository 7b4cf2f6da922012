/**
 * The loads of `groups.ts`: what groups of consumers do to a broker, and how long each takes.
 *
 * The first record is measured with unmodified clients in their default settings, because that is what a user waits for. The
 * others speak the protocol themselves, so that the broker is measured and not a client. Each load makes its own topic and
 * groups, with names that a second run does not meet again.
 */
import { readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { ErrorCode, errorName } from "@chronik-effect/core/model/ErrorCode.ts"
import { decodeResponse } from "@chronik-effect/core/protocol/Frame.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import type { JoinGroupResponse } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { Consumer } from "@platformatic/kafka"
import { Kafka, logLevel } from "kafkajs"
import { ConsumerClient } from "../badinput/ConsumerClient.ts"
import { GroupClient } from "../badinput/GroupClient.ts"
import { Peer } from "../badinput/Peer.ts"
import { median } from "./Rows.ts"

export interface Target {
  readonly host: string
  readonly port: number
  /** Of the broker, for its processor time; undefined where it is not on this machine. */
  readonly pid: number | undefined
}

const run = Date.now().toString(36)
let names = 0
const fresh = (what: string): string => `${what}-${run}-${++names}`
const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

const check = (what: string, errorCode: number): void => {
  if (errorCode !== ErrorCode.NONE) throw new Error(`${what}: the broker answers ${errorName(errorCode)}`)
}

const makeTopic = async (peer: Peer, partitions: number): Promise<string> => {
  const name = fresh("bench")
  const answer = await peer.call(CreateTopicsApi, 7, {
    topics: [{ name, numPartitions: partitions, replicationFactor: 1 }],
    timeoutMs: 60_000
  })
  check(`the topic ${name}`, answer.topics[0]!.errorCode)
  const deadline = performance.now() + 60_000
  for (;;) {
    const { topics } = await peer.call(MetadataApi, 12, { topics: [{ name }] })
    const led = topics[0]?.partitions.filter(({ leaderId }) => leaderId >= 0).length
    if (led === partitions) return name
    if (performance.now() > deadline) throw new Error(`the topic ${name} has ${led} led partitions after a minute`)
  }
}

/** Until the coordinator's topic serves: what is measured afterwards is not its creation. */
export const prepare = async ({ host, port }: Target): Promise<void> => {
  using peer = await Peer.connect(port, host)
  const deadline = performance.now() + 60_000
  for (;;) {
    const found = await peer.call(FindCoordinatorApi, 3, { key: "bench", keyType: 0 })
    if (found.errorCode === ErrorCode.NONE) break
    if (performance.now() > deadline) throw new Error("there is no group coordinator after a minute")
    await pause(100)
  }
  const name = await makeTopic(peer, 1)
  // A coordinator partition that still loads refuses the first commits of its groups.
  for (const i of range(200)) {
    for (;;) {
      const errorCode = await commitOnce(peer, `bench-warm-${i}`, name)
      if (errorCode === ErrorCode.NONE) break
      if (performance.now() > deadline) check("a first commit", errorCode)
      await pause(100)
    }
  }
}

const commitRequest = (groupId: string, name: string) => ({
  groupId,
  topics: [{ name, partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] }]
})

const commitOnce = async (peer: Peer, groupId: string, name: string): Promise<number> =>
  (await peer.call(OffsetCommitApi, 8, commitRequest(groupId, name))).topics[0]!.partitions[0]!.errorCode

export type FirstRecordClient = "kafkajs" | "platformatic" | "platformatic, consumer protocol"

/** Milliseconds from subscribe to the first record, for a group that is new each time. */
export const firstRecord = async (
  { host, port }: Target,
  client: FirstRecordClient,
  times: number
): Promise<ReadonlyArray<number>> => {
  using peer = await Peer.connect(port, host)
  const topic = await makeTopic(peer, 1)
  const bootstrap = `${host}:${port}`
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages: [{ value: "the first record" }] })
  await producer.disconnect()
  const took: Array<number> = []
  for (let i = 0; i < times; i++) {
    const first = client === "kafkajs" ? firstByKafkaJs(kafka, topic) : firstByPlatformatic(bootstrap, topic, client)
    took.push(await first)
  }
  return took
}

const firstByKafkaJs = async (kafka: Kafka, topic: string): Promise<number> => {
  const consumer = kafka.consumer({ groupId: fresh("first") })
  await consumer.connect()
  const began = performance.now()
  await consumer.subscribe({ topic, fromBeginning: true })
  const tookMs = await new Promise<number>((resolve, reject) => {
    consumer.run({ eachMessage: async () => resolve(performance.now() - began) }).catch(reject)
  })
  await consumer.disconnect()
  return tookMs
}

const firstByPlatformatic = async (bootstrap: string, topic: string, client: FirstRecordClient): Promise<number> => {
  const identity = { clientId: "bench", bootstrapBrokers: [bootstrap], groupId: fresh("first") }
  const modern = client === "platformatic, consumer protocol"
  const consumer = modern ? new Consumer({ ...identity, groupProtocol: "consumer" }) : new Consumer(identity)
  const began = performance.now()
  const stream = await consumer.consume({ topics: [topic], mode: "committed", fallbackMode: "earliest" })
  let tookMs = Number.NaN
  for await (const _ of stream) {
    tookMs = performance.now() - began
    break
  }
  await consumer.close(true)
  return tookMs
}

const PATIENT = { sessionTimeoutMs: 120_000, rebalanceTimeoutMs: 120_000 }

/** A consumer's subscription; `generation` makes it another one each time, so that everybody has to join again. */
const subscription = (topic: string, generation: number): Uint8Array => {
  const name = Buffer.from(topic)
  const bytes = Buffer.alloc(2 + 4 + 2 + name.length + 4 + 4)
  bytes.writeInt32BE(1, 2)
  bytes.writeInt16BE(name.length, 6)
  name.copy(bytes, 8)
  bytes.writeInt32BE(4, 8 + name.length)
  bytes.writeInt32BE(generation, 12 + name.length)
  return bytes
}

/** As large as a real one: four bytes a partition behind the topic's name. */
const assignmentOf = (topic: string, partitions: number): Uint8Array =>
  new Uint8Array(2 + 4 + 2 + topic.length + 4 + 4 * partitions + 4)

/** Milliseconds in which a group of classic members goes from one stable generation to the next: all join, all sync. */
export const classicRebalance = async (
  { host, port }: Target,
  members: number,
  partitions: number,
  times: number
): Promise<ReadonlyArray<number>> => {
  const groupId = fresh("classic")
  const topic = fresh("never-made")
  const clients = await Promise.all(
    range(members).map(async () => new GroupClient(await Peer.connect(port, host), groupId))
  )
  const share = assignmentOf(topic, partitions / members)
  const [leader, ...followers] = clients as [GroupClient, ...Array<GroupClient>]
  const ask = (client: GroupClient, generation: number) =>
    client.join({ ...PATIENT, protocols: [{ name: "range", metadata: subscription(topic, generation) }] })
  // The first to come leads, alone at first; it comes again when all the others wait for it.
  await ask(leader, 0)
  const waiting = followers.map((client) => ask(client, 0))
  using admin = new GroupClient(await Peer.connect(port, host), groupId)
  while ((await admin.describe()).members.length < members) await pause(10)
  const gathered = await Promise.all([ask(leader, 0), ...waiting])
  await syncAll(clients, gathered, share)
  const took: Array<number> = []
  for (let generation = 1; generation <= times; generation++) {
    const began = performance.now()
    const joined = await Promise.all(clients.map((client) => ask(client, generation)))
    await syncAll(clients, joined, share)
    took.push(performance.now() - began)
  }
  await Promise.all(clients.map((client) => client.leave()))
  for (const client of clients) client[Symbol.dispose]()
  return took
}

const syncAll = async (
  clients: ReadonlyArray<GroupClient>,
  joined: ReadonlyArray<JoinGroupResponse>,
  share: Uint8Array
): Promise<void> => {
  for (const { errorCode } of joined) check("a join", errorCode)
  const leader = joined.find(({ leader: id, memberId }) => id === memberId)
  if (leader?.members.length !== clients.length) throw new Error("a generation without some of its members")
  const shares = Object.fromEntries(leader.members.map(({ memberId }) => [memberId, share]))
  const synced = await Promise.all(
    clients.map((client) => client.sync(client.memberId === leader.memberId ? shares : {}))
  )
  for (const { errorCode } of synced) check("a sync", errorCode)
}

export interface ConsumerRebalance {
  readonly tookMs: number
  readonly heartbeats: number
}

/**
 * Under the consumer protocol: a member joins a settled group, and all heartbeat one after the other without a pause until
 * every partition is owned, as evenly as can be. Clients heartbeat each 5 s, so that theirs takes longer; this is the broker.
 */
export const consumerRebalance = async (
  { host, port }: Target,
  members: number,
  partitions: number
): Promise<ConsumerRebalance> => {
  using peer = await Peer.connect(port, host)
  const topic = await makeTopic(peer, partitions)
  const groupId = fresh("consumer")
  const clients: Array<ConsumerClient> = []
  for (const i of range(members)) {
    const client = await ConsumerClient.open(port, groupId, `member-${i}`, [topic], host)
    clients.push(client)
    check("a join", (await client.join({ rebalanceTimeoutMs: 120_000 })).errorCode)
  }
  await settle(clients, partitions)
  const late = await ConsumerClient.open(port, groupId, "late", [topic], host)
  clients.push(late)
  const began = performance.now()
  check("a join", (await late.join({ rebalanceTimeoutMs: 120_000 })).errorCode)
  const heartbeats = await settle(clients, partitions)
  const tookMs = performance.now() - began
  await Promise.all(clients.map((client) => client.beat({ memberEpoch: -1, topicPartitions: null })))
  for (const client of clients) client[Symbol.dispose]()
  return { tookMs, heartbeats }
}

const settle = async (clients: ReadonlyArray<ConsumerClient>, partitions: number): Promise<number> => {
  const least = Math.floor(partitions / clients.length)
  const settled = (owned: ReadonlyArray<number>) =>
    owned.reduce((sum, count) => sum + count, 0) === partitions && owned.every((n) => n >= least && n <= least + 1)
  let heartbeats = 0
  const deadline = performance.now() + 120_000
  while (!settled(clients.map((client) => client.partitions.length))) {
    if (performance.now() > deadline) throw new Error("the group has not settled after two minutes")
    const answers = await Promise.all(clients.map((client) => client.beat()))
    heartbeats += answers.length
    for (const { errorCode } of answers) check("a heartbeat", errorCode)
  }
  return heartbeats
}

export interface CommitLoad {
  readonly commits: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of one processor; NaN where the process is not known. */
  readonly cpuPercent: number
}

const CONNECTIONS = 20

/** Every group commits once a second, spread evenly over it; answers are waited for by their own connection only. */
export const committingGroups = async (target: Target, groups: number, seconds: number): Promise<CommitLoad> => {
  using peer = await Peer.connect(target.port, target.host)
  const topic = await makeTopic(peer, 1)
  const took: Array<number> = []
  const mine = range(groups).map(() => fresh("commits"))
  const worker = async (first: number): Promise<void> => {
    using own = await Peer.connect(target.port, target.host)
    const began = performance.now()
    for (let n = 0; ; n++) {
      const dueMs = ((n * CONNECTIONS + first) * 1_000) / groups
      if (dueMs >= seconds * 1_000) return
      const waitMs = began + dueMs - performance.now()
      if (waitMs > 1) await pause(waitMs)
      const sentAt = performance.now()
      own.ask(OffsetCommitApi, 8, commitRequest(mine[(n * CONNECTIONS + first) % groups]!, topic))
      const frame = await own.frame()
      took.push(performance.now() - sentAt)
      const { value } = decodeResponse(OffsetCommitApi, 8, frame, 0, frame.length)
      check("a commit", value.topics[0]!.partitions[0]!.errorCode)
    }
  }
  const cpuBefore = cpuMs(target.pid)
  const began = performance.now()
  await Promise.all(range(CONNECTIONS).map(worker))
  const cpuPercent = (100 * (cpuMs(target.pid) - cpuBefore)) / (performance.now() - began)
  const sorted = took.sort((a, b) => a - b)
  return { commits: took.length, p50Ms: median(sorted), p99Ms: sorted[Math.floor(sorted.length * 0.99)]!, cpuPercent }
}

/** Processor time that the process has used, in clock ticks of 10 ms. */
const cpuMs = (pid: number | undefined): number => {
  if (pid === undefined) return Number.NaN
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return 10 * (Number(fields[11]) + Number(fields[12]))
}
