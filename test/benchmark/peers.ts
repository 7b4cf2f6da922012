/**
 * `npm run bench:peers`: ours beside the floor and beside Apache Kafka on this machine, in one run.
 *
 * Each round of a row asks every candidate once, one after the other, so that the machine's mood hits all alike; the table
 * shows medians over the rounds and the ratios between them. Raw figures go to `docs/bench/`. What the machine lacks is
 * said and left out.
 *
 *   npm run bench:peers -- [--rounds 3] [--seconds 3] [--only produce,fetch,e2e,start] [--without kafka,floor]
 *                          [--match TEXT] [--dir FOLDER] [--out FILE] [--before CHECKOUT]
 *
 * `--before` takes part with the bundle of another checkout of ours, built there: what a change did to each row.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Candidates from "./Candidates.ts"
import { compileGenerators, examine, type Generators, type Machine, PATHS } from "./Machine.ts"
import { type Figures, fillFetchTopic, headline, measure, median, ROWS, type Row } from "./Rows.ts"

interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly only: ReadonlySet<string>
  readonly without: ReadonlySet<string>
  readonly match: string
  readonly dir: string
  readonly out: string
  /** The bundle of another checkout. */
  readonly before: string | undefined
}

interface RowResult {
  readonly row: Row
  /** By candidate, one entry a round. */
  readonly rounds: Readonly<Record<string, ReadonlyArray<Figures>>>
}

const KINDS = ["produce", "fetch", "e2e", "start"]
const WARM_UP_SECONDS = 1.5
const FILL_SECONDS = 3
const STARTS = 15

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "3" },
      only: { type: "string", default: KINDS.join(",") },
      without: { type: "string", default: "" },
      match: { type: "string", default: "" },
      dir: { type: "string", default: tmpdir() },
      out: { type: "string" },
      before: { type: "string" }
    }
  })
  const stamp = new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-")
  return {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    only: new Set(values.only.split(",")),
    without: new Set(values.without.split(",")),
    match: values.match,
    dir: values.dir,
    before: values.before === undefined ? undefined : join(values.before, "packages/cli/dist/main.js"),
    out: values.out ?? join(PATHS.results, `peers-${stamp}.json`)
  }
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

/** A port below the range from which the kernel takes the client's side, so that nobody connects to himself. */
let nextPort = 20_000 + Math.floor(Math.random() * 5_000)
const freshPort = (): number => {
  nextPort += 17
  return nextPort
}

/** What runs beside each other in one row: a name and how it is asked. */
interface Contestant {
  readonly name: string
  readonly port: number
  readonly processorMs: () => number | undefined
  readonly topic?: string
}

async function runRow(
  row: Row,
  contestants: ReadonlyArray<Contestant>,
  generators: Generators,
  options: Options
): Promise<RowResult> {
  const rounds: Record<string, Array<Figures>> = {}
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, port, topic, processorMs } of contestants) {
      const { seconds } = options
      const before = processorMs() ?? Number.NaN
      const figures = await measure(row, { generators, port, seconds, warmUpSeconds: WARM_UP_SECONDS, topic })
      const usedMs = (processorMs() ?? Number.NaN) - before
      const answers = (figures.req_s ?? figures.answers_s ?? Number.NaN) * (seconds + warmUpSecondsOf(row))
      const list = rounds[name] ?? []
      list.push({ ...figures, processorUs: (1_000 * usedMs) / answers })
      rounds[name] = list
    }
  }
  for (const line of renderRow({ row, rounds })) say(line)
  return { row, rounds }
}

/** A fetch is measured from its first answer on. */
const warmUpSecondsOf = (row: Row): number => (row.kind === "produce" ? WARM_UP_SECONDS : 0)

function renderRow({ row, rounds }: RowResult): ReadonlyArray<string> {
  const { name: key, unit, lowerIsBetter } = headline(row)
  const middle = (name: string, figure: string): number =>
    median((rounds[name] ?? []).map((one) => one[figure] ?? Number.NaN))
  const ours = middle("ours", key)
  const lines = [`\n${row.title}`]
  for (const name of Object.keys(rounds)) {
    const value = middle(name, key)
    const ratio = lowerIsBetter ? value / ours : ours / value
    const versus = name === "ours" || Number.isNaN(ratio) ? "" : `   ours is ${ratio.toFixed(2)} x`
    const cost = middle(name, "processorUs")
    const processor = Number.isNaN(cost) ? "" : `  processor ${cost.toFixed(1).padStart(6)} µs an answer`
    const errors = (rounds[name] ?? []).reduce((sum, one) => sum + (one.errors ?? 0), 0)
    lines.push(
      `  ${name.padEnd(12)} ${value.toLocaleString("en-US", { maximumFractionDigits: 1 }).padStart(12)} ${unit.padEnd(7)}` +
        `  p50 ${String(Math.round(middle(name, "p50us"))).padStart(6)} µs  p99 ${String(Math.round(middle(name, "p99us"))).padStart(6)} µs` +
        `${processor}${errors > 0 ? `  ${errors} ERRORS` : ""}${versus}`
    )
  }
  return lines
}

interface Field {
  readonly folder: string
  readonly machine: Machine
  readonly options: Options
  readonly generators: Generators
}

