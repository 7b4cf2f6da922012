import { planRetention, type RetentionSegment } from "@chronik-effect/core/log/Retention.ts"
import { describe, expect, it } from "vitest"

/** Four segments of 100 bytes, ten offsets each, with timestamps 1000, 2000, 3000, 4000. */
const segments: Array<RetentionSegment> = [1, 2, 3, 4].map((i) => ({
  baseOffset: (i - 1) * 10,
  endOffset: i * 10,
  bytes: 100,
  maxTimestamp: i * 1000
}))
const plan = (limits: { retentionMs?: number; retentionBytes?: number }, now = 0, start = 0, end = 40) =>
  planRetention(segments, start, end, { retentionMs: -1, retentionBytes: -1, ...limits }, now)

describe("planRetention", () => {
  it("removes nothing without limits", () => expect(plan({}, 1e12)).toBe(0))

  it("removes whole segments that are older than retention.ms, from the front", () => {
    expect(plan({ retentionMs: 1000 }, 3001)).toBe(20)
    expect(plan({ retentionMs: 1000 }, 3000)).toBe(10)
    expect(plan({ retentionMs: 0 }, 1e9)).toBe(40)
  })

  it("keeps at least retention.bytes, as Kafka counts it", () => {
    expect(plan({ retentionBytes: 300 })).toBe(10)
    expect(plan({ retentionBytes: 301 })).toBe(0)
    expect(plan({ retentionBytes: 150 })).toBe(20)
    expect(plan({ retentionBytes: 0 })).toBe(40)
  })

  it("stops at the high watermark", () => {
    expect(plan({ retentionBytes: 0 }, 0, 0, 25)).toBe(20)
    expect(plan({ retentionMs: 0 }, 1e9, 0, 9)).toBe(0)
  })

  it("never moves the start back, and keeps a segment that is younger than one behind it", () => {
    expect(plan({}, 0, 25)).toBe(25)
    const mixed = [segments[3]!, { ...segments[0]!, baseOffset: 40, endOffset: 50 }]
    expect(planRetention(mixed, 30, 50, { retentionMs: 1000, retentionBytes: -1 }, 4500)).toBe(30)
  })

  it("does not judge the age of a segment without timestamps", () => {
    const unknown = [{ ...segments[0]!, maxTimestamp: -1 }]
    expect(planRetention(unknown, 0, 10, { retentionMs: 1, retentionBytes: -1 }, 1e12)).toBe(0)
  })
})
