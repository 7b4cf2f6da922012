import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { choose, chooseUnclean, type Promised } from "../../src/controller/Choice.ts"
import { majorityOf } from "../../src/metadata/Replicas.ts"
import { comparePoints } from "../../src/replication/Point.ts"

const promised = (node: number, epoch: number, offset: number, more: Partial<Promised> = {}): Promised => ({
  node,
  directoryId: `d${node}`,
  position: { epoch, offset },
  electable: true,
  avoided: false,
  inSync: false,
  ...more
})
const chosen = (counted: number, list: ReadonlyArray<Promised>, preferred = 1, target?: number) =>
  choose(counted, list, preferred, target)?.node

describe("the choice of a leader", () => {
  it("needs a majority of the counted replicas (rule 26)", () => {
    expect(chosen(3, [promised(1, 0, 9)])).toBe(undefined)
    expect(chosen(2, [promised(1, 0, 9)])).toBe(undefined)
    expect(chosen(4, [promised(1, 0, 9), promised(2, 0, 9)])).toBe(undefined)
    expect(chosen(1, [promised(1, 0, 9)])).toBe(1)
  })

  it("takes the greatest position, the epoch before the offset", () => {
    expect(chosen(3, [promised(1, 1, 900), promised(2, 2, 3)])).toBe(2)
    expect(chosen(3, [promised(1, 2, 3), promised(2, 2, 4)])).toBe(2)
  })

  it("breaks ties by preference, then in-sync, then order", () => {
    const equals = [promised(2, 1, 5), promised(3, 1, 5, { inSync: true }), promised(1, 1, 5)]
    expect(chosen(3, equals)).toBe(1)
    expect(chosen(3, equals, 9)).toBe(3)
    expect(chosen(5, [promised(2, 1, 5), promised(4, 1, 5), promised(3, 1, 5)], 9)).toBe(2)
  })

  it("takes the target of a hand-over only if a majority is not ahead of it (rule 14)", () => {
    expect(chosen(3, [promised(1, 1, 5), promised(2, 1, 4), promised(3, 1, 4)], 1, 3)).toBe(3)
    expect(chosen(3, [promised(1, 1, 5), promised(2, 1, 5), promised(3, 1, 4)], 1, 3)).toBe(1)
  })

  it("avoids whom it can, and takes nobody who cannot lead", () => {
    expect(chosen(3, [promised(1, 1, 5, { avoided: true }), promised(2, 1, 4), promised(3, 1, 4)])).toBe(2)
    expect(chosen(3, [promised(1, 1, 5, { avoided: true }), promised(2, 1, 4)])).toBe(1)
    expect(chosen(3, [promised(1, 1, 5, { electable: false }), promised(2, 1, 4)])).toBe(undefined)
    expect(chosen(3, [promised(1, 1, 5, { electable: false }), promised(2, 1, 5)])).toBe(2)
  })

  it("takes the best of whoever there is when it may be unclean (rule 21)", () => {
    expect(chooseUnclean([promised(1, 1, 5), promised(2, 1, 6)], 1)?.node).toBe(2)
    expect(chooseUnclean([promised(1, 1, 5, { electable: false })], 1)).toBe(undefined)
  })

  it("never chooses one whom a quorum of the set could be ahead of", () => {
    const replica = fc.record({
      epoch: fc.integer({ min: 0, max: 2 }),
      offset: fc.integer({ min: 0, max: 3 }),
      electable: fc.boolean(),
      avoided: fc.boolean(),
      inSync: fc.boolean()
    })
    fc.assert(
      fc.property(
        fc.array(replica, { minLength: 1, maxLength: 7 }),
        fc.nat(3),
        fc.nat(7),
        fc.nat(7),
        (list, silent, preferred, target) => {
          const answers = list.map(({ epoch, offset, ...more }, i) => promised(i, epoch, offset, more))
          const counted = answers.length + silent
          const leader = choose(counted, answers, preferred, target)
          const candidates = answers.filter(
            (one) =>
              one.electable &&
              answers.filter((other) => comparePoints(other.position, one.position) <= 0).length >= majorityOf(counted)
          )
          expect(leader !== undefined).toBe(candidates.length > 0)
          if (leader === undefined) return
          expect(leader.electable).toBe(true)
          // A record that a quorum holds is held by one of any majority: those at or below the leader are one.
          const ahead = answers.filter((other) => comparePoints(other.position, leader.position) > 0).length
          expect(ahead + silent).toBeLessThan(majorityOf(counted))
        }
      )
    )
  })
})
