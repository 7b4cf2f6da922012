/** The command as a shell runs it, on the tiny world and on one whose seeds fail. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"

const here = (path: string) => new URL(path, import.meta.url).pathname
const TINY = here("./kernel/TinyWorld.ts")
const STRANGE = here("./hunt/testdata/strangeSeeds.ts")

const simulate = (...given: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [here("./simulate.ts"), ...given], {
    encoding: "utf8"
  })
  return { status, stdout, stderr }
}

it("replays a seed with its options, its history and its result", () => {
  const given = ["--world", TINY, "--seed", "3", "--set", "voters=3", "--last", "5"]
  const once = simulate(...given)
  expect(once.status).toBe(0)
  expect(once.stdout).toContain("voters=3")
  expect(once.stdout).toMatch(/node 0 +node 1/)
  expect(once.stdout).toContain("seed 3 passed")
  expect(simulate(...given).stdout).toBe(once.stdout)
})

it("hunts, sums up, warns of what it never saw, and writes the summary", () => {
  const folder = mkdtempSync(join(tmpdir(), "simulate-"))
  const json = join(folder, "summary.json")
  const { status, stdout } = simulate("--world", TINY, "--runs", "40", "--from", "1", "--json", json)
  expect(status).toBe(0)
  expect(stdout).toMatch(/warning: never seen: .*, bulk, /)
  expect(stdout).toMatch(/40 seeds, 0 failed, \d+ events .* seeds\/s/)
  expect(JSON.parse(readFileSync(json, "utf8"))).toMatchObject({ seeds: 40, failures: 0, from: 1, sets: [] })
  rmSync(folder, { recursive: true })
})

it("fails with the seed, the rule and the command that repeats it", () => {
  const { status, stdout } = simulate(
    "--world",
    STRANGE,
    "--runs",
    "3",
    "--from",
    "8",
    "--set",
    "voters=3",
    "--set",
    "crashWeight=1"
  )
  expect(status).toBe(1)
  expect(stdout).toContain("seed 9 FAILED at 200.000 ms: nine")
  expect(stdout).toContain("npm run simulate -- --seed 9 --set voters=3 --set crashWeight=1")
})

it("goes on behind a failure when told to", () => {
  const { status, stdout } = simulate(
    "--world",
    STRANGE,
    "--runs",
    "32",
    "--from",
    "9",
    "--keep-going",
    "--set",
    "voters=3",
    "--set",
    "crashWeight=1"
  )
  expect(status).toBe(1)
  expect(stdout).toMatch(/32 seeds, 4 failed/)
})

it("shrinks a seed", () => {
  const { status, stdout } = simulate(
    "--world",
    STRANGE,
    "--seed",
    "9",
    "--shrink",
    "--set",
    "voters=5",
    "--set",
    "crashWeight=1"
  )
  expect(status).toBe(1)
  expect(stdout).toMatch(/npm run simulate -- --seed 9 .*voters=3/)
})

it("says what is wrong with the command", () => {
  for (const [given, problem] of [
    [[], "say --seed N, --runs N or --minutes M"],
    [["--seed", "x"], '--seed needs a number, not "x"'],
    [["--runs", "1", "--set", "voter=3"], 'there is no option "voter"']
  ] as const) {
    const { status, stderr } = simulate("--world", TINY, ...given)
    expect([status, stderr.trim()]).toEqual([2, problem])
  }
})
