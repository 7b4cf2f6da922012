import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { InitProducerIdApi } from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import { listOffset } from "../../../src/client/kafka/Admin.ts"
import { readPartition } from "../../../src/client/kafka/Fetch.ts"
import { type KafkaClient, makeKafkaClient, parseBootstrap } from "../../../src/client/kafka/KafkaClient.ts"
import { makeProducer } from "../../../src/client/kafka/Produce.ts"
import { type Asked, startFakeBroker } from "./FakeBroker.ts"

const APIS = [ProduceApi, FetchApi, ListOffsetsApi, MetadataApi, InitProducerIdApi]
const OFFERED = APIS.map((api) => ({ api, minVersion: 0, maxVersion: api.maxVersion }))

const run = <A>(port: number, use: (client: KafkaClient) => Effect.Effect<A, unknown>, timeoutMs = 5_000): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(makeKafkaClient({ bootstrap: `127.0.0.1:${port}`, timeoutMs }), use)))

const topicOn = (port: number, errorCode = 0) => ({
  brokers: [{ nodeId: 1, host: "127.0.0.1", port }],
  controllerId: 1,
  topics: [{ errorCode, name: "t", partitions: errorCode === 0 ? [{ partitionIndex: 0, leaderId: 1 }] : [] }]
})

const listed = (errorCode: number, offset: number) => ({
  topics: [{ name: "t", partitions: [{ partitionIndex: 0, errorCode, offset }] }]
})

const produced = (errorCode: number, baseOffset: number) => ({
  responses: [{ name: "t", partitionResponses: [{ index: 0, errorCode, baseOffset }] }]
})

