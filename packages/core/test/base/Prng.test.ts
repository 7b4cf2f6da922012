import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Prng } from "../../src/base/Prng.ts"

const take = (prng: Prng, count: number) => Array.from({ length: count }, () => prng.uint32())

describe("Prng", () => {
  it("repeats itself for a seed and differs for near seeds", () => {
    expect(take(new Prng(42), 50)).toEqual(take(new Prng(42), 50))
    const firsts = new Set(Array.from({ length: 1000 }, (_, seed) => new Prng(seed).uint32()))
    expect(firsts.size).toBeGreaterThan(995)
    expect(take(new Prng(2 ** 40), 4)).not.toEqual(take(new Prng(0), 4))
  })

  it("keeps this sequence for ever: recorded simulation seeds depend on it", () => {
    expect(take(new Prng(1), 4)).toMatchInlineSnapshot(`
      [
        393288148,
        2174103013,
        3814759091,
        2092745082,
      ]
    `)
  })

  it("is even: each of 16 buckets gets its share", () => {
    const prng = new Prng(7)
    const buckets = new Array<number>(16).fill(0)
    for (let i = 0; i < 160_000; i++) buckets[prng.below(16)]!++
    for (const bucket of buckets) expect(Math.abs(bucket - 10_000)).toBeLessThan(500)
  })

  it("stays in its ranges", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer({ min: 1, max: 2 ** 40 }), (seed, end) => {
        const prng = new Prng(seed)
        for (let i = 0; i < 20; i++) {
          expect(prng.below(end)).toBeLessThan(end)
          const between = prng.between(-3, 3)
          expect(between).toBeGreaterThanOrEqual(-3)
          expect(between).toBeLessThanOrEqual(3)
          const fraction = prng.fraction()
          expect(fraction >= 0 && fraction < 1).toBe(true)
        }
        expect(prng.chance(0)).toBe(false)
        expect(prng.chance(1)).toBe(true)
      })
    )
  })

  it("shuffles to a permutation, picks a member, forks independently", () => {
    const prng = new Prng(3)
    const items = Array.from({ length: 100 }, (_, i) => i)
    const shuffled = prng.shuffle([...items])
    expect(shuffled).not.toEqual(items)
    expect([...shuffled].sort((a, b) => a - b)).toEqual(items)
    expect(items).toContain(prng.pick(items))
    expect(take(prng.fork(), 5)).not.toEqual(take(prng, 5))
    expect(prng.bytes(33)).toHaveLength(33)
  })
})
