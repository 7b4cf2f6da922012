import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { makeUuid, ZERO_UUID } from "../../src/base/Uuid.ts"
import { topicsOf } from "../../src/group/ConsumerSubscription.ts"
import type { CommittedOffset, GroupRecord } from "../../src/group/GroupRecord.ts"
import { decodeGroupRecord, encodeGroupRecord } from "../../src/group/RecordCodec.ts"

const hex = (bytes: Uint8Array | null) => (bytes === null ? "null" : Buffer.from(bytes).toString("hex"))
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

const golden = readFileSync(new URL("testdata/consumer-offsets-4.3.1.golden", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(" ") as [string, string])

describe("records of __consumer_offsets", () => {
  test("what Kafka wrote is read, and written again byte for byte", () => {
    expect(golden.length).toBe(10)
    for (const [key, value] of golden) {
      const record = decodeGroupRecord(bytes(key), value === "null" ? null : bytes(value))
      const encoded = encodeGroupRecord(record!)
      expect([hex(encoded.key), hex(encoded.value)]).toEqual([key, value])
    }
  })

  test("what Kafka meant is understood", () => {
    const records = golden.map(([key, value]) => decodeGroupRecord(bytes(key), value === "null" ? null : bytes(value))!)
    const [, stable, offset, empty] = records
    expect(offset).toMatchObject({ groupId: "golden-group", topic: "gold", partition: 0 })
    expect(offset?.value).toMatchObject({ offset: 3, metadata: "hello", leaderEpoch: -1, expireTimestamp: -1 })
    expect(stable?.value).toMatchObject({ protocolType: "consumer", generation: 1, protocol: "RoundRobinAssigner" })
    const member = (stable as GroupRecord & { _tag: "GroupMetadata" }).value!.members[0]!
    expect(member).toMatchObject({ clientId: "golden", clientHost: "/127.0.0.1", sessionTimeoutMs: 20_000 })
    expect(topicsOf(member.subscription)).toEqual(["gold"])
    expect(empty?.value).toMatchObject({ generation: 2, protocol: null, leader: null, members: [] })
    expect(records.at(-1)).toEqual({ _tag: "GroupMetadata", groupId: "simple-group", value: null })
  })

  test("an offset of an old broker with its own expiry, and keys of other kinds", () => {
    const value = {
      offset: 5,
      leaderEpoch: -1,
      metadata: "m",
      commitTimestamp: 7,
      expireTimestamp: 9,
      topicId: ZERO_UUID
    }
    const record: GroupRecord = { _tag: "Offset", groupId: "g", topic: "t", partition: 1, value }
    const encoded = encodeGroupRecord(record)
    expect(hex(encoded.value).slice(0, 4)).toBe("0001")
    expect(decodeGroupRecord(encoded.key, encoded.value)).toEqual(record)
    const legacy = new Uint8Array(encoded.key)
    legacy[1] = 0
    expect(decodeGroupRecord(legacy, encoded.value)).toEqual(record)
    expect(decodeGroupRecord(bytes("0004000167"), bytes("0000"))).toBeUndefined()
  })

  test("every offset survives the round trip", () => {
    const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(makeUuid)
    const value: fc.Arbitrary<CommittedOffset> = fc.record({
      offset: fc.nat(),
      leaderEpoch: fc.integer({ min: -1, max: 1000 }),
      metadata: fc.string({ maxLength: 100 }),
      commitTimestamp: fc.nat(),
      expireTimestamp: fc.constant(-1),
      topicId: fc.oneof(uuid, fc.constant(ZERO_UUID))
    })
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(), fc.option(value), (groupId, topic, partition, value) => {
        const record: GroupRecord = { _tag: "Offset", groupId, topic, partition, value }
        const encoded = encodeGroupRecord(record)
        expect(decodeGroupRecord(encoded.key, encoded.value)).toEqual(record)
      })
    )
  })

  test("metadata that is no subscription means that nothing is known", () => {
    fc.assert(fc.property(fc.uint8Array(), (noise) => void topicsOf(noise)))
    expect(topicsOf(bytes("0001000000020001"))).toBeUndefined()
    expect(topicsOf(bytes("00010000000100016100000000"))).toEqual(["a"])
  })
})
