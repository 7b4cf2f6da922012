import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Prng } from "../../../packages/core/src/base/Prng.ts"
import { FakeCluster } from "./FakeCluster.ts"
import { initialState, judge, nextState, type Operation, PRODUCER_IDS } from "./TopicRegister.ts"

const STEPS = 50_000
const FOREVER = Number.POSITIVE_INFINITY

type Line = readonly [
  kind: string,
  value: string | null,
  from: number,
  to: number,
  outcome: string,
  answer?: string | null
]

const history = (...lines: ReadonlyArray<Line>): ReadonlyArray<Operation> =>
  lines.map(([kind, value, calledAt, returnedAt, outcome, answer]) => {
    return { kind, value, calledAt, returnedAt, outcome: outcome as Operation["outcome"], answer: answer ?? null }
  })

const verdict = (...lines: ReadonlyArray<Line>) => judge("t", history(...lines), STEPS)

describe("histories that could have happened", () => {
  it("one after the other", () => {
    const found = verdict(
      ["read", null, 0, 1, "ok", null],
      ["create", "A 1", 2, 3, "ok"],
      ["create", "B 1", 4, 5, "refused", "TOPIC_ALREADY_EXISTS"],
      ["set", "A 2", 6, 7, "ok"],
      ["read", null, 8, 9, "ok", "A 2"],
      ["delete", "A", 10, 11, "ok"],
      ["set", "A 3", 12, 13, "refused", "UNKNOWN_TOPIC_OR_PARTITION"],
      ["read", null, 14, 15, "ok", null]
    )
    expect(found).toBe("linearizable")
  })

  it("concurrent ones take either order", () => {
    for (const seen of ["A 2", "A 3"]) {
      const writes: ReadonlyArray<Line> = [
        ["create", "A 1", 0, 1, "ok"],
        ["set", "A 2", 2, 5, "ok"],
        ["set", "A 3", 3, 4, "ok"]
      ]
      expect(verdict(...writes, ["read", null, 6, 7, "ok", seen])).toBe("linearizable")
    }
  })

  it("an unanswered write happens late, early, or never", () => {
    const lost: Line = ["create", "A 1", 0, FOREVER, "unknown"]
    expect(verdict(lost, ["read", null, 1, 2, "ok", null])).toBe("linearizable")
    expect(verdict(lost, ["read", null, 1, 2, "ok", null], ["read", null, 3, 4, "ok", "A 1"])).toBe("linearizable")
    expect(verdict(lost, ["create", "B 1", 1, 2, "refused", "TOPIC_ALREADY_EXISTS"])).toBe("linearizable")
  })
})

describe("histories that could not", () => {
  it("a stale read", () => {
    const lines: ReadonlyArray<Line> = [
      ["create", "A 1", 0, 1, "ok"],
      ["set", "A 2", 2, 3, "ok"]
    ]
    expect(verdict(...lines, ["read", null, 4, 5, "ok", "A 1"])).toBe("violation")
  })

  it("a value that goes back", () => {
    const found = verdict(
      ["create", "A 1", 0, 1, "ok"],
      ["set", "A 2", 2, FOREVER, "unknown"],
      ["read", null, 3, 4, "ok", "A 2"],
      ["read", null, 5, 6, "ok", "A 1"]
    )
    expect(found).toBe("violation")
  })

  it("two creations of one name, a refusal for no reason, a write that was lost", () => {
    expect(verdict(["create", "A 1", 0, 1, "ok"], ["create", "B 1", 2, 3, "ok"])).toBe("violation")
    expect(verdict(["create", "A 1", 0, 1, "refused", "TOPIC_ALREADY_EXISTS"])).toBe("violation")
    expect(verdict(["create", "A 1", 0, 1, "ok"], ["read", null, 2, 3, "ok", null])).toBe("violation")
  })

  it("a retry that was applied twice", () => {
    const twice = history(["allocate", "10", 0, 1, "ok", "0"], ["allocate", "10", 2, 3, "ok", "20"])
    expect(judge(PRODUCER_IDS, twice, STEPS)).toBe("violation")
    const lost = history(
      ["allocate", "10", 0, 1, "ok", "0"],
      ["allocate", "10", 0, FOREVER, "unknown"],
      ["allocate", "10", 2, 3, "ok", "20"]
    )
    expect(judge(PRODUCER_IDS, lost, STEPS)).toBe("linearizable")
    const same = history(["allocate", "10", 0, 1, "ok", "0"], ["allocate", "10", 2, 3, "ok", "0"])
    expect(judge(PRODUCER_IDS, same, STEPS)).toBe("violation")
  })
})

