/**
 * `bench`: plan → ground → run → read back → report. The exit code is 1 when a request failed or a record is off.
 */
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import type { KafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { installNativeCrc32c } from "@chronik-effect/server/io/Crc.ts"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Parsed } from "../args/Command.ts"
import { readBack } from "../bench/Check.ts"
import { prepareGround } from "../bench/Ground.ts"
import { Ledger } from "../bench/Ledger.ts"
import { Meter } from "../bench/Meter.ts"
import * as Modes from "../bench/Modes.ts"
import { type Mode, type Plan, readPlan } from "../bench/Plan.ts"
import { complaints, isSound, type ModeResult, renderProgress, renderResults, toCsv, toJson } from "../bench/Report.ts"
import { CliFailure, EXIT_FAILED } from "../CliFailure.ts"
import { VERSION } from "../Version.ts"
import { bootstrapOf, withClient } from "./WithClient.ts"

const PROGRESS_MS = 2_000

export async function bench(parsed: Parsed): Promise<number> {
  const plan = readPlan(parsed)
  const target = bootstrapOf(parsed)
  const quiet = parsed.flags.get("quiet")?.[0] === "true"
  installNativeCrc32c()
  const results = await withClient(parsed, (client) =>
    Effect.forEach(plan.modes, (mode) => Effect.scoped(measure(client, plan, mode, quiet ? () => {} : say)))
  )
  const json = parsed.flags.get("json")?.[0]
  const csv = parsed.flags.get("csv")?.[0]
  // A result on the standard output is alone there.
  const onStdout = json === "-" || csv === "-"
  ;(onStdout ? process.stderr : process.stdout).write(`${renderResults(results)}\n`)
  if (json !== undefined) write(json, toJson(plan, target, VERSION, results))
  if (csv !== undefined) write(csv, toCsv(plan, results))
  for (const result of results) for (const line of complaints(result)) say(line)
  return results.every(isSound) ? 0 : EXIT_FAILED
}

const say = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

function write(path: string, text: string): void {
  if (path === "-") {
    process.stdout.write(`${text}\n`)
    return
  }
  try {
    writeFileSync(path, `${text}\n`)
  } catch (error) {
    throw new CliFailure(`The result cannot be written to ${path}: ${(error as Error).message}.`)
  }
}

const RUN: Readonly<Record<Mode, (field: Modes.Field) => Effect.Effect<void, ClientError, Scope.Scope>>> = {
  produce: Modes.produce,
  consume: Modes.consume,
  "round-trip": Modes.roundTrip,
  metadata: Modes.metadata
}

const measure = (
  client: KafkaClient,
  plan: Plan,
  mode: Mode,
  tell: (line: string) => void
): Effect.Effect<ModeResult, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    const random = randomBytes(8)
    const ground = yield* prepareGround(client, plan, `chronik-bench-${random.toString("hex")}`)
    const ledger = new Ledger(random.readUInt32BE(0), ground.borrowed)
    let meter: Meter | undefined
    let timer: NodeJS.Timeout | undefined
    const startMeter = (): Meter => {
      const startMs = performance.now()
      const started = new Meter(startMs, plan.warmUpMs, plan.durationMs)
      meter = started
      timer = setInterval(() => {
        const now = performance.now()
        tell(renderProgress((now - startMs) / 1_000, now < started.warmUpEndMs, started.progress(now)))
      }, PROGRESS_MS)
      return started
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(timer)))
    tell(`${mode}: ${plan.concurrency} connections, topic ${ground.topic}, ${ground.startOffsets.length} partitions`)
    // A scope of its own: its connections are closed before anything is read back.
    yield* Effect.scoped(RUN[mode]({ ground, plan, ledger, startMeter }))
    clearInterval(timer)
    const window = meter!.result(performance.now())
    const { problems } = meter!
    if (mode === "metadata") return { mode, window, findings: undefined, problems, unread: undefined }
    let read = 0
    let toldAt = performance.now()
    const reading = readBack(ground, ledger, plan.acks === 0, (records) => {
      read += records
      if (performance.now() - toldAt < PROGRESS_MS) return
      toldAt = performance.now()
      tell(`reading back: ${read.toLocaleString("en-US")} of ${ledger.confirmedTotal.toLocaleString("en-US")} records`)
    })
    // What was measured is worth telling also when the server is gone by now.
    const unread = yield* reading.pipe(
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(error.message))
    )
    return { mode, window, findings: unread === undefined ? ledger.findings() : undefined, problems, unread }
  })
