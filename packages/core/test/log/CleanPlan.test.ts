import { type CleanableFile, type CleanState, groupFiles, planCleaning } from "@chronik-effect/core/log/CleanPlan.ts"
import { describe, expect, it } from "vitest"

const LIMITS = { minCompactionLagMs: 0, maxCompactionLagMs: Number.MAX_SAFE_INTEGER, minCleanableDirtyRatio: 0.5 }
const STATE: CleanState = {
  logStartOffset: 0,
  cleanedOffset: 0,
  deleteHorizonMillis: Number.POSITIVE_INFINITY,
  endOffset: 1_000
}
const NOW = 100_000

/** Files of 100 offsets each. */
const files = (...bytes: ReadonlyArray<number>): ReadonlyArray<CleanableFile> =>
  bytes.map((size, i) => ({
    baseOffset: i * 100,
    endOffset: (i + 1) * 100,
    bytes: size,
    maxTimestamp: i * 1_000,
    firstTimestamp: i * 1_000
  }))

const plan = (sizes: ReadonlyArray<number>, state: Partial<CleanState> = {}, limits: Partial<typeof LIMITS> = {}) =>
  planCleaning(files(...sizes), { ...STATE, ...state }, { ...LIMITS, ...limits }, NOW)

describe("planCleaning", () => {
  it("has nothing to do without files, or where all is clean", () => {
    expect(plan([])).toBe(undefined)
    expect(plan([10, 10], { cleanedOffset: 200 })).toBe(undefined)
  })

  it("is due when the dirty share is above the ratio, and not at it", () => {
    expect(plan([10, 10], { cleanedOffset: 100 })).toBe(undefined)
    expect(plan([10, 11], { cleanedOffset: 100 })).toMatchObject({ reason: "dirty", dirtyFrom: 100, endOffset: 200 })
    expect(plan([10, 1], { cleanedOffset: 100 }, { minCleanableDirtyRatio: 0 })).toMatchObject({ dirtyBytes: 1 })
    expect(plan([5])).toMatchObject({ dirtyFrom: 0, endOffset: 100, dirtyRatio: 1 })
  })

  it("ends before the file that holds what must not be touched", () => {
    expect(plan([10, 10, 10], { endOffset: 299 })).toMatchObject({ endOffset: 200 })
    expect(plan([10, 10, 10], { endOffset: 300 })).toMatchObject({ endOffset: 300 })
    expect(plan([10], { endOffset: 99 })).toBe(undefined)
  })

  it("leaves files alone whose newest record is younger than min.compaction.lag.ms", () => {
    expect(plan([10, 10, 10], {}, { minCompactionLagMs: NOW - 1_500 })).toMatchObject({ endOffset: 200 })
    expect(plan([10, 10, 10], {}, { minCompactionLagMs: NOW - 1_000 })).toMatchObject({ endOffset: 200 })
    expect(plan([10, 10, 10], {}, { minCompactionLagMs: NOW - 999 })).toMatchObject({ endOffset: 100 })
    expect(plan([10], {}, { minCompactionLagMs: NOW + 1 })).toBe(undefined)
  })

  it("is due by max.compaction.lag.ms whatever the ratio", () => {
    const state = { cleanedOffset: 100 }
    expect(plan([1_000, 1], state, { maxCompactionLagMs: NOW - 1_000 })).toBe(undefined)
    expect(plan([1_000, 1], state, { maxCompactionLagMs: NOW - 1_001 })).toMatchObject({ reason: "maxLag" })
  })

  it("is due when a tombstone has had its time, also with nothing dirty", () => {
    const state = { cleanedOffset: 200, deleteHorizonMillis: NOW + 1 }
    expect(plan([10, 10], state)).toBe(undefined)
    const due = plan([10, 10], { ...state, deleteHorizonMillis: NOW })
    expect(due).toMatchObject({ reason: "deleteHorizon", dirtyFrom: 200, endOffset: 200, dirtyBytes: 0 })
    const partly = plan([10, 10], { cleanedOffset: 100, deleteHorizonMillis: NOW })
    expect(partly).toMatchObject({ reason: "deleteHorizon", dirtyFrom: 100, endOffset: 100, dirtyBytes: 0 })
  })

  it("leaves a file alone that it was not told of, also for the sake of tombstones", () => {
    const state = { cleanedOffset: 200, deleteHorizonMillis: NOW }
    expect(plan([10], state)).toMatchObject({ reason: "deleteHorizon", endOffset: 200, filesEndOffset: 100 })
  })

  it("takes a file that a pass ended in for dirty, from where it ended", () => {
    expect(plan([10, 10], { cleanedOffset: 50 })).toMatchObject({ dirtyFrom: 50, endOffset: 200, dirtyRatio: 1 })
  })

  it("begins at the first file when the log start has moved past what was cleaned", () => {
    const cut = files(10, 10, 10).slice(1)
    expect(planCleaning(cut, { ...STATE, cleanedOffset: 20 }, LIMITS, NOW)).toMatchObject({ dirtyFrom: 100 })
  })
})

describe("groupFiles", () => {
  const limits = { segmentBytes: 100, segmentIndexBytes: 1 << 20, indexIntervalBytes: 4096 }
  const sizes = (groups: ReadonlyArray<ReadonlyArray<CleanableFile>>) =>
    groups.map((group) => group.map((f) => f.bytes))

  it("puts neighbours together up to segment.bytes, and leaves a larger one alone", () => {
    expect(sizes(groupFiles(files(40, 60, 1, 99, 1, 500, 3, 4), limits))).toEqual([
      [40, 60],
      [1, 99],
      [1],
      [500],
      [3, 4]
    ])
  })

  it("keeps to the index's size and to offsets of 31 bits", () => {
    expect(sizes(groupFiles(files(50, 50), { ...limits, indexIntervalBytes: 10, segmentIndexBytes: 79 }))).toEqual([
      [50],
      [50]
    ])
    const far = files(1, 1).map((file, i) => (i === 0 ? file : { ...file, endOffset: 2_147_483_648 }))
    expect(groupFiles(far, limits).length).toBe(2)
  })

  it("never closes a gap that lost data left", () => {
    const [a, , c] = files(1, 1, 1)
    expect(groupFiles([a!, c!], limits).length).toBe(2)
  })
})
