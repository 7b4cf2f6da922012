/**
 * How quick groups are: `npm run bench:groups -- [--bootstrap HOST:PORT] [--pid PID] [--seconds 20] [--times 5]`.
 *
 * Without an address a durable broker of ours is started for it; with one the same loads go to whatever listens there, Apache
 * Kafka for one. `--pid` names its process, for the processor time. Prints one JSON object.
 */
import { parseArgs } from "node:util"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import {
  classicRebalance,
  committingGroups,
  consumerRebalance,
  type FirstRecordClient,
  firstRecord,
  prepare,
  type Target
} from "./GroupLoads.ts"
import { median } from "./Rows.ts"

const MEMBERS = 100
const PARTITIONS = 1_000
const GROUPS = 1_000
const CLIENTS: ReadonlyArray<FirstRecordClient> = ["kafkajs", "platformatic", "platformatic, consumer protocol"]

const { values } = parseArgs({
  options: {
    bootstrap: { type: "string" },
    pid: { type: "string" },
    seconds: { type: "string", default: "20" },
    times: { type: "string", default: "5" }
  }
})

const rounded = (ms: number): number => Math.round(ms * 10) / 10
const summary = (took: ReadonlyArray<number>) => ({
  medianMs: rounded(median(took)),
  maxMs: rounded(Math.max(...took))
})

const measure = async (target: Target, times: number, seconds: number) => {
  await prepare(target)
  const first: Record<string, object> = {}
  for (const client of CLIENTS) first[client] = summary(await firstRecord(target, client, times))
  const classic = summary(await classicRebalance(target, MEMBERS, PARTITIONS, times))
  const { tookMs, heartbeats } = await consumerRebalance(target, MEMBERS, PARTITIONS)
  const { commits, p50Ms, p99Ms, cpuPercent } = await committingGroups(target, GROUPS, seconds)
  return {
    "first record after subscribe": first,
    [`rebalance of ${MEMBERS} classic members, ${PARTITIONS} partitions`]: classic,
    [`one more member of ${MEMBERS} of the consumer protocol`]: { tookMs: rounded(tookMs), heartbeats },
    [`${GROUPS} groups committing each second`]: {
      commits,
      p50Ms: rounded(p50Ms),
      p99Ms: rounded(p99Ms),
      cpuPercent: Number.isNaN(cpuPercent) ? null : rounded(cpuPercent)
    }
  }
}

const withTarget = async <A>(use: (target: Target) => Promise<A>): Promise<A> => {
  if (values.bootstrap !== undefined) {
    const [host = "", port = ""] = values.bootstrap.split(":")
    return use({ host, port: Number(port), pid: values.pid === undefined ? undefined : Number(values.pid) })
  }
  const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "warn"])
  try {
    await broker.start()
    return await use({ host: "127.0.0.1", port: broker.port, pid: broker.pid })
  } finally {
    await broker.dispose()
  }
}

const report = await withTarget((target) => measure(target, Number(values.times), Number(values.seconds)))
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
// Clients that were disconnected keep timers of their own.
process.exit(0)
