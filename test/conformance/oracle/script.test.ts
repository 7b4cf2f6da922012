/**
 * The oracle's script is certain: two fresh brokers of ours answer all of it alike, down to the last field, so that a
 * difference from Apache Kafka is one of the brokers and not one of the moment.
 */
import { expect, test } from "vitest"
import { startOurs } from "./Brokers.ts"
import { Findings } from "./Findings.ts"
import { renderReport } from "./Report.ts"
import { playSeed } from "./Script.ts"

const REQUESTS = 800

test("two brokers of ours do not differ", { timeout: 120_000 }, async () => {
  const [one, other] = await Promise.all([startOurs(), startOurs()])
  const findings = new Findings()
  try {
    await playSeed({
      seed: 42,
      tag: "",
      requests: REQUESTS,
      only: undefined,
      kafka: one.side,
      ours: other.side,
      findings,
      say: () => {}
    })
  } finally {
    await Promise.all([one.end(), other.end()])
  }
  expect(findings.requests).toBeGreaterThanOrEqual(REQUESTS)
  const report = renderReport(findings, { seeds: 1, only: undefined })
  expect(findings.unexplained.size, report).toBe(0)
  expect(findings.roundTrips.broken, report).toEqual([])
})
