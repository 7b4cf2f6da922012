/**
 * `npm run smoke`: the package as its users get it. Packs `packages/cli`, installs the archive into an empty folder, starts
 * the broker from there with nothing else, produces and consumes with a real client, runs a short benchmark for its
 * read-back check, stops it by SIGTERM, and holds the figures against what was promised.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Kafka, logLevel } from "kafkajs"
import { BrokerProcess, freePort } from "./support/BrokerProcess.ts"

const PACKED_BYTES_MAX = 3 * 1024 * 1024
const STOP_MS_MAX = 1_000
const CLI = resolve(import.meta.dirname, "../packages/cli")

const check = (holds: boolean, sentence: string) => {
  if (!holds) throw new Error(sentence)
  process.stdout.write(`ok: ${sentence}\n`)
}

const folder = mkdtempSync(join(tmpdir(), "chronik-smoke-"))
try {
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: CLI })
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"))
  if (archive === undefined) throw new Error("npm pack made no archive")
  const packed = statSync(join(folder, archive)).size
  check(packed <= PACKED_BYTES_MAX, `the package has ${Math.round(packed / 1024)} KiB, at most 3 MiB`)
  const home = join(folder, "home")
  mkdirSync(home)
  writeFileSync(join(home, "package.json"), '{"name":"home","private":true}')
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--silent", join(folder, archive)], { cwd: home })

  const entry = join(home, "node_modules/chronik-effect/bin/chronik-effect.js")
  const broker = new BrokerProcess(await freePort(), join(folder, "data"), [], entry)
  await broker.start()
  await broker.end("SIGTERM")
  await broker.start()
  process.stdout.write(`start to first connection, second start: ${Math.round(broker.readyMs)} ms\n`)

  const kafka = new Kafka({ clientId: "smoke", brokers: [broker.bootstrap], logLevel: logLevel.ERROR })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: "smoke", messages: [{ value: "there" }] })
  await producer.disconnect()
  const consumer = kafka.consumer({ groupId: "smoke" })
  await consumer.connect()
  await consumer.subscribe({ topics: ["smoke"], fromBeginning: true })
  const value = await new Promise<string | undefined>((done) => {
    consumer.run({ eachMessage: async ({ message }) => done(message.value?.toString()) })
  })
  await consumer.disconnect()
  check(value === "there", "a real client produces and consumes")

  const bench = spawnSync(
    process.execPath,
    [entry, "bench", "--bootstrap-server", broker.bootstrap, "--duration", "3s", "--warm-up", "1s", "--mode", "round-trip"],
    { stdio: "inherit" }
  )
  check(bench.status === 0, "the benchmark reads back what it wrote")
  const stopped = performance.now()
  const code = await broker.end("SIGTERM")
  const stopMs = performance.now() - stopped
  check(code === 0 && stopMs < STOP_MS_MAX, `SIGTERM ends it in ${Math.round(stopMs)} ms with exit code ${code}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
