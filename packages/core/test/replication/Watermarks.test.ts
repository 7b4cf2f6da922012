import { Watermarks } from "@chronik-effect/core/replication/Watermarks.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"

describe("Watermarks", () => {
  it("moves the high watermark forward only, and never past the log end", () => {
    const marks = new Watermarks(0, 0, 0)
    marks.appended(0, 10)
    expect(marks.committed(4)).toBe(true)
    expect(marks.committed(4)).toBe(false)
    expect(marks.committed(2)).toBe(false)
    expect(marks.highWatermark).toBe(4)
    expect(() => marks.committed(11)).toThrow(/must not pass the log end/)
  })

  it("refuses an append that leaves a hole or reuses an offset", () => {
    const marks = new Watermarks(0, 5, 5)
    expect(() => marks.appended(6, 8)).toThrow(/must start at the log end/)
    expect(() => marks.appended(4, 8)).toThrow(/must start at the log end/)
    expect(() => marks.appended(5, 5)).toThrow(/at least one offset/)
  })

  it("holds readers of committed records at the oldest open transaction", () => {
    const marks = new Watermarks(0, 0, 0)
    marks.appended(0, 10)
    marks.unstableFrom(3)
    marks.committed(10)
    expect([marks.lastStableOffset, marks.highWatermark]).toEqual([3, 10])
    marks.unstableFrom(-1)
    expect(marks.lastStableOffset).toBe(10)
  })

  it("cuts only above the high watermark, and starts only below it", () => {
    const marks = new Watermarks(0, 0, 0)
    marks.appended(0, 10)
    marks.committed(6)
    expect(() => marks.truncated(5)).toThrow(/below the high watermark/)
    marks.truncated(6)
    expect(marks.logEndOffset).toBe(6)
    expect(() => marks.startsAt(7)).toThrow(/must not pass the high watermark/)
    expect(marks.startsAt(4)).toBe(true)
    expect(marks.startsAt(2)).toBe(false)
    expect(marks.logStartOffset).toBe(4)
  })

  it("keeps the four offsets in order whatever happens", () => {
    const step = fc.record({ what: fc.integer({ min: 0, max: 4 }), n: fc.integer({ min: 0, max: 40 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const marks = new Watermarks(0, 0, 0)
        for (const { what, n } of steps) {
          const highBefore = marks.highWatermark
          if (what === 0) marks.appended(marks.logEndOffset, marks.logEndOffset + 1 + n)
          if (what === 1) marks.committed(Math.min(n, marks.logEndOffset))
          if (what === 2) marks.startsAt(Math.min(n, marks.highWatermark))
          if (what === 3) marks.truncated(Math.max(marks.highWatermark, marks.logEndOffset - n))
          if (what === 4)
            marks.unstableFrom(n % 2 === 0 ? -1 : Math.min(Math.max(n, marks.highWatermark), marks.logEndOffset))
          expect(marks.highWatermark).toBeGreaterThanOrEqual(highBefore)
          expect(marks.logStartOffset).toBeLessThanOrEqual(marks.lastStableOffset)
          expect(marks.lastStableOffset).toBeLessThanOrEqual(marks.highWatermark)
          expect(marks.highWatermark).toBeLessThanOrEqual(marks.logEndOffset)
        }
      })
    )
  })

  it("falls only with a cut across an unclean election, and with a reset", () => {
    const marks = new Watermarks(2, 8, 10)
    expect(() => marks.truncated(7)).toThrow("below the high watermark")
    marks.truncatedUncleanly(5)
    expect([marks.highWatermark, marks.lastStableOffset, marks.logEndOffset]).toEqual([5, 5, 5])
    expect(() => marks.truncatedUncleanly(1)).toThrow("is reset")

    expect(() => marks.reset(4, false)).toThrow("below the high watermark")
    marks.reset(20, false)
    expect([marks.logStartOffset, marks.highWatermark, marks.logEndOffset]).toEqual([20, 20, 20])
    marks.reset(4, true)
    expect([marks.logStartOffset, marks.highWatermark, marks.logEndOffset]).toEqual([4, 4, 4])
  })

  it("forgets an open transaction that was cut", () => {
    const marks = new Watermarks(0, 2, 10)
    marks.unstableFrom(5)
    marks.truncated(4)
    marks.appended(4, 9)
    marks.committed(8)
    expect(marks.lastStableOffset).toBe(8)
  })
})
