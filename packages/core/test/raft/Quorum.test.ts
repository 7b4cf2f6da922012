import fc from "fast-check"
import { expect, test } from "vitest"
import { majority, reachedByMajority } from "../../src/raft/Quorum.ts"

test("what a majority has reached: exactly the largest value that more than half are at or beyond", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 9 }), (values) => {
      const reached = reachedByMajority([...values])
      const at = (bound: number) => values.filter((value) => value >= bound).length
      expect(at(reached) * 2).toBeGreaterThan(values.length)
      expect(at(reached + 1) * 2).toBeLessThanOrEqual(values.length)
    })
  )
})

test("two majorities meet; nobody at all reaches nothing", () => {
  for (let voters = 1; voters < 20; voters++) expect(majority(voters) * 2).toBeGreaterThan(voters)
  expect(reachedByMajority([])).toBe(0)
})
