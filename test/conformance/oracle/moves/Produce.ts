/**
 * Records go in: good batches, batches that break one rule each, and the numbers of idempotent producers.
 */
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { InitProducerIdApi } from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import { type BatchOptions, buildBatch, type RecordInput } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { compress } from "@chronik-effect/server/io/Compression.ts"
import { type Move, move } from "../Move.ts"
import type { Partition, Producer, Topic, World } from "../World.ts"

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** A past that no broker takes for the present, different for each record. */
const timeOf = (world: World): number => world.run.startedMs - 2 * DAY_MS + world.random.below(DAY_MS)

const recordsOf = (world: World, count: number): ReadonlyArray<RecordInput> =>
  Array.from({ length: count }, () => ({
    key: world.random.chance(0.7) ? world.random.bytes(world.random.below(8)) : Buffer.from("k"),
    value: world.random.chance(0.9) ? world.random.bytes(world.random.below(40)) : null,
    timestamp: timeOf(world),
    headers: world.random.chance(0.1) ? [{ key: "h", value: world.random.chance(0.5) ? null : Buffer.from("v") }] : []
  }))

const codecOf = (world: World): BatchOptions => {
  const codec = world.random.chance(0.5) ? 0 : (world.random.between(1, 4) as RecordBatch.Codec)
  return codec === 0 ? {} : { codec, compress }
}

interface Sent {
  readonly topic: Topic
  readonly index: number
  readonly records: Uint8Array
  readonly count: number
  readonly times: ReadonlyArray<number>
}

const requestOf = (world: World, sent: ReadonlyArray<Sent>, acks: number) => ({
  acks,
  timeoutMs: world.random.chance(0.02) ? world.random.pick([0, -1]) : 10_000,
  topicData: sent.map(({ topic, index, records }) => ({
    name: topic.name,
    topicId: topic.id,
    partitionData: [{ index, records }]
  }))
})

const store = (partition: Partition, baseOffset: number, { count, records, times }: Sent): void => {
  if (baseOffset < partition.endOffset) return
  partition.batches.push({ baseOffset, count, bytes: records.length, times })
  partition.endOffset = baseOffset + count
}

/** Sends and keeps what Kafka kept. A topic whose logs may have become different is not used again. */
const send = async (world: World, sent: ReadonlyArray<Sent>, acks = -1, from = 3): Promise<number> => {
  const { answer, same } = await world.run.ask(ProduceApi, requestOf(world, sent, acks), { from })
  for (const each of sent) {
    const topic = answer?.responses.find(({ name, topicId }) => name === each.topic.name || topicId === each.topic.id)
    const got = topic?.partitionResponses.find(({ index }) => index === each.index)
    const partition = each.topic.partitions[each.index]
    if (got?.errorCode === 0 && partition !== undefined) store(partition, got.baseOffset, each)
    if (!same && world.topics.includes(each.topic)) await world.deleteTopic(each.topic)
  }
  return answer?.responses[0]?.partitionResponses[0]?.errorCode ?? 0
}

const good = (world: World, topic: Topic, index: number, options: BatchOptions = {}): Sent => {
  const records = recordsOf(world, world.random.pick([1, 1, 2, 3, 10]))
  const times = records.map(({ timestamp }) => timestamp!)
  const batch = buildBatch(records, { ...codecOf(world), ...options })
  return { topic, index, records: batch, count: records.length, times }
}

const plain = async (world: World): Promise<void> => {
  const topic = await world.topic()
  const sent = [good(world, topic, world.partitionIndex(topic))]
  const other = await world.topic()
  if (other !== topic && world.random.chance(0.2)) sent.push(good(world, other, world.partitionIndex(other)))
  // zstd before version 7 is refused: now and then on purpose.
  await send(world, sent, world.random.pick([-1, -1, 1]), world.random.chance(0.9) ? 7 : 3)
}

const patched = (batch: Uint8Array, patch: (view: DataView, bytes: Uint8Array) => void, crc = true): Uint8Array => {
  const bytes = batch.slice()
  patch(new DataView(bytes.buffer), bytes)
  if (crc) RecordBatch.updateCrc(bytes, 0)
  return bytes
}

type Breakage = (batch: Uint8Array) => Uint8Array

