import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Bytes from "../../src/base/Bytes.ts"

describe("integers", () => {
  it("int64 round-trips every safe integer and equals DataView's big-endian form", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.nat(9), (value, pos) => {
        const bytes = new Uint8Array(20)
        Bytes.writeInt64(bytes, pos, value)
        expect(new DataView(bytes.buffer).getBigInt64(pos)).toBe(BigInt(value))
        expect(Bytes.readInt64(bytes, pos)).toBe(value)
      })
    )
  })

  it("int64 beyond 2^53 is rounded, not wrapped", () => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigInt64(0, 2n ** 63n - 1n)
    expect(Bytes.readInt64(bytes, 0)).toBe(2 ** 63)
    new DataView(bytes.buffer).setBigInt64(0, -(2n ** 63n))
    expect(Bytes.readInt64(bytes, 0)).toBe(-(2 ** 63))
    expect(() => Bytes.writeInt64(bytes, 0, 2 ** 53)).toThrow("safe integer")
  })

  it("smaller integers equal DataView's", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset)
        expect(Bytes.readInt8(bytes, 0)).toBe(view.getInt8(0))
        expect(Bytes.readInt16(bytes, 0)).toBe(view.getInt16(0))
        expect(Bytes.readInt32(bytes, 0)).toBe(view.getInt32(0))
        expect(Bytes.readUint32(bytes, 0)).toBe(view.getUint32(0))
        const written = new Uint8Array(4)
        Bytes.writeInt32(written, 0, view.getInt32(0))
        expect(written).toEqual(new Uint8Array(bytes))
        Bytes.writeInt32(written, 0, view.getUint32(0))
        expect(written).toEqual(new Uint8Array(bytes))
        Bytes.writeInt16(written, 0, view.getInt16(2))
        expect(written.subarray(0, 2)).toEqual(new Uint8Array(bytes.subarray(2)))
      })
    )
  })
})

describe("comparison and joining", () => {
  it("compareBytes is the order of Buffer.compare, and equalBytes its zero", () => {
    const small = fc.uint8Array({ maxLength: 4, max: 3 })
    fc.assert(
      fc.property(small, small, (a, b) => {
        expect(Math.sign(Bytes.compareBytes(a, b))).toBe(Buffer.compare(a, b))
        expect(Bytes.equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
      })
    )
  })

  it("concatBytes joins in order", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (parts) => {
        expect(Bytes.equalBytes(Bytes.concatBytes(parts), new Uint8Array(Buffer.concat(parts)))).toBe(true)
      })
    )
  })

  it("text goes through UTF-8 and back, also from the middle of an array", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const encoded = Bytes.utf8Bytes(text)
        expect(Bytes.utf8Text(encoded)).toBe(text)
        const inside = Bytes.concatBytes([Uint8Array.of(65), encoded, Uint8Array.of(66)])
        expect(Bytes.utf8Text(inside, 1, 1 + encoded.length)).toBe(text)
      })
    )
  })
})
