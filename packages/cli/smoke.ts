/**
 * Proves the package as a user gets it: packed, installed into an empty folder, started by npx, used by a real client.
 *
 * `node packages/cli/smoke.ts` after `npm run build`; exits with 1 when anything is off. It also times process start to first
 * answer, because that is what a change of imports breaks first.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Kafka, logLevel } from "kafkajs"

const STARTS = 11
const STOP_MS_MAX = 1_000
/** ApiVersions v0: the smallest question that only a Kafka server answers. */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

const folder = mkdtempSync(join(tmpdir(), "chronik-smoke-"))

function install(): void {
  const npm = (args: ReadonlyArray<string>, cwd: string) =>
    execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
  const [packed] = JSON.parse(
    npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], import.meta.dirname)
  )
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }))
  npm(["install", "--offline", "--no-audit", "--no-fund", join(folder, packed.filename)], folder)
  const installed = readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))
  check(installed.join() === "chronik-effect", `installing it brought nothing else (${installed.join(", ")})`)
  console.log(`packed ${(packed.size / 1_000).toFixed(0)} kB, ${packed.entryCount} files`)
}

function check(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Error(`Not so: ${sentence}.`)
}

async function answered(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const yes = await new Promise<boolean>((settle) => {
      const socket = net.connect(port, "127.0.0.1", () => socket.write(QUESTION))
      const done = (answer: boolean) => {
        socket.destroy()
        settle(answer)
      }
      socket.once("data", () => done(true))
      socket.once("error", () => done(false))
    })
    if (yes) return
    // A pause, because a busy asker takes a core from the one who starts.
    await pause(1)
  }
  throw new Error(`The broker ended with ${child.exitCode} before it answered.`)
}

const exit = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null ? Promise.resolve(child.exitCode) : new Promise((settle) => child.once("exit", settle))

let port = 20_000 + Math.floor(Math.random() * 9_000)

/** One start on an empty directory, from the launcher; the time is to the first answer. */
async function timedStart(round: number): Promise<number> {
  const launcher = join(folder, "node_modules/chronik-effect/bin/chronik-effect.js")
  const args = [launcher, "serve", "--kafka-port", String(++port), "--data-dir", join(folder, `data-${round}`)]
  const beganMs = performance.now()
  const child = spawn(process.execPath, args, { stdio: "ignore" })
  await answered(port, child)
  const elapsedMs = performance.now() - beganMs
  child.kill("SIGTERM")
  await exit(child)
  return elapsedMs
}

/** A broker by npx, a producer and a consumer of kafkajs, a stop in order. */
async function useIt(): Promise<void> {
  const args = ["--offline", "chronik-effect", "serve", "--kafka-port", String(++port)]
  const child = spawn("npx", args, { cwd: folder, stdio: "ignore", detached: true })
  try {
    await answered(port, child)
    const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    await producer.connect()
    const messages = Array.from({ length: 100 }, (_, i) => ({ value: `record ${i}` }))
    await producer.send({ topic: "smoke", messages })
    await producer.disconnect()
    const consumer = kafka.consumer({ groupId: "smoke" })
    await consumer.connect()
    await consumer.subscribe({ topic: "smoke", fromBeginning: true })
    const seen: Array<string> = []
    await new Promise<void>((settle, fail) => {
      consumer
        .run({
          eachMessage: async ({ message }) => {
            if (seen.push(String(message.value)) === messages.length) settle()
          }
        })
        .catch(fail)
    })
    await consumer.disconnect()
    check(
      seen.join() === messages.map((message) => message.value).join(),
      "kafkajs consumes what it produced, in order"
    )
    const bench = join(folder, "node_modules/chronik-effect/bin/chronik-effect.js")
    const flags = ["--mode", "produce", "--duration", "1", "--warm-up", "0", "--quiet"]
    // Exits with 1, and so throws, when what it reads back is not what it wrote.
    execFileSync(process.execPath, [bench, "bench", "-b", `127.0.0.1:${port}`, ...flags], { timeout: 60_000 })
    const beganMs = performance.now()
    process.kill(-child.pid!, "SIGTERM")
    await exit(child)
    check(performance.now() - beganMs < STOP_MS_MAX, "it stops within a second")
  } finally {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL")
  }
}

/** `chronik-effect/testing` as an installed package, in a program of a user. */
function embedIt(): void {
  const program = `
    import { startBroker } from "chronik-effect/testing"
    await using broker = await startBroker({ partitions: 2 })
    if (!/^127\\.0\\.0\\.1:\\d+$/.test(broker.bootstrap)) throw new Error(broker.bootstrap)
    console.log("embedded broker ready in " + broker.readyMs.toFixed(0) + " ms")`
  writeFileSync(join(folder, "embed.js"), program)
  process.stdout.write(execFileSync(process.execPath, ["embed.js"], { cwd: folder, encoding: "utf8", timeout: 30_000 }))
}

try {
  install()
  const times: Array<number> = []
  for (let round = 0; round < STARTS; round++) times.push(await timedStart(round))
  times.sort((a, b) => a - b)
  const [best, middle] = [times[0]!, times[STARTS >> 1]!]
  console.log(`start to first answer: median ${middle.toFixed(0)} ms, best ${best.toFixed(0)} ms of ${STARTS}`)
  await useIt()
  embedIt()
  console.log("the package works")
} finally {
  rmSync(folder, { recursive: true, force: true })
}
