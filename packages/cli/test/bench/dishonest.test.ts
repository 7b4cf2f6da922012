/**
 * The benchmark against a broker that acknowledges and then cheats: each way of cheating must be told, and fail the run.
 */
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { afterEach, expect, it, vi } from "vitest"
import { type FakeBroker, startFakeBroker } from "../../../server/test/client/kafka/FakeBroker.ts"
import { run } from "../../src/Cli.ts"

const APIS = [ProduceApi, FetchApi, ListOffsetsApi, MetadataApi, CreateTopicsApi, DeleteTopicsApi]
const OFFERED = APIS.map((api) => ({
  api,
  minVersion: 0,
  maxVersion: api.key === 20 ? 5 : Math.min(api.maxVersion, 12)
}))

type Cheat = (batch: Uint8Array) => ReadonlyArray<Uint8Array>

/** One topic of one partition in memory. The twentieth batch goes through the cheat. */
async function startCheat(cheat: Cheat): Promise<FakeBroker> {
  const log: Array<Uint8Array> = []
  let topic = ""
  let produced = 0
  let end = 0
  const append = (batch: Uint8Array): number => {
    // Not slice(): that of a Buffer is a view.
    const kept = new Uint8Array(batch)
    RecordBatch.setBaseOffset(kept, 0, end)
    log.push(kept)
    end += RecordBatch.recordsCount(kept, 0)
    return end - RecordBatch.recordsCount(kept, 0)
  }
  const broker = await startFakeBroker(OFFERED, ({ apiKey, value, reply }) => {
    switch (apiKey) {
      case CreateTopicsApi.key:
        topic = (value as { topics: Array<{ name: string }> }).topics[0]!.name
        return reply({ topics: [{ name: topic }] })
      case DeleteTopicsApi.key:
        return reply({ responses: [{ name: topic }] })
      case MetadataApi.key: {
        const partitions = [{ partitionIndex: 0, leaderId: 1 }]
        const brokers = [{ nodeId: 1, host: "127.0.0.1", port: broker.port }]
        return reply({ brokers, controllerId: 1, topics: [{ name: topic, partitions }] })
      }
      case ListOffsetsApi.key: {
        const asked = value as { topics: Array<{ partitions: Array<{ timestamp: number }> }> }
        const offset = asked.topics[0]!.partitions[0]!.timestamp === -2 ? 0 : end
        return reply({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset }] }] })
      }
      case ProduceApi.key: {
        const asked = value as { topicData: Array<{ partitionData: Array<{ records: Uint8Array }> }> }
        const { records } = asked.topicData[0]!.partitionData[0]!
        const kept = ++produced === 20 ? cheat(new Uint8Array(records)) : [records]
        const [baseOffset = end] = kept.map(append)
        return reply({ responses: [{ name: topic, partitionResponses: [{ index: 0, baseOffset }] }] })
      }
      default: {
        const asked = value as { topics: Array<{ partitions: Array<{ fetchOffset: number }> }> }
        const { fetchOffset } = asked.topics[0]!.partitions[0]!
        // A batch holds one record, so that the offset is the index.
        const records = log[fetchOffset] ?? null
        return reply({ responses: [{ topic, partitions: [{ partitionIndex: 0, highWatermark: end, records }] }] })
      }
    }
  })
  return broker
}

/** The command in this process: its exit code, and what it printed. */
async function bench(broker: FakeBroker): Promise<{ code: number; text: string }> {
  let text = ""
  const take = (chunk: unknown) => {
    text += String(chunk)
    return true
  }
  vi.spyOn(process.stdout, "write").mockImplementation(take)
  vi.spyOn(process.stderr, "write").mockImplementation(take)
  const flags = ["-n", "1", "-p", "1", "-d", "0.1", "--warm-up", "0", "-q", "--timeout", "5"]
  const code = await run(["bench", "-b", `127.0.0.1:${broker.port}`, ...flags])
  return { code, text }
}

afterEach(() => vi.restoreAllMocks())

it.each<[string, Cheat, string, number]>([
  ["honest", (batch) => [batch], " ok", 0],
  ["that forgets", () => [], "acknowledged records are missing", 1],
  ["that stores twice", (batch) => [batch, batch], "records are there twice", 1],
  [
    "that changes a byte and makes the CRC fit",
    (batch) => {
      batch[batch.length - 5] = batch[batch.length - 5]! ^ 1
      RecordBatch.updateCrc(batch, 0)
      return [batch]
    },
    "records have a wrong checksum",
    1
  ],
  [
    "that changes a byte",
    (batch) => {
      batch[batch.length - 5] = batch[batch.length - 5]! ^ 1
      return [batch]
    },
    "has a wrong CRC",
    1
  ]
])("a broker %s is found out", async (_name, cheat, sentence, exitCode) => {
  await using broker = await startCheat(cheat)
  const { code, text } = await bench(broker)
  expect(text).toContain(sentence)
  expect(code).toBe(exitCode)
})
