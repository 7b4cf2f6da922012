/**
 * What the oracle's judgement is worth: it sees a difference, takes ids for each other once and for all, and its document is
 * what its table says. The run against Apache Kafka is a command, `npm run oracle`.
 */
import { readFileSync } from "node:fs"
import { encodeResponseFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { ProduceRequest } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { FetchResponse } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataResponse } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { JoinGroupResponse } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { ListGroupsApi, ListGroupsResponse } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { InitProducerIdApi, InitProducerIdResponse } from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { describe, expect, it } from "vitest"
import { compare, type Sides } from "./Compare.ts"
import { rules } from "./Differences.ts"
import { DOCUMENT_PATH, renderDocument } from "./Document.ts"
import { Findings } from "./Findings.ts"
import { RoundTrips } from "./RoundTrips.ts"
import { Symbols } from "./Symbols.ts"
import { translated } from "./Translate.ts"

const NOW = 2_000_000_000_000

const sides = (): Sides => ({
  symbols: new Symbols(),
  kafkaPort: 1,
  oursPort: 2,
  kafkaHost: "kafka",
  oursHost: "ours",
  startedMs: NOW
})

const places = (found: ReadonlyArray<{ readonly place: string }>) => found.map(({ place }) => place)

describe("the comparison", () => {
  it("pairs ids at their first meeting and finds one that is used again", () => {
    const both = sides()
    const answer = (producerId: number) => ({ errorCode: 0, producerId, producerEpoch: 0 })
    const ask = (kafka: number, ours: number) =>
      places(compare(both, "InitProducerId", InitProducerIdResponse, 4, answer(kafka), answer(ours)))
    expect(ask(1000, 7)).toEqual([])
    expect(ask(1001, 8)).toEqual([])
    expect(ask(1000, 7)).toEqual([])
    // Kafka hands out a new one, ours an old one; and the other way round.
    expect(ask(1002, 7)).toEqual(["producerId"])
    expect(ask(1001, 9)).toEqual(["producerId"])
    expect(ask(-1, 9)).toEqual(["producerId"])
  })

  it("compares what a client said of itself in a member id, and pairs the rest", () => {
    const answer = (memberId: string) => ({ generationId: 1, leader: "", memberId, members: [] })
    const ask = (kafka: string, ours: string) =>
      places(compare(sides(), "JoinGroup", JoinGroupResponse, 3, answer(kafka), answer(ours)))
    const [one, other] = ["0b45c1b8-3f2a-47fa-90cc-9e70e9ff0c1c", "ea20be44-ea7c-4623-b44f-6ae2a56d35ef"]
    expect(ask(`a-${one}`, `a-${other}`)).toEqual([])
    expect(ask(`a-${one}`, `b-${other}`)).toEqual(["memberId"])
  })

  it("takes lists that come from hash maps as sets, also when an element comes twice", () => {
    const group = (groupId: string) => ({ groupId, protocolType: "consumer" })
    const ask = (kafka: ReadonlyArray<string>, ours: ReadonlyArray<string>) =>
      places(
        compare(sides(), "ListGroups", ListGroupsResponse, 0, { groups: kafka.map(group) }, { groups: ours.map(group) })
      )
    expect(ask(["a", "b"], ["b", "a"])).toEqual([])
    expect(ask(["a", "a"], ["a"])).toEqual(['groups["a"]'])
    expect(ask(["a"], ["b"])).toEqual(['groups["a"]', 'groups["b"]'])
  })

  it("wants each broker to name its own address", () => {
    const answer = (host: string, port: number) => ({
      brokers: [{ nodeId: 1, host, port, rack: null }],
      clusterId: "c",
      controllerId: 1,
      topics: []
    })
    const ask = (ours: [string, number]) =>
      places(compare(sides(), "Metadata", MetadataResponse, 4, answer("kafka", 1), answer(...ours)))
    expect(ask(["ours", 2])).toEqual([])
    expect(ask(["kafka", 1])).toEqual(["brokers[0].host", "brokers[0].port"])
  })

  it("compares batches by their header fields and their decompressed records", () => {
    const batch = (value: string, timestamp: number) =>
      buildBatch([{ key: null, value: Buffer.from(value), timestamp }])
    const answer = (records: Uint8Array) => ({
      responses: [{ topic: "t", partitions: [{ partitionIndex: 0, records, abortedTransactions: null }] }]
    })
    const ask = (kafka: Uint8Array, ours: Uint8Array) =>
      places(compare(sides(), "Fetch", FetchResponse, 11, answer(kafka), answer(ours)))
    const good = batch("one", 5)
    expect(ask(good, good)).toEqual([])
    expect(ask(Buffer.concat([good, good.subarray(0, 20)]), good)).toEqual([])
    expect(ask(good, batch("two", 5))).toEqual(['responses["t"].partitions[0].records[0].records'])
    const torn = good.slice()
    torn[RecordBatch.CRC_AT]! ^= 1
    expect(ask(good, torn)).toEqual(['responses["t"].partitions[0].records[0].crcIsRight'])
    expect(ask(good, new Uint8Array(0))).toEqual(['responses["t"].partitions[0].records[]'])
  })
})

