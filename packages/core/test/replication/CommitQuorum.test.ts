import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { committedBy, heldBy, majorityOf, NOT_HELD, quorumOf } from "../../src/replication/CommitQuorum.ts"

describe("CommitQuorum", () => {
  it("never asks for less than a majority (rule 26)", () => {
    expect([1, 2, 3, 4, 5].map(majorityOf)).toEqual([1, 2, 2, 3, 3])
    expect([quorumOf(3, 1), quorumOf(3, 2), quorumOf(3, 3), quorumOf(2, 1), quorumOf(3, 5)]).toEqual([2, 2, 3, 2, 3])
  })

  it("commits what lies before the marker by a majority and what lies behind it by Q (rule 6)", () => {
    const two = heldBy([12, 11, NOT_HELD], 3)
    expect(two).toEqual({ byMajority: 11, byQuorum: NOT_HELD })
    expect(committedBy(two, 10)).toBe(10)
    expect(committedBy(heldBy([12, 11, 10], 3), 10)).toBe(10)
    expect(committedBy(heldBy([12, 11, 11], 3), 10)).toBe(11)
    expect(committedBy(heldBy([12, NOT_HELD, NOT_HELD], 1), 10)).toBe(NOT_HELD)
    expect(committedBy(heldBy([12], 2), 10)).toBe(12)
  })

  it("is never ahead of what a majority holds, and never falls when a replica gets more", () => {
    const offsets = fc.array(fc.integer({ min: -1, max: 20 }), { minLength: 1, maxLength: 7 })
    fc.assert(
      fc.property(offsets, fc.integer({ min: 1, max: 5 }), fc.nat(6), (held, minInSync, grows) => {
        const before = committedBy(heldBy(held, minInSync), 0)
        const holders = held.filter((offset) => offset >= before).length
        if (before > 0) expect(holders).toBeGreaterThanOrEqual(quorumOf(held.length, minInSync))
        const more = held.map((offset, i) => (i === grows ? offset + 3 : offset))
        expect(committedBy(heldBy(more, minInSync), 0)).toBeGreaterThanOrEqual(before)
      })
    )
  })
})
