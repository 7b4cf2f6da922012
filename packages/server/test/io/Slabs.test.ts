import { isCrcMemory } from "@chronik-effect/core/base/Crc32c.ts"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { expect, it } from "vitest"
import { SLAB_BYTES, type Slab, Slabs } from "../../src/io/Slabs.ts"

const MIB = 1024 * 1024

it("gives the same hot bytes again while nobody holds them", () => {
  const slabs = new Slabs()
  const source = new Uint8Array(SLAB_BYTES)
  const first = slabs.stage(source, 0, 1000)
  first.release()
  for (let i = 0; i < 1000; i++) {
    const slab = slabs.stage(source, 0, 1 + ((i * 977) % SLAB_BYTES))
    expect(slab).toBe(first)
    expect(slab.used).toBe(1 + ((i * 977) % SLAB_BYTES))
    slab.release()
  }
  expect(slabs.bytesInUse).toBe(0)
  slabs.close()
})

it("never changes bytes that somebody holds, and gets all of them back", () => {
  const slabs = new Slabs()
  const random = new Prng(3)
  const held: Array<{ slab: Slab; at: number; length: number; value: number }> = []
  for (let i = 0; i < 20_000; i++) {
    const value = i & 0xff
    if (random.below(2) === 0) {
      const length = 1 + random.below(random.below(10) === 0 ? SLAB_BYTES : 2000)
      const source = new Uint8Array(length + 10).fill(value)
      const slab = slabs.stage(source, 10, length + 10)
      held.push({ slab, at: slab.used - length, length, value })
    } else if (random.below(4) === 0) {
      const length = 1 + random.below(random.below(20) === 0 ? 5 * MIB : 70_000)
      const slab = slabs.take(length)
      expect(slab.bytes.length).toBeGreaterThanOrEqual(length)
      slab.bytes.fill(value, 0, length)
      held.push({ slab, at: 0, length, value })
    }
    while (held.length > 40 || (held.length > 0 && random.below(3) === 0)) {
      const [{ slab, at, length, value }] = held.splice(random.below(held.length), 1) as [(typeof held)[number]]
      expect([slab.bytes[at], slab.bytes[at + (length >> 1)], slab.bytes[at + length - 1]]).toEqual([
        value,
        value,
        value
      ])
      slab.release()
    }
  }
  for (const { slab } of held) slab.release()
  expect(slabs.bytesInUse).toBe(0)
  expect(slabs.hasReferences).toBe(false)
  slabs.close()
})

it("receives into the memory in which batches are checked in place", () => {
  const slabs = new Slabs()
  const slab = slabs.stage(new Uint8Array(100), 0, 100)
  expect(isCrcMemory(slab.bytes)).toBe(true)
  const large = slabs.take(900_000)
  expect(isCrcMemory(large.bytes)).toBe(true)
  large.release()
  slab.release()
  slabs.close()
})

it("uses memory again after it was closed, so that many listeners need no more than one", () => {
  const buffers = new Set<Uint8Array>()
  for (let i = 0; i < 500; i++) {
    const slabs = new Slabs()
    const large = slabs.take(4 * MIB)
    const staged = slabs.stage(new Uint8Array(10), 0, 10)
    buffers.add(large.bytes).add(slabs.receive).add(staged.bytes)
    if (i % 2 === 0) slabs.close()
    large.release()
    staged.release()
    if (i % 2 === 1) slabs.close()
  }
  expect(buffers.size).toBeLessThan(10)
})

it("refuses a release too many", () => {
  const slabs = new Slabs()
  const slab = slabs.take(10)
  slab.release()
  expect(() => slab.release()).toThrow("once for each reference")
  expect(() => slab.retain()).toThrow("nobody holds")
  slabs.close()
})
