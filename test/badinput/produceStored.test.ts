import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { readAllRecords } from "@chronik-effect/core/record/Records.ts"
import { compress, decompress } from "@chronik-effect/server/io/Compression.ts"
import { type Broker, startBroker } from "chronik-effect/testing"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Peer } from "./Peer.ts"
import { batchesIn, batchOf, createTopic, fetchOne, latestOffset, NOW, produce, type Topic, utf8 } from "./Requests.ts"

const { Codec } = RecordBatch
const HOUR_MS = 3_600_000

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
  createTopic(peer, `stored-${++names}`, configs)

const compressed = (values: ReadonlyArray<string>, codec: RecordBatch.Codec) => batchOf(values, { codec, compress })

describe("topics that change what they store", () => {
  test("LogAppendTime stamps the batch and the answer", async () => {
    const topic = await freshTopic({ "message.timestamp.type": "LogAppendTime" })
    const before = Date.now()
    const answer = await produce(peer, topic, buildBatch([{ timestamp: 12_345, value: utf8("a") }]), { version: 3 })
    expect(answer.errorCode).toBe(ErrorCode.NONE)
    expect(answer.logAppendTimeMs).toBeGreaterThanOrEqual(before)
    expect(answer.logAppendTimeMs).toBeLessThanOrEqual(Date.now())
    const [batch] = batchesIn(await fetchOne(peer, topic))
    expect(RecordBatch.isLogAppendTime(batch!, 0)).toBe(true)
    expect(RecordBatch.maxTimestamp(batch!, 0)).toBe(answer.logAppendTimeMs)
    // Times far ahead do not matter where the broker's time counts.
    const far = buildBatch([{ timestamp: NOW + 30 * HOUR_MS, value: utf8("b") }])
    expect((await produce(peer, topic, far)).errorCode).toBe(ErrorCode.NONE)
  })

  test("the change of message.timestamp.type reaches the next produce", async () => {
    const topic = await freshTopic()
    expect((await produce(peer, topic, batchOf(["a"]))).logAppendTimeMs).toBe(-1)
    await peer.call(IncrementalAlterConfigsApi, 1, {
      resources: [
        {
          resourceType: 2,
          resourceName: topic.name,
          configs: [{ name: "message.timestamp.type", configOperation: 0, value: "LogAppendTime" }]
        }
      ]
    })
    expect((await produce(peer, topic, batchOf(["a"]))).logAppendTimeMs).toBeGreaterThan(0)
  })

  test.each([
    ["uncompressed", Codec.NONE],
    ["gzip", Codec.GZIP],
    ["snappy", Codec.SNAPPY],
    ["lz4", Codec.LZ4],
    ["zstd", Codec.ZSTD]
  ] as const)("compression.type=%s recompresses whatever comes", async (type, codec) => {
    const topic = await freshTopic({ "compression.type": type })
    const values = ["one", "two", "z".repeat(500)]
    for (const sent of Object.values(Codec)) {
      const records = sent === Codec.NONE ? batchOf(values) : compressed(values, sent)
      expect((await produce(peer, topic, records)).errorCode).toBe(ErrorCode.NONE)
    }
    const batches = batchesIn(await fetchOne(peer, topic))
    expect(batches.map((batch) => RecordBatch.codecId(batch, 0))).toEqual([codec, codec, codec, codec, codec])
    for (const batch of batches) {
      const read = readAllRecords(batch, 0, decompress, 1 << 20)
      expect(Array.isArray(read) ? read.map((r) => Buffer.from(r.value!).toString()) : read).toEqual(values)
    }
  })

  test("max.message.bytes is looked at again after the recompression", async () => {
    const topic = await freshTopic({ "compression.type": "uncompressed", "max.message.bytes": "1000" })
    expect((await produce(peer, topic, compressed(["y".repeat(5000)], Codec.GZIP))).errorCode).toBe(
      ErrorCode.MESSAGE_TOO_LARGE
    )
    expect(await latestOffset(peer, topic)).toBe(0)
  })

  test("compression.type=producer keeps every byte", async () => {
    const topic = await freshTopic()
    const sent = Object.values(Codec).map((codec) => (codec === Codec.NONE ? batchOf(["q"]) : compressed(["q"], codec)))
    for (const records of sent) await produce(peer, topic, records)
    const stored = batchesIn(await fetchOne(peer, topic))
    expect(stored.map((batch) => [...batch.subarray(RecordBatch.CRC_AT)])).toEqual(
      sent.map((batch) => [...batch.subarray(RecordBatch.CRC_AT)])
    )
  })
})
