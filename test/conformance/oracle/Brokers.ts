/**
 * The two brokers of a run: Apache Kafka, started through a script that the caller names, and ours on a fresh directory.
 *
 * The script is called as `SCRIPT up DIR 1 name=value…` and `SCRIPT down DIR`; it prints the bootstrap address as the last
 * word of `up`, and makes what it needs. Both brokers get the same settings.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { BrokerProcess, freePort, temporaryDirectory } from "../../support/BrokerProcess.ts"
import { Side } from "./Wire.ts"

export interface Running {
  readonly side: Side
  readonly end: () => Promise<void>
}

/**
 * Nothing of it happens by itself in the minutes of a run: what retention does depends on when it looks, what an assignor does
 * on how long ago it ran.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  "num.partitions": "4",
  "group.initial.rebalance.delay.ms": "0",
  "group.consumer.min.assignment.interval.ms": "0",
  "group.consumer.assignment.interval.ms": "0",
  "log.retention.check.interval.ms": "86400000",
  "offsets.topic.replication.factor": "1",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1"
}

const START_MS_MAX = 300_000

const sideAt = (name: string, address: string): Side => {
  const colon = address.lastIndexOf(":")
  const port = Number(address.slice(colon + 1))
  if (colon < 1 || !Number.isInteger(port)) throw new Error(`"${address}" is not host:port`)
  return new Side(name, address.slice(0, colon), port)
}

export const runningAt = (name: string, address: string): Running => {
  const side = sideAt(name, address)
  return { side, end: () => side.close() }
}

export const startKafka = async (script: string): Promise<Running> => {
  const directory = mkdtempSync(join(tmpdir(), "oracle-kafka-"))
  const settings = Object.entries(SETTINGS).map(([name, value]) => `${name}=${value}`)
  const call = (...args: ReadonlyArray<string>) => promisify(execFile)(script, [...args], { timeout: START_MS_MAX })
  const { stdout } = await call("up", directory, "1", ...settings)
  const address = stdout.trim().split(/\s+/).at(-1) ?? ""
  const side = sideAt("kafka", address)
  return {
    side,
    end: async () => {
      await side.close()
      await call("down", directory)
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

export const startOurs = async (): Promise<Running> => {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ["--set", `${name}=${value}`])
  const broker = new BrokerProcess(await freePort(), temporaryDirectory(), settings)
  await broker.start()
  const side = sideAt("ours", broker.bootstrap)
  return {
    side,
    end: async () => {
      await side.close()
      await broker.dispose()
    }
  }
}
