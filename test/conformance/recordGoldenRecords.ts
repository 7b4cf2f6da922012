/**
 * Makes packages/core/test/protocol/golden/records: keys and values that a real Kafka wrote into its own topics, and
 * the consumer protocol data that its clients exchanged.
 *
 * ```sh
 * node test/conformance/recordGoldenRecords.ts 17092     # after recordGolden.ts, against the same Kafka
 * ```
 * A developer's tool: nothing runs it by itself.
 */
import { writeFileSync } from "node:fs"
import { setTimeout as after } from "node:timers/promises"
import { Kafka, logLevel } from "kafkajs"

const PER_KIND_MAX = 3

interface GoldenRecord {
  readonly topic: string
  readonly key: string
  readonly value: string
}

const kafka = new Kafka({ brokers: [`127.0.0.1:${process.argv[2]}`], logLevel: logLevel.NOTHING })
const consumer = kafka.consumer({ groupId: `golden-records-${process.pid}` })
const kept = new Map<string, Array<GoldenRecord>>()

await consumer.connect()
await consumer.subscribe({ topics: ["__consumer_offsets", "__transaction_state"], fromBeginning: true })
await consumer.run({
  eachMessage: async ({ topic, message: { key, value } }) => {
    if (key === null || value === null) return
    const kind = `${topic} ${key.readInt16BE(0)} ${value.readInt16BE(0)}`
    const known = kept.get(kind) ?? []
    known.push({ topic, key: key.toString("base64"), value: value.toString("base64") })
    // The largest say the most.
    known.sort((a, b) => b.value.length - a.value.length).splice(PER_KIND_MAX)
    kept.set(kind, known)
  }
})
await after(8_000)
await consumer.disconnect()
for (const [kind, records] of kept) console.log(kind, records.length)
const file = new URL("../../packages/core/test/protocol/golden/records/kafka.json", import.meta.url)
writeFileSync(file, `${JSON.stringify([...kept.values()].flat(), null, 2)}\n`)
process.exit(0)
