import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Varint from "../../src/base/Varint.ts"

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const nearPowers = fc
  .tuple(fc.nat(53), fc.integer({ min: -2, max: 2 }), fc.boolean())
  .map(([power, near, negative]) => Math.min(2 ** power + near, Number.MAX_SAFE_INTEGER) * (negative ? -1 : 1))
  .map((value) => (value === 0 ? 0 : value))
const int64 = fc.oneof(fc.maxSafeInteger(), nearPowers)

const cursorOf = (bytes: Uint8Array, end = bytes.length) => ({ bytes, pos: 0, end })

/** The textbook form, over bigint. */
function reference(value: bigint): ReadonlyArray<number> {
  const bytes: Array<number> = []
  let rest = value
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}
const zigzag = (value: number) => BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))

describe.each([
  ["unsigned", uint32, Varint.writeUnsignedVarint, Varint.readUnsignedVarint, Varint.unsignedVarintSize, BigInt],
  ["varint", int32, Varint.writeVarint, Varint.readVarint, Varint.varintSize, zigzag],
  ["varlong", int64, Varint.writeVarlong, Varint.readVarlong, Varint.varlongSize, zigzag]
] as const)("%s", (_name, values, write, read, size, raw) => {
  it("writes the textbook form, of the announced size, and reads it back", () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = new Uint8Array(12).fill(0xee)
        const end = write(bytes, 1, value)
        expect(Array.from(bytes.subarray(1, end))).toEqual(reference(raw(value)))
        expect(end).toBe(1 + size(value))
        expect(bytes[end]).toBe(0xee)
        const cursor = { bytes, pos: 1, end: bytes.length }
        expect(read(cursor)).toBe(value)
        expect(cursor.pos).toBe(end)
      }),
      { numRuns: 2000 }
    )
  })

  it("cut off anywhere is NaN", () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = new Uint8Array(12)
        const end = write(bytes, 0, value)
        for (let cut = 0; cut < end; cut++) expect(read(cursorOf(bytes, cut))).toBeNaN()
      })
    )
  })

  it("never reads past the end, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12, min: 100 }), (bytes) => {
        const cursor = cursorOf(bytes)
        const value = read(cursor)
        expect(cursor.pos).toBeLessThanOrEqual(bytes.length)
        expect(Number.isNaN(value) || Number.isInteger(value)).toBe(true)
      })
    )
  })
})

describe("limits", () => {
  it("more bits than the type has are NaN", () => {
    expect(Varint.readUnsignedVarint(cursorOf(Uint8Array.of(255, 255, 255, 255, 0x0f)))).toBe(2 ** 32 - 1)
    expect(Varint.readUnsignedVarint(cursorOf(Uint8Array.of(255, 255, 255, 255, 0x10)))).toBeNaN()
    expect(Varint.readUnsignedVarint(cursorOf(new Uint8Array(6).fill(0x80)))).toBeNaN()
    expect(Varint.readVarlong(cursorOf(Uint8Array.of(...new Array(9).fill(255), 2)))).toBeNaN()
    expect(Varint.readVarlong(cursorOf(new Uint8Array(11).fill(0x80)))).toBeNaN()
  })

  it("int64's ends are read, rounded to doubles", () => {
    expect(Varint.readVarlong(cursorOf(Uint8Array.of(...new Array(9).fill(255), 1)))).toBe(-(2 ** 63))
    expect(Varint.readVarlong(cursorOf(Uint8Array.of(254, ...new Array(8).fill(255), 1)))).toBe(2 ** 63)
  })
})
