import { describe, expect, it } from "vitest"
import type { PartitionOp } from "../../../packages/core/src/metadata/Command.ts"
import { encodeCommand } from "../../../packages/core/src/metadata/CommandCodec.ts"
import { EntryKind } from "../../../packages/core/src/raft/Entry.ts"
import type { Observation } from "../Observation.ts"
import { type FaultPort, Faults } from "./Faults.ts"
import { Kernel } from "./Kernel.ts"
import { type Bias, drawOptions, overrideOptions } from "./Options.ts"

const WEIGHTS = [
  "crashWeight",
  "crashAllWeight",
  "pauseWeight",
  "wipeWeight",
  "oneWayWeight",
  "partitionWeight",
  "isolateWeight",
  "bridgeWeight",
  "ringWeight",
  "slowLinkWeight",
  "resetWeight",
  "slowDiskWeight"
]

/** Five nodes that note what is done to them. */
const world = (sets: ReadonlyArray<string>, mayWipe = true) => {
  const base = [
    "voters=5",
    "observers=0",
    "replicationFactor=5",
    "bias=none",
    "faultEveryMs=0",
    "holdCut=false",
    "faultMs=50",
    "downMs=50"
  ]
  const found = overrideOptions(drawOptions(11), [...base, ...sets])
  if ("problem" in found) throw new Error(found.problem)
  const kernel = new Kernel(11, found.options)
  const nodes = [0, 1, 2, 3, 4]
  const disks = nodes.map((node) => kernel.makeDisk(node))
  const up = nodes.map(() => true)
  const paused = nodes.map(() => false)
  const done: Array<string> = []
  const deed = (name: string, node: number) => done.push(`${name} ${node} at ${kernel.nowMs().toFixed(3)}`)
  const port: FaultPort = {
    nodes,
    isUp: (node) => up[node]!,
    isPaused: (node) => paused[node]!,
    crash: (node) => {
      expect(up[node]).toBe(true)
      up[node] = paused[node] = false
      deed("crash", node)
    },
    start: (node) => {
      expect(up[node]).toBe(false)
      up[node] = true
      deed("start", node)
    },
    pause: (node) => {
      expect([up[node], paused[node]]).toEqual([true, false])
      paused[node] = true
    },
    resume: (node) => {
      expect([up[node], paused[node]]).toEqual([true, true])
      paused[node] = false
    },
    wipe: (node) => {
      expect(up[node]).toBe(false)
      deed("wipe", node)
    },
    disk: (node) => disks[node]!,
    mayWipe: () => mayWipe
  }
  const faults = new Faults(kernel, port)
  const seen: Array<Observation> = []
  kernel.addObserver((observation) => seen.push(observation))
  faults.start()
  const run = (ms: number) => kernel.run(kernel.nowMs() + ms, 1e6, () => undefined)
  const leads = (node: number) =>
    kernel.observe({ _tag: "Leads", node, incarnation: 1, topicId: "t", partition: 0, epoch: 1, markerOffset: 0 })
  return { kernel, faults, port, disks, up, paused, done, seen, run, leads }
}

const pairs = [0, 1, 2, 3, 4].flatMap((from) =>
  [0, 1, 2, 3, 4].filter((to) => to !== from).map((to) => [from, to] as const)
)

describe("faults", () => {
  it("of every kind come, end, and are all undone by healing", () => {
    const { kernel, faults, up, paused, seen, run } = world(["faultEveryMs=40", ...WEIGHTS.map((key) => `${key}=1`)])
    run(1_000)
    for (const key of WEIGHTS) expect(kernel.coverage.of(`fault.${key.slice(0, -6)}`), key).toBeGreaterThan(0)
    expect(kernel.coverage.of("fault.restart")).toBeGreaterThan(0)
    expect(faults.active).toBeGreaterThan(0)
    faults.heal()
    expect([faults.active, up.every(Boolean), paused.some(Boolean)]).toEqual([0, true, false])
    expect(pairs.filter(([from, to]) => kernel.network.isCut(from, to))).toEqual([])
    const before = seen.length
    run(1_000)
    expect(seen.length).toBe(before)
    expect(kernel.waiting).toBe(0)
  })

  it("that are not there do not come", () => {
    const { kernel, run } = world([
      "faultEveryMs=40",
      ...WEIGHTS.map((key) => `${key}=${key === "crashWeight" ? 1 : 0}`)
    ])
    run(1_000)
    const kinds = Object.keys(kernel.coverage.counts).filter((state) => state.startsWith("fault."))
    expect(kinds).toEqual(["fault.crash", "fault.restart"])
  })

  it("of one kind come at the same times whether another is there or not", () => {
    const timesOf = (sets: ReadonlyArray<string>) => {
      const { seen, kernel, run } = world([
        "faultEveryMs=40",
        ...WEIGHTS.map((key) => `${key}=0`),
        "oneWayWeight=1",
        ...sets
      ])
      const times: Array<number> = []
      kernel.addObserver((observation) => {
        if (observation._tag === "Fault" && observation.what.startsWith("cut")) times.push(kernel.nowMs())
      })
      run(1_000)
      expect(seen.length).toBeGreaterThan(5)
      return times
    }
    expect(timesOf(["crashWeight=1", "partitionWeight=1"])).toEqual(timesOf([]))
  })

  it("wipe no more disks than quorums can spare, and none that the cluster cannot", () => {
    const sets = ["faultEveryMs=20", "wipeWeight=1", "wipesMax=100"]
    const wipesOf = (more: ReadonlyArray<string>, mayWipe = true) => {
      const { done, run } = world([...WEIGHTS.map((key) => `${key}=0`), ...sets, ...more], mayWipe)
      run(3_000)
      return done.filter((one) => one.startsWith("wipe")).length
    }
    expect(wipesOf([])).toBe(2)
    expect(wipesOf(["replicationFactor=3"])).toBe(1)
    expect(wipesOf(["replicationFactor=2"])).toBe(0)
    expect(wipesOf(["wipesMax=1"])).toBe(1)
    expect(wipesOf([], false)).toBe(0)
  })
})

