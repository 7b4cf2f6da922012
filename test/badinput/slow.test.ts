/**
 * Readers that stop reading, and connections that do nothing: they cost bounded memory, and nobody else's time.
 *
 * Memory is the resident set of a broker process of its own. The bound of the node's undrained answers is 256 MiB; what is
 * asserted is that bound, the commit ring and a broker under load together, with room for the garbage collector.
 */
import { readFileSync, rmSync } from "node:fs"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { Peer } from "./Peer.ts"
import {
  batchesIn,
  batchOf,
  createTopic,
  fetchOne,
  fetchRequest,
  latestOffset,
  produce,
  type Topic
} from "./Requests.ts"

const MIB = 1 << 20
const RESIDENT_MIB_MAX = 1200
const CONNECTIONS = 1000
const LARGE = 200
const SMALL = 2000

let broker: BrokerProcess
let peer: Peer
/** 180 MB in batches of 900 KB: more than the ring holds. */
let large: Topic
/** Batches of 10 KB, older than the ring. */
let small: Topic

const residentMib = (): number => {
  const status = readFileSync(`/proc/${broker.pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

beforeAll(async () => {
  broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "error"])
  await broker.start()
  peer = await Peer.connect(broker.port)
  small = await createTopic(peer, "small")
  large = await createTopic(peer, "large")
  await produceMany(small, SMALL, 10_000)
  await produceMany(large, LARGE, 900_000)
})

afterAll(async () => {
  peer[Symbol.dispose]()
  const output = broker.output
  await broker.end()
  rmSync(broker.dataDir, { recursive: true, force: true })
  expect(output).not.toMatch(/defect|Error:|died/)
})

/** What a failed test leaves open would be in the way of the next one. */
const opened: Array<Peer> = []
afterEach(() => {
  for (const each of opened.splice(0)) each.reset()
})
const connect = async (): Promise<Peer> => {
  const connected = await Peer.connect(broker.port)
  opened.push(connected)
  return connected
}

const produceMany = async (topic: Topic, batches: number, bytes: number): Promise<void> => {
  const batch = batchOf(["s".repeat(bytes)])
  for (let i = 0; i < batches; i += 20) {
    await Promise.all(Array.from({ length: 20 }, () => produce(peer, topic, batch, { acks: 1 })))
  }
}

/** Milliseconds of single produces with acks=all on several connections, sorted. */
const produceLatencies = async (topic: Topic): Promise<ReadonlyArray<number>> => {
  const latencies: Array<number> = []
  const batch = batchOf(["tick"])
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      using producer = await Peer.connect(broker.port)
      for (let i = 0; i < 100; i++) {
        const started = performance.now()
        expect((await produce(producer, topic, batch)).errorCode).toBe(0)
        latencies.push(performance.now() - started)
      }
    })
  )
  return latencies.sort((a, b) => a - b)
}

const median = (sorted: ReadonlyArray<number>): number => sorted[sorted.length >> 1]!

/** A reader that asks for much and takes nothing of it. */
const stuckReader = async (
  topic: Topic,
  requests: number,
  offsetOf: (i: number) => number,
  maxBytes: number
): Promise<Peer> => {
  const reader = await connect()
  reader.stopReading()
  for (let i = 0; i < requests; i++) reader.ask(FetchApi, 12, fetchRequest([topic], { offset: offsetOf(i), maxBytes }))
  return reader
}

describe("readers that take nothing", () => {
  test("of a thousand connections, half idle, half stuck: bounded memory, and produces go on as before", async () => {
    const ticks = await createTopic(peer, "ticks")
    await produceLatencies(ticks)
    const before = median(await produceLatencies(ticks))

    const idle = await Promise.all(Array.from({ length: CONNECTIONS / 2 }, connect))
    await Promise.all(
      Array.from({ length: CONNECTIONS / 2 }, (_, i) =>
        i % 2 === 0
          ? stuckReader(large, 4, (n) => LARGE - 20 + n, 4 * MIB)
          : stuckReader(small, 40, (n) => (i * 40 + n) % SMALL, 1)
      )
    )
    // Answered in its turn: all that the stuck ones asked for has been looked at by then.
    await peer.call(MetadataApi, 12, { topics: [] })
    const during = median(await produceLatencies(ticks))
    expect(residentMib()).toBeLessThan(RESIDENT_MIB_MAX)
    expect(during).toBeLessThan(20 * before + 200)
    expect(idle.filter((each) => each.isClosed)).toEqual([])
    // Who is idle is served when it asks.
    const answer = await idle[7]!.call(MetadataApi, 12, { topics: [{ name: small.name }] })
    expect(answer.topics[0]!.errorCode).toBe(0)
  })

  test("one that stops in the middle while the log goes round the ring: the others read and write on", async () => {
    // Each is stuck with views of the ring at another place of the log.
    const stuck: Array<Peer> = []
    for (let round = 0; round < 12; round++) {
      await produceMany(large, 20, 900_000)
      const end = await latestOffset(peer, large)
      stuck.push(await stuckReader(large, 12, () => end - 4, 8 * MIB))
      using reader = await Peer.connect(broker.port)
      const answer = await fetchOne(reader, large, { offset: end - 3, maxBytes: 8 * MIB })
      expect(batchesIn(answer)).toHaveLength(3)
    }
    expect(residentMib()).toBeLessThan(RESIDENT_MIB_MAX)
    // One of those that were not given up reads on: whole answers with right checksums, though the ring went round.
    const last = stuck.at(-1)!
    last.readAgain()
    const frame = await last.frame()
    expect(frame.length).toBeGreaterThan(4 * 900_000)
  })

  test("small answers do not pin large buffers", async () => {
    const stuck = await Promise.all(
      Array.from({ length: 10 }, () => stuckReader(small, 1000, (i) => (i * 7) % SMALL, 1))
    )
    await Promise.all(stuck.map((each) => each.flushed()))
    await fetchOne(peer, small)
    await fetchOne(peer, large)
    expect(residentMib()).toBeLessThan(RESIDENT_MIB_MAX)
  })
})

test("a sender that stops in the middle of a frame holds up nobody", async () => {
  const halves = await Promise.all(Array.from({ length: 200 }, connect))
  for (const half of halves) {
    half.send(Buffer.from([0, 16, 0, 0, 0, 0, 0, 9]))
    half.send(Buffer.alloc(200_000))
    await half.flushed()
  }
  const ticks = await createTopic(peer, "halves")
  const latencies = await produceLatencies(ticks)
  expect(latencies.at(-1)).toBeLessThan(5000)
  expect(residentMib()).toBeLessThan(RESIDENT_MIB_MAX)
})
