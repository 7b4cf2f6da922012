import { describe, expect, it } from "vitest"
import { entityKey, type QuotaEntity, quotaOf, sortedEntity } from "../../src/metadata/ClientQuotas.ts"
import type { AlterClientQuotas } from "../../src/metadata/Command.ts"
import { emptyImage } from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"
import { replayAll } from "./Arbitrary.ts"

const set = (entity: QuotaEntity, value: number | null, key = "producer_byte_rate"): AlterClientQuotas => ({
  _tag: "AlterClientQuotas",
  entity,
  changes: [{ key, value }]
})
const client = { user: "u", clientId: "c", ip: "1.2.3.4" }

/** Closest first, as Kafka looks. */
const PRECEDENCE: ReadonlyArray<QuotaEntity> = [
  [
    ["client-id", "c"],
    ["user", "u"]
  ],
  [
    ["client-id", null],
    ["user", "u"]
  ],
  [["user", "u"]],
  [
    ["client-id", "c"],
    ["user", null]
  ],
  [
    ["client-id", null],
    ["user", null]
  ],
  [["user", null]],
  [["client-id", "c"]],
  [["client-id", null]]
]

describe("the quota in force", () => {
  it("is the closest that is set, at every step of Kafka's order", () => {
    let image = replayAll(PRECEDENCE.map((entity, i) => set(entity, i + 1)))
    for (const [i, entity] of PRECEDENCE.entries()) {
      const found = quotaOf(image, client, "producer_byte_rate")
      expect(found).toMatchObject({ value: i + 1, entity })
      image = replay(image, set(entity, null), image.offset).image
    }
    expect(quotaOf(image, client, "producer_byte_rate")).toBeUndefined()
  })

  it("is looked up for each key on its own", () => {
    const image = replayAll([set([["user", "u"]], 10, "consumer_byte_rate"), set([["client-id", null]], 20)])
    expect(quotaOf(image, client, "producer_byte_rate")).toMatchObject({ value: 20 })
    expect(quotaOf(image, client, "consumer_byte_rate")).toMatchObject({ value: 10 })
    expect(quotaOf(image, client, "request_percentage")).toBeUndefined()
  })

  it("counts the use of a default apart for each client, and of a user together for all client ids", () => {
    const image = replayAll([set([["user", null]], 5)])
    const bucketOf = (user: string, clientId: string) =>
      quotaOf(image, { user, clientId, ip: "" }, "producer_byte_rate")?.bucket
    expect(bucketOf("u", "c")).toBe(bucketOf("u", "d"))
    expect(bucketOf("u", "c")).not.toBe(bucketOf("v", "c"))
  })

  it("of connections goes by the address alone", () => {
    const key = "connection_creation_rate"
    const image = replayAll([
      set([["ip", null]], 7, key),
      set([["ip", "9.9.9.9"]], 8, key),
      set([["user", "u"]], 1, key)
    ])
    expect(quotaOf(image, client, key)).toMatchObject({ value: 7, bucket: entityKey([["ip", "1.2.3.4"]]) })
    expect(quotaOf(image, { ...client, ip: "9.9.9.9" }, key)).toMatchObject({ value: 8 })
  })
})

describe("an entity", () => {
  it("has one key, in whatever order its types were named", () => {
    const one: QuotaEntity = [
      ["user", "u"],
      ["client-id", null]
    ]
    expect(entityKey(sortedEntity(one))).toBe(entityKey(sortedEntity([...one].reverse())))
    expect(entityKey([["user", null]])).not.toBe(entityKey([["user", "null"]]))
  })

  it("is gone when its last key is removed; the delta says that quotas changed", () => {
    const first = replay(emptyImage("c"), set([["user", "u"]], 1), 0)
    expect(first.delta.clientQuotasChanged).toBe(true)
    const { image } = replay(first.image, set([["user", "u"]], null), 1)
    expect([...image.clientQuotas]).toEqual([])
  })
})
