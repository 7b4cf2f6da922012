import { expect, it } from "vitest"
import { restartWithHistory } from "../benchmark/groupRestart.ts"

it("a coordinator whose log was compacted knows the last commits, and reads little else", async () => {
  const { before, after } = await restartWithHistory(60_000, 100)
  expect(before.logBytes).toBeGreaterThan(1_000_000)
  expect(after.logBytes).toBeLessThan(before.logBytes / 10)
}, 90_000)
