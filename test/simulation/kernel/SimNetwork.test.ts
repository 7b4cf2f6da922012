import { describe, expect, it } from "vitest"
import { Kernel } from "./Kernel.ts"
import { between, isolating, ring } from "./Links.ts"
import { drawOptions, overrideOptions } from "./Options.ts"

const QUIET = [
  "lossChance=0",
  "duplicateChance=0",
  "reorderChance=0",
  "tailChance=0",
  "delayMs=1",
  "jitterMs=5",
  "holdCut=false",
  "staleDelivery=false"
]

const world = (...sets: ReadonlyArray<string>) => {
  const found = overrideOptions(drawOptions(5), [...QUIET, ...sets])
  if ("problem" in found) throw new Error(found.problem)
  const kernel = new Kernel(5, found.options)
  const inbox: Array<unknown> = []
  const disconnects: Array<string> = []
  const attach = (node: number) =>
    kernel.network.attach(node, {
      onMessage: (from, lane, message) => inbox.push([from, node, lane, message]),
      onDisconnect: (peer) => disconnects.push(`${node} from ${peer}`)
    })
  for (const node of [1, 2, 3]) attach(node)
  const send = (from: number, to: number, message: number) => kernel.network.send(from, to, "raft", message, 10)
  const run = (ms = 1_000) => kernel.run(kernel.nowMs() + ms, 1e6, () => undefined)
  const received = () => inbox.splice(0).map((one) => (one as ReadonlyArray<unknown>)[3] as number)
  return { kernel, network: kernel.network, attach, send, run, received, inbox, disconnects }
}
const numbers = Array.from({ length: 200 }, (_, i) => i)
const isSorted = (values: ReadonlyArray<number>) => values.every((value, i) => i === 0 || value >= values[i - 1]!)

describe("a link", () => {
  it("keeps the order of a lane, loses nothing, and counts what is in flight", () => {
    const { network, send, run, received } = world()
    for (const i of numbers) send(1, 2, i)
    expect([network.inFlight, network.inFlightBytes]).toEqual([200, 2_000])
    run()
    expect(received()).toEqual(numbers)
    expect([network.inFlight, network.inFlightBytes, network.inFlightBytesMax]).toEqual([0, 0, 2_000])
  })

  it("lets messages overtake each other when told to, and still delivers each once", () => {
    const { kernel, send, run, received } = world("reorderChance=0.5")
    for (const i of numbers) send(1, 2, i)
    run()
    const got = received()
    expect(isSorted(got)).toBe(false)
    expect([...got].sort((a, b) => a - b)).toEqual(numbers)
    expect(kernel.coverage.of("network.overtaken")).toBeGreaterThan(0)
  })

  it("loses about as many as it is told to", () => {
    const { send, run, received } = world("lossChance=0.5")
    for (const i of numbers) send(1, 2, i)
    run()
    const got = received()
    expect(got.length).toBeGreaterThan(60)
    expect(got.length).toBeLessThan(140)
    expect(isSorted(got)).toBe(true)
  })

  it("doubles about as many as it is told to", () => {
    const { send, run, received } = world("duplicateChance=0.5")
    for (const i of numbers) send(1, 2, i)
    run()
    const got = received()
    expect(new Set(got).size).toBe(200)
    expect(got.length).toBeGreaterThan(260)
    expect(got.length).toBeLessThan(340)
  })

  it("is cut one way, as often as it was cut, and loses what was under way", () => {
    const { network, send, run, received } = world()
    send(1, 2, 1)
    network.cut(1, 2)
    network.cut(1, 2)
    send(1, 2, 2)
    send(2, 1, 3)
    run()
    expect(received()).toEqual([3])
    network.mend(1, 2)
    expect(network.isCut(1, 2)).toBe(true)
    network.mend(1, 2)
    send(1, 2, 4)
    run()
    expect(received()).toEqual([4])
    expect(() => network.mend(1, 2)).toThrow("mended")
  })

  it("keeps what was sent into a cut, when told to, until the cut ends", () => {
    const { network, send, run, received } = world("holdCut=true")
    network.cut(1, 2)
    send(1, 2, 1)
    send(1, 2, 2)
    run()
    expect(received()).toEqual([])
    network.mend(1, 2)
    run()
    expect(received()).toEqual([1, 2])
  })

  it("loses everything in flight at a reset, and tells both ends", () => {
    const { network, send, run, received, disconnects } = world()
    send(1, 2, 1)
    send(2, 1, 2)
    send(1, 3, 3)
    network.reset(1, 2)
    expect([network.inFlight, network.inFlightBytes]).toEqual([1, 10])
    send(1, 2, 4)
    run()
    expect(received().sort()).toEqual([3, 4])
    expect(disconnects).toEqual(["1 from 2", "2 from 1"])
  })

  it("is slow when told to be, until all is calm", () => {
    const { network, send, run, received } = world("jitterMs=0")
    network.slowDown(1, 2, 100)
    send(1, 2, 1)
    run(99)
    expect(received()).toEqual([])
    run(2)
    expect(received()).toEqual([1])
    network.cut(2, 1)
    network.calm()
    send(2, 1, 2)
    run(2)
    expect(received()).toEqual([2])
  })
})

