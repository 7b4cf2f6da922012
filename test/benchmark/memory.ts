/**
 * What a broker's memory is after many records: `node test/benchmark/memory.ts [millions of records, default 10] [launcher]`.
 *
 * A durable broker in a process of its own takes records of 100 bytes in batches of 1,000; its resident memory is printed
 * before, at the end of the load, at its peak, and when it has been idle until two readings a second apart agree. It fails
 * when the idle broker holds more than the limit: what was written must not stay in memory.
 */
import { readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { createTopic } from "@chronik-effect/server/client/kafka/Admin.ts"
import { makeKafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { makeProducer } from "@chronik-effect/server/client/kafka/Produce.ts"
import { Effect } from "effect"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"

const RECORDS_A_BATCH = 1_000
const RECORD_BYTES = 100
const PARTITIONS = 8
const SENDERS = 16
const IDLE_MB_MAX = 250
const IDLE_READINGS_MAX = 20
const SETTLED_MB = 1

const batches = (Number(process.argv[2] ?? 10) * 1_000_000) / RECORDS_A_BATCH
const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "warn"], process.argv[3])

/** In MB: `VmRSS` is now, `VmHWM` the highest so far. */
function resident(field: "VmRSS" | "VmHWM"): number {
  const match = readFileSync(`/proc/${broker.pid}/status`, "utf8").match(new RegExp(`${field}:\\s+(\\d+)`))
  return Number(match?.[1]) / 1024
}

async function idle(): Promise<number> {
  let last = Number.POSITIVE_INFINITY
  for (let reading = 0; reading < IDLE_READINGS_MAX; reading++) {
    await pause(1_000)
    const now = resident("VmRSS")
    if (Math.abs(now - last) < SETTLED_MB) return now
    last = now
  }
  return last
}

const load = Effect.gen(function* () {
  const client = yield* makeKafkaClient({ bootstrap: broker.bootstrap })
  yield* createTopic(client, { name: "memory", partitions: PARTITIONS })
  const producer = yield* makeProducer(client)
  const records = Array.from({ length: RECORDS_A_BATCH }, () => ({ value: new Uint8Array(RECORD_BYTES) }))
  let next = 0
  const sender = Effect.gen(function* () {
    while (next < batches) yield* producer.send("memory", next++ % PARTITIONS, records)
  })
  const senders = Array.from({ length: SENDERS }, () => sender)
  yield* Effect.all(senders, { concurrency: SENDERS, discard: true })
})

try {
  await broker.start()
  const before = await idle()
  const startedMs = performance.now()
  await Effect.runPromise(Effect.scoped(load))
  const seconds = (performance.now() - startedMs) / 1_000
  const after = resident("VmRSS")
  const settled = await idle()
  const mb = (value: number) => `${Math.round(value)} MB`
  console.log(
    `${batches * RECORDS_A_BATCH} records in ${seconds.toFixed(1)} s: resident ${mb(before)} before, ${mb(after)} after, ${mb(settled)} idle, ${mb(resident("VmHWM"))} at most`
  )
  if (settled > IDLE_MB_MAX) throw new Error(`An idle broker holds ${mb(settled)}, and ${IDLE_MB_MAX} MB is the limit.`)
} finally {
  await broker.dispose()
}
