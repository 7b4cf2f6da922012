import { describe, expect, it } from "vitest"
import { measureCleaning, sweepCleaning } from "./cleanEverywhere.ts"

const POINTS = 30

describe("a crash at the boundaries of the disk while a log is compacted", () => {
  it("happens in a run that makes passes and swaps files", async () => {
    const { boundaries, coverage } = await measureCleaning(1)
    expect(boundaries).toBeGreaterThan(400)
    expect(coverage.passes).toBeGreaterThan(3)
    expect(coverage.filesReplaced).toBeGreaterThan(10)
  })

  it("loses the newest value of no key, moves no offset, and leaves one state of every file", async () => {
    for (const seed of [1, 2]) {
      const report = await sweepCleaning({ seed, points: POINTS })
      expect(report.failures).toEqual([])
      expect(report.runs).toBeGreaterThanOrEqual(POINTS - 1)
    }
  }, 240_000)
})