/** Produce, fetch and end to end, with every candidate up at the same time: an idle one costs the others next to nothing. */
async function runLoadRows(
  field: Field,
  candidates: ReadonlyArray<Candidates.Candidate>
): Promise<ReadonlyArray<RowResult>> {
  const { options, generators } = field
  const wanted = ROWS.filter((row) => options.only.has(row.kind) && row.title.includes(options.match))
  const brokers = candidates.filter((candidate) => !candidate.name.startsWith("floor"))
  if (wanted.some((row) => row.kind === "fetch")) {
    for (const broker of brokers) await fillFetchTopic(generators, broker.port, FILL_SECONDS)
  }
  const results: Array<RowResult> = []
  for (const row of wanted) results.push(await runRow(row, contestantsOf(row, candidates), generators, options))
  return results
}

function contestantsOf(row: Row, candidates: ReadonlyArray<Candidates.Candidate>): ReadonlyArray<Contestant> {
  return candidates.flatMap(({ name, port, processorMs }): ReadonlyArray<Contestant> => {
    // The floor knows one topic of 64 partitions, and breaks on any other.
    if (name === "floor") return row.kind === "produce" && row.partitions === 64 ? [{ name, port, processorMs }] : []
    if (name.startsWith("floor-")) return row.kind === "fetch" ? [{ name, port, processorMs }] : []
    if (name !== "kafka" || row.kind !== "produce" || row.partitions !== 64) return [{ name, port, processorMs }]
    return [
      { name, port, processorMs },
      { name: "kafka-fsync", port, processorMs, topic: Candidates.TOPICS.sync }
    ]
  })
}

/** Start to first answer of ours, again and again on an empty directory, in turn with what was before. */
async function runStarts(field: Field): Promise<Readonly<Record<string, ReadonlyArray<number>>>> {
  const { before } = field.options
  const bundles = { ours: PATHS.bundle, ...(before === undefined ? {} : { before }) }
  const times: Record<string, Array<number>> = {}
  for (let i = 0; i < STARTS; i++) {
    for (const [name, bundle] of Object.entries(bundles)) {
      const folder = join(field.folder, `start-${name}-${i}`)
      const candidate = await Candidates.startOurs(folder, freshPort(), name, bundle)
      const list = times[name] ?? []
      list.push(candidate.startMs!)
      times[name] = list
      await candidate.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return times
}

async function startAll(field: Field): Promise<ReadonlyArray<Candidates.Candidate>> {
  const { folder, machine, options } = field
  const { only, without } = options
  const started: Array<Candidates.Candidate> = []
  const add = async (wanted: boolean, name: string, start: () => Promise<Candidates.Candidate>) => {
    if (!wanted || without.has(name)) return
    try {
      started.push(await start())
    } catch (error) {
      say(`left out: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  await add(machine.floor && only.has("produce"), "floor", () =>
    Candidates.startFloor(join(folder, "floor"), freshPort())
  )
  for (const how of ["tail", "read"] as const) {
    await add(machine.floor && only.has("fetch"), "floor", () =>
      Candidates.startFetchFloor(join(folder, `floor-${how}`), freshPort(), how)
    )
  }
  await add(machine.kafka, "kafka", () => Candidates.startKafka(join(folder, "kafka"), freshPort()))
  await add(machine.bundle, "ours", () => Candidates.startOurs(join(folder, "ours"), freshPort()))
  const { before } = options
  await add(before !== undefined, "before", () =>
    Candidates.startOurs(join(folder, "before"), freshPort(), "before", before)
  )
  for (const candidate of started) {
    if (!candidate.name.startsWith("floor")) await Candidates.prepareTopics(candidate)
  }
  return started
}

async function compare(field: Field): Promise<object> {
  const starts = field.machine.bundle && field.options.only.has("start") ? await runStarts(field) : {}
  for (const [name, times] of Object.entries(starts)) {
    const best = Math.min(...times).toFixed(0)
    say(`start to first answer, ${name}: median ${median(times).toFixed(0)} ms, best ${best} ms of ${times.length}`)
  }
  const candidates = await startAll(field)
  try {
    const idle = Object.fromEntries(candidates.map((one) => [one.name, one.residentMb()]))
    const rows = await runLoadRows(field, candidates)
    const loaded = Object.fromEntries(candidates.map((one) => [one.name, one.residentMb()]))
    say("\nresident memory, MB (idle → after the load)")
    for (const { name } of candidates) say(`  ${name.padEnd(12)} ${idle[name]} → ${loaded[name]}`)
    const startMs = Object.fromEntries(candidates.map((one) => [one.name, one.startMs]))
    return { starts, startMs, residentMb: { idle, loaded }, rows }
  } finally {
    for (const candidate of candidates) await candidate.stop()
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  const machine = examine()
  for (const sentence of machine.missing) say(`missing: ${sentence}`)
  if (!machine.compiler) {
    say("Nothing can be measured without the load generators.")
    return
  }
  const folder = mkdtempSync(join(options.dir, "chronik-peers-"))
  try {
    const field: Field = { folder, machine, options, generators: compileGenerators(folder) }
    const figures = await compare(field)
    mkdirSync(PATHS.results, { recursive: true })
    const record = { at: new Date().toISOString(), machine: machine.facts, missing: machine.missing, ...figures }
    writeFileSync(options.out, `${JSON.stringify(record, null, 1)}\n`)
    say(`\nraw figures: ${options.out}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
