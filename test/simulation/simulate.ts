/**
 * The simulator's command.
 *
 *   npm run simulate -- --seed N                one run: its options, the end of its history, its result
 *   npm run simulate -- --seed N --shrink       the simplest options with which it still breaks the same rule
 *   npm run simulate -- --runs N [--from S]     seeds S … S+N-1 on all cores
 *   npm run simulate -- --minutes M [--from S]  until the time is over; without --from, seeds that nobody has tried
 *
 *   --set key=value   overrides one option (again and again)     --scenario F   a file of such lines
 *   --last N          lines of history                           --json F       writes the summary there
 *   --keep-going      does not stop at the first failure         --processes P  instead of one a core
 *
 * Exit code 0: nothing failed; 1: a run failed; 2: the command makes no sense.
 */
import { writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { hunt } from "./hunt/Hunt.ts"
import { DEFAULT_WORLD, type Job, loadWorld, optionsOf, readScenario, runJob } from "./hunt/Jobs.ts"
import { renderFailure, renderLine, renderSummary, Summary } from "./hunt/Summary.ts"
import { renderOptions } from "./kernel/Options.ts"
import { Trace } from "./kernel/Trace.ts"
import { shrink } from "./shrink/Shrink.ts"

const CHUNK = 16
const PROGRESS_MS = 10_000
const SHRINK_RUNS_MAX = 2_000
const SHRINK_MS = 120_000

const parse = () =>
  parseArgs({
    options: {
      seed: { type: "string" },
      runs: { type: "string" },
      minutes: { type: "string" },
      from: { type: "string" },
      set: { type: "string", multiple: true, default: [] },
      scenario: { type: "string" },
      last: { type: "string", default: "200" },
      shrink: { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      json: { type: "string" },
      processes: { type: "string", default: String(availableParallelism()) },
      world: { type: "string", default: DEFAULT_WORLD }
    }
  }).values

type Arguments = ReturnType<typeof parse>

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const setsOf = (given: Arguments): ReadonlyArray<string> => [
  ...(given.scenario === undefined ? [] : readScenario(given.scenario)),
  ...given.set
]

const number = (name: string, text: string): number => {
  const value = Number(text)
  if (text === "" || !Number.isFinite(value) || value < 0) throw new Error(`--${name} needs a number, not "${text}"`)
  return value
}

const replay = async (given: Arguments, job: Job): Promise<boolean> => {
  const run = await loadWorld(given.world)
  const trace = new Trace()
  const result = runJob(run, job, trace)
  say(`options of seed ${job.seed}\n${renderOptions(optionsOf(job))}\n`)
  say(trace.render(number("last", given.last)))
  say(
    `\n${result.events} events, ${result.virtualMs.toFixed(1)} virtual ms, hash ${result.hash.toString(16).padStart(8, "0")}`
  )
  say(result.ok ? `seed ${job.seed} passed` : renderFailure(result, job.sets))
  return result.ok
}

const shrinkSeed = async (given: Arguments, job: Job): Promise<boolean> => {
  const run = await loadWorld(given.world)
  const limits = { runsMax: SHRINK_RUNS_MAX, forMs: SHRINK_MS, nowMs: () => performance.now() }
  const shrunk = shrink(
    (one) => runJob(run, one),
    job,
    limits,
    (sets) => say(`still fails with ${sets.join(" ")}`)
  )
  if (shrunk === undefined) {
    say(`seed ${job.seed} passed: there is nothing to shrink`)
    return true
  }
  say(`${shrunk.runs} runs\n${renderFailure(shrunk.result, shrunk.job.sets)}`)
  return false
}

function* jobsOf(from: number, count: number, sets: ReadonlyArray<string>): Generator<Job> {
  for (let i = 0; i < count; i++) yield { seed: from + i, sets }
}

/** Seeds by the second of the start: two hunts do not try the same ones. */
const freshSeed = (): number => Math.floor(Date.now() / 1_000) * 10_000

const huntSeeds = async (given: Arguments, sets: ReadonlyArray<string>): Promise<boolean> => {
  const minutes = given.minutes === undefined ? Number.POSITIVE_INFINITY : number("minutes", given.minutes)
  const count = given.runs === undefined ? Number.POSITIVE_INFINITY : number("runs", given.runs)
  const from = given.from !== undefined ? number("from", given.from) : given.minutes === undefined ? 1 : freshSeed()
  // An unknown option is said once, and before any process is started.
  optionsOf({ seed: from, sets })
  say(`seeds from ${from}`)
  const summary = new Summary()
  const startedMs = performance.now()
  const seconds = () => (performance.now() - startedMs) / 1_000
  const progress = setInterval(() => say(renderLine(summary.data(seconds()))), PROGRESS_MS)
  await hunt({
    world: given.world,
    jobs: jobsOf(from, count, sets),
    processes: number("processes", given.processes),
    chunk: CHUNK,
    stopAtFailure: !given["keep-going"],
    forMs: minutes * 60_000,
    onFinished: (finished) => {
      summary.add(finished)
      if (!finished.result.ok) say(renderFailure(finished.result, sets))
    }
  }).finally(() => clearInterval(progress))
  const data = summary.data(seconds())
  say(renderSummary(data))
  if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify({ from, sets, ...data }, null, 2)}\n`)
  return data.failures === 0
}

const main = async (): Promise<boolean> => {
  const given = parse()
  const sets = setsOf(given)
  if (given.seed !== undefined) {
    const job = { seed: number("seed", given.seed), sets }
    return given.shrink ? shrinkSeed(given, job) : replay(given, job)
  }
  if (given.runs === undefined && given.minutes === undefined) throw new Error("say --seed N, --runs N or --minutes M")
  return huntSeeds(given, sets)
}

// An exit takes the child processes along; a signal alone would not.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

process.exitCode = await main().then(
  (ok) => (ok ? 0 : 1),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    return 2
  }
)
