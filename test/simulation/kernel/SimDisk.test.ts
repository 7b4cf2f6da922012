import { describe, expect, it } from "vitest"
import type { DiskRecord } from "../World.ts"
import { Kernel } from "./Kernel.ts"
import { drawOptions, overrideOptions } from "./Options.ts"

const record = (term: number): DiskRecord => ({ _tag: "HardState", hardState: { term, vote: null } })
const entries = (count: number): DiskRecord => ({
  _tag: "Entries",
  entries: Array.from({ length: count }, (_, i) => ({
    term: 1,
    index: i + 1,
    kind: 1 as const,
    payload: new Uint8Array()
  }))
})

const make = (seed = 5, ...sets: ReadonlyArray<string>) => {
  const found = overrideOptions(drawOptions(seed), ["fsyncMs=1", "fsyncJitterMs=0", "fsyncTailChance=0", ...sets])
  if ("problem" in found) throw new Error(found.problem)
  const kernel = new Kernel(seed, found.options)
  const disk = kernel.makeDisk(1)
  const durable: Array<string> = []
  const attach = (name = "") => disk.attach((count) => durable.push(`${name}${count} at ${kernel.nowMs()}`))
  attach()
  const run = (ms: number) => kernel.run(kernel.nowMs() + ms, 1e6, () => undefined)
  return { kernel, disk, durable, attach, run }
}

describe("a simulated disk", () => {
  it("takes what one moment writes as one flight, has two flights at most, and gathers the rest for the next", () => {
    const { disk, durable, run } = make()
    disk.append(record(1))
    disk.append(record(2))
    run(0.25)
    disk.append(record(3))
    run(0.25)
    // Two flights are under way.
    disk.append(record(4))
    expect(disk.append(record(5))).toBe(5)
    expect([disk.durableCount, durable]).toEqual([0, []])
    run(0.5)
    expect(durable).toEqual(["2 at 1"])
    run(9)
    expect(durable).toEqual(["2 at 1", "3 at 1.25", "5 at 2"])
  })

  it("completes in order, however long each sync takes", () => {
    const { disk, durable, run } = make(5, "fsyncJitterMs=20")
    for (let i = 1; i <= 100; i++) {
      disk.append(record(i))
      run(1)
    }
    run(500)
    const counts = durable.map((line) => Number.parseInt(line, 10))
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(counts.at(-1)).toBe(100)
  })

  it("keeps what is durable and a prefix of the rest at a crash, and tells nobody any more", () => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 100; seed++) {
      const { disk, durable, attach, run } = make(seed)
      disk.append(record(1))
      run(1)
      for (const term of [2, 3, 4]) disk.append(record(term))
      disk.crash()
      const terms = disk.records.map((one) => (one._tag === "HardState" ? one.hardState.term : -1))
      expect(terms).toEqual([1, 2, 3, 4].slice(0, terms.length))
      expect(disk.durableCount).toBe(terms.length)
      kept.add(terms.length)
      attach("next ")
      run(10)
      expect(durable).toEqual(["1 at 1"])
      disk.append(record(9))
      run(10)
      expect(durable.at(-1)).toBe(`next ${terms.length + 1} at 12`)
    }
    expect([...kept].sort()).toEqual([1, 2, 3, 4])
  })

  it("may tear a record of many entries", () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 200; seed++) {
      const { disk } = make(seed)
      disk.append(entries(3))
      disk.crash()
      const [kept] = disk.records
      lengths.add(kept === undefined ? 0 : kept._tag === "Entries" ? kept.entries.length : -1)
    }
    expect([...lengths].sort()).toEqual([0, 1, 2, 3])
  })

  it("hurries what is under way when it gets healthy again, and keeps its order", () => {
    const { disk, durable, run } = make()
    disk.slowDown(100)
    disk.append(record(1))
    run(1)
    disk.append(record(2))
    run(1)
    disk.append(record(3))
    disk.slowDown(50)
    run(1)
    disk.calm()
    run(1)
    expect(durable).toEqual(["1 at 4", "2 at 4"])
    run(1)
    expect(durable.at(-1)).toBe("3 at 5")
  })

  it("is slow when told to be, and empty when wiped", () => {
    const { disk, durable, run, attach } = make()
    disk.slowDown(10)
    disk.append(record(1))
    run(9)
    expect(durable).toEqual([])
    run(1)
    expect(durable).toEqual(["1 at 10"])
    disk.append(record(2))
    disk.wipe()
    attach()
    run(20)
    expect([disk.records, disk.durableCount, durable]).toEqual([[], 0, ["1 at 10"]])
  })
})
