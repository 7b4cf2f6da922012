/**
 * What a run says at its end.
 */
import { type Findings, shown, type Unexplained } from "./Findings.ts"

const BROKEN_MAX = 5

const renderUnexplained = (found: Unexplained): string =>
  [
    `${found.api} ${[...found.versions].sort((a, b) => a - b).join(",")}  ${found.difference.place}  (${found.count} times)`,
    `    seed ${found.seed} step ${found.step} version ${found.version}`,
    `    Kafka    ${shown(found.difference.kafka)}`,
    `    ours     ${shown(found.difference.ours)}`,
    `    request  ${shown(found.request, 1500)}`
  ].join("\n")

const percent = (part: number, all: number): string => (all === 0 ? "0" : ((100 * part) / all).toFixed(0))

export const renderReport = (
  findings: Findings,
  options: { readonly seeds: number; readonly only: string | undefined }
): string => {
  const { roundTrips, unexplained, matched } = findings
  const asked = [...findings.askedVersions.values()]
  const coverage = roundTrips.coverage(asked)
  const lines = [
    `${findings.requests} requests of ${findings.perApi.size} APIs in ${asked.length} (API, version) pairs, ` +
      `${findings.malformed} of them malformed; ${findings.compares} answers compared`,
    `${roundTrips.identical} answers of Kafka came back from our codec byte for byte, ${roundTrips.broken.length} did not; ` +
      `${coverage.full} of ${asked.length} pairs seen with content (${percent(coverage.full, asked.length)} %)`
  ]
  if (coverage.missing.length > 0) lines.push(`  without content: ${coverage.missing.join(", ")}`)
  for (const each of roundTrips.broken.slice(0, BROKEN_MAX)) lines.push(`  ROUND TRIP ${shown(each, 2000)}`)
  lines.push(
    `${findings.explained} differences with a reason, by ${[...matched].filter(([, n]) => n > 0).length} rules`
  )
  const stale = [...matched].filter(([, count]) => count === 0).map(([rule]) => rule)
  if (stale.length > 0 && options.only === undefined) {
    const when =
      options.seeds >= 10 ? "STALE RULES, they matched nothing in ten seeds" : "rules that matched nothing so far"
    lines.push(`${when}: ${stale.map((rule) => `${rule.api} ${rule.path}: ${rule.what}`).join("; ")}`)
  }
  for (const each of unexplained.values()) lines.push("", renderUnexplained(each))
  lines.push("", unexplained.size === 0 ? "No unexplained difference." : `${unexplained.size} UNEXPLAINED DIFFERENCES`)
  return lines.join("\n")
}
