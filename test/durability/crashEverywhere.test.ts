import { describe, expect, it } from "vitest"
import { measure, sweep } from "./crashEverywhere.ts"

const POINTS = 120

describe("a crash at the boundaries of the disk", () => {
  it("happens in a run that settles, carries, recycles and snapshots", async () => {
    const { boundaries, coverage } = await measure(1)
    expect(boundaries).toBeGreaterThan(800)
    expect(coverage.settledSegments).toBeGreaterThan(5)
    expect(coverage.carriedBatches).toBeGreaterThan(10)
    expect(coverage.snapshots).toBeGreaterThan(0)
  })

  it("loses, moves, repeats and invents nothing, twice in a row, with every kind of loss", async () => {
    for (const seed of [1, 2]) {
      const report = await sweep({ seed, points: POINTS })
      expect(report.failures).toEqual([])
      expect(report.runs).toBeGreaterThanOrEqual(POINTS - 1)
    }
  }, 240_000)
})