describe("calm", () => {
  it("gives up a connection that is stuck, so that what is sent afterwards comes at once", () => {
    const { network, send, run, received, disconnects } = world("jitterMs=0")
    network.slowDown(1, 2, 10_000)
    send(1, 2, 1)
    send(3, 2, 2)
    network.calm()
    send(1, 2, 3)
    run(2)
    expect(received()).toEqual([2, 3])
    expect(disconnects).toEqual(["1 from 2", "2 from 1"])
  })
})

describe("a node on the network", () => {
  it("gets nothing while it is down, and nothing that was meant for its predecessor", () => {
    const { network, attach, send, run, received, disconnects } = world()
    send(1, 2, 1)
    network.detach(2)
    attach(2)
    send(1, 2, 2)
    run()
    expect(received()).toEqual([2])
    expect(disconnects).toEqual(["1 from 2", "3 from 2"])
  })

  it("may get what was meant for its predecessor, when told to", () => {
    const { network, attach, send, run, received } = world("staleDelivery=true")
    send(1, 2, 1)
    network.detach(2)
    attach(2)
    run()
    expect(received()).toEqual([1])
  })

  it("is not seen to die behind a cut", () => {
    const { network, run, disconnects } = world()
    network.cut(2, 1)
    network.detach(2)
    run()
    expect(disconnects).toEqual(["3 from 2"])
  })

  it("finds what came during a pause when it wakes, in order", () => {
    const { network, send, run, received } = world()
    network.pause(2)
    for (const i of [1, 2, 3]) send(1, 2, i)
    run()
    expect(received()).toEqual([])
    network.resume(2)
    run()
    expect(received()).toEqual([1, 2, 3])
  })
})

describe("what is cut", () => {
  it("splits groups both ways, isolates one way, and leaves a ring in which each sees a majority of its own", () => {
    expect(between([1], [2, 3])).toEqual([
      [1, 2],
      [2, 1],
      [1, 3],
      [3, 1]
    ])
    expect(isolating(1, [1, 2, 3], "out")).toEqual([
      [1, 2],
      [1, 3]
    ])
    expect(isolating(1, [1, 2, 3], "in")).toEqual([
      [2, 1],
      [3, 1]
    ])
    const cut = new Set(ring([1, 2, 3, 4, 5]).map(([from, to]) => `${from}-${to}`))
    const seen = [1, 2, 3, 4, 5].map((node) => [1, 2, 3, 4, 5].filter((other) => !cut.has(`${node}-${other}`)).join())
    expect(seen).toEqual(["1,2,5", "1,2,3", "2,3,4", "3,4,5", "1,4,5"])
  })
})
