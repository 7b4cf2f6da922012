/**
 * kcat, on the librdkafka that the machine has: the older half of every codec, and groups of librdkafka's making.
 *
 * Where kcat is missing the tests are skipped and say so; CI installs it.
 */
import { spawn, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { startBroker } from "chronik-effect/testing"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const missing = spawnSync("kcat", ["-V"]).error !== undefined
if (missing) process.stdout.write("kcat is not installed (Debian package kcat): its tests are skipped\n")

let broker: Awaited<ReturnType<typeof startBroker>>

beforeAll(async () => {
  broker = await startBroker({ partitions: 3 })
})
afterAll(() => broker.close())

const kcat = async (args: ReadonlyArray<string>, input = ""): Promise<string> => {
  const child = spawn("kcat", ["-b", broker.bootstrap, ...args])
  let out = ""
  let err = ""
  child.stdout.on("data", (text) => {
    out += text
  })
  child.stderr.on("data", (text) => {
    err += text
  })
  child.stdin.end(input)
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`kcat ${args.join(" ")} ended with ${code}: ${err}`)
  return out
}

const lines = (n: number) => Array.from({ length: n }, (_, i) => `line ${i} ${"y".repeat(i % 50)}.`)

describe.skipIf(missing)("kcat", () => {
  it("lists the broker and its topics", async () => {
    const topic = randomUUID()
    await kcat(["-P", "-t", topic], "x\n")
    const listed = await kcat(["-L", "-t", topic])
    expect(listed).toMatch(/broker 1 at 127\.0\.0\.1:\d+/)
    expect(listed).toContain(`topic "${topic}" with 3 partitions`)
  })

  it.each(["none", "gzip", "snappy", "lz4", "zstd"])("round-trips records with %s", async (codec) => {
    const topic = randomUUID()
    const sent = lines(300)
    await kcat(
      ["-P", "-t", topic, "-z", codec, "-X", "acks=all", "-X", "enable.idempotence=true"],
      `${sent.join("\n")}\n`
    )
    const read = (await kcat(["-C", "-t", topic, "-e", "-q", "-X", "check.crcs=true"])).trim().split("\n")
    expect(read.sort()).toEqual([...sent].sort())
  })

  it("finds offsets by time", async () => {
    const topic = randomUUID()
    await kcat(["-P", "-t", topic, "-p", "0"], "a\nb\n")
    expect(await kcat(["-Q", "-t", `${topic}:0:-1`])).toContain("offset 2")
    expect(await kcat(["-Q", "-t", `${topic}:0:-2`])).toContain("offset 0")
    expect(await kcat(["-Q", "-t", `${topic}:0:1`])).toContain("offset 0")
  })

  it("consumes in a group and goes on where it left off", async () => {
    const topic = randomUUID()
    const group = `g-${topic}`
    const read = async (n: number) =>
      (await kcat(["-G", group, topic, "-c", String(n), "-q", "-X", "auto.offset.reset=earliest"]))
        .trim()
        .split("\n")
        .sort()
    await kcat(["-P", "-t", topic, "-p", "0"], "a\nb\n")
    expect(await read(2)).toEqual(["a", "b"])
    await kcat(["-P", "-t", topic, "-p", "0"], "c\nd\n")
    expect(await read(2)).toEqual(["c", "d"])
  })
})
