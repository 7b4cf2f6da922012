import { EPOCHS_MAX, LeaderEpochs } from "@chronik-effect/core/log/LeaderEpochs.ts"
import { describe, expect, it } from "vitest"

const of = (...pairs: Array<number>) => LeaderEpochs.fromPairs(pairs)

describe("LeaderEpochs", () => {
  it("answers OffsetForLeaderEpoch as Kafka does", () => {
    const epochs = of(2, 0, 4, 10, 7, 30)
    expect(epochs.endOffsetFor(7, 50)).toEqual({ leaderEpoch: 7, endOffset: 50 })
    expect(epochs.endOffsetFor(4, 50)).toEqual({ leaderEpoch: 4, endOffset: 30 })
    expect(epochs.endOffsetFor(5, 50)).toEqual({ leaderEpoch: 4, endOffset: 30 })
    expect(epochs.endOffsetFor(3, 50)).toEqual({ leaderEpoch: 2, endOffset: 10 })
    expect(epochs.endOffsetFor(1, 50)).toEqual({ leaderEpoch: 1, endOffset: 0 })
    expect(epochs.endOffsetFor(8, 50)).toEqual({ leaderEpoch: -1, endOffset: -1 })
    expect(epochs.endOffsetFor(-1, 50)).toEqual({ leaderEpoch: -1, endOffset: -1 })
    expect(new LeaderEpochs().endOffsetFor(0, 0)).toEqual({ leaderEpoch: -1, endOffset: -1 })
  })

  it("keeps the first start of an epoch and refuses one that begins before the last", () => {
    const epochs = of(1, 5)
    expect(epochs.assign(1, 9)).toBe(false)
    expect(epochs.assign(0, 9)).toBe(false)
    expect(() => epochs.assign(2, 4)).toThrow()
    expect(epochs.assign(2, 5)).toBe(true)
    expect([epochs.epochAt(4), epochs.epochAt(5), epochs.epochAt(99)]).toEqual([-1, 2, 2])
  })

  it("a cut takes the marker at the cut with it", () => {
    const epochs = of(1, 0, 2, 10, 3, 20)
    epochs.truncateTo(20)
    expect(epochs.toPairs()).toEqual([1, 0, 2, 10])
    epochs.truncateTo(11)
    expect(epochs.toPairs()).toEqual([1, 0, 2, 10])
    epochs.truncateTo(0)
    expect(epochs.size).toBe(0)
  })

  it("a moved log start drops epochs that ended, and the rest begins there", () => {
    const epochs = of(1, 0, 2, 10, 3, 20)
    epochs.startAt(15)
    expect(epochs.toPairs()).toEqual([2, 15, 3, 20])
    epochs.startAt(20)
    expect(epochs.toPairs()).toEqual([3, 20])
    epochs.startAt(99)
    expect(epochs.toPairs()).toEqual([3, 99])
  })

  it("writes Kafka's file: without empty epochs, but always with the last", () => {
    const epochs = of(0, 0, 1, 8, 2, 8)
    expect(epochs.encodeText()).toBe("0\n2\n0 0\n2 8\n")
    expect(LeaderEpochs.decodeText("0\n2\n0 0\n2 8\n")!.toPairs()).toEqual([0, 0, 2, 8])
    for (const broken of ["", "1\n0\n", "0\n2\n0 0\n", "0\n1\nx y\n", "0\n2\n0 9\n1 3\n"]) {
      expect(LeaderEpochs.decodeText(broken), JSON.stringify(broken)).toBeUndefined()
    }
  })

  it("knows which places are in the log, markers without width included", () => {
    const epochs = of(1, 0, 3, 10, 4, 10, 7, 30)
    expect([epochs.firstEpoch, epochs.firstStart]).toEqual([1, 0])
    expect(epochs.contains(1, 10, 50)).toBe(true)
    expect(epochs.contains(3, 10, 50)).toBe(true)
    expect(epochs.contains(4, 10, 50)).toBe(true)
    expect(epochs.contains(3, 11, 50)).toBe(false)
    expect(epochs.contains(4, 30, 50)).toBe(true)
    expect(epochs.contains(5, 30, 50)).toBe(false)
    expect(epochs.contains(7, 50, 50)).toBe(true)
    expect(epochs.contains(7, 51, 50)).toBe(false)
    expect([epochs.startOf(4), epochs.startOf(5)]).toEqual([10, -1])
    expect([epochs.endOf(3, 50), epochs.endOf(5, 50), epochs.endOf(7, 50)]).toEqual([10, 30, 50])
    expect([epochs.largestTo(0), epochs.largestTo(6), epochs.firstAfter(4), epochs.firstAfter(7)]).toEqual([
      -1, 4, 7, -1
    ])
  })

  it("cuts at a place: the marker of its epoch stays, those behind it at the same offset go", () => {
    const epochs = of(1, 0, 3, 10, 4, 10, 7, 30)
    epochs.truncateToPoint(3, 10)
    expect(epochs.toPairs()).toEqual([1, 0, 3, 10])
    epochs.truncateToPoint(1, 5)
    expect(epochs.toPairs()).toEqual([1, 0])
    expect(() => epochs.truncateToPoint(2, 5)).toThrow("a place that it holds")
    expect(() => of(1, 0, 3, 10).truncateToPoint(3, 9)).toThrow("before the epoch begins")
  })

  it("gives what it forgets to the oldest epoch that is left", () => {
    const epochs = new LeaderEpochs()
    for (let epoch = 0; epoch <= EPOCHS_MAX; epoch++) epochs.assign(epoch, 100 + epoch)
    expect(epochs.size).toBe(EPOCHS_MAX)
    expect([epochs.firstEpoch, epochs.firstStart, epochs.epochAt(100)]).toEqual([1, 100, 1])
    expect(epochs.epochAt(102)).toBe(2)
  })
})
