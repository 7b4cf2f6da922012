import { OffsetIndex } from "@chronik-effect/core/log/OffsetIndex.ts"
import { TimeIndex } from "@chronik-effect/core/log/TimeIndex.ts"
import { describe, expect, it } from "vitest"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("OffsetIndex", () => {
  it("has Kafka's layout: relative last offset, position", () => {
    const index = new OffsetIndex(1000)
    index.append(1005, 4200)
    index.append(1300, 9000)
    expect(hex(index.bytes)).toBe("00000005000010680000012c00002328")
    expect(index.entryBefore(1004)).toBe(-1)
    expect(index.entryBefore(1005)).toBe(0)
    expect(index.entryBefore(99_999)).toBe(1)
  })

  it("keeps of a file only what could be true", () => {
    const index = new OffsetIndex(0)
    for (const [offset, position] of [
      [5, 100],
      [9, 200],
      [8, 300],
      [20, 400]
    ] as const)
      index.append(offset, position)
    expect(OffsetIndex.sanitized(0, index.bytes.slice(), 1000).size).toBe(2)
    expect(OffsetIndex.sanitized(0, index.bytes.slice(), 150).size).toBe(1)
    expect(OffsetIndex.sanitized(0, new Uint8Array(24), 1000).size).toBe(0)
    expect(OffsetIndex.sanitized(0, index.bytes.slice(0, 13), 1000).size).toBe(1)
  })

  it("is cut by position", () => {
    const index = new OffsetIndex(0)
    for (let i = 1; i < 5; i++) index.append(i, i * 100)
    index.truncateTo(300)
    expect(index.size).toBe(2)
  })
})

describe("TimeIndex", () => {
  it("has Kafka's layout: timestamp, relative offset", () => {
    const index = new TimeIndex(10)
    expect(index.maybeAppend(1_700_000_000_000, 15)).toBe(true)
    expect(index.maybeAppend(1_700_000_000_000, 20)).toBe(false)
    expect(index.maybeAppend(-1, 20)).toBe(false)
    expect(hex(index.bytes)).toBe("0000018bcfe5680000000005")
  })

  it("says from where to search", () => {
    const index = new TimeIndex(0)
    index.maybeAppend(100, 5)
    index.maybeAppend(200, 9)
    expect([99, 100, 101, 200, 201].map((timestamp) => index.offsetBefore(timestamp))).toEqual([0, 0, 5, 5, 9])
    index.truncateTo(9)
    expect(index.size).toBe(1)
    expect(TimeIndex.sanitized(0, index.bytes.slice(), 5).size).toBe(0)
    expect(TimeIndex.sanitized(0, new Uint8Array(36), 5).size).toBe(1)
  })
})
