import * as fc from "fast-check"
import { afterEach, describe, expect, it } from "vitest"
import { crc32c, crcMemory, installCrc32c } from "../../src/base/Crc32c.ts"
import { assembleModule } from "../../src/base/Crc32cModule.ts"
import { Prng } from "../../src/base/Prng.ts"

/** Bit by bit, straight from the definition. */
function reference(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f6_3b78
  }
  return (crc ^ 0xffff_ffff) >>> 0
}

const ascii = (text: string) => new TextEncoder().encode(text)
const region = crcMemory(300_000)

afterEach(() => installCrc32c(undefined))

describe("golden vectors", () => {
  it.each([
    ["123456789", ascii("123456789"), 0xe306_9283],
    ["nothing", new Uint8Array(0), 0],
    ["32 zeros (RFC 3720)", new Uint8Array(32), 0x8a91_36aa],
    ["32 ones (RFC 3720)", new Uint8Array(32).fill(0xff), 0x62a8_ab43],
    ["0 … 31 (RFC 3720)", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd_794e],
    ["31 … 0 (RFC 3720)", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113f_db5c]
  ])("%s", (_name, bytes, crc) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(crc)
    region.set(bytes)
    expect(crc32c(region, 0, bytes.length)).toBe(crc)
  })
})

describe("against the definition", () => {
  it("any range, in the WebAssembly memory and outside", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), fc.nat(400), fc.nat(40), (bytes, a, b, shift) => {
        const start = Math.min(a, b, bytes.length)
        const end = Math.min(Math.max(a, b), bytes.length)
        const expected = reference(bytes.subarray(start, end))
        expect(crc32c(bytes, start, end)).toBe(expected)
        const inside = region.subarray(shift, shift + bytes.length)
        inside.set(bytes)
        expect(crc32c(inside, start, end)).toBe(expected)
      })
    )
  })

  it("around the size of the copy window", () => {
    const bytes = new Prng(1).bytes(200_000)
    region.set(bytes)
    for (const length of [65_535, 65_536, 65_537, 131_072, 131_073, 199_990]) {
      const expected = reference(bytes.subarray(7, 7 + length))
      expect(crc32c(bytes, 7, 7 + length)).toBe(expected)
      expect(crc32c(region, 7, 7 + length)).toBe(expected)
    }
  })

  it("refuses a range outside the bytes", () => {
    expect(() => crc32c(region, 0, region.length + 1)).toThrow("inside")
    expect(() => crc32c(region, -1, 1)).toThrow("inside")
    expect(() => crc32c(region, 2, 1)).toThrow("inside")
  })
})

describe("memory", () => {
  it("regions are zeroed, separate, and share the WebAssembly memory", () => {
    const a = crcMemory(10)
    const b = crcMemory(10)
    expect(a.buffer).toBe(region.buffer)
    expect(b.buffer).toBe(region.buffer)
    a.fill(1)
    expect(Array.from(b)).toEqual(new Array(10).fill(0))
    expect(b.byteOffset).toBeGreaterThanOrEqual(a.byteOffset + 10)
  })

  it("a check outside does not touch a region", () => {
    const marked = crcMemory(100).fill(7)
    crc32c(new Prng(2).bytes(200_000), 0, 200_000)
    expect(marked.every((byte) => byte === 7)).toBe(true)
    expect(crc32c(ascii("123456789"), 0, 9)).toBe(0xe306_9283)
  })

  it("regions of every bank are checked where they lie", () => {
    const bytes = new Prng(2).bytes(1_000)
    const expected = reference(bytes)
    const regions = Array.from({ length: 20 }, () => crcMemory(1024 * 1024))
    expect(new Set(regions.map((one) => one.buffer)).size).toBeGreaterThan(1)
    for (const one of regions) one.set(bytes, 77)
    for (const one of regions) expect(crc32c(one, 77, 1_077)).toBe(expected)
    expect(crc32c(bytes, 0, 1_000)).toBe(expected)
  })

  it("beyond 64 MiB a region is ordinary memory and still checks", () => {
    const beyond = crcMemory(65 * 1024 * 1024)
    expect(beyond.buffer).not.toBe(region.buffer)
    beyond.set(ascii("123456789"), 1000)
    expect(crc32c(beyond, 1000, 1009)).toBe(0xe306_9283)
  })
})

describe("module", () => {
  it("is valid WebAssembly of a few hundred bytes", () => {
    const module = assembleModule(64 * 1024 * 1024)
    expect(WebAssembly.validate(module)).toBe(true)
    expect(module.length).toBeLessThan(1000)
  })
})

describe("native", () => {
  it("takes over large inputs only, and gives just the range", () => {
    const seen: Array<number> = []
    installCrc32c((bytes) => {
      seen.push(bytes.length)
      return reference(bytes)
    })
    seen.length = 0
    const bytes = new Prng(3).bytes(5000)
    expect(crc32c(bytes, 100, 4000)).toBe(reference(bytes.subarray(100, 4000)))
    expect(crc32c(bytes, 100, 140)).toBe(reference(bytes.subarray(100, 140)))
    expect(seen).toEqual([3900])
  })

  it("negative results are made unsigned; a wrong implementation is refused", () => {
    installCrc32c((bytes) => reference(bytes) | 0)
    const ones = new Uint8Array(1000).fill(0xff)
    expect(crc32c(ones, 0, 1000)).toBe(reference(ones))
    expect(() => installCrc32c(() => 0)).toThrow("another checksum")
    expect(crc32c(ones, 0, 1000)).toBe(reference(ones))
  })
})

declare const WebAssembly: { validate(bytes: Uint8Array<ArrayBuffer>): boolean }
