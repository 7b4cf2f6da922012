/**
 * The start-up banner: what a node says when it is ready. A pure function of its `StartReport`.
 *
 * `plain` is for logs and pipes; `pretty` for a terminal. It makes one promise explicit: what an acknowledgement means.
 */
import type { StartReport } from "@chronik-effect/server/observe/StartReport.ts"
import { type Paint, plain } from "./paint.ts"

const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`

export const duration = (ms: number): string =>
  ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`

const micros = (us: number): string => (us < 1_000 ? `${Math.round(us)} µs` : duration(us / 1_000))

const address = (host: string, port: number): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)

function durability(report: StartReport): string {
  switch (report.durability) {
    case "durable":
      return `an acknowledgement means on disk${report.fsyncMicros === undefined ? "" : `; one fsync takes ${micros(report.fsyncMicros)} here`}`
    case "unsafe-no-fsync":
      return "UNSAFE: no fsync; a power cut or a kernel crash loses acknowledged records"
    case "ephemeral":
      return "ephemeral: in memory only, everything is gone when this process ends"
  }
}

function recovered(report: StartReport): string {
  const { recovery } = report
  if (report.durability === "ephemeral") return "nothing to recover"
  if (report.fresh) return "a new data directory"
  const what = `${count(recovery.topics, "topic")}, ${count(recovery.partitions, "partition")} in ${duration(recovery.elapsedMs)}`
  if (recovery.cleanStop) return `${what} after a clean stop`
  const frames = `${count(recovery.walFrames, "batch", "batches")} from the WAL`
  const torn = recovery.tornBytes === 0 ? "" : `, an unfinished write of ${count(recovery.tornBytes, "byte")} cut off`
  return `${what} after a crash: ${frames}${torn}`
}

export function renderBanner(report: StartReport, paint: Paint = plain): string {
  const listen = address(report.host, report.port)
  const advertised = address(report.advertisedHost, report.advertisedPort)
  const safe = report.durability === "durable"
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["kafka", advertised === listen ? listen : `${listen}, clients are told ${advertised}`],
    ["data", report.dataDir ?? "none"],
    ["durability", paint(safe ? "green" : "yellow", durability(report))],
    ["recovered", recovered(report)],
    ["node", `${report.nodeId} of cluster ${report.clusterId}`]
  ]
  const head = `${paint("bold", `chronik-effect ${report.version}`)} ready in ${paint("bold", duration(report.readyMs))}`
  return [head, ...rows.map(([name, value]) => `  ${paint("dim", name.padEnd(10))}  ${value}`)].join("\n")
}
