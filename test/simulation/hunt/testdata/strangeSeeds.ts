/** A world in which some seeds fail, throw, end the process or never end: what a hunt must survive and name. */
import { assert } from "../../../../packages/core/src/base/Assert.ts"
import type { RunSimulation } from "../../kernel/RunResult.ts"

export const runSimulation: RunSimulation = (seed, options) => {
  assert(seed !== 3, "three is not allowed")
  if (seed === 5) throw new TypeError("five")
  if (seed === 7) process.exit(9)
  for (let turns = 0; seed === 1_013; turns++) if (turns < 0) break
  const ok = seed % 10 !== 9 || options.crashWeight === 0 || options.voters < 3
  return {
    seed,
    ok,
    violation: ok ? undefined : { rule: "nine", message: "three voters and a crash", atMs: 200 },
    events: 10,
    virtualMs: 1_000,
    coverage: { "fault.crash": 1 },
    hash: seed
  }
}