describe("requests", () => {
  it("name topics and producers by our ids, with a CRC that is right when it was", () => {
    const symbols = new Symbols()
    symbols.matches("producer", 1000, 7)
    const batch = buildBatch([{ key: null, value: Buffer.from("v"), timestamp: 5 }], {
      producerId: 1000,
      producerEpoch: 0,
      baseSequence: 0
    })
    const request = { topicData: [{ name: "t", partitionData: [{ index: 0, records: batch }] }] }
    const sent = (value: typeof request) => translated(symbols, "Produce", ProduceRequest, 9, value) as typeof request
    const ours = sent(request).topicData[0]!.partitionData[0]!.records
    expect(RecordBatch.producerId(ours, 0)).toBe(7)
    expect(RecordBatch.verifyCrc(ours, 0)).toBe(true)
    expect(RecordBatch.producerId(batch, 0)).toBe(1000)
  })
})

describe("round trips", () => {
  it("count an answer that comes back, and keep one that does not", () => {
    const trips = new RoundTrips()
    const value = { throttleTimeMs: 0, errorCode: 0, groups: [{ groupId: "g", protocolType: "consumer" }] }
    const raw = Buffer.concat(encodeResponseFrame(ListGroupsApi, 1, 5, value)).subarray(4)
    trips.check(ListGroupsApi, 1, 5, raw, value)
    expect([trips.identical, trips.broken.length]).toEqual([1, 0])
    trips.check(ListGroupsApi, 1, 5, Buffer.concat([raw, Buffer.from([0])]), value)
    expect([trips.identical, trips.broken.length]).toEqual([1, 1])
    const asked = [
      { api: ListGroupsApi, version: 1 },
      { api: InitProducerIdApi, version: 4 }
    ]
    expect(trips.coverage(asked)).toEqual({ full: 1, missing: ["InitProducerId 4"] })
  })
})

describe("the table of differences", () => {
  it("lets nothing through that no rule names", () => {
    const findings = new Findings()
    const difference = { path: "groups[]", place: 'groups["a"]', kafka: {}, ours: undefined, kafkaAround: [] }
    expect(findings.compared(1, 1, ListGroupsApi, 1, {}, [difference])).toBe(false)
    expect(findings.unexplained.size).toBe(1)
    expect(findings.compared(1, 2, ListGroupsApi, 1, {}, [])).toBe(true)
  })

  it("gives each rule its reason", () => {
    for (const rule of rules) expect([rule.what.length > 10, rule.reason.length > 20]).toEqual([true, true])
  })

  it("is what docs/oracle.md says: otherwise run `npm run oracle -- --write-docs`", () => {
    expect(readFileSync(DOCUMENT_PATH, "utf8")).toBe(renderDocument())
  })
})
