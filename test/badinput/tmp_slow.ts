import { readFileSync, rmSync } from "node:fs"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { Peer } from "./Peer.ts"
import { batchOf, createTopic, fetchRequest, produce, type Topic } from "./Requests.ts"
const what = process.argv[2]
const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "info"])
await broker.start()
const rss = (l: string) => console.log(l, Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${broker.pid}/status`, "utf8"))?.[1]) / 1024))
const peer = await Peer.connect(broker.port)
const small = await createTopic(peer, "small")
const large = await createTopic(peer, "large")
const many = async (topic: Topic, batches: number, bytes: number) => {
  const batch = batchOf(["s".repeat(bytes)])
  for (let i = 0; i < batches; i += 20) await Promise.all(Array.from({ length: 20 }, () => produce(peer, topic, batch, { acks: 1 })))
}
await many(small, 2000, 10_000)
rss("small produced")
await many(large, 200, 900_000)
rss("large produced")
const idle = await Promise.all(Array.from({ length: 500 }, () => Peer.connect(broker.port)))
rss("idle")
const stuck: Peer[] = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
  const r = await Peer.connect(broker.port)
  r.stopReading()
  if (i % 2 === 0) { if (what !== "small") for (let n = 0; n < 4; n++) r.ask(FetchApi, 12, fetchRequest([large], { offset: 180 + n, maxBytes: 4 << 20 })) }
  else if (what !== "large") for (let n = 0; n < 40; n++) r.ask(FetchApi, 12, fetchRequest([small], { offset: (i * 40 + n) % 2000, maxBytes: 1 }))
  return r
}))
for (let i = 0; i < 5; i++) { await peer.call(MetadataApi, 12, { topics: [] }); rss("now"); }
const ticks = await createTopic(peer, "ticks")
for (let k = 0; k < 4; k++) {
await Promise.all(Array.from({ length: 4 }, async () => { const p = await Peer.connect(broker.port); for (let i = 0; i < 100; i++) await produce(p, ticks, batchOf(["tick"])) }))
rss("ticked")
}
const t0 = performance.now()
await produce(peer, small, batchOf(["x"])); console.log("produce", Math.round(performance.now() - t0))
for (let i = 0; i < 10; i++) { await peer.call(MetadataApi, 12, { topics: [] }); await new Promise((r) => setTimeout(r, 200)) }
rss("later")
console.log("closed", stuck.filter((s) => s.isClosed).length)
console.log(broker.output.split("\n").filter((l) => !l.startsWith("    at")).slice(0, 20).join("\n"))
await broker.end()
rmSync(broker.dataDir, { recursive: true })
process.exit(0)
