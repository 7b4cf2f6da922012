/** The tiny world under a checker that is never content: what a mutation's control run must notice. */
import type { RunSimulation } from "../../kernel/RunResult.ts"
import * as TinyWorld from "../../kernel/TinyWorld.ts"

export const runSimulation: RunSimulation = (seed, options, hooks) => ({
  ...TinyWorld.runSimulation(seed, options, hooks),
  ok: false,
  violation: { rule: "never content", message: "it fails whatever happens", atMs: 1 }
})
