/**
 * The table at the end: a line a suite, then what failed and what was skipped, each with its reason.
 */
import type { Case, Outcome } from "./Suite.ts"

export interface Report {
  readonly suite: string
  readonly cases: ReadonlyArray<Case>
  /** What the machine lacks for the suite; empty when it ran. */
  readonly missing: string
  readonly seconds: number
}

const count = (report: Report, outcome: Outcome): number =>
  report.cases.filter((result) => result.outcome === outcome).length

const firstLine = (text: string): string => text.split("\n")[0] ?? ""

/** Columns as wide as their widest cell; the first is text, the others are figures. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) =>
    row.map((cell, i) => (i === 0 || i > 4 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ")
  return rows.map((row) => line(row).trimEnd()).join("\n")
}

export const summary = (reports: ReadonlyArray<Report>): { readonly text: string; readonly failed: boolean } => {
  const rows = reports.map((report) => [
    report.suite,
    ...(["passed", "failed", "skipped"] as const).map((outcome) => String(count(report, outcome))),
    report.seconds.toFixed(0),
    report.missing === "" ? "" : `skipped: ${firstLine(report.missing)}`
  ])
  const details = (outcome: Outcome) =>
    reports.flatMap((report) =>
      report.cases
        .filter((result) => result.outcome === outcome)
        .map((result) => `  ${report.suite} · ${result.name}: ${firstLine(result.reason)}`)
    )
  const totals = (["passed", "failed", "skipped"] as const).map((outcome) => ({
    outcome,
    lines: details(outcome),
    total: reports.reduce((sum, report) => sum + count(report, outcome), 0)
  }))
  const sections = totals
    .filter(({ outcome, lines }) => outcome !== "passed" && lines.length > 0)
    .map(({ outcome, lines }) => `\n${outcome}:\n${lines.join("\n")}`)
  const closing = totals.map(({ outcome, total }) => `${total} ${outcome}`).join(", ")
  return {
    text: [table([["suite", "passed", "failed", "skipped", "seconds", ""], ...rows]), ...sections, "", closing].join(
      "\n"
    ),
    failed: reports.some((report) => count(report, "failed") > 0)
  }
}
