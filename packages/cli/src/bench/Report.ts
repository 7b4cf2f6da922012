/**
 * A run's result as a table, as JSON and as CSV.
 */
import { type Column, renderTable } from "../render/table.ts"
import type { Findings } from "./Ledger.ts"
import type { Latency, Window } from "./Meter.ts"
import type { Mode, Plan } from "./Plan.ts"

export interface ModeResult {
  readonly mode: Mode
  readonly window: Window
  /** Absent where nothing is written: mode metadata checks its answers instead. */
  readonly findings: Findings | undefined
  readonly problems: ReadonlyMap<string, number>
  /** Why the records could not be read back; then nothing is known of them. */
  readonly unread: string | undefined
}

const MB = 1_000_000

const whole = (n: number): string => Math.round(n).toLocaleString("en-US")
export const milliseconds = (ms: number): string => (ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0))

const perSecond = (count: number, window: Window): number => (window.seconds > 0 ? count / window.seconds : 0)

const LATENCIES: ReadonlyArray<readonly [string, keyof Latency]> = [
  ["p50", "p50Ms"],
  ["p90", "p90Ms"],
  ["p95", "p95Ms"],
  ["p99", "p99Ms"],
  ["p99.9", "p999Ms"],
  ["max", "maxMs"]
]

export function renderResults(results: ReadonlyArray<ModeResult>): string {
  const columns: ReadonlyArray<Column> = [
    { title: "MODE" },
    ...["RECORDS/S", "MB/S", "REQUESTS/S", ...LATENCIES.map(([name]) => `${name} ms`), "ERRORS"].map((title) => ({
      title,
      align: "right" as const
    })),
    { title: "CHECK" }
  ]
  const rows = results.map((result) => {
    const { window } = result
    return [
      result.mode,
      whole(perSecond(window.records, window)),
      (perSecond(window.bytes, window) / MB).toFixed(1),
      whole(perSecond(window.requests, window)),
      ...LATENCIES.map(([, key]) => milliseconds(window.latency[key])),
      whole(window.errors),
      verdict(result)
    ]
  })
  return renderTable(columns, rows)
}

/** Sound: nothing failed and nothing is off. */
export const isSound = (result: ModeResult): boolean =>
  result.window.errors === 0 && result.findings?.ok !== false && result.unread === undefined

const verdict = ({ findings, unread }: ModeResult): string =>
  unread !== undefined
    ? "UNREAD"
    : findings === undefined
      ? "answers"
      : findings.ok
        ? `${whole(findings.read)} ok`
        : "FAILED"

/** What is wrong, a line each; empty for a sound result. */
export function complaints(result: ModeResult): ReadonlyArray<string> {
  const lines = [...result.problems].map(([sentence, count]) => `${result.mode}: ${whole(count)} × ${sentence}`)
  const { findings, unread } = result
  if (unread !== undefined) lines.push(`${result.mode}: the records could not be read back: ${unread}`)
  if (findings === undefined || findings.ok) return lines
  const off: ReadonlyArray<readonly [number, string]> = [
    [findings.lost, "acknowledged records are missing"],
    [findings.duplicated, "records are there twice"],
    [findings.reordered, "records are out of order"],
    [findings.corrupt, "records have a wrong checksum"],
    [findings.misplaced, "records are in a wrong partition"],
    [findings.offsetsOff, "answers named an offset that does not rise"],
    [findings.foreign, "records are not of this run"]
  ]
  for (const [count, what] of off) if (count > 0) lines.push(`${result.mode}: ${whole(count)} ${what}`)
  return lines
}

export function toJson(plan: Plan, target: string, version: string, results: ReadonlyArray<ModeResult>): string {
  const runs = results.map((result) => ({
    mode: result.mode,
    seconds: result.window.seconds,
    requests: result.window.requests,
    records: result.window.records,
    bytes: result.window.bytes,
    errors: result.window.errors,
    recordsPerSecond: perSecond(result.window.records, result.window),
    mbPerSecond: perSecond(result.window.bytes, result.window) / MB,
    requestsPerSecond: perSecond(result.window.requests, result.window),
    latency: result.window.latency,
    check: result.findings ?? null,
    unread: result.unread ?? null,
    problems: Object.fromEntries(result.problems),
    ok: isSound(result)
  }))
  return JSON.stringify({ tool: `chronik-effect ${version} bench`, target, plan, runs }, null, 2)
}

export function toCsv(plan: Plan, results: ReadonlyArray<ModeResult>): string {
  const head = [
    "mode",
    "concurrency",
    "record_bytes",
    "batch_records",
    "acks",
    "compression",
    "seconds",
    "records_s",
    "mb_s",
    "requests_s"
  ]
  const lines = [[...head, "mean_ms", ...LATENCIES.map(([name]) => `${name}_ms`), "errors", "ok"].join(",")]
  for (const result of results) {
    const { window } = result
    const cells = [
      result.mode,
      plan.concurrency,
      plan.recordBytes,
      plan.batchRecords,
      plan.acks,
      plan.compression,
      window.seconds.toFixed(3),
      perSecond(window.records, window).toFixed(1),
      (perSecond(window.bytes, window) / MB).toFixed(3),
      perSecond(window.requests, window).toFixed(1),
      window.latency.meanMs.toFixed(4),
      ...LATENCIES.map(([, key]) => window.latency[key].toFixed(3)),
      window.errors,
      isSound(result)
    ]
    lines.push(cells.join(","))
  }
  return lines.join("\n")
}

export const renderProgress = (elapsedSeconds: number, warmingUp: boolean, window: Window): string => {
  const rate =
    window.records > 0
      ? `${whole(perSecond(window.records, window))} records/s`
      : `${whole(perSecond(window.requests, window))} requests/s`
  return `${String(Math.round(elapsedSeconds)).padStart(4)} s  ${rate.padStart(20)}  ${(perSecond(window.bytes, window) / MB).toFixed(1).padStart(7)} MB/s  p50 ${milliseconds(window.latency.p50Ms)} ms  p99 ${milliseconds(window.latency.p99Ms)} ms${window.errors > 0 ? `  ${whole(window.errors)} errors` : ""}${warmingUp ? "  (warm-up)" : ""}`
}
