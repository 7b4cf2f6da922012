/**
 * Idempotent producers, as an enemy and as an unlucky client send them: repeated, reordered, with gaps, by an old epoch, and
 * over a restart.
 */
import { rmSync } from "node:fs"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import { type Broker, startBroker } from "chronik-effect/testing"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { Peer } from "./Peer.ts"
import { batchOf, createTopic, latestOffset, produce, produceRequest, sequenced, type Topic, utf8 } from "./Requests.ts"

let broker: Broker
let peer: Peer
let names = 0

beforeAll(async () => {
  broker = await startBroker()
  peer = await Peer.connect(broker.port)
})

afterAll(async () => {
  peer[Symbol.dispose]()
  await broker.close()
})

const freshTopic = (configs: Readonly<Record<string, string>> = {}): Promise<Topic> =>
  createTopic(peer, `sequences-${++names}`, configs)

const SEQUENCE_MAX = 0x7fffffff
const ANOTHER = { producerId: 9, producerEpoch: 0, baseSequence: 0 }

describe("idempotent producers", () => {
  test("a duplicate is answered with the original offset, and stored once", async () => {
    const topic = await freshTopic()
    await produce(peer, topic, batchOf(["somebody else"]))
    expect((await produce(peer, topic, sequenced(1, 0, 3))).baseOffset).toBe(1)
    expect((await produce(peer, topic, sequenced(1, 3))).baseOffset).toBe(4)
    expect(await produce(peer, topic, sequenced(1, 0, 3))).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: 1 })
    expect(await produce(peer, topic, sequenced(1, 3))).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: 4 })
    expect(await latestOffset(peer, topic)).toBe(5)
  })

  test("a duplicate of what is still on its way to the disk", async () => {
    const dataDir = temporaryDirectory()
    await using durable = await startBroker({ dataDir })
    using retrier = await Peer.connect(durable.port)
    const topic = await createTopic(retrier, "in-flight")
    // In one segment of TCP: all are in the mailbox before the first one is durable.
    for (let i = 0; i < 3; i++) retrier.ask(ProduceApi, 9, produceRequest(topic, sequenced(2, 0, 2)))
    for (let i = 0; i < 3; i++) retrier.ask(ProduceApi, 9, produceRequest(topic, sequenced(2, 2, 2)))
    const offsets: Array<number> = []
    for (let i = 0; i < 6; i++) {
      const frame = await retrier.frame()
      // Header (correlation id, tags), one topic, its name, one partition: index, code, offset.
      const at = 4 + 1 + 1 + 1 + topic.name.length + 1
      expect(frame.readInt16BE(at + 4)).toBe(ErrorCode.NONE)
      offsets.push(Number(frame.readBigInt64BE(at + 6)))
    }
    expect(offsets).toEqual([0, 0, 0, 2, 2, 2])
    expect(await latestOffset(retrier, topic)).toBe(4)
    await durable.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  test("only a producer id makes a producer idempotent: kafkajs sends epoch and sequence 0 without one", async () => {
    const topic = await freshTopic()
    const batch = batchOf(["k"], { producerId: -1, producerEpoch: 0, baseSequence: 0 })
    for (const baseOffset of [0, 1]) {
      expect(await produce(peer, topic, batch, { version: 7 })).toMatchObject({ errorCode: 0, baseOffset })
    }
  })

  test("gaps, repetitions of a part, and old batches beyond the window", async () => {
    const topic = await freshTopic()
    const code = async (batch: Uint8Array) => (await produce(peer, topic, batch)).errorCode
    expect(await code(sequenced(3, 0))).toBe(ErrorCode.NONE)
    expect(await code(sequenced(3, 2))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(await code(sequenced(3, 0, 2))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    for (let sequence = 1; sequence <= 5; sequence++) expect(await code(sequenced(3, sequence))).toBe(ErrorCode.NONE)
    // The last five are 1 … 5: 1 is known, 0 is not.
    expect(await produce(peer, topic, sequenced(3, 1))).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: 1 })
    expect(await code(sequenced(3, 0))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(await latestOffset(peer, topic)).toBe(6)
  })

  test("epochs: an old one is fenced, a new one starts at 0", async () => {
    const topic = await freshTopic()
    const code = async (batch: Uint8Array) => (await produce(peer, topic, batch)).errorCode
    expect(await code(sequenced(4, 7, 1, 3))).toBe(ErrorCode.NONE)
    expect(await code(sequenced(4, 8, 1, 2))).toBe(ErrorCode.INVALID_PRODUCER_EPOCH)
    expect(await code(sequenced(4, 8, 1, 4))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(await code(sequenced(4, 0, 1, 4))).toBe(ErrorCode.NONE)
    expect(await code(sequenced(4, 8, 1, 3))).toBe(ErrorCode.INVALID_PRODUCER_EPOCH)
    expect(await code(sequenced(4, 7, 1, 3))).toBe(ErrorCode.INVALID_PRODUCER_EPOCH)
    expect(await latestOffset(peer, topic)).toBe(2)
  })

  test("the sequence after 2^31-1 is 0, also inside a batch", async () => {
    const topic = await freshTopic()
    const code = async (batch: Uint8Array) => (await produce(peer, topic, batch)).errorCode
    expect(await code(sequenced(5, SEQUENCE_MAX - 1, 2))).toBe(ErrorCode.NONE)
    expect(await code(sequenced(5, 0))).toBe(ErrorCode.NONE)
    expect(await code(sequenced(6, SEQUENCE_MAX - 1, 5))).toBe(ErrorCode.NONE)
    expect(await code(sequenced(6, 4))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(await code(sequenced(6, 3))).toBe(ErrorCode.NONE)
    expect(await produce(peer, topic, sequenced(6, SEQUENCE_MAX - 1, 5))).toMatchObject({ errorCode: 0, baseOffset: 3 })
    expect(await latestOffset(peer, topic)).toBe(9)
  })

  test("state is that of a partition, and a refused batch leaves none", async () => {
    const topic = await createTopic(peer, `produce-${++names}`, {}, 2)
    const batch = sequenced(7, 0)
    batch[70]! ^= 1
    expect((await produce(peer, topic, batch)).errorCode).toBe(ErrorCode.CORRUPT_MESSAGE)
    expect((await produce(peer, topic, sequenced(7, 12))).errorCode).toBe(ErrorCode.NONE)
    expect((await produce(peer, topic, sequenced(7, 99), { partition: 1 })).errorCode).toBe(ErrorCode.NONE)
  })

  test("state outlives a clean stop and a kill -9", async () => {
    const dataDir = temporaryDirectory()
    const node = new BrokerProcess(await freePort(), dataDir, ["--log-level", "error"])
    try {
      await node.start()
      let client = await Peer.connect(node.port)
      const topic = await createTopic(client, "kept")
      const expectKept = async (next: number) => {
        expect(await produce(client, topic, sequenced(8, next - 1))).toMatchObject({
          errorCode: 0,
          baseOffset: next - 1
        })
        expect((await produce(client, topic, sequenced(8, next + 1))).errorCode).toBe(
          ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        )
        expect((await produce(client, topic, sequenced(8, 0, 1, -1))).errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH)
        expect(await produce(client, topic, sequenced(8, next))).toMatchObject({ errorCode: 0, baseOffset: next })
      }
      expect((await produce(client, topic, sequenced(8, 0))).baseOffset).toBe(0)
      // Records may be older than a producer id lives: what counts is when the broker saw them.
      const aged = await createTopic(client, "aged")
      const old = () => buildBatch([{ timestamp: Date.now() - 172_800_000, value: utf8("old") }], ANOTHER)
      expect((await produce(client, aged, old())).baseOffset).toBe(0)
      let next = 1
      for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL", "SIGTERM"] as const) {
        await node.end(signal)
        await node.start()
        client = await Peer.connect(node.port)
        await expectKept(next++)
        expect(await produce(client, aged, old())).toMatchObject({ errorCode: 0, baseOffset: 0 })
      }
      expect(await latestOffset(client, topic)).toBe(next)
      client[Symbol.dispose]()
    } finally {
      await node.end()
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})