const { BATCH_LENGTH_AT, MAGIC_AT, CRC_AT, ATTRIBUTES_AT, LAST_OFFSET_DELTA_AT, RECORDS_COUNT_AT } = RecordBatch

/**
 * Each breaks one rule of a batch. No records at all (null) are not among them: Kafka 4.3.1 never answers that, and ours
 * says INVALID_RECORD.
 */
const breakages: ReadonlyArray<Breakage> = [
  () => new Uint8Array(0),
  (batch) => batch.subarray(0, 40),
  (batch) => batch.subarray(0, batch.length - 1),
  (batch) => Buffer.concat([batch, batch]),
  (batch) => Buffer.concat([batch, batch.subarray(0, 30)]),
  (batch) => Buffer.concat([batch, new Uint8Array(17)]),
  (batch) => patched(batch, (view) => view.setUint32(CRC_AT, 7), false),
  (batch) => patched(batch, (view) => view.setInt8(MAGIC_AT, 1)),
  (batch) => patched(batch, (view) => view.setInt8(MAGIC_AT, 0)),
  (batch) => patched(batch, (view) => view.setInt8(MAGIC_AT, 3)),
  (batch) => patched(batch, (view) => view.setInt8(MAGIC_AT, -1)),
  (batch) => patched(batch, (view) => view.setInt32(BATCH_LENGTH_AT, 10), false),
  (batch) => patched(batch, (view) => view.setInt32(BATCH_LENGTH_AT, -1), false),
  (batch) => patched(batch, (view) => view.setInt32(BATCH_LENGTH_AT, 1_000_000), false),
  (batch) => patched(batch, (view) => view.setBigInt64(RecordBatch.BASE_OFFSET_AT, 5n)),
  (batch) => patched(batch, (view) => view.setInt32(RECORDS_COUNT_AT, 0)),
  (batch) => patched(batch, (view) => view.setInt32(RECORDS_COUNT_AT, -1)),
  (batch) => patched(batch, (view) => view.setInt32(RECORDS_COUNT_AT, 1000)),
  (batch) => patched(batch, (view) => view.setInt32(LAST_OFFSET_DELTA_AT, 99)),
  (batch) => patched(batch, (view) => view.setInt32(LAST_OFFSET_DELTA_AT, -1)),
  (batch) => patched(batch, (view) => view.setInt16(ATTRIBUTES_AT, 0x20)),
  (batch) => patched(batch, (view) => view.setInt16(ATTRIBUTES_AT, 0x08)),
  (batch) => patched(batch, (view) => view.setInt16(ATTRIBUTES_AT, 0x05)),
  (batch) => patched(batch, (view) => view.setInt16(ATTRIBUTES_AT, 0x07)),
  (batch) => patched(batch, (view) => view.setInt16(ATTRIBUTES_AT, 0x10)),
  (batch) => patched(batch, (view) => view.setBigInt64(RecordBatch.PRODUCER_ID_AT, 900_001n)),
  (batch) => patched(batch, (_, bytes) => bytes.fill(0xff, RecordBatch.RECORDS_AT)),
  (batch) => patched(batch, (_, bytes) => bytes.fill(0, RecordBatch.RECORDS_AT)),
  (batch) => patched(batch, (_, bytes) => bytes.fill(0x7f, RecordBatch.RECORDS_AT)),
  (batch) =>
    patched(batch, (view) => {
      view.setInt32(RECORDS_COUNT_AT, 4)
      view.setInt32(LAST_OFFSET_DELTA_AT, 3)
    }),
  (batch) =>
    patched(batch, (view) => {
      view.setInt32(RECORDS_COUNT_AT, 1)
      view.setInt32(LAST_OFFSET_DELTA_AT, 0)
    }),
  (batch) => patched(batch, (view) => view.setInt32(RecordBatch.PARTITION_LEADER_EPOCH_AT, 77))
]

const broken = async (world: World): Promise<void> => {
  const topic = await world.topic()
  // That of a wrong partition too would be two mistakes, of which each broker finds another one first.
  const index = world.random.below(topic.partitions.length)
  const records = recordsOf(world, world.random.pick([1, 2, 3]))
  const batch = buildBatch(records)
  const made = world.random.pick(breakages)(batch)
  const times = records.map(({ timestamp }) => timestamp!)
  await send(world, [{ topic, index, records: made, count: records.length, times }])
}

