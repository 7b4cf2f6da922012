/** What one simulated run came to, and the shape of the function that runs one. Plain data: it travels between processes. */
import type { CoverageCounts } from "./Coverage.ts"
import type { Options } from "./Options.ts"
import type { Trace } from "./Trace.ts"

export interface Violation {
  /** Names the rule: what shrinking keeps and a mutation's table shows. Without numbers of the run in it. */
  readonly rule: string
  readonly message: string
  readonly atMs: number
}

export interface RunResult {
  readonly seed: number
  readonly ok: boolean
  readonly violation?: Violation | undefined
  readonly events: number
  readonly virtualMs: number
  readonly coverage: CoverageCounts
  /** Of everything that happened: equal for equal seeds and options. */
  readonly hash: number
}

export type RunSimulation = (seed: number, options: Options, hooks: { readonly trace?: Trace | undefined }) => RunResult
