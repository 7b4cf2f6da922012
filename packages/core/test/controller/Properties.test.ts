import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ModelCluster } from "./ModelCluster.ts"

const STEPS = 400
const HEALING_STEPS = 1_500

const run = (seed: number): ModelCluster => {
  const cluster = new ModelCluster(seed, 5, 3)
  for (let i = 0; i < STEPS; i++) cluster.step(true)
  return cluster
}

describe("a controller among nodes that die, disks that are lost and controllers that change", () => {
  it("never elects a leader that lacks what was committed, and everything settles after healing", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const cluster = run(seed)
        cluster.heal()
        let missing = cluster.unsettled()
        for (let i = 0; i < HEALING_STEPS && missing !== undefined; i++) {
          cluster.step(false)
          missing = cluster.unsettled()
        }
        expect(missing).toBe(undefined)
      }),
      // The example: a learner that had promised more than its leader knew.
      { numRuns: 60, examples: [[47444613]] }
    )
  })

  it("sees all that it is there for", () => {
    const total: Record<string, number> = {}
    for (let seed = 1; seed <= 20; seed++) {
      for (const [what, count] of Object.entries(run(seed).seen)) total[what] = (total[what] ?? 0) + count
    }
    for (const [what, count] of Object.entries(total)) expect(count, what).toBeGreaterThan(5)
  })

  it("does the same again with the same inputs", () => {
    expect(run(7).trace).toEqual(run(7).trace)
  })
})
