import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { BrokerConfig, makeBrokerConfig } from "../../src/config/BrokerConfig.ts"
import { isTooLong, shown, VALUE_BYTES_MAX } from "../../src/config/ConfigDefinition.ts"
import { decideAlterConfigs, decideReplaceConfigs, KEYS_A_RESOURCE_MAX } from "../../src/metadata/DecideConfigs.ts"
import { emptyImage } from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"
import { ErrorCode } from "../../src/model/ErrorCode.ts"
import { replayAll, topicIdOf } from "./Arbitrary.ts"

const broker = new BrokerConfig("standalone", new Map([["node.id", "1"]]))
const image = replayAll([
  {
    _tag: "CreateTopic",
    name: "t",
    topicId: topicIdOf(0),
    internal: false,
    partitions: [{ replicas: [1], isr: [1], leader: 1 }],
    configs: [["retention.ms", "7"]]
  }
])

type Change = readonly [name: string, op: number, value: string | null]
const alter = (resourceType: number, resourceName: string, ...changes: ReadonlyArray<Change>) =>
  decideAlterConfigs(
    { resourceType, resourceName, changes: changes.map(([name, op, value]) => ({ name, op, value })) },
    image,
    broker
  )
const refusal = (decision: ReturnType<typeof alter>) => (Result.isFailure(decision) ? decision.failure : undefined)
const set = (name: string, value: string): Change => [name, 0, value]

describe("a broker's configs", () => {
  it("may hold keys that nobody knows, for plugins", () => {
    expect(refusal(alter(4, "1", set("plugin.key", "x")))).toBeUndefined()
    expect(refusal(alter(4, "", set("plugin.key", "x")))).toBeUndefined()
  })

  it("may be removed whatever they are", () => {
    const removed = alter(4, "1", ["node.id", 1, null], ["no.such", 1, null])
    expect(Result.isSuccess(removed) && removed.success.changes).toEqual([])
  })

  it("are this broker's, whose id may be written as any integer", () => {
    const decided = alter(4, "01", set("log.retention.ms", "5"))
    expect(Result.isSuccess(decided) && decided.success.resource).toBe("1")
    expect(refusal(alter(4, "2", set("log.retention.ms", "5")))?.message).toBe(
      "Unexpected broker id, expected 1, but received 2"
    )
    expect(refusal(alter(4, "one", set("log.retention.ms", "5")))?.message).toBe(
      "Node id must be an integer, but it is: one"
    )
  })

  it.each([
    [[set("log.cleaner.min.compaction.lag.ms", "10"), set("log.cleaner.max.compaction.lag.ms", "9")]],
    [[set("group.consumer.assignment.interval.ms", "15001")]]
  ])("never contradict each other: %o", (changes) => {
    expect(refusal(alter(4, "", ...changes))).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST })
    expect(refusal(alter(4, "", ...changes))?.message).toMatch(/must be greater than or equal to/)
  })

  it("of one broker are judged together with those of all", () => {
    const set10 = alter(4, "", set("log.cleaner.min.compaction.lag.ms", "10"))
    if (Result.isFailure(set10)) throw new Error(set10.failure.message)
    const changed = replay(image, set10.success, image.offset).image
    const withDefault = broker.withDynamic(changed.brokerConfigs.get("")!, new Map())
    const request = {
      resourceType: 4,
      resourceName: "1",
      values: [{ name: "log.cleaner.max.compaction.lag.ms", value: "9" }]
    }
    expect(Result.isFailure(decideReplaceConfigs(request, changed, withDefault))).toBe(true)
    expect(Result.isSuccess(decideReplaceConfigs(request, image, broker))).toBe(true)
  })

  it("are refused at the start too when they contradict each other", () => {
    const made = makeBrokerConfig("standalone", [["group.consumer.session.timeout.ms", "1000"]])
    expect(Result.isFailure(made) && made.failure).toEqual([
      "group.consumer.session.timeout.ms (1000) must be greater than or equal to group.consumer.min.session.timeout.ms (45000)."
    ])
    const heartbeat = makeBrokerConfig("standalone", [
      ["group.consumer.min.session.timeout.ms", "1"],
      ["group.consumer.session.timeout.ms", "5000"]
    ])
    expect(Result.isFailure(heartbeat) && heartbeat.failure[0]).toMatch(/must be less than/)
  })

  it("are no secrets: those need a listener", () => {
    expect(refusal(alter(4, "1", set("ssl.keystore.password", "x")))?.message).toContain("only per-listener")
  })
})

