/**
 * The oracle's command: the same seeded script to Apache Kafka and to ours, answer by answer.
 *
 *   KAFKA_PEER_SCRIPT=PATH npm run oracle                 starts a Kafka through the script (see Brokers.ts)
 *   npm run oracle -- --kafka HOST:PORT                   takes one that runs, with the settings of Brokers.ts
 *
 *   --seed N          the first seed (1)                  --seeds N      how many, one after the other (1)
 *   --requests M      of each seed, at least (5000)       --only API     moves with this API only
 *   --ours HOST:PORT  a broker of ours that runs          --trace FILE   every request and difference
 *   --write-docs      writes docs/oracle.md, asks nobody
 *
 * Exit code 0: no difference without a reason, or no Kafka to ask; 1: a difference; 2: the command makes no sense.
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs"
import { parseArgs } from "node:util"
import { type Running, runningAt, startKafka, startOurs } from "./Brokers.ts"
import { DOCUMENT_PATH, renderDocument } from "./Document.ts"
import { Findings } from "./Findings.ts"
import { renderReport } from "./Report.ts"
import { playSeed } from "./Script.ts"

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const parse = () =>
  parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "1" },
      requests: { type: "string", default: "5000" },
      only: { type: "string" },
      kafka: { type: "string" },
      peer: { type: "string" },
      ours: { type: "string" },
      trace: { type: "string" },
      "write-docs": { type: "boolean", default: false }
    }
  }).values

const number = (name: string, text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} needs a whole number, not "${text}"`)
  return value
}

const kafkaOf = async (given: ReturnType<typeof parse>): Promise<Running | undefined> => {
  if (given.kafka !== undefined) return runningAt("kafka", given.kafka)
  const script = given.peer ?? process.env.KAFKA_PEER_SCRIPT
  return script === undefined ? undefined : startKafka(script)
}

const main = async (): Promise<boolean> => {
  const given = parse()
  if (given["write-docs"]) {
    writeFileSync(DOCUMENT_PATH, renderDocument())
    return true
  }
  const [first, count, requests] = [
    number("seed", given.seed),
    number("seeds", given.seeds),
    number("requests", given.requests)
  ]
  const kafka = await kafkaOf(given)
  if (kafka === undefined) {
    say("Skipped: there is no Apache Kafka to ask. Set KAFKA_PEER_SCRIPT to a script that starts one, or give --kafka.")
    return true
  }
  const trace = given.trace === undefined ? undefined : openSync(given.trace, "w")
  const findings = new Findings(trace === undefined ? undefined : (line) => void writeSync(trace, `${line}\n`))
  // A Kafka that runs on may have been asked before, and keeps what a run that was broken off has left.
  const tag = given.kafka === undefined ? "" : Date.now().toString(36).slice(-5)
  const ours = given.ours === undefined ? await startOurs() : runningAt("ours", given.ours)
  try {
    for (let seed = first; seed < first + count; seed++) {
      await playSeed({ seed, tag, requests, only: given.only, kafka: kafka.side, ours: ours.side, findings, say })
    }
  } finally {
    await Promise.all([kafka.end(), ours.end()])
    if (trace !== undefined) closeSync(trace)
  }
  say(renderReport(findings, { seeds: count, only: given.only }))
  return findings.unexplained.size === 0 && findings.roundTrips.broken.length === 0
}

process.exitCode = await main().then(
  (ok) => (ok ? 0 : 1),
  (error: unknown) => {
    console.error(error)
    return 2
  }
)
