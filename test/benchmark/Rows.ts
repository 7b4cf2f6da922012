/**
 * The rows of the comparison, as data, and how one is run: a generator's command line and the figures it prints.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { FETCH_PARTITIONS, TOPICS } from "./Candidates.ts"
import type { Generators } from "./Machine.ts"

export interface ProduceRow {
  readonly kind: "produce"
  readonly title: string
  readonly connections: number
  readonly inFlight: number
  readonly recordBytes: number
  readonly records: number
  /** Of the topic that is produced to. */
  readonly partitions: 1 | 64 | 1_000
}

export interface FetchRow {
  readonly kind: "fetch"
  readonly title: string
  readonly connections: number
  readonly bytes: number
}

export interface EndToEndRow {
  readonly kind: "e2e"
  readonly title: string
  readonly recordBytes: number
  readonly count: number
}

export type Row = ProduceRow | FetchRow | EndToEndRow

const produce = (
  title: string,
  connections: number,
  inFlight: number,
  recordBytes: number,
  records: number,
  partitions: ProduceRow["partitions"] = 64
): ProduceRow => ({ kind: "produce", title, connections, inFlight, recordBytes, records, partitions })

/** The one-node rows of design §12, then the flatness over partitions. */
export const ROWS: ReadonlyArray<Row> = [
  produce("produce 1 x 1, 100 B", 1, 1, 100, 1),
  produce("produce 16 x 1, 100 B", 16, 1, 100, 1),
  produce("produce 64 x 1, 100 B", 64, 1, 100, 1),
  produce("produce 256 x 1, 100 B", 256, 1, 100, 1),
  produce("produce 64 x 5, 100 x 100 B", 64, 5, 100, 100),
  produce("produce 64 x 5, 16 x 1 KiB", 64, 5, 1_024, 16),
  produce("produce 16 x 1, 1 MiB", 16, 1, 1_024, 1_000),
  produce("produce 64 x 1, 100 B, 1 partition", 64, 1, 100, 1, 1),
  produce("produce 64 x 1, 100 B, 1,000 partitions", 64, 1, 100, 1, 1_000),
  { kind: "fetch", title: "fetch 16, 1 MiB answers", connections: 16, bytes: 1 << 20 },
  { kind: "fetch", title: "fetch 16, 64 KiB answers", connections: 16, bytes: 1 << 16 },
  { kind: "fetch", title: "fetch 1, 1 MiB answers", connections: 1, bytes: 1 << 20 },
  { kind: "e2e", title: "end to end, 100 B", recordBytes: 100, count: 3_000 }
]

/** The figures a generator prints as `name=value`. */
export type Figures = Readonly<Record<string, number>>

const run = promisify(execFile)

export function parseFigures(text: string): Figures {
  const figures: Record<string, number> = {}
  for (const [, name, value] of text.matchAll(/(\w+)=(-?[\d.]+)/g)) figures[name!] = Number(value)
  return figures
}

async function figures(command: string, args: ReadonlyArray<string | number>, limitMs: number): Promise<Figures> {
  try {
    const { stdout } = await run(command, args.map(String), { timeout: limitMs })
    return parseFigures(stdout)
  } catch (error) {
    // The generator exits with 1 when answers were errors; what it printed says how many.
    const { stdout } = error as { stdout?: string }
    const printed = parseFigures(stdout ?? "")
    return { ...printed, errors: Math.max(1, printed.errors ?? 0) }
  }
}

const topicOf = (partitions: ProduceRow["partitions"]): string =>
  partitions === 1 ? TOPICS.one : partitions === 64 ? TOPICS.bench : TOPICS.thousand

export interface Run {
  readonly generators: Generators
  readonly port: number
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Another topic than the row's: Kafka with fsync. */
  readonly topic?: string | undefined
}

export function measure(row: Row, with_: Run): Promise<Figures> {
  const { generators, port, seconds, warmUpSeconds, topic } = with_
  const limitMs = 1_000 * (seconds + warmUpSeconds) + 60_000
  switch (row.kind) {
    case "produce": {
      const load = [row.connections, row.inFlight, row.recordBytes, row.records]
      const args = [port, ...load, seconds, warmUpSeconds, row.partitions, -1, topic ?? topicOf(row.partitions)]
      return figures(generators.produce, args, limitMs)
    }
    case "fetch": {
      const args = ["read", port, row.connections, FETCH_PARTITIONS, row.bytes, seconds, TOPICS.fetch]
      return figures(generators.fetch, args, limitMs)
    }
    case "e2e":
      return figures(generators.fetch, ["e2e", port, row.recordBytes, row.count, TOPICS.endToEnd], limitMs)
  }
}

/** Fills the fetch topic with 64 KiB batches, so that each partition holds some tens of MB. */
export const fillFetchTopic = (generators: Generators, port: number, seconds: number): Promise<Figures> =>
  figures(generators.produce, [port, 16, 1, 1_000, 64, seconds, 0, FETCH_PARTITIONS, -1, TOPICS.fetch], 120_000)

/** What a row is compared by: the larger the better, except for latencies. */
export function headline(row: Row): { readonly name: string; readonly unit: string; readonly lowerIsBetter: boolean } {
  if (row.kind === "e2e" || (row.kind === "produce" && row.connections === 1)) {
    return { name: "p50us", unit: "µs p50", lowerIsBetter: true }
  }
  if (row.kind === "produce" && row.records === 1) return { name: "req_s", unit: "req/s", lowerIsBetter: false }
  return { name: "MBps", unit: "MB/s", lowerIsBetter: false }
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length === 0
    ? Number.NaN
    : sorted.length % 2 === 1
      ? sorted[middle]!
      : (sorted[middle - 1]! + sorted[middle]!) / 2
}
