import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { defaultConsumerEnvironment } from "../../../src/group/consumer/ConsumerEnvironment.ts"
import { MemberState } from "../../../src/group/consumer/ConsumerRecord.ts"
import { defaultGroupConfig } from "../../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../../src/group/GroupMachine.ts"
import type { GroupRecord } from "../../../src/group/GroupRecord.ts"
import { decodeGroupRecord, encodeGroupRecord } from "../../../src/group/RecordCodec.ts"
import { showRecord } from "../Show.ts"

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (of: Uint8Array | null) => (of === null ? "null" : Buffer.from(of).toString("hex"))

/** The partitions of subscribed topics: given up by Kafka itself. */
const PARTITION_METADATA_KEY = "0004"

const golden = readFileSync(new URL("../testdata/consumer-groups-4.3.1.golden", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(" ") as [string, string])

const decoded = (until = golden.length): ReadonlyArray<GroupRecord> =>
  golden
    .slice(0, until)
    .map(([key, value]) => decodeGroupRecord(bytes(key), value === "null" ? null : bytes(value)))
    .filter((record) => record !== undefined)

const loaded = (records: ReadonlyArray<GroupRecord>): GroupMachine => {
  const machine = new GroupMachine(defaultGroupConfig, defaultConsumerEnvironment)
  for (const record of records) machine.load(record)
  machine.loaded(0)
  return machine
}

describe("records of consumer groups", () => {
  test("what Kafka wrote is read, and written again byte for byte", () => {
    expect(golden.length).toBe(35)
    for (const [key, value] of golden) {
      const record = decodeGroupRecord(bytes(key), value === "null" ? null : bytes(value))
      if (key.startsWith(PARTITION_METADATA_KEY)) {
        expect(record).toBeUndefined()
        continue
      }
      const encoded = encodeGroupRecord(record!)
      expect([hex(encoded.key), hex(encoded.value)]).toEqual([key, value])
    }
  })

  test("what Kafka meant is understood", () => {
    const records = decoded()
    expect(records.slice(0, 6).map(showRecord)).toEqual([
      "member gold848 member-a topics=gold-a,gold-b assignor=uniform",
      "epoch gold848 2",
      "target gold848 member-a RUTm_b1eTXWPr5L34R1Hfw:0,1,2/W0X_9U-fRxa4E8rSqeXM8g:0,1",
      "target-epoch gold848 2",
      "current gold848 member-a epoch=2 before=0 STABLE has=RUTm_b1eTXWPr5L34R1Hfw:0@2,1@2,2@2/W0X_9U-fRxa4E8rSqeXM8g:0@2,1@2",
      "member gold848 member-b topics= regex=gold-.* instance=instance-b"
    ])
    const classic = records.find((record) => showRecord(record).includes("classic="))
    expect(showRecord(classic!)).toMatch(/^member gold848 \S+ topics=gold-a classic=range$/)
  })

  test("a machine that loads Kafka's log has Kafka's group", () => {
    const upTo = golden.findIndex(([key, value]) => key.startsWith("0008") && value.startsWith("0000fffffffe"))
    const group = loaded(decoded(upTo)).consumerGroup("gold848")!
    expect([group.epoch, group.targetEpoch, group.members.size, group.classicMembers]).toEqual([4, 3, 3, 1])
    expect(group.currents.get("member-a")).toMatchObject({ memberEpoch: 3, state: MemberState.STABLE })
    expect(group.subscribedTopics()).toEqual(new Set(["gold-a", "gold-b"]))
    expect(group.staticMembers.get("instance-b")).toBe("member-b")
    const after = loaded(decoded())
    expect(after.consumerGroup("gold848")).toBeUndefined()
    expect(after.classicGroup("gold848")).toMatchObject({ state: "Empty", generation: 6 })
  })

  test("a record of a broker that wrote no epochs counts as given at the member's", () => {
    const [key, value] = golden.find(([key]) => key.startsWith("0008"))!
    const record = decodeGroupRecord(bytes(key), bytes(value))!
    if (record._tag !== "ConsumerGroupCurrentMemberAssignment") throw new Error("key type 8 is a current assignment")
    const withoutEpochs = value.replaceAll(/010[0-9]0[0-9]0[0-9](?:0000000[0-9])+/g, "00")
    const old = decodeGroupRecord(bytes(key), bytes(withoutEpochs))
    expect(withoutEpochs.length).toBeLessThan(value.length)
    expect(old).toEqual(record)
  })
})
