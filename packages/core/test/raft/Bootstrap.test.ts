import { describe, expect, test } from "vitest"
import { type BootstrapAnswer, type BootstrapState, decideBootstrap } from "../../src/raft/Bootstrap.ts"

const empty = (directoryId: string): BootstrapAnswer => ({ _tag: "Empty", directoryId })
const holds = (directoryId: string): BootstrapAnswer => ({ _tag: "Holds", directoryId })

const state = (over: Partial<BootstrapState>): BootstrapState => ({
  self: { node: 1, directoryId: "a" },
  empty: true,
  configuredVoters: [3, 1, 2],
  answers: new Map(),
  explicit: false,
  ...over
})

describe("automatic bootstrap", () => {
  test("begins when all configured voters said that they are empty, with the same voters in the same order everywhere", () => {
    const answers = new Map([
      [3, empty("c")],
      [2, empty("b")]
    ])
    const first = decideBootstrap(state({ answers }))
    const second = decideBootstrap(
      state({
        self: { node: 2, directoryId: "b" },
        configuredVoters: [2, 3, 1],
        answers: new Map([
          [1, empty("a")],
          [3, empty("c")]
        ])
      })
    )
    expect(first).toEqual(second)
    expect(first).toEqual({
      _tag: "Bootstrap",
      configuration: {
        voters: [
          { node: 1, directoryId: "a" },
          { node: 2, directoryId: "b" },
          { node: 3, directoryId: "c" }
        ],
        learners: []
      }
    })
  })

  test("a majority of empty voters is not enough", () => {
    expect(decideBootstrap(state({ answers: new Map([[2, empty("b")]]) }))).toEqual({ _tag: "Wait", missing: [3] })
  })

  test("one voter that holds a cluster is joined, whoever else is empty, and also against an explicit order", () => {
    const answers = new Map([
      [2, empty("b")],
      [3, holds("c")]
    ])
    expect(decideBootstrap(state({ answers }))).toEqual({ _tag: "Join", node: 3 })
    expect(decideBootstrap(state({ answers, explicit: true }))).toEqual({ _tag: "Join", node: 3 })
  })

  test("what a node that is no configured voter says is not believed", () => {
    const answers = new Map([
      [2, empty("b")],
      [3, empty("c")],
      [9, holds("x")]
    ])
    expect(decideBootstrap(state({ answers }))._tag).toBe("Bootstrap")
  })

  test("a node that is no configured voter never begins a cluster", () => {
    const self = { node: 9, directoryId: "x" }
    const answers = new Map([1, 2, 3].map((node) => [node, empty("e")] as const))
    expect(decideBootstrap(state({ self, answers }))).toEqual({ _tag: "Wait", missing: [] })
    expect(decideBootstrap(state({ self, answers, explicit: true }))).toEqual({ _tag: "Wait", missing: [] })
  })

  test("a disk that is not empty goes on with what it holds, whatever the others say", () => {
    const answers = new Map([
      [2, empty("b")],
      [3, holds("c")]
    ])
    expect(decideBootstrap(state({ empty: false, answers, explicit: true }))).toEqual({ _tag: "Resume" })
  })

  test("a voter alone begins at once; an explicit order begins with this node alone", () => {
    const configuration = { voters: [{ node: 1, directoryId: "a" }], learners: [] }
    expect(decideBootstrap(state({ configuredVoters: [1] }))).toEqual({ _tag: "Bootstrap", configuration })
    expect(decideBootstrap(state({ explicit: true }))).toEqual({ _tag: "Bootstrap", configuration })
  })
})