describe("what one request may ask of a resource", () => {
  it("is bounded in keys", () => {
    const keys = (count: number) => Array.from({ length: count }, (_, i): Change => [`k${i}`, 1, null])
    expect(refusal(alter(2, "t", ...keys(KEYS_A_RESOURCE_MAX)))).toBeUndefined()
    expect(refusal(alter(2, "t", ...keys(KEYS_A_RESOURCE_MAX + 1)))?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
  })

  it("is bounded in the length of values and keys", () => {
    const long = "x".repeat(VALUE_BYTES_MAX + 1)
    expect(refusal(alter(2, "t", set("leader.replication.throttled.replicas", long)))?.errorCode).toBe(
      ErrorCode.INVALID_CONFIG
    )
    for (const [type, name] of [
      [4, "1"],
      [16, "m"]
    ] as const) {
      expect(refusal(alter(type, name, set("metrics", long)))?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
      expect(refusal(alter(type, name, set("k".repeat(250), "1")))?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
      expect(refusal(alter(type, name, set("", "1")))?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
    }
  })

  it("is bounded in the length of a list that grows", () => {
    const pairs = (from: number) => Array.from({ length: 3_500 }, (_, i) => `${from + i}:1`).join(",")
    const first = alter(2, "t", ["leader.replication.throttled.replicas", 2, pairs(1_000)])
    if (Result.isFailure(first)) throw new Error(first.failure.message)
    const grown = replay(image, first.success, image.offset).image
    const more = {
      resourceType: 2,
      resourceName: "t",
      changes: [{ name: "leader.replication.throttled.replicas", op: 2, value: pairs(5_000) }]
    }
    expect(refusal(decideAlterConfigs(more, grown, broker))?.errorCode).toBe(ErrorCode.INVALID_CONFIG)
  })

  it("counts bytes, not characters", () => {
    expect(isTooLong("\u20ac".repeat(10_922))).toBe(false)
    expect(isTooLong("\u20ac".repeat(10_923))).toBe(true)
  })

  it("is bounded in how many unknown keys a broker keeps", () => {
    const keys = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => set(`plugin.${from + i}`, "x"))
    const first = alter(4, "", ...keys(0, 1000))
    if (Result.isFailure(first)) throw new Error(first.failure.message)
    const full = replay(image, first.success, image.offset).image
    const more = { resourceType: 4, resourceName: "", changes: [{ name: "one.more", op: 0, value: "x" }] }
    expect(refusal(decideAlterConfigs(more, full, broker))?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
    expect(refusal(decideAlterConfigs(more, image, broker))).toBeUndefined()
  })

  it("is shown in messages short and without control characters", () => {
    expect(shown("a\u0000\u001b[31m\u202eb\n")).toBe("a\\u0000\\u001b[31m\\u202eb\\u000a")
    expect(shown("x".repeat(10_000)).length).toBeLessThan(300)
    const message = refusal(alter(2, "t", set("compression.type", `${"z".repeat(5000)}\u0007`)))?.message ?? ""
    expect(message.length).toBeLessThan(500)
  })
})

describe("replacing a set", () => {
  const replace = (values: ReadonlyArray<readonly [string, string | null]>) =>
    decideReplaceConfigs(
      { resourceType: 2, resourceName: "t", values: values.map(([name, value]) => ({ name, value })) },
      image,
      broker
    )

  it("removes what is not named, and only what is there", () => {
    const decided = replace([["segment.ms", "5"]])
    expect(Result.isSuccess(decided) && decided.success.changes).toEqual([
      { name: "retention.ms", op: 1, value: null },
      { name: "segment.ms", op: 0, value: "5" }
    ])
    const same = replace([["retention.ms", "8"]])
    expect(Result.isSuccess(same) && same.success.changes).toEqual([{ name: "retention.ms", op: 0, value: "8" }])
  })

  it("refuses null, duplicates and bad values", () => {
    expect(refusal(replace([["retention.ms", null]]))?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
    expect(
      refusal(
        replace([
          ["retention.ms", "1"],
          ["retention.ms", "1"]
        ])
      )?.errorCode
    ).toBe(ErrorCode.INVALID_REQUEST)
    expect(refusal(replace([["retention.ms", "x"]]))?.errorCode).toBe(ErrorCode.INVALID_CONFIG)
  })
})

it("an entry about a resource that this version cannot configure changes nothing", () => {
  const { result, image: after } = replay(
    emptyImage("c"),
    { _tag: "AlterConfigs", resourceType: 8 as never, resource: "1", changes: [{ name: "a", op: 0, value: "1" }] },
    0
  )
  expect(result).toMatchObject({ _tag: "Rejected", errorCode: ErrorCode.INVALID_REQUEST })
  expect(after.brokerConfigs.size).toBe(0)
})
