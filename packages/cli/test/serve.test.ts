/**
 * The program as a user starts it: real processes, from the launcher on.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"

const LAUNCHER = join(import.meta.dirname, "../bin/chronik-effect.js")
const folder = mkdtempSync(join(tmpdir(), "chronik-cli-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const start = (args: ReadonlyArray<string>, env: Record<string, string> = {}): ChildProcess =>
  spawn(process.execPath, [LAUNCHER, ...args], { env: { ...process.env, NO_COLOR: "1", ...env } })

const ended = (child: ChildProcess): Promise<Ended> =>
  new Promise((settle) => {
    let stdout = ""
    let stderr = ""
    child.stdout!.on("data", (chunk) => (stdout += chunk))
    child.stderr!.on("data", (chunk) => (stderr += chunk))
    child.on("close", (code) => settle({ code, stdout, stderr }))
  })

const run = (args: ReadonlyArray<string>, env?: Record<string, string>): Promise<Ended> => ended(start(args, env))

interface Serving extends AsyncDisposable {
  readonly child: ChildProcess
  readonly bootstrap: string
  readonly end: Promise<Ended>
}

/** A broker in a process of its own, ready. */
async function serve(...args: ReadonlyArray<string>): Promise<Serving> {
  const child = start(["serve", "--kafka-port", "0", "--log-format", "json", ...args])
  const end = ended(child)
  const ready = await new Promise<{ host: string; port: number }>((settle, fail) => {
    let text = ""
    child.stdout!.on("data", (chunk) => {
      text += chunk
      const line = text.split("\n").find((one) => one.includes('"message":"ready"'))
      if (line !== undefined && text.endsWith("\n")) settle(JSON.parse(line))
    })
    end.then((result) => fail(new Error(`the broker ended: ${result.stderr}`)))
  })
  return {
    child,
    bootstrap: `${ready.host}:${ready.port}`,
    end,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await end
    }
  }
}

describe("chronik-effect", () => {
  it("serves, and topics are created, listed, described and deleted", async () => {
    await using broker = await serve("--ephemeral")
    const at = ["-b", broker.bootstrap]
    expect(await run(["topic", "create", "orders", "-p", "2", "--config", "retention.ms=5000", ...at])).toMatchObject({
      code: 0,
      stdout: "Topic orders created with 2 partitions and replication factor 1.\n"
    })
    const again = await run(["topic", "create", "orders", ...at])
    expect(again.code).toBe(1)
    expect(again.stderr).toContain("TOPIC_ALREADY_EXISTS")
    expect((await run(["topic", "create", "orders", "--if-not-exists", ...at])).code).toBe(0)
    expect(JSON.parse((await run(["topic", "list", "--json", ...at])).stdout)).toEqual([
      { name: "orders", partitions: 2 }
    ])
    const described = JSON.parse((await run(["topic", "describe", "orders", "--json", ...at])).stdout)
    expect(described).toMatchObject({ name: "orders", configs: { "retention.ms": "5000" } })
    expect(described.partitions).toHaveLength(2)
    expect((await run(["topic", "delete", "orders", ...at])).code).toBe(0)
    expect((await run(["topic", "describe", "orders", ...at])).code).toBe(1)
    expect((await run(["topic", "delete", "orders", "--if-exists", ...at])).code).toBe(0)
  })

  it("benchmarks every mode and reads back what it wrote", async () => {
    await using broker = await serve("--ephemeral")
    const modes = "produce,consume,round-trip,metadata"
    const flags = [
      "-n",
      "4",
      "-p",
      "3",
      "-d",
      "0.5",
      "--warm-up",
      "0.1",
      "--preload",
      "2000",
      "--batch-size",
      "3",
      "-q"
    ]
    const result = await run(["bench", "-b", broker.bootstrap, "-m", modes, ...flags, "--json", "-"])
    expect(result.stderr).toContain("CHECK")
    expect(result.code).toBe(0)
    const { runs } = JSON.parse(result.stdout)
    expect(runs.map((one: { mode: string }) => one.mode)).toEqual(modes.split(","))
    for (const one of runs) {
      expect(one).toMatchObject({ ok: true, errors: 0 })
      expect(one.requests).toBeGreaterThan(0)
      if (one.mode !== "metadata") expect(one.check.read).toBe(one.check.confirmed)
    }
    expect(JSON.parse((await run(["topic", "list", "--json", "-b", broker.bootstrap])).stdout)).toEqual([])
  })

  it("stops in order on SIGTERM, within a second, and keeps its data", async () => {
    const dataDir = join(folder, "stop")
    {
      await using broker = await serve("--data-dir", dataDir)
      expect((await run(["topic", "create", "kept", "-b", broker.bootstrap])).code).toBe(0)
      const before = performance.now()
      broker.child.kill("SIGTERM")
      expect((await broker.end).code).toBe(0)
      expect(performance.now() - before).toBeLessThan(1_000)
    }
    await using again = await serve("--data-dir", dataDir)
    expect((await run(["topic", "describe", "kept", "-b", again.bootstrap])).code).toBe(0)
  })

  it("says in one sentence what is wrong, and how to go on", async () => {
    await using broker = await serve("--ephemeral")
    const port = broker.bootstrap.split(":")[1]!
    const broken = join(folder, "broken.toml")
    writeFileSync(broken, 'kafka-port = 1\nhost = "x\n')
    const occupied = join(folder, "occupied")
    writeFileSync(occupied, "")
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
      [["serve", "--ephemeral", "--kafka-port", port], `Port ${port} on 127.0.0.1 is in use by another process`],
      [["serve", "--data-dir", occupied, "--kafka-port", "0"], "is not a directory"],
      [["serve", "--ephemeral", "--host", "203.0.113.1", "--kafka-port", "0"], "is not an address of this machine"],
      [["serve", "--config", broken], "is not valid TOML: line 2"],
      [["serve", "--kafka-port", "ninety"], "--kafka-port is"],
      [["serve", "--efemeral"], 'Did you mean "--ephemeral"?'],
      [["topic", "list", "-b", "127.0.0.1:1"], "nothing listens there"]
    ]
    const results = await Promise.all(cases.map(([args]) => run(args)))
    for (const [i, result] of results.entries()) {
      expect(result.stderr).toContain(cases[i]![1])
      expect(result.stderr.trim().split("\n")).toHaveLength(1)
      expect(result.code).toBeGreaterThan(0)
    }
  })

  it("refuses a data directory that another process uses", async () => {
    const dataDir = join(folder, "locked")
    await using first = await serve("--data-dir", dataDir)
    const second = await run(["serve", "--data-dir", dataDir, "--kafka-port", "0"])
    expect(second.code).toBe(1)
    expect(second.stderr).toContain(dataDir)
    expect(first.child.exitCode).toBeNull()
  })

  it("shows its version and its help", async () => {
    expect((await run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    const help = await run(["serve", "--help"])
    expect(help.code).toBe(0)
    for (const flag of [
      "--data-dir",
      "--kafka-port",
      "--advertised-addr",
      "--default-partitions",
      "--unsafe-no-fsync"
    ]) {
      expect(help.stdout).toContain(flag)
    }
  })
})
