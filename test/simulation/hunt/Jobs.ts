/**
 * One seed with its overrides, run to a result. What a machine throws is a result too: an assertion names itself as the rule
 * that was broken, so that a hunt, a shrink and a mutation's table treat it like a checker's finding.
 */
import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { AssertionError } from "../../../packages/core/src/base/Assert.ts"
import { drawOptions, type Options, overrideOptions } from "../kernel/Options.ts"
import type { RunResult, RunSimulation } from "../kernel/RunResult.ts"
import type { Trace } from "../kernel/Trace.ts"

export interface Job {
  readonly seed: number
  /** `key=value`, applied in order to what the seed draws. */
  readonly sets: ReadonlyArray<string>
}

/** The module that builds and runs a world; another one may be given, which is how the tools themselves are tested. */
export const DEFAULT_WORLD = new URL("../Simulation.ts", import.meta.url).pathname

export const loadWorld = async (path: string): Promise<RunSimulation> => {
  const loaded = (await import(pathToFileURL(path).href)) as { readonly runSimulation?: RunSimulation }
  if (loaded.runSimulation === undefined) throw new Error(`${path} exports no runSimulation`)
  return loaded.runSimulation
}

export const optionsOf = ({ seed, sets }: Job): Options => {
  const found = overrideOptions(drawOptions(seed), sets)
  if ("problem" in found) throw new Error(found.problem)
  return found.options
}

export const ASSERTION = "assertion: "

export const runJob = (run: RunSimulation, job: Job, trace?: Trace | undefined): RunResult => {
  const options = optionsOf(job)
  try {
    return run(job.seed, options, { trace })
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    const rule = error instanceof AssertionError ? `${ASSERTION}${error.message}` : `defect: ${error.name}`
    return failed(job.seed, rule, error.stack ?? error.message)
  }
}

/** A run that came to no result of its own. */
export const failed = (seed: number, rule: string, message: string): RunResult => ({
  seed,
  ok: false,
  violation: { rule, message, atMs: Number.NaN },
  events: 0,
  virtualMs: 0,
  coverage: {},
  hash: 0
})

/** A file of `key=value` lines; `#` begins a remark. */
export const readScenario = (path: string): ReadonlyArray<string> =>
  readFileSync(path, "utf8")
    .split("\n")
    .map((line) =>
      line
        .replace(/#.*/, "")
        .replace(/\s*=\s*/, "=")
        .trim()
    )
    .filter((line) => line !== "")

/** How a shell repeats it. */
export const commandOf = ({ seed, sets }: Job): string =>
  ["npm run simulate -- --seed", seed, ...sets.map((set) => `--set ${set}`)].join(" ")
