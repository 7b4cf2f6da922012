import { describe, expect, it } from "vitest"
import { killRounds } from "./killRounds.ts"

describe("kill -9", () => {
  it("loses, moves and repeats nothing that was acknowledged, and is back within a second", async () => {
    const report = await killRounds(5, 20_261_121, 6)
    expect(report.acknowledged).toBeGreaterThan(50)
    expect(report.restartOwnMsMedian).toBeLessThan(1_000)
  }, 120_000)
})
