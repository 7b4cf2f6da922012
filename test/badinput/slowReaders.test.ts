/**
 * Consumers that are behind, or that stop: what producers notice of them is bounded, and so is the memory.
 *
 * Latency is compared with that of the same node a moment before; the bound is wide, since other tests run beside this one,
 * and far below what a producer would wait behind a reader that is served first.
 */
import { readFileSync, rmSync } from "node:fs"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { Peer } from "./Peer.ts"
import { batchesIn, batchOf, createTopic, fetchOne, fetchRequest, produce, type Topic } from "./Requests.ts"

const MIB = 1 << 20
const RESIDENT_MIB_MAX = 1200
const ANSWER_BYTES_MAX = 16 * MIB
const BATCHES = 240
const BATCH_BYTES = 500_000

let broker: BrokerProcess
let peer: Peer
/** 120 MB, of which the ring holds the last half. */
let old: Topic
let ticks: Topic
const opened: Array<Peer> = []

beforeAll(async () => {
  broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "error"])
  await broker.start()
  peer = await Peer.connect(broker.port)
  old = await createTopic(peer, "old")
  ticks = await createTopic(peer, "ticks")
  const batch = batchOf(["s".repeat(BATCH_BYTES)])
  for (let i = 0; i < BATCHES; i += 20) {
    await Promise.all(Array.from({ length: 20 }, () => produce(peer, old, batch, { acks: 1 })))
  }
})
afterEach(() => {
  for (const each of opened.splice(0)) each.reset()
})
afterAll(async () => {
  peer[Symbol.dispose]()
  const output = broker.output
  await broker.end()
  rmSync(broker.dataDir, { recursive: true, force: true })
  expect(output).not.toMatch(/defect|Error:|died/)
})

const connect = async (): Promise<Peer> => {
  const connected = await Peer.connect(broker.port)
  opened.push(connected)
  return connected
}
const residentMib = (): number => {
  const status = readFileSync(`/proc/${broker.pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
/** Milliseconds of produces with acks=all on four connections, sorted. */
const produceLatencies = async (): Promise<ReadonlyArray<number>> => {
  const latencies: Array<number> = []
  const batch = batchOf(["tick"])
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      using producer = await Peer.connect(broker.port)
      for (let i = 0; i < 30; i++) {
        const started = performance.now()
        expect((await produce(producer, ticks, batch)).errorCode).toBe(0)
        latencies.push(performance.now() - started)
      }
    })
  )
  return latencies.sort((a, b) => a - b)
}
const median = (sorted: ReadonlyArray<number>): number => sorted[sorted.length >> 1]!
const expectProducersUndisturbed = async (before: number): Promise<void> => {
  expect(median(await produceLatencies())).toBeLessThan(20 * before + 200)
  expect(residentMib()).toBeLessThan(RESIDENT_MIB_MAX)
}

describe("producers beside consumers", () => {
  test("some that read what is long past, again and again", async () => {
    await produceLatencies()
    const before = median(await produceLatencies())
    let reading = true
    let answers = 0
    // Frames are counted, not decoded: this process must not be what the producers wait for.
    const readers = Array.from({ length: 6 }, async (_, i) => {
      const reader = await connect()
      for (let offset = i; reading; offset = (offset + 7) % (BATCHES / 2)) {
        reader.ask(FetchApi, 12, fetchRequest([old], { offset, partitionMaxBytes: 1 }))
        expect((await reader.frame()).length).toBeGreaterThan(BATCH_BYTES)
        answers++
      }
    })
    try {
      await expectProducersUndisturbed(before)
    } finally {
      reading = false
      await Promise.all(readers)
    }
    expect(answers).toBeGreaterThan(20)
    const whole = await fetchOne(peer, old, { offset: 3, partitionMaxBytes: 2 * MIB })
    expect(batchesIn(whole).map((batch) => RecordBatch.baseOffset(batch, 0))).toEqual([3, 4, 5, 6])
  })

  test("some that ask for all there is and take none of it", async () => {
    await produceLatencies()
    const before = median(await produceLatencies())
    for (let i = 0; i < 30; i++) {
      const reader = await connect()
      reader.stopReading()
      for (let n = 0; n < 4; n++)
        reader.ask(
          FetchApi,
          12,
          fetchRequest([old], { offset: n * 40, maxBytes: 0x7fffffff, partitionMaxBytes: 0x7fffffff })
        )
      await reader.flushed()
    }
    // Answered in its turn: all that the stuck ones asked for has been looked at by then.
    await peer.call(MetadataApi, 12, { topics: [] })
    await expectProducersUndisturbed(before)
  })

  test("one that stops in the middle of an answer of 16 MiB and goes on later", async () => {
    const reader = await connect()
    reader.stopReading()
    const request = fetchRequest([old], { maxBytes: 0x7fffffff, partitionMaxBytes: 0x7fffffff })
    reader.ask(FetchApi, 12, request)
    reader.ask(FetchApi, 12, request)
    await reader.flushed()
    const before = median(await produceLatencies())
    await expectProducersUndisturbed(before)
    reader.readAgain()
    for (let i = 0; i < 2; i++) {
      const frame = await reader.frame()
      expect(frame.length).toBeGreaterThan(ANSWER_BYTES_MAX - 2 * BATCH_BYTES)
      expect(frame.length).toBeLessThan(ANSWER_BYTES_MAX + MIB)
    }
  })

  test("a thousand that wait for more than comes", async () => {
    const before = median(await produceLatencies())
    for (let i = 0; i < 20; i++) {
      const waiter = await connect()
      const request = fetchRequest([ticks], { offset: 0, minBytes: 16 * MIB, maxWaitMs: 100_000 })
      for (let n = 0; n < 50; n++) waiter.ask(FetchApi, 12, request)
      await waiter.flushed()
    }
    await peer.call(MetadataApi, 12, { topics: [] })
    await expectProducersUndisturbed(before)
  })
})
