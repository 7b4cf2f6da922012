/**
 * The launcher on a Node that is too old: it must be parsed by it, and say one sentence.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"

const LAUNCHER = join(import.meta.dirname, "../bin/chronik-effect.js")

it.each(["12.22.12", "20.20.2", "22.18.9"])("names the Node that is needed when it runs on %s", (version) => {
  const folder = mkdtempSync(join(tmpdir(), "chronik-launcher-"))
  try {
    const preload = join(folder, "old.cjs")
    writeFileSync(
      preload,
      `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`
    )
    const result = spawnSync(process.execPath, ["--require", preload, LAUNCHER, "serve"], { encoding: "utf8" })
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(
      new RegExp(`^chronik-effect needs Node 22\\.19 or newer and this is Node ${version} .*\\n$`)
    )
    expect(result.stdout).toBe("")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it("goes on with a Node that is new enough", () => {
  expect(execFileSync(process.execPath, [LAUNCHER, "--version"], { encoding: "utf8" })).toMatch(/^\d+\.\d+\.\d+\n$/)
})

it("is written in the JavaScript of old Nodes", () => {
  const code = readFileSync(LAUNCHER, "utf8").replace(/\/\*[\s\S]*?\*\//g, "")
  expect(code).not.toMatch(/=>|\b(const|let|class|async|await|import)\b|\?\.|\?\?|\.\.\.|`[^`]*\$\{/)
})
