import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { OffsetMap } from "@chronik-effect/core/log/OffsetMap.ts"
import { describe, expect, it } from "vitest"

const key = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("OffsetMap", () => {
  it("agrees with a map of strings, whatever the keys look like", () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = new Prng(seed)
      const map = new OffsetMap(1 << 20, 4_000, seed)
      const model = new Map<string, number>()
      for (let offset = 0; offset < 4_000; offset++) {
        const text = "x".repeat(random.below(9)) + random.below(800)
        const bytes = key(`..${text}`)
        expect(map.put(bytes, 2, bytes.length - 2, offset)).toBe(true)
        model.set(text, offset)
      }
      expect(map.size).toBe(model.size)
      for (const [text, offset] of model) expect(map.get(key(text), 0, text.length)).toBe(offset)
      for (let i = 0; i < 100; i++) expect(map.get(key(`absent${i}`), 0, 6 + String(i).length)).toBe(-1)
    }
  })

  it("knows the empty key, and keys of any length", () => {
    const map = new OffsetMap(1 << 20, 1_000, 7)
    const long = new Uint8Array(300_000).fill(3)
    expect(map.put(long, 0, 0, 1)).toBe(true)
    expect(map.put(long, 0, long.length, 2)).toBe(true)
    expect(map.put(long, 0, long.length - 1, 3)).toBe(true)
    expect(map.put(long, 0, 5, 4)).toBe(true)
    expect([0, long.length, long.length - 1, 5, 6].map((n) => map.get(long, 0, n))).toEqual([1, 2, 3, 4, -1])
  })

  it("stays within its memory, says when it is full, and still takes keys that it knows", () => {
    for (const memory of [4_096, 65_536, 1_000_000]) {
      const map = new OffsetMap(memory, Number.MAX_SAFE_INTEGER, 1)
      let taken = 0
      while (map.put(key(`key-${taken}`), 0, key(`key-${taken}`).length, taken)) taken++
      expect(map.memoryBytes).toBeLessThanOrEqual(memory)
      expect(taken).toBe(map.size)
      expect(taken).toBeGreaterThan(memory / 120)
      expect(map.put(key("key-0"), 0, 5, taken)).toBe(true)
      expect(map.get(key("key-0"), 0, 5)).toBe(taken)
      expect(map.get(key(`key-${taken}`), 0, key(`key-${taken}`).length)).toBe(-1)
    }
  })

  it("makes no more slots than there are keys to come", () => {
    expect(new OffsetMap(128 << 20, 100, 1).memoryBytes).toBeLessThan(10_000)
  })

  it("asserts that offsets rise", () => {
    const map = new OffsetMap(4_096, 10, 1)
    map.put(key("a"), 0, 1, 5)
    expect(() => map.put(key("a"), 0, 1, 4)).toThrow("rise")
  })
})
