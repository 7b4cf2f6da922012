import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isUuid, makeUuid, uuidFromBytes, uuidToBytes, ZERO_UUID } from "../../src/base/Uuid.ts"

const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 })

describe("uuid", () => {
  it("is base64url without padding, both ways, at any position", () => {
    fc.assert(
      fc.property(sixteen, fc.nat(5), (bytes, pos) => {
        const placed = new Uint8Array(21)
        placed.set(bytes, pos)
        const text = uuidFromBytes(placed, pos)
        expect(text).toBe(Buffer.from(bytes).toString("base64url"))
        expect(isUuid(text)).toBe(true)
        const back = new Uint8Array(21)
        uuidToBytes(text, back, pos)
        expect(back).toEqual(placed)
      })
    )
  })

  it("zero is all A", () => {
    expect(uuidFromBytes(new Uint8Array(16), 0)).toBe(ZERO_UUID)
  })

  it("text that is not 22 canonical characters is no uuid", () => {
    for (const text of [
      "",
      "A",
      "A".repeat(21),
      "A".repeat(23),
      `${"A".repeat(21)}+`,
      `${"A".repeat(21)}B`,
      `${"A".repeat(21)}é`
    ]) {
      expect(isUuid(text)).toBe(false)
      expect(() => uuidToBytes(text, new Uint8Array(16), 0)).toThrow("not a uuid")
    }
  })

  it("a made one never begins with a dash, is version 4, and leaves its argument alone", () => {
    fc.assert(
      fc.property(sixteen, fc.boolean(), (random, dash) => {
        if (dash) random[0] = 0xf8 | (random[0]! & 3)
        const before = Uint8Array.from(random)
        const text = makeUuid(random)
        expect(text.startsWith("-")).toBe(false)
        expect(random).toEqual(before)
        const bytes = new Uint8Array(16)
        uuidToBytes(text, bytes, 0)
        expect(bytes[6]! >>> 4).toBe(4)
        expect(bytes[8]! >>> 6).toBe(2)
        if (!dash && random[0]! >>> 2 !== 62) expect(bytes.subarray(0, 6)).toEqual(before.subarray(0, 6))
      })
    )
  })
})