/** In a partition that does not exist, under an id that does not exist, or with acks that do not exist. */
const misdirected = async (world: World): Promise<void> => {
  const { random, run } = world
  const named = await world.named()
  const batch = buildBatch(recordsOf(world, 1))
  // A right place would take the records, and this move does not keep count of them.
  const index = named.topic === undefined ? 0 : random.pick([-1, named.topic.partitions.length, 2_147_483_647])
  const acks = random.pick([-1, 1, 2, -2, 100])
  const topicData = [{ name: named.name, topicId: named.id, partitionData: [{ index, records: batch }] }]
  await run.ask(ProduceApi, { acks, timeoutMs: 1000, topicData: random.chance(0.05) ? [] : topicData })
  if (named.topic !== undefined && random.chance(0.3)) {
    await send(world, [good(world, named.topic, 0)], random.pick([2, -2]))
  }
}

const times = async (world: World): Promise<void> => {
  const { random, run } = world
  const topic = await world.topic((each) => each.configs.edges === undefined)
  const now = run.startedMs
  const timestamp = random.pick([-1, 0, 1, -2, now - DAY_MS, now + HOUR_MS / 2, now + 2 * HOUR_MS, 2 ** 50, -(2 ** 40)])
  const records = recordsOf(world, random.pick([1, 3])).map((record, at) =>
    at === 0 ? { ...record, timestamp } : record
  )
  const batch = buildBatch(records, codecOf(world))
  const given = records.map((record) => record.timestamp!)
  await send(world, [{ topic, index: 0, records: batch, count: records.length, times: given }], -1, 7)
}

const CONFIGS: ReadonlyArray<Readonly<Record<string, string>>> = [
  { "cleanup.policy": "compact" },
  { "cleanup.policy": "compact,delete" },
  { "message.timestamp.type": "LogAppendTime" },
  { "message.timestamp.before.max.ms": "3600000" },
  { "message.timestamp.after.max.ms": "60000" },
  { "max.message.bytes": "200" },
  { "compression.type": "gzip" },
  { "compression.type": "zstd" },
  { "compression.type": "lz4" },
  { "compression.type": "snappy" },
  { "compression.type": "uncompressed" },
  { "segment.bytes": "1048576", "max.message.bytes": "4000000" },
  { "min.insync.replicas": "2" }
]

/** A topic with one config that produce must heed, and batches around its limit. */
const configured = async (world: World): Promise<void> => {
  const { random } = world
  const configs = random.pick(CONFIGS)
  const topic = await world.createTopic(1, configs)
  for (let left = random.between(2, 6); left > 0; left--) {
    if (!world.topics.includes(topic)) return
    const records = recordsOf(world, random.pick([1, 2, 4])).map((record, at) => ({
      ...record,
      key: at === 1 || random.chance(0.3) ? null : record.key!,
      timestamp: random.chance(0.3)
        ? world.run.startedMs + random.pick([-HOUR_MS / 2, 30_000, 90_000])
        : record.timestamp!
    }))
    const given = records.map(({ timestamp }) => timestamp)
    const batch = buildBatch(records, codecOf(world))
    await send(
      world,
      [{ topic, index: 0, records: batch, count: records.length, times: given }],
      random.pick([-1, 1]),
      7
    )
  }
}

/** Batches of exactly, just below and just above a limit of size. */
const sized = async (world: World): Promise<void> => {
  const { random } = world
  const limit = random.pick([100, 500, 1_048_588])
  const configs: Readonly<Record<string, string>> = limit === 1_048_588 ? {} : { "max.message.bytes": String(limit) }
  const topic = await world.createTopic(1, configs)
  for (const bytes of [limit, limit + 1, limit - 1]) {
    const batch = batchOfSize(world, bytes)
    await send(world, [{ topic, index: 0, records: batch, count: 1, times: [timeOf(world)] }])
    if (!world.topics.includes(topic)) return
  }
}

const batchOfSize = (world: World, bytes: number): Uint8Array => {
  const timestamp = timeOf(world)
  const sizeOf = (length: number) => buildBatch([{ key: null, value: new Uint8Array(length), timestamp }])
  let length = bytes - RecordBatch.HEADER_BYTES - 8
  while (sizeOf(length).length < bytes) length++
  while (sizeOf(length).length > bytes) length--
  return sizeOf(length)
}

