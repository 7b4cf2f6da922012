/**
 * Counting majorities. Pure arithmetic over numbers; who is counted is the caller's matter.
 *
 * Learners, removed members and strangers are never passed in here (rule "counted replicas").
 */
import { assert } from "../base/Assert.ts"

export const majority = (voters: number): number => Math.floor(voters / 2) + 1

/**
 * The largest value that a majority of `values` has reached: a commit index from match indexes, a confirmed round from
 * acknowledged rounds. Sorts `values` in place, so that a caller's scratch array costs nothing.
 *
 * **Gotchas** nobody at all reaches nothing: the answer for an empty array is 0.
 */
export function reachedByMajority(values: Array<number>): number {
  const count = values.length
  if (count === 0) return 0
  // Descending insertion sort: a handful of values, and no comparator to call.
  for (let i = 1; i < count; i++) {
    const value = values[i]!
    let j = i - 1
    while (j >= 0 && values[j]! < value) {
      values[j + 1] = values[j]!
      j--
    }
    values[j + 1] = value
  }
  const reached = values[majority(count) - 1]!
  assert(reached <= values[0]!, "a majority must not be ahead of its best member")
  return reached
}
