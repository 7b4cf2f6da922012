import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { BEGIN, EMPTY_DOCUMENT, END, placeTable } from "./Document.ts"
import { isGood, renderResult, renderTable, tryMutation } from "./Harness.ts"
import { type Mutation, mutate, mutationProblems, ROOT } from "./Mutation.ts"
import { MUTATIONS } from "./mutations.ts"

const WORLD = new URL("../kernel/TinyWorld.ts", import.meta.url).pathname

const hasty: Mutation = {
  name: "acknowledge before a majority",
  rule: "majority",
  what: "A value counts as held as soon as one node has it.",
  file: "test/simulation/kernel/TinyWorld.ts",
  find: "if (copies.size > this.#nodes.length / 2)",
  replace: "if (copies.size > 0)",
  seedsMax: 40,
  sets: ["voters=3", "observers=0"]
}

describe("a mutation", () => {
  it("is found in a child process, whose source alone is changed", async () => {
    const before = readFileSync(ROOT + hasty.file, "utf8")
    const result = await tryMutation(WORLD, hasty)
    expect(result).toMatchObject({ seenBy: "acknowledged values survive", unsound: false })
    expect(result.seeds).toBeLessThanOrEqual(hasty.seedsMax)
    expect(isGood(result)).toBe(true)
    expect(readFileSync(ROOT + hasty.file, "utf8")).toBe(before)
    expect(renderTable([result])).toContain(`| ${result.seeds} | 40 | acknowledged values survive |`)
  })

  it("is named as an assertion where the machine itself sees it", async () => {
    const impossible = {
      ...hasty,
      find: "const value = this.#next++",
      replace: "const value = this.#next++\n    this.clock.cancel({ dueMs: 0 })"
    }
    const result = await tryMutation(WORLD, impossible)
    expect([result.seeds, result.seenBy]).toEqual([1, "assertion: a timer must come from this clock"])
    expect(renderTable([result])).toContain("the machine itself: a timer must come from this clock")
  })

  it("that changes nothing that matters is not found", async () => {
    const result = await tryMutation(WORLD, { ...hasty, find: "#next = 1", replace: "#next = 2", seedsMax: 3 })
    expect([result.seeds, isGood(result)]).toEqual([undefined, false])
    expect(renderResult(result)).toContain("NOT FOUND in 3 seeds")
  })

  it("found by a seed that fails anyway is unsound", async () => {
    const broken = {
      ...hasty,
      sets: ["wipesMax=0", "voters=3", "observers=0"],
      find: "#next = 1",
      replace: "#next = 2",
      seedsMax: 1
    }
    const result = await tryMutation(new URL("./testdata/alwaysFails.ts", import.meta.url).pathname, broken)
    expect([result.unsound, isGood(result)]).toEqual([true, false])
  })

  it("whose file the world does not load is an error, not a miss", async () => {
    const elsewhere = {
      ...hasty,
      file: "test/simulation/kernel/Kernel.test.ts",
      find: 'describe("the trace"',
      replace: 'describe("no trace"'
    }
    await expect(tryMutation(WORLD, elsewhere)).rejects.toThrow("not part of what the world loads")
  })

  it("whose text does not occur exactly once is a problem", () => {
    expect(mutate("a b a", { ...hasty, find: "a" })).toHaveProperty("problem")
    expect(mutate("a b a", { ...hasty, find: "c" })).toHaveProperty("problem")
    expect(mutate("a b a", { ...hasty, find: "b", replace: "$&$1" })).toEqual({ text: "a $&$1 a" })
    expect(mutationProblems([hasty, hasty])).toEqual([`${hasty.name}: two mutations have this name`])
    expect(mutationProblems([{ ...hasty, find: "no such text" }])).toHaveLength(1)
  })
})

describe("the list", () => {
  it("fits the source as it is", () => expect(mutationProblems(MUTATIONS)).toEqual([]))
})

describe("the document", () => {
  it("gets its table between the markers, again and again", () => {
    const once = placeTable(`before\n${BEGIN}\nold\n${END}\nafter`, "| new |")
    expect(once).toBe(`before\n${BEGIN}\n| new |\n${END}\nafter`)
    expect(placeTable(once, "| new |")).toBe(once)
    expect(placeTable(EMPTY_DOCUMENT, "t")).toContain(`${BEGIN}\nt\n${END}`)
    expect(() => placeTable("no markers", "t")).toThrow("must hold")
  })
})
