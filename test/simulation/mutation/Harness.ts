/**
 * Each mutation hunted until the first violation, in a process of its own, seeds in order from 1: so the number of seeds
 * needed is the same on every machine. The seed that found it is then run without the mutation and must pass: otherwise it
 * found something else.
 */
import { hunt } from "../hunt/Hunt.ts"
import { ASSERTION, type Job } from "../hunt/Jobs.ts"
import type { RunResult } from "../kernel/RunResult.ts"
import { MUTATION_VARIABLE, type Mutation, mutationProblems } from "./Mutation.ts"

export interface MutationResult {
  readonly mutation: Mutation
  /** Undefined: not found within `seedsMax`. */
  readonly seeds: number | undefined
  /** The checker's rule, or the machine's own assertion. */
  readonly seenBy: string
  /** Set when the seed fails without the mutation too. */
  readonly unsound: boolean
}

const PLANT = new URL("./plant.ts", import.meta.url).href
const CHUNK = 25

const firstFailure = async (
  world: string,
  jobs: ReadonlyArray<Job>,
  mutation: Mutation | undefined
): Promise<RunResult | undefined> => {
  const failures: Array<RunResult> = []
  await hunt({
    world,
    jobs: jobs[Symbol.iterator](),
    processes: 1,
    chunk: CHUNK,
    stopAtFailure: true,
    forMs: Number.POSITIVE_INFINITY,
    ...(mutation === undefined
      ? {}
      : { execArgv: ["--import", PLANT], env: { [MUTATION_VARIABLE]: JSON.stringify(mutation) }, planted: true }),
    onFinished: ({ result }) => {
      if (!result.ok) failures.push(result)
    }
  })
  return failures[0]
}

export const tryMutation = async (world: string, mutation: Mutation): Promise<MutationResult> => {
  const jobs = Array.from({ length: mutation.seedsMax }, (_, i) => ({ seed: i + 1, sets: mutation.sets }))
  const failure = await firstFailure(world, jobs, mutation)
  if (failure === undefined) return { mutation, seeds: undefined, seenBy: "nobody", unsound: false }
  const control = await firstFailure(world, [{ seed: failure.seed, sets: mutation.sets }], undefined)
  return {
    mutation,
    seeds: failure.seed,
    seenBy: failure.violation?.rule ?? "no rule named",
    unsound: control !== undefined
  }
}

/** In the order of the list; `processes` at a time. */
export const tryMutations = async (
  world: string,
  mutations: ReadonlyArray<Mutation>,
  processes: number,
  onResult: (result: MutationResult) => void
): Promise<ReadonlyArray<MutationResult>> => {
  const problems = mutationProblems(mutations)
  if (problems.length > 0) throw new Error(problems.join("\n"))
  const results: Array<MutationResult> = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < mutations.length) {
      const index = next++
      const result = await tryMutation(world, mutations[index]!)
      results[index] = result
      onResult(result)
    }
  }
  await Promise.all(Array.from({ length: processes }, lane))
  return results
}

export const isGood = (result: MutationResult): boolean => result.seeds !== undefined && !result.unsound

export const renderResult = ({ mutation, seeds, seenBy, unsound }: MutationResult): string => {
  if (seeds === undefined) return `${mutation.name}: NOT FOUND in ${mutation.seedsMax} seeds`
  if (unsound) return `${mutation.name}: UNSOUND: seed ${seeds} fails without it too`
  return `${mutation.name}: found by seed ${seeds} of ${mutation.seedsMax}: ${seenBy}`
}

const cell = (text: string): string => text.replaceAll("|", "\\|")

/** Markdown. */
export const renderTable = (results: ReadonlyArray<MutationResult>): string =>
  [
    "| planted bug | rule | seeds needed | allowed | seen by |",
    "|---|---|---:|---:|---|",
    ...results.map(({ mutation, seeds, seenBy }) => {
      const by = seenBy.startsWith(ASSERTION) ? `the machine itself: ${seenBy.slice(ASSERTION.length)}` : seenBy
      return `| ${cell(mutation.name)} | ${cell(mutation.rule)} | ${seeds ?? "**not found**"} | ${mutation.seedsMax} | ${cell(by)} |`
    })
  ].join("\n")
