/**
 * Seeded pseudo-random numbers (xoshiro128**) for tests, simulation and jitter.
 *
 * The same seed gives the same sequence on every machine. Not for secrets: ids and salts come from io's entropy.
 */
import { assert } from "./Assert.ts"

export class Prng {
  private a: number
  private b: number
  private c: number
  private d: number

  /** `seed` is any safe integer. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), "a seed must be a safe integer")
    let state = (seed ^ Math.floor(seed / 4_294_967_296)) | 0
    // splitmix32 spreads near seeds apart and never leaves all four words zero.
    const next = () => {
      state = (state + 0x9e37_79b9) | 0
      let mixed = state ^ (state >>> 16)
      mixed = Math.imul(mixed, 0x21f0_aaad)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed, 0x735a_2d97)
      return mixed ^ (mixed >>> 15)
    }
    this.a = next()
    this.b = next()
    this.c = next()
    this.d = next()
  }

  /** 0 … 2^32 - 1. */
  uint32(): number {
    const scrambled = Math.imul(rotate(Math.imul(this.b, 5), 7), 9)
    const shifted = this.b << 9
    this.c ^= this.a
    this.d ^= this.b
    this.b ^= this.c
    this.a ^= this.d
    this.c ^= shifted
    this.d = rotate(this.d, 11)
    return scrambled >>> 0
  }

  /** 0 (inclusive) … 1 (exclusive), 53 bits. */
  fraction(): number {
    return ((this.uint32() >>> 5) * 67_108_864 + (this.uint32() >>> 6)) / 9_007_199_254_740_992
  }

  /** 0 … `end` - 1; `end` up to 2^53. */
  below(end: number): number {
    assert(end >= 1 && Number.isSafeInteger(end), "below() needs a positive integer")
    return Math.floor(this.fraction() * end)
  }

  /** `first` … `last`, both inclusive. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<A>(items: ReadonlyArray<A>): A {
    assert(items.length > 0, "pick() needs at least one item")
    return items[this.below(items.length)]!
  }

  /** Shuffles in place and returns the same array. */
  shuffle<A>(items: Array<A>): Array<A> {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const kept = items[i]!
      items[i] = items[j]!
      items[j] = kept
    }
    return items
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.uint32() >>> 24
    return bytes
  }

  /** An independent generator, so that one part of a simulation does not shift the chances of another. */
  fork(): Prng {
    return new Prng(this.uint32())
  }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
