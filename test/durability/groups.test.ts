import { expect, it } from "vitest"
import { groupRounds } from "./groupRounds.ts"

it("groups consume again after kill -9, keep what they committed, and let everybody go", async () => {
  const report = await groupRounds(3, 20_261_121, 10_000)
  expect(report.commitsAcknowledged).toBeGreaterThan(100)
  expect(report.recoveryMs.delta.max, "no session has to end first").toBeLessThan(5_000)
  expect(report.leavingMsMax).toBeLessThan(10_000)
}, 90_000)
