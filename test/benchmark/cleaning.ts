/**
 * What compaction does to producers: the latency of single acknowledged records to one topic, alone and while another topic of
 * many keys is compacted in the same process; and how fast that is.
 *
 *   node test/benchmark/cleaning.ts [--mib 200] [--keys 20000] [--seconds 10] [--codec 0..4]
 *
 * Prints one line of JSON. Run it on a quiet machine: the figures are a process's, not a model's.
 */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import type { Codec } from "@chronik-effect/core/record/RecordBatch.ts"
import { compress } from "@chronik-effect/server/io/Compression.ts"
import { Peer } from "../badinput/Peer.ts"
import { batchOf, createTopic, produce, type Topic } from "../badinput/Requests.ts"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"

const VALUE_BYTES = 100
const RECORDS_A_BATCH = 500
const TOPIC_RESOURCE = 2

const logBytes = (dataDir: string, topic: string): number => {
  const folder = join(dataDir, "topics")
  const directory = readdirSync(folder).find((name) => name.startsWith(`${topic}-0.`))
  if (directory === undefined) return 0
  return readdirSync(join(folder, directory))
    .filter((name) => name.endsWith(".log"))
    .reduce((sum, name) => sum + (statSync(join(folder, directory, name), { throwIfNoEntry: false })?.size ?? 0), 0)
}

const fill = async (peer: Peer, topic: Topic, bytes: number, keys: number, codec: Codec): Promise<void> => {
  let sent = 0
  for (let n = 0; sent < bytes; ) {
    const value = Buffer.alloc(VALUE_BYTES, n)
    const records = Array.from({ length: RECORDS_A_BATCH }, () => {
      n = (n * 1_103_515_245 + 12_345) >>> 0
      return { key: Buffer.from(`key-${n % keys}`), value, timestamp: Date.now() }
    })
    const batch = buildBatch(records, { codec, compress })
    await produce(peer, topic, batch)
    sent += RECORDS_A_BATCH * (VALUE_BYTES + 20)
  }
}

/** Milliseconds of each of many single records, sent one after the other while `goesOn`. */
const latencies = async (peer: Peer, topic: Topic, goesOn: () => boolean): Promise<ReadonlyArray<number>> => {
  const times: Array<number> = []
  while (goesOn()) {
    const started = performance.now()
    await produce(peer, topic, batchOf(["one"]))
    times.push(performance.now() - started)
  }
  return times.sort((a, b) => a - b)
}

const shown = (times: ReadonlyArray<number>) => {
  const at = (share: number) =>
    Number((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(2))
  return { n: times.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) }
}

const { values } = parseArgs({
  options: {
    mib: { type: "string", default: "200" },
    keys: { type: "string", default: "20000" },
    seconds: { type: "string", default: "10" },
    codec: { type: "string", default: "0" }
  }
})
const seconds = Number(values.seconds)
const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--set", "log.cleaner.backoff.ms=50"])
await broker.start()
try {
  const peer = await Peer.connect(broker.port)
  const probe = await createTopic(peer, "probe")
  // Not compacted while it is filled.
  const kv = await createTopic(peer, "kv", { "cleanup.policy": "compact", "min.compaction.lag.ms": "3600000" })
  await fill(peer, kv, Number(values.mib) * 2 ** 20, Number(values.keys), Number(values.codec) as Codec)
  await latencies(peer, probe, until(performance.now() + 2_000))
  const alone = await latencies(peer, probe, until(performance.now() + seconds * 1_000))
  const before = logBytes(broker.dataDir, "kv")
  const configs = [{ name: "min.compaction.lag.ms", configOperation: 0, value: "0" }]
  const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: "kv", configs }]
  await peer.call(IncrementalAlterConfigsApi, 1, { resources, validateOnly: false })
  const started = performance.now()
  let looked = started
  let cleanedAt = Number.NaN
  const during = await latencies(peer, probe, () => {
    const now = performance.now()
    if (now - looked > 100) {
      looked = now
      if (logBytes(broker.dataDir, "kv") < before / 3) cleanedAt = now
    }
    return Number.isNaN(cleanedAt) && now - started < 300_000
  })
  const after = logBytes(broker.dataDir, "kv")
  const cleaningSeconds = (cleanedAt - started) / 1_000
  const mibPerSecond = before / 2 ** 20 / cleaningSeconds
  process.stdout.write(
    `${JSON.stringify({ ...values, bytesBefore: before, bytesAfter: after, cleaningSeconds, mibPerSecond, aloneMs: shown(alone), duringMs: shown(during) })}\n`
  )
  peer[Symbol.dispose]()
} finally {
  await broker.dispose()
}

function until(end: number): () => boolean {
  return () => performance.now() < end
}