describe("a bias", () => {
  const biased = (bias: Bias) =>
    world([
      `bias=${bias}`,
      "biasChance=1",
      "biasPartitionsOnly=false",
      "fsyncMs=1",
      "fsyncJitterMs=1",
      "delayMs=1",
      "jitterMs=1"
    ])

  it.each(["killNewLeader", "restartNewLeader", "figure8"] as const)(
    "%s crashes the leader and starts it again",
    (bias) => {
      const { leads, done, run, up } = biased(bias)
      leads(3)
      run(2_000)
      expect(done.map((one) => one.slice(0, 7))).toEqual(["crash 3", "start 3"])
      expect(up[3]).toBe(true)
    }
  )

  it("figure8 leaves the leader one follower at most", () => {
    const { kernel, leads, seen, faults } = biased("figure8")
    leads(3)
    kernel.run(1_000, 1e6, () => (seen.some((one) => one._tag === "Fault") ? "stop" : undefined))
    const reached = [0, 1, 2, 4].filter((to) => !kernel.network.isCut(3, to))
    expect(reached.length).toBeLessThanOrEqual(1)
    expect([0, 1, 2, 4].some((from) => kernel.network.isCut(from, 3))).toBe(false)
    faults.heal()
  })

  it("muteLeader cuts the link from a partition's leader to the controller, and no other", () => {
    const { kernel, seen, faults } = biased("muteLeader")
    kernel.observe({ _tag: "RaftRole", node: 4, incarnation: 1, role: "leader", term: 1, lastIndex: 0 })
    kernel.observe({ _tag: "Leads", node: 2, incarnation: 1, topicId: "t", partition: 0, epoch: 1, markerOffset: 0 })
    kernel.run(1_000, 1e6, () => (seen.some((one) => one._tag === "Fault") ? "stop" : undefined))
    expect(pairs.filter(([from, to]) => kernel.network.isCut(from, to))).toEqual([[2, 4]])
    faults.heal()
  })

  it("isolateReassigned cuts the leader and one other off when a replica is about to be counted", () => {
    const { kernel, faults } = biased("isolateReassigned")
    const op = { topicId: "t", partition: 0, expectedEpoch: 1, expectedConfigVersion: 0, election: null, isr: null }
    const counts = { ...op, replicas: null, adding: [], removing: null, countedDirectory: "d3" }
    const appended = (ops: ReadonlyArray<PartitionOp>) => {
      const payload = encodeCommand({ _tag: "PartitionOps", ops })
      const entries = [{ term: 1, index: 1, kind: EntryKind.Command, payload }]
      kernel.observe({ _tag: "RaftAppended", node: 4, incarnation: 1, entries, previousTerm: 0 })
    }
    kernel.observe({ _tag: "RaftRole", node: 4, incarnation: 1, role: "leader", term: 1, lastIndex: 0 })
    kernel.observe({ _tag: "Leads", node: 2, incarnation: 1, topicId: "t", partition: 0, epoch: 1, markerOffset: 0 })
    appended([{ ...counts, countedDirectory: null }])
    expect(pairs.filter(([from, to]) => kernel.network.isCut(from, to))).toEqual([])
    appended([counts])
    const reached = [0, 1, 3, 4].filter((to) => !kernel.network.isCut(2, to))
    expect(reached).toHaveLength(1)
    expect(reached).not.toContain(4)
    faults.heal()
  })

  it("isolateLeader cuts links of the leader only", () => {
    const { kernel, leads, seen, faults } = biased("isolateLeader")
    leads(2)
    kernel.run(1_000, 1e6, () => (seen.some((one) => one._tag === "Fault") ? "stop" : undefined))
    const cut = pairs.filter(([from, to]) => kernel.network.isCut(from, to))
    expect(cut.length).toBeGreaterThan(0)
    expect(cut.every(([from, to]) => from === 2 || to === 2)).toBe(true)
    faults.heal()
  })

  it("killPromised crashes who wrote a promise or a vote, killController the controller", () => {
    const promise = { _tag: "Replica", topicId: "t", partition: 0, write: { _tag: "Promise", epoch: 4 } } as const
    for (const [bias, victim] of [
      ["killPromised", 1],
      ["killController", 4]
    ] as const) {
      const { kernel, disks, done, run } = biased(bias)
      kernel.observe({ _tag: "RaftRole", node: 4, incarnation: 1, role: "leader", term: 1, lastIndex: 0 })
      for (let i = 0; i < 10 && done.length === 0; i++) {
        disks[1]!.append(promise)
        run(100)
      }
      expect(done[0]).toContain(`crash ${victim}`)
    }
  })

  it("slowDisk slows one disk at a time", () => {
    const { kernel, run, faults } = biased("slowDisk")
    run(1_000)
    expect(kernel.coverage.of("fault.slowDisk")).toBeGreaterThan(1)
    faults.heal()
    expect(kernel.waiting).toBe(0)
  })
})
