/**
 * Seeds that once failed, run again for ever, and the first few besides. `seeds.json` holds `{ seed, sets, why }`: what was
 * wrong in a sentence; `sets` pins the options on which the failure hung, so that later draws do not lose it.
 */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { DEFAULT_WORLD, type Job, loadWorld, runJob } from "./hunt/Jobs.ts"
import { renderFailure } from "./hunt/Summary.ts"

interface KeptSeed extends Job {
  readonly why: string
}

const FIRST_SEEDS = 25

const kept = JSON.parse(readFileSync(new URL("./seeds.json", import.meta.url), "utf8")) as ReadonlyArray<KeptSeed>
const run = await loadWorld(DEFAULT_WORLD)

const expectToPass = (job: Job): void => {
  const result = runJob(run, job)
  expect(result.ok, result.ok ? "" : renderFailure(result, job.sets)).toBe(true)
  expect(result.events).toBeGreaterThan(0)
}

describe("a kept seed", () => {
  it("says why it is kept, and is there once", () => {
    for (const { why } of kept) expect(why.length).toBeGreaterThan(10)
    expect(new Set(kept.map(({ seed, sets }) => `${seed} ${sets.join(" ")}`)).size).toBe(kept.length)
  })
  for (const { seed, sets, why } of kept) it(`${seed}: ${why}`, () => expectToPass({ seed, sets }))
})

describe("the first seeds", () => {
  for (let seed = 1; seed <= FIRST_SEEDS; seed++) it(`${seed}`, () => expectToPass({ seed, sets: [] }))

  it("run the same way twice", () => {
    const once = runJob(run, { seed: 1, sets: [] })
    expect(runJob(run, { seed: 1, sets: [] })).toEqual(once)
  })
})