/** acks=0 says nothing: a wrong one ends the connection, a good one is there after a while. */
const unanswered = async (world: World): Promise<void> => {
  const { random, run } = world
  const topic = await world.topic(({ configs }) => Object.keys(configs).length === 1)
  const wrong = random.chance(0.3)
  const sent = good(world, topic, wrong ? 1000 : 0)
  // Asked, not remembered: a broker may have stored what it did not acknowledge in time.
  const latest = { replicaId: -1, topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }] }
  const { answer: before } = await run.ask(ListOffsetsApi, latest, { from: 1 })
  await run.tell(ProduceApi, requestOf(world, [sent], 0), { on: "silent", from: 7 })
  await run.ask(InitProducerIdApi, { transactionalId: null, transactionTimeoutMs: 1000 }, { on: "silent" })
  const partition = topic.partitions[0]!
  if (wrong) return
  store(partition, before?.topics[0]?.partitions[0]?.offset ?? partition.endOffset, sent)
  await run.settle(
    "the records sent with acks=0 are there",
    ListOffsetsApi,
    latest,
    (answer) => answer.topics[0]?.partitions[0]?.offset === partition.endOffset,
    7
  )
}

const initialise = async (world: World): Promise<void> => {
  const { random, run } = world
  const wrong = random.chance(0.3)
  const { answer } = await run.ask(InitProducerIdApi, {
    transactionalId: wrong && random.chance(0.5) ? "" : null,
    transactionTimeoutMs: random.pick([1000, 0, -1, 2_147_483_647]),
    producerId: wrong ? random.pick([-1, 5, -2]) : -1,
    producerEpoch: wrong ? random.pick([-1, 3]) : -1
  })
  if (answer?.errorCode !== 0) return
  world.producers.push({ id: answer.producerId, epoch: answer.producerEpoch, sequences: new Map() })
  if (world.producers.length > 8) world.producers.shift()
}

const LAST_SEQUENCE = 2_147_483_647

const idempotent = async (world: World): Promise<void> => {
  const { random } = world
  if (world.producers.length === 0) await initialise(world)
  const topic = await world.topic()
  const producer: Producer | undefined = world.producers.length === 0 ? undefined : random.pick(world.producers)
  if (producer === undefined) return
  const index = random.below(topic.partitions.length)
  const key = `${topic.id} ${index}`
  const next = producer.sequences.get(key) ?? 0
  const wrong = random.chance(0.35)
  const baseSequence = wrong ? random.pick([next + 1, Math.max(0, next - 1), 0, next + 100, -1, LAST_SEQUENCE]) : next
  const producerEpoch = random.chance(0.1) ? random.pick([producer.epoch + 1, -1, 32_767]) : producer.epoch
  const sent = good(world, topic, index, { producerId: producer.id, producerEpoch, baseSequence })
  const times = random.chance(0.3) ? 2 : 1
  for (let at = 0; at < times; at++) {
    if (!world.topics.includes(topic)) return
    const code = await send(world, [sent], random.pick([-1, -1, 1]), 7)
    if (code !== 0 || !world.topics.includes(topic)) continue
    // From here the sequence of this place is that of the new epoch: another producer id goes on.
    if (producerEpoch !== producer.epoch) world.producers.splice(world.producers.indexOf(producer), 1)
    else producer.sequences.set(key, RecordBatch.incrementSequence(baseSequence, sent.count))
  }
}

export const produceMoves: ReadonlyArray<Move> = [
  move("produce", [ProduceApi], 20, plain),
  move("produce a broken batch", [ProduceApi], 16, broken),
  move("produce to a wrong place", [ProduceApi], 5, misdirected),
  move("produce at the limits of time", [ProduceApi], 5, times),
  move("produce under a topic's configs", [ProduceApi], 2, configured),
  move("produce at the limits of size", [ProduceApi], 1, sized),
  move("produce without an answer", [ProduceApi, InitProducerIdApi], 3, unanswered),
  move("init producer id", [InitProducerIdApi], 4, initialise),
  move("produce with sequences", [ProduceApi, InitProducerIdApi], 24, idempotent)
]