describe("KafkaClient", () => {
  it("asks the leader again with fresh metadata when leadership has moved", async () => {
    let refusals = 2
    await using broker = await startFakeBroker(OFFERED, ({ apiKey, reply }) => {
      if (apiKey === MetadataApi.key) reply(topicOn(broker.port))
      else reply(refusals-- > 0 ? listed(ErrorCode.NOT_LEADER_OR_FOLLOWER, -1) : listed(0, 42))
    })
    expect(await run(broker.port, (client) => listOffset(client, "t", 0, -1))).toBe(42)
    const metadataAsked = broker.asked.filter((asked) => asked.apiKey === MetadataApi.key).length
    expect(metadataAsked).toBe(3)
    expect(broker.connections()).toBe(1)
  })

  it("gives up at once on an error that does not pass", async () => {
    await using broker = await startFakeBroker(OFFERED, ({ apiKey, reply }) =>
      reply(apiKey === MetadataApi.key ? topicOn(broker.port) : listed(ErrorCode.INVALID_REQUEST, -1))
    )
    const error = await run(broker.port, (client) => Effect.flip(listOffset(client, "t", 0, -1)))
    expect(error).toMatchObject({ kind: "broker", code: ErrorCode.INVALID_REQUEST, retriable: false })
    expect(error.message).toContain("INVALID_REQUEST (42)")
  })

  it("speaks the newest version that both know, and says so when there is none", async () => {
    const offered = [
      { api: MetadataApi, minVersion: 0, maxVersion: 4 },
      { api: ListOffsetsApi, minVersion: 90, maxVersion: 99 }
    ]
    await using broker = await startFakeBroker(offered, ({ reply }) => reply(topicOn(broker.port)))
    const error = await run(broker.port, (client) => Effect.flip(listOffset(client, "t", 0, -1)))
    expect(broker.asked.map((asked) => [asked.apiKey, asked.apiVersion])).toEqual([[3, 4]])
    expect(error).toMatchObject({ kind: "unsupported" })
    expect(error.message).toContain("offers ListOffsets in versions 90-99")
  })

  it("numbers an idempotent batch once, also when it is sent again over a new connection", async () => {
    const produces: Array<Asked> = []
    await using broker = await startFakeBroker(OFFERED, (asked) => {
      if (asked.apiKey === MetadataApi.key) asked.reply(topicOn(broker.port))
      else if (asked.apiKey === InitProducerIdApi.key) asked.reply({ producerId: 7, producerEpoch: 1 })
      else {
        produces.push(asked)
        // The first answer is lost with its connection.
        if (produces.length === 1) asked.socket.destroy()
        else asked.reply(produced(0, 100 + produces.length))
      }
    })
    const sent = await run(broker.port, (client) =>
      Effect.gen(function* () {
        const producer = yield* makeProducer(client, { idempotent: true })
        const record = { value: Uint8Array.of(1), timestamp: 1 }
        const first = yield* producer.send("t", 0, [record, record])
        const second = yield* producer.send("t", 0, [record])
        return [first.baseOffset, second.baseOffset]
      })
    )
    expect(sent).toEqual([102, 103])
    const batches = produces.map(({ value }) => {
      const { topicData } = value as { topicData: Array<{ partitionData: Array<{ records: Uint8Array }> }> }
      return topicData[0]!.partitionData[0]!.records
    })
    expect(batches.map((batch) => RecordBatch.baseSequence(batch, 0))).toEqual([0, 0, 2])
    expect(batches.every((batch) => RecordBatch.producerId(batch, 0) === 7)).toBe(true)
    expect(broker.connections()).toBe(2)
  })

  it("refuses a batch whose CRC is wrong", async () => {
    let stored = new Uint8Array(0)
    await using broker = await startFakeBroker(OFFERED, ({ apiKey, value, reply }) => {
      if (apiKey === MetadataApi.key) reply(topicOn(broker.port))
      else if (apiKey === ProduceApi.key) {
        const { topicData } = value as { topicData: Array<{ partitionData: Array<{ records: Uint8Array }> }> }
        stored = topicData[0]!.partitionData[0]!.records.slice()
        stored[stored.length - 2] = stored[stored.length - 2]! ^ 1
        reply(produced(0, 0))
      } else
        reply({ responses: [{ topic: "t", partitions: [{ partitionIndex: 0, highWatermark: 1, records: stored }] }] })
    })
    const error = await run(broker.port, (client) =>
      Effect.gen(function* () {
        const producer = yield* makeProducer(client)
        yield* producer.send("t", 0, [{ value: new Uint8Array(10), timestamp: 1 }])
        return yield* Effect.flip(readPartition(client, "t", 0, 0, 1))
      })
    )
    expect(error.message).toBe("The batch at offset 0 has a wrong CRC.")
  })

  it("closes a connection whose broker does not answer in time, and fails what waits on it", async () => {
    await using broker = await startFakeBroker(OFFERED, () => {})
    const error = await run(
      broker.port,
      (client) => Effect.flip(Effect.flatMap(client.any, () => client.metadata([]))),
      150
    )
    expect(error).toMatchObject({ kind: "timeout" })
  })

  it("pipelines requests and matches answers in order", async () => {
    const held: Array<Asked> = []
    await using broker = await startFakeBroker(OFFERED, (asked) => {
      held.push(asked)
      if (held.length === 3)
        for (const [i, one] of held.entries()) one.reply({ ...topicOn(broker.port), controllerId: i })
    })
    const ids = await run(broker.port, (client) =>
      Effect.gen(function* () {
        const connection = yield* client.any
        const fibers = yield* Effect.forEach([0, 1, 2], () =>
          Effect.forkChild(connection.request(MetadataApi, { topics: null }))
        )
        return (yield* Effect.forEach(fibers, Fiber.join)).map((answer) => answer.controllerId)
      })
    )
    expect(ids).toEqual([0, 1, 2])
  })

  it("says in a sentence that nobody listens", async () => {
    const error = await run(1, (client) => Effect.flip(client.any))
    expect(error).toMatchObject({ kind: "connect", message: "No connection to 127.0.0.1:1: nothing listens there." })
  })
})

describe("parseBootstrap", () => {
  it.each([
    ["a", [{ host: "a", port: 9092 }]],
    [
      "a:1, b:2,",
      [
        { host: "a", port: 1 },
        { host: "b", port: 2 }
      ]
    ],
    ["[::1]:3", [{ host: "::1", port: 3 }]],
    ["", undefined],
    ["a:0", undefined],
    ["http://a:1", undefined]
  ])("%s", (text, addresses) => {
    expect(parseBootstrap(text)).toEqual(addresses)
  })
})
