import { describe, expect, it } from "vitest"
import { EPOCHS_MAX } from "../../src/log/LeaderEpochs.ts"
import { Markers } from "../../src/replication/Markers.ts"

const marker = (epoch: number, offset: number, unclean = false) => ({ epoch, offset, unclean })

describe("Markers", () => {
  it("lists what lies between two places in log order", () => {
    const markers = new Markers([marker(0, 0), marker(2, 5), marker(3, 5, true), marker(6, 9)])
    expect(markers.between(0, 5)).toEqual([marker(2, 5), marker(3, 5, true)])
    expect(markers.between(2, 8)).toEqual([marker(3, 5, true)])
    expect(markers.between(6, 100)).toEqual([])
    expect(markers.after(3)).toEqual(marker(6, 9))
    expect(() => markers.append(marker(6, 10))).toThrow("newer epoch")
    expect(() => new Markers([])).toThrow("in force at its start")
  })

  it("lets a log be cut below its high watermark only across an unclean election that it does not know (rule 21)", () => {
    const markers = new Markers([marker(0, 0), marker(2, 5, true), marker(4, 9)])
    expect(markers.uncleanEpoch).toBe(2)
    expect(markers.missUnclean(-1)).toBe(false)
    expect(markers.missUnclean(2)).toBe(false)
    expect(markers.missUnclean(5)).toBe(true)
    expect(markers.missUnclean(1)).toBe(true)
    markers.cutTo({ epoch: 0, offset: 3 })
    expect(markers.uncleanEpoch).toBe(-1)
    expect(markers.missUnclean(2)).toBe(true)
  })

  it("remembers an unclean epoch whose marker the log start has passed", () => {
    const markers = new Markers([marker(0, 0), marker(2, 5, true), marker(4, 9), marker(6, 20)])
    markers.startAt(10)
    expect(markers.all()).toEqual([marker(4, 10, true), marker(6, 20)])
    expect(markers.missUnclean(2)).toBe(false)
    expect(markers.missUnclean(5)).toBe(true)
  })

  it("is bounded", () => {
    const markers = new Markers([marker(0, 0, true)])
    for (let epoch = 1; epoch < EPOCHS_MAX + 10; epoch++) markers.append(marker(epoch, epoch))
    expect(markers.all()).toHaveLength(EPOCHS_MAX)
    expect(markers.first).toEqual({ epoch: 10, offset: 0 })
    expect(markers.uncleanEpoch).toBe(10)
  })
})
