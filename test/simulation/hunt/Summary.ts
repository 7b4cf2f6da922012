/** What a hunt came to, added up as its results arrive, and as text. */
import { Coverage, type CoverageCounts, EXPECTED_STATES, renderCoverage } from "../kernel/Coverage.ts"
import type { RunResult } from "../kernel/RunResult.ts"
import { commandOf, type Job } from "./Jobs.ts"
import type { Finished } from "./Messages.ts"

/** Failures that are kept whole; the others are only counted. */
const FAILURES_MAX = 100

export interface SummaryData {
  readonly seeds: number
  readonly failures: number
  readonly failed: ReadonlyArray<RunResult>
  readonly events: number
  readonly virtualSeconds: number
  readonly seconds: number
  readonly seedsPerSecond: number
  readonly slowestMs: number
  readonly slowestSeed: number
  readonly coverage: CoverageCounts
  readonly neverSeen: ReadonlyArray<string>
}

export class Summary {
  readonly #coverage = new Coverage()
  readonly #failed: Array<RunResult> = []
  #seeds = 0
  #failures = 0
  #events = 0
  #virtualMs = 0
  #slowestMs = 0
  #slowestSeed = 0

  add({ result, tookMs }: Finished): void {
    this.#seeds++
    this.#events += result.events
    this.#virtualMs += result.virtualMs
    this.#coverage.add(result.coverage)
    if (!result.ok) {
      this.#failures++
      if (this.#failed.length < FAILURES_MAX) this.#failed.push(result)
    }
    if (tookMs > this.#slowestMs) {
      this.#slowestMs = tookMs
      this.#slowestSeed = result.seed
    }
  }

  data(seconds: number): SummaryData {
    return {
      seeds: this.#seeds,
      failures: this.#failures,
      failed: this.#failed,
      events: this.#events,
      virtualSeconds: this.#virtualMs / 1_000,
      seconds,
      seedsPerSecond: this.#seeds / seconds,
      slowestMs: this.#slowestMs,
      slowestSeed: this.#slowestSeed,
      coverage: this.#coverage.counts,
      neverSeen: this.#coverage.missing(EXPECTED_STATES)
    }
  }
}

export const renderLine = (data: SummaryData): string =>
  `${data.seeds} seeds, ${data.failures} failed, ${data.events} events in ${data.seconds.toFixed(1)} s: ` +
  `${data.seedsPerSecond.toFixed(1)} seeds/s, ${Math.round(data.events / data.seconds)} events/s, ` +
  `${Math.round(data.virtualSeconds)} virtual s; slowest ${Math.round(data.slowestMs)} ms (seed ${data.slowestSeed})`

export const renderFailure = (result: RunResult, sets: Job["sets"]): string => {
  const { rule, message, atMs } = result.violation ?? { rule: "no rule named", message: "", atMs: Number.NaN }
  const at = Number.isNaN(atMs) ? "" : ` at ${atMs.toFixed(3)} ms`
  return `seed ${result.seed} FAILED${at}: ${rule}\n  ${message.replaceAll("\n", "\n  ")}\n  ${commandOf({ seed: result.seed, sets })}`
}

export const renderSummary = (data: SummaryData): string =>
  [
    renderCoverage(data.coverage),
    ...(data.neverSeen.length === 0 ? [] : [`warning: never seen: ${data.neverSeen.join(", ")}`]),
    renderLine(data)
  ].join("\n")
