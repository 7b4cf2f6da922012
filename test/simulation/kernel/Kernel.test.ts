import { describe, expect, it } from "vitest"
import { EventHeap } from "./EventHeap.ts"
import { Kernel } from "./Kernel.ts"
import { NodeClock } from "./NodeClock.ts"
import { BIASES, differences, drawOptions, overrideOptions, renderOptions } from "./Options.ts"
import { runSimulation } from "./TinyWorld.ts"
import { Trace } from "./Trace.ts"

const calm = () => {
  const found = overrideOptions(drawOptions(1), ["clockDrift=0"])
  if ("problem" in found) throw new Error(found.problem)
  return found.options
}
const stop = () => undefined

describe("the event heap", () => {
  it("gives events by time, equal ones in the order of their making, and forgets cancelled ones", () => {
    const heap = new EventHeap()
    const seen: Array<string> = []
    for (const [due, label] of [
      [5, "c"],
      [1, "a"],
      [5, "d"],
      [3, "gone"],
      [1, "b"]
    ] as const) {
      const timer = heap.add(due, label, () => seen.push(label))
      if (label === "gone") expect([heap.cancel(timer), heap.cancel(timer)]).toEqual([true, false])
    }
    expect(heap.take(0.5)).toBeUndefined()
    for (let event = heap.take(9); event !== undefined; event = heap.take(9)) event.action()
    expect(seen).toEqual(["a", "b", "c", "d"])
    expect(heap.size).toBe(0)
  })
})

describe("the kernel", () => {
  it("stands at the end of its time, and stops where it is told to", () => {
    const kernel = new Kernel(1, calm())
    const seen: Array<number> = []
    for (const due of [1, 2, 3, 4]) kernel.after(due, "x", () => seen.push(kernel.nowMs()))
    expect(kernel.run(2.5, 100, stop)).toBe("time")
    expect([kernel.nowMs(), seen]).toEqual([2.5, [1, 2]])
    expect(kernel.run(9, 100, () => "stop")).toBe("stopped")
    expect(kernel.nowMs()).toBe(3)
    expect(kernel.run(9, 0, stop)).toBe("events")
    expect(() => kernel.after(-1, "x", stop)).toThrow("past")
  })

  it("tells observers in their order and counts what it was told", () => {
    const kernel = new Kernel(1, calm())
    const seen: Array<string> = []
    kernel.addObserver((observation, at) => seen.push(`1 ${observation._tag} ${at}`))
    kernel.addObserver((observation) => seen.push(`2 ${observation._tag}`))
    kernel.observe({ _tag: "Healed" })
    expect(seen).toEqual(["1 Healed 0", "2 Healed"])
    expect(kernel.coverage.counts).toEqual({ "observed.Healed": 1 })
  })

  it("runs a seed the same way twice, and another seed another way", () => {
    const hashes = [7, 7, 8].map((seed) => runSimulation(seed, drawOptions(seed), {}).hash)
    expect(hashes[0]).toBe(hashes[1])
    expect(hashes[0]).not.toBe(hashes[2])
  })

  it("runs the same whether its history is kept or not", () => {
    const trace = new Trace()
    const options = { ...drawOptions(9), voters: 3 }
    expect(runSimulation(9, options, { trace }).hash).toBe(runSimulation(9, options, {}).hash)
    expect(trace.size).toBeGreaterThan(10)
  })
})

describe("a node's clock", () => {
  it("runs at its rate, fires what came due in a pause when it wakes, and nothing once stopped", () => {
    const kernel = new Kernel(1, calm())
    const clock = new NodeClock(kernel, 2, 100)
    const seen: Array<string> = []
    const note = (label: string) =>
      clock.after({ a: 10, b: 20, c: 30, d: 400 }[label]!, label, () => seen.push(`${label} ${kernel.nowMs()}`))
    note("a")
    note("b")
    const gone = note("c")
    note("d")
    kernel.run(5, 100, stop)
    expect([clock.nowMs(), seen]).toEqual([110, ["a 5"]])
    clock.pause()
    kernel.run(50, 100, stop)
    clock.cancel(gone)
    expect(seen).toEqual(["a 5"])
    clock.resume()
    kernel.run(51, 100, stop)
    expect(seen).toEqual(["a 5", "b 50"])
    clock.stop()
    kernel.run(1_000, 100, stop)
    expect(seen).toEqual(["a 5", "b 50"])
  })
})

describe("a clock that drifts", () => {
  it("never fires a timer before it shows the time, so that a deadline is met by one timer or two", () => {
    const kernel = new Kernel(1, calm())
    for (let i = 0; i < 2_000; i++) {
      const clock = new NodeClock(kernel, 0.9 + kernel.random.fraction() * 0.2, kernel.random.fraction() * 1e6)
      const deadline = clock.nowMs() + kernel.random.fraction() * 10
      let fired = 0
      const arm = (): void => {
        clock.after(deadline - clock.nowMs(), "tick", () => {
          fired++
          if (clock.nowMs() < deadline) arm()
        })
      }
      arm()
      kernel.run(kernel.nowMs() + 20, 1_000, stop)
      expect(fired).toBeGreaterThan(0)
      expect(fired).toBeLessThanOrEqual(2)
    }
  })
})

describe("options", () => {
  it("are drawn from the seed, key by key", () => {
    expect(drawOptions(3)).toEqual(drawOptions(3))
    expect(differences(drawOptions(3), drawOptions(4)).length).toBeGreaterThan(10)
    const biases = new Set(Array.from({ length: 300 }, (_, seed) => drawOptions(seed).bias))
    expect([...biases].sort()).toEqual([...BIASES].sort())
  })

  it("have bounds that hold for every seed", () => {
    for (let seed = 0; seed < 500; seed++) {
      const options = drawOptions(seed)
      const nodes = options.voters + options.observers
      expect(options.replicationFactor).toBeLessThanOrEqual(nodes)
      expect(options.minInSync).toBeLessThanOrEqual(options.replicationFactor)
      expect(options.heartbeatMs * 3).toBeLessThanOrEqual(options.electionTimeoutMs)
    }
  })

  it("are overridden by text, and say what is wrong with it", () => {
    const base = drawOptions(3)
    const found = overrideOptions(base, ["voters=1", "observers=0", "lease=true", "bias=figure8", "lossChance=0.25"])
    expect(found).toMatchObject({
      options: { voters: 1, replicationFactor: 1, lease: true, bias: "figure8", lossChance: 0.25 }
    })
    expect(overrideOptions(base, ["vote=1"])).toEqual({ problem: 'there is no option "vote"' })
    expect(overrideOptions(base, ["lease=yes"])).toEqual({ problem: '"yes" is no value for lease' })
    expect(overrideOptions(base, ["voters=-1"])).toEqual({ problem: '"-1" is no value for voters' })
    expect(renderOptions(base)).toContain(`voters=${base.voters}`)
  })
})

describe("the trace", () => {
  it("writes a column a node, time at the left, and only the last lines", () => {
    const trace = new Trace(3)
    trace.add(0, 1, "early")
    trace.add(1, -1, "world")
    trace.add(2.5, 2, "says a thing that is longer than its column")
    trace.add(3, 1, "late")
    expect(trace.render(3).split("\n")).toEqual([
      "         ms  world         node 1        node 2",
      "          …  1 earlier lines",
      "      1.000  world         │             │",
      "      2.500  │             │             says a thing that is longer than its column",
      "      3.000  │             late          │"
    ])
  })
})
