/** Shapes of chance that a simulated world draws from. */
import type { Prng } from "../../../packages/core/src/base/Prng.ts"

/** Memoryless waiting time with this mean, cut at eight times the mean. */
export const exponential = (random: Prng, mean: number): number =>
  Math.min(-Math.log(1 - random.fraction()) * mean, mean * 8)

/** A real number in [low, high). */
export const uniform = (random: Prng, low: number, high: number): number => low + random.fraction() * (high - low)

/** Picks by weight; undefined when nothing has any. */
export const weighted = <A>(random: Prng, items: ReadonlyArray<readonly [A, number]>): A | undefined => {
  let total = 0
  for (const [, weight] of items) total += weight
  // One draw whatever the weights are, so that a weight set to zero shifts nothing else.
  let left = random.fraction() * total
  if (total <= 0) return undefined
  for (const [item, weight] of items) {
    left -= weight
    if (left < 0 && weight > 0) return item
  }
  return items.findLast(([, weight]) => weight > 0)?.[0]
}