describe("the search", () => {
  it("gives up where it would take too long", () => {
    const wide = Array.from({ length: 30 }, (_, i): Line => ["set", `A ${i}`, i + 2, FOREVER, "unknown"])
    const found = judge(
      "t",
      history(["create", "A x", 0, 1, "ok"], ...wide, ["read", null, 99, 100, "ok", "never"]),
      1_000
    )
    expect(found).toBe("undecided")
  })

  it("agrees with every order that really happened, and sees one answer changed where that shows", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const operations = simulate(new Prng(seed))
        expect(judge("t", operations, STEPS)).toBe("linearizable")
        const read = operations.find(({ kind, outcome }) => kind === "read" && outcome === "ok")
        if (read === undefined) return
        read.answer = "never written"
        expect(judge("t", operations, STEPS)).toBe("violation")
      }),
      { numRuns: 300 }
    )
  })
})

/** Operations of three clients on one register, each taking effect at a moment between its call and its answer. */
const simulate = (random: Prng): ReadonlyArray<Operation> => {
  const planned = Array.from({ length: random.between(1, 12) }, (_, i) => {
    const calledAt = random.between(0, 40) + i / 100
    const effectAt = calledAt + random.fraction() * 6
    const kind = random.pick(["create", "delete", "set", "read"])
    const topic = random.pick(["A", "B"])
    const value = kind === "read" ? null : kind === "delete" ? topic : `${topic} ${i}`
    return { kind, value, calledAt, effectAt, returnedAt: effectAt + random.fraction() * 6 }
  })
  let state = initialState("t")
  const done: Array<Operation> = []
  for (const { kind, value, calledAt, returnedAt } of planned.sort((a, b) => a.effectAt - b.effectAt)) {
    const tried = { kind, value, calledAt, returnedAt, outcome: "ok" as const, answer: kind === "read" ? state : null }
    const next = nextState(state, tried)
    // Some answers get lost, whether the operation took effect or not.
    const heard = random.chance(0.8)
    const outcome = !heard ? "unknown" : next === undefined ? "refused" : "ok"
    done.push({ ...tried, outcome, returnedAt: heard ? returnedAt : FOREVER })
    if (next !== undefined) state = next
  }
  return done
}

describe("the checker", () => {
  const call = (cluster: FakeCluster, operation: number, kind: string, value: string | null) =>
    cluster.tell({ _tag: "MetadataCall", client: 1, operation, kind, key: "t", value })
  const answer = (
    cluster: FakeCluster,
    operation: number,
    outcome: "ok" | "refused" | "unknown",
    value: string | null
  ) => cluster.tell({ _tag: "MetadataReturn", client: 1, operation, outcome, value })

  it("judges each key when the run is over, and tells how", () => {
    const cluster = new FakeCluster()
    call(cluster, 0, "create", "A 1")
    answer(cluster, 0, "ok", null)
    call(cluster, 1, "set", "A 2")
    answer(cluster, 1, "refused", "THROTTLING_QUOTA_EXCEEDED")
    call(cluster, 2, "read", null)
    answer(cluster, 2, "ok", "A 1")
    cluster.final()
    expect(cluster.covered).toEqual(["check.history linearizable"])
    call(cluster, 3, "read", null)
    answer(cluster, 3, "ok", "A 2")
    expect(() => cluster.final()).toThrow(expect.objectContaining({ rule: "metadata-not-linearizable" }))
  })
})
