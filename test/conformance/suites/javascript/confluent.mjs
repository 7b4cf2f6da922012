/**
 * @confluentinc/kafka-javascript: its promises, its node-rdkafka interface and its admin client, on librdkafka 2.15.1.
 * Usage: confluent.mjs HOST:PORT, with the package to be found from the working directory.
 *
 * Tells a line a case, as External.ts reads them.
 */
import { deepEqual, equal } from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { createRequire } from "node:module"

const require = createRequire(`${process.cwd()}/`)
const confluent = require("@confluentinc/kafka-javascript")
const { Kafka, logLevel, ErrorCodes } = confluent.KafkaJS
const bootstrap = process.argv[2]
const kafka = new Kafka({ kafkaJS: { brokers: [bootstrap], logLevel: logLevel.NOTHING } })

const LIMIT_MS = 60_000
const name = (prefix) => `${prefix}-${randomBytes(6).toString("hex")}`

const within = (promise, what) => {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const withAdmin = async (body) => {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await body(admin)
  } finally {
    await admin.disconnect()
  }
}

const newTopic = (prefix, numPartitions = 1) =>
  withAdmin(async (admin) => {
    const topic = name(prefix)
    equal(await admin.createTopics({ topics: [{ topic, numPartitions }] }), true)
    return topic
  })

const produce = async (topic, values, options = {}) => {
  const producer = kafka.producer({ kafkaJS: { acks: -1, ...options } })
  await producer.connect()
  const sent = await producer.send({
    topic,
    messages: values.map((value, i) => ({ key: `k${i}`, value, partition: 0 }))
  })
  await producer.disconnect()
  return sent
}

/** Joins a group, and resolves with the first `count` values. */
const consume = async (topic, groupId, count, options = {}) => {
  const consumer = kafka.consumer({
    ...options.raw,
    kafkaJS: { groupId, fromBeginning: true, autoCommit: false, ...options.kafkaJS }
  })
  await consumer.connect()
  await consumer.subscribe({ topic })
  const values = []
  await within(
    new Promise((resolve) =>
      consumer.run({
        eachMessage: async ({ message, topic, partition }) => {
          values.push(message.value.toString())
          if (values.length === count) {
            await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
            resolve()
          }
        }
      })
    ),
    `${count} records`
  )
  await consumer.disconnect()
  return values
}

const roundTrip = (compression) => async () => {
  const topic = await newTopic("cj")
  const values = Array.from({ length: 200 }, (_, i) => `value ${i}`)
  await produce(topic, values, { ...(compression === undefined ? {} : { compression }), idempotent: true })
  deepEqual(await consume(topic, `g-${topic}`, 200), values)
}

const continues = (protocol) => async () => {
  const topic = await newTopic("cj-group")
  const raw = { "group.protocol": protocol }
  await produce(topic, ["a", "b"])
  deepEqual(await consume(topic, `g-${topic}`, 2, { raw }), ["a", "b"])
  await produce(topic, ["c"])
  deepEqual(await consume(topic, `g-${topic}`, 1, { raw }), ["c"])
}

const topics = () =>
  withAdmin(async (admin) => {
    const topic = name("cj-topics")
    equal(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }), true)
    equal(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }), false)
    equal((await admin.listTopics()).includes(topic), true)
    const described = await admin.fetchTopicMetadata({ topics: [topic] })
    equal((described.topics ?? described)[0].partitions.length, 3)
    await admin.deleteTopics({ topics: [topic] })
    equal((await admin.listTopics()).includes(topic), false)
  })

const groups = async () => {
  const topic = await newTopic("cj-groups")
  const groupId = `g-${topic}`
  await produce(topic, ["a", "b", "c"])
  await consume(topic, groupId, 3)
  await withAdmin(async (admin) => {
    equal(
      (await admin.listGroups()).groups.some((group) => group.groupId === groupId),
      true
    )
    equal((await admin.describeGroups([groupId])).groups[0].groupId, groupId)
    const offsets = await admin.fetchOffsets({ groupId })
    equal(Number(offsets[0].partitions[0].offset), 3)
    await admin.deleteGroups([groupId])
    const error = await admin.deleteGroups([groupId]).catch((refused) => refused)
    equal((error.groups ?? error)[0].errorCode ?? error.code, ErrorCodes.ERR_GROUP_ID_NOT_FOUND)
  })
}

const records = async () => {
  const topic = await newTopic("cj-records")
  await produce(topic, ["a", "b", "c", "d"])
  await withAdmin(async (admin) => {
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "3" }] })
    const [offsets] = await admin.fetchTopicOffsets(topic)
    deepEqual([Number(offsets.low), Number(offsets.high)], [3, 4])
  })
}

/** The interface of node-rdkafka. */
const callbacks = async () => {
  const topic = await newTopic("cj-callbacks")
  const producer = new confluent.Producer({ "bootstrap.servers": bootstrap, dr_cb: true })
  await within(
    new Promise((resolve, reject) => producer.connect({}, (error) => (error ? reject(error) : resolve()))),
    "connect"
  )
  producer.setPollInterval(20)
  const report = new Promise((resolve, reject) =>
    producer.once("delivery-report", (error, delivered) => (error ? reject(error) : resolve(delivered)))
  )
  producer.produce(topic, 0, Buffer.from("value"), "key")
  equal((await within(report, "delivery")).offset, 0)
  await new Promise((resolve) => producer.disconnect(resolve))
}

const CASES = [
  ["round-trips records with none", roundTrip(undefined)],
  ...["gzip", "snappy", "lz4", "zstd"].map((codec) => [`round-trips records with ${codec}`, roundTrip(codec)]),
  ["goes on from committed offsets, classic protocol", continues("classic")],
  ["goes on from committed offsets, consumer protocol", continues("consumer")],
  ["creates, describes and deletes topics", topics],
  ["lists, describes and deletes groups", groups],
  ["deletes records", records],
  ["produces through the interface of node-rdkafka", callbacks]
]

for (const [title, body] of CASES) {
  const started = performance.now()
  let verdict = `ok ${title}`
  try {
    await body()
  } catch (error) {
    verdict = `not ok ${title}: ${String(error?.message ?? error).replace(/\s+/g, " ")}`
  }
  process.stdout.write(`${verdict}\t${((performance.now() - started) / 1000).toFixed(1)}\n`)
}
process.exit(0)
