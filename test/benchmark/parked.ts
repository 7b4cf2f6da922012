/**
 * `npm run bench:parked`: what fetches cost that wait.
 *
 *   npm run bench:parked -- [--connections 1000] [--each 10] [--seconds 5] [--appends 2000]
 *
 * 1. `connections` x `each` parked fetches, and nothing else: processor time of the broker while nothing happens.
 * 2. Appends to one partition, one after the other: alone, with all those fetches parked elsewhere, and with a thousand more
 *    parked on that very partition whose `min.bytes` is never reached. Processor time of the broker for each append.
 */
import { readFileSync, rmSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { parseArgs } from "node:util"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { Peer } from "../badinput/Peer.ts"
import { batchOf, createTopic, fetchRequest, produce, type Topic } from "../badinput/Requests.ts"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "1000" },
    each: { type: "string", default: "10" },
    seconds: { type: "string", default: "5" },
    appends: { type: "string", default: "2000" }
  }
})
const LONG_MS = 1_000_000
const BUSY_READERS = 1000
const TOPICS = 100
const PER_CONNECTION = 500

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Milliseconds of processor time that the broker has used so far. */
const usedMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const park = async (port: number, topics: ReadonlyArray<Topic>, minBytes: number): Promise<void> => {
  const peer = await Peer.connect(port)
  for (const topic of topics) peer.ask(FetchApi, 12, fetchRequest([topic], { minBytes, maxWaitMs: LONG_MS }))
  await peer.flushed()
}

const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "error"])
await broker.start()
try {
  const peer = await Peer.connect(broker.port)
  const topics = await Promise.all(Array.from({ length: TOPICS }, (_, i) => createTopic(peer, `parked-${i}`)))
  const busy = await createTopic(peer, "busy")
  const batch = batchOf(["v".repeat(100)])
  const appends = Number(values.appends)
  const append = async (title: string) => {
    for (let i = 0; i < appends / 4; i++) await produce(peer, busy, batch)
    const before = usedMs(broker.pid)
    const started = performance.now()
    for (let i = 0; i < appends; i++) await produce(peer, busy, batch)
    const cpu = ((usedMs(broker.pid) - before) * 1000) / appends
    const wall = ((performance.now() - started) * 1000) / appends
    say(`${title}: ${cpu.toFixed(1)} us of processor time an append, ${wall.toFixed(0)} us a round trip`)
  }
  const idle = async (title: string) => {
    const before = usedMs(broker.pid)
    await pause(Number(values.seconds) * 1000)
    const share = (usedMs(broker.pid) - before) / (Number(values.seconds) * 10)
    say(`${title}: ${share.toFixed(2)} % of a processor while idle`)
  }
  await append("appends alone")
  await idle("nothing parked")

  const [connections, each] = [Number(values.connections), Number(values.each)]
  for (let i = 0; i < connections; i++) {
    await park(
      broker.port,
      Array.from({ length: each }, (_, n) => topics[(i + n) % TOPICS]!),
      1
    )
  }
  const before = usedMs(broker.pid)
  await pause(Number(values.seconds) * 1000)
  const share = (usedMs(broker.pid) - before) / (Number(values.seconds) * 10)
  say(
    `${connections * each} parked fetches on ${connections} connections: ${share.toFixed(2)} % of a processor while idle`
  )
  await append(`appends beside ${connections * each} fetches parked elsewhere`)

  for (let i = 0; i < BUSY_READERS / PER_CONNECTION; i++) {
    await park(
      broker.port,
      Array.from({ length: PER_CONNECTION }, () => busy),
      16 << 20
    )
  }
  await append(`appends under ${BUSY_READERS} fetches that miss bytes of this partition`)
} finally {
  await broker.dispose()
  rmSync(broker.dataDir, { recursive: true, force: true })
}
process.exit(0)
