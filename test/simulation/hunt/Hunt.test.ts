import { describe, expect, it } from "vitest"
import { drawOptions } from "../kernel/Options.ts"
import type { RunResult } from "../kernel/RunResult.ts"
import { shrink } from "../shrink/Shrink.ts"
import { type HuntOptions, hunt } from "./Hunt.ts"
import { commandOf, type Job, loadWorld, optionsOf, readScenario, runJob } from "./Jobs.ts"
import { renderFailure, Summary } from "./Summary.ts"

const WORLD = new URL("./testdata/strangeSeeds.ts", import.meta.url).pathname
const SETS = ["voters=3", "crashWeight=1"]
const jobs = (from: number, to: number): Iterator<Job> =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ seed: from + i, sets: SETS }))[Symbol.iterator]()

const huntAll = async (given: Partial<HuntOptions> & Pick<HuntOptions, "jobs">) => {
  const failures: Array<RunResult> = []
  const summary = new Summary()
  await hunt({
    world: WORLD,
    processes: 2,
    chunk: 4,
    stopAtFailure: false,
    forMs: 60_000,
    onFinished: (finished) => {
      summary.add(finished)
      if (!finished.result.ok) failures.push(finished.result)
    },
    ...given
  })
  return { failures: failures.sort((a, b) => a.seed - b.seed), data: summary.data(1) }
}
const rules = (failures: ReadonlyArray<RunResult>) => failures.map((one) => [one.seed, one.violation?.rule])

describe("a hunt", () => {
  it("runs every seed once, and names what failed, threw or died", async () => {
    const { failures, data } = await huntAll({ jobs: jobs(1, 20) })
    expect(rules(failures)).toEqual([
      [3, "assertion: three is not allowed"],
      [5, "defect: TypeError"],
      [7, "process died"],
      [9, "nine"],
      [19, "nine"]
    ])
    expect([data.seeds, data.failures]).toEqual([20, 5])
    expect(data.neverSeen).not.toContain("fault.crash")
    expect(data.neverSeen).toContain("fault.pause")
  })

  it("stops at the first failure when told to", async () => {
    const { failures, data } = await huntAll({ jobs: jobs(8, 1_000), stopAtFailure: true, processes: 1 })
    expect(rules(failures)).toEqual([[9, "nine"]])
    expect(data.seeds).toBe(2)
  })

  it("ends a run that does not end by itself, and goes on behind it", async () => {
    const { failures, data } = await huntAll({ jobs: jobs(1_010, 1_016), processes: 1, seedMsMax: 1_000 })
    expect(rules(failures)).toEqual([[1_013, "process hung"]])
    expect(data.seeds).toBe(7)
  })

  it("stops when its time is over", async () => {
    expect((await huntAll({ jobs: jobs(1, 9), forMs: 0 })).data.seeds).toBe(0)
  })

  it("says so when the world cannot be loaded", async () => {
    await expect(huntAll({ jobs: jobs(1, 2), world: `${WORLD}.gone` })).rejects.toThrow("before a seed began")
  })
})

describe("a failing seed", () => {
  it("is shrunk to the options that it needs", async () => {
    const run = await loadWorld(WORLD)
    const limits = { runsMax: 500, forMs: 60_000, nowMs: () => 0 }
    const seed = 9
    const shrunk = shrink(
      (job) => runJob(run, job),
      { seed, sets: SETS },
      limits,
      () => undefined
    )!
    expect(shrunk.result.violation?.rule).toBe("nine")
    const options = optionsOf(shrunk.job)
    expect(options).toMatchObject({ voters: 3, crashWeight: 1, bias: "none", lossChance: 0, consumers: 0, topics: 1 })
    expect(options.safetyMs).toBeLessThanOrEqual(201)
    // Neither can be had more simply.
    for (const set of ["voters=2", "crashWeight=0"])
      expect(runJob(run, { seed, sets: [...shrunk.job.sets, set] }).ok).toBe(true)
  })

  it("that passes is not shrunk", async () => {
    const run = await loadWorld(WORLD)
    const limits = { runsMax: 5, forMs: 60_000, nowMs: () => 0 }
    expect(
      shrink(
        (job) => runJob(run, job),
        { seed: 1, sets: [] },
        limits,
        () => undefined
      )
    ).toBeUndefined()
  })

  it("is printed with the command that repeats it", () => {
    const violation = { rule: "nine", message: "lost\nrecord", atMs: 12.5 }
    const result = { seed: 9, ok: false, violation, events: 1, virtualMs: 1, coverage: {}, hash: 1 }
    expect(renderFailure(result, ["voters=3"]).split("\n")).toEqual([
      "seed 9 FAILED at 12.500 ms: nine",
      "  lost",
      "  record",
      "  npm run simulate -- --seed 9 --set voters=3"
    ])
    expect(commandOf({ seed: 1, sets: [] })).toBe("npm run simulate -- --seed 1")
  })
})

describe("a scenario file", () => {
  it("holds overrides and remarks", () => {
    const sets = readScenario(new URL("./testdata/scenario.txt", import.meta.url).pathname)
    expect(sets).toEqual(["bias=figure8", "voters=5"])
    expect(optionsOf({ seed: 1, sets })).toMatchObject({
      ...drawOptions(1),
      bias: "figure8",
      voters: 5,
      replicationFactor: expect.any(Number),
      minInSync: expect.any(Number)
    })
  })
})
