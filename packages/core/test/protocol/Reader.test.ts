import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import { MAX_ELEMENTS, Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import fc from "fast-check"
import { describe, expect, test } from "vitest"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const reading = (text: string): Reader => new Reader(hex(text))

describe("unsigned varints", () => {
  test.each([
    ["00", 0],
    ["7f", 127],
    ["8001", 128],
    ["ffff7f", 0x1fffff],
    // The fifth byte carries the sign bit of a JavaScript shift.
    ["ffffffff0f", 0xffffffff],
    ["8080808008", 0x80000000]
  ])("%s is %i", (bytes, value) => {
    expect(reading(bytes).unsignedVarint()).toBe(value)
    const writer = new Writer()
    writer.unsignedVarint(value)
    expect(Buffer.from(writer.finishBytes()).toString("hex")).toBe(bytes)
  })

  test.each(["ffffffff10", "808080808000", "ffffffffffff01"])("%s is longer than 32 bits", (bytes) => {
    expect(() => reading(bytes).unsignedVarint()).toThrow(ProtocolError)
  })

  test.each(["", "80", "ffffff"])("%j ends too early", (bytes) => {
    expect(() => reading(bytes).unsignedVarint()).toThrow(ProtocolError)
  })
})

describe("int64", () => {
  test.each([
    ["001fffffffffffff", Number.MAX_SAFE_INTEGER],
    ["ffe0000000000001", Number.MIN_SAFE_INTEGER],
    ["ffffffffffffffff", -1],
    ["ffffffff00000000", -4294967296]
  ])("%s is the number %d", (bytes, value) => {
    expect(reading(bytes).int64()).toBe(value)
  })

  test.each([
    ["7fffffffffffffff", 2n ** 63n - 1n],
    ["8000000000000000", -(2n ** 63n)],
    ["0020000000000000", 2n ** 53n],
    ["0020000000000001", 2n ** 53n + 1n],
    ["ffe0000000000000", -(2n ** 53n)]
  ])("%s is the bigint %s", (bytes, value) => {
    expect(reading(bytes).int64()).toBe(value)
  })
})

describe("lengths from outside are refused before anything is allocated", () => {
  test.each([
    ["a string longer than the message", (r: Reader) => r.string(), "7fff"],
    ["bytes longer than the message", (r: Reader) => r.byteString(), "7fffffff"],
    ["compact bytes longer than the message", (r: Reader) => r.compactByteString(), "ffffffff0f"],
    ["a compact string longer than the message", (r: Reader) => r.compactString(), "ffffffff0f"],
    ["an array with more elements than bytes", (r: Reader) => r.arrayLength(1), "7fffffff"],
    ["a compact array with more elements than bytes", (r: Reader) => r.compactArrayLength(1), "ffffffff0f"],
    ["an array whose elements cannot fit", (r: Reader) => r.arrayLength(4), "000000020000000000"],
    ["a tagged field larger than the message", (r: Reader) => r.skipTags(), "0100ffffffff0f"],
    ["more tagged fields than bytes", (r: Reader) => r.skipTags(), "ffffffff0f"],
    ["null for a string", (r: Reader) => r.string(), "ffff"],
    ["null for a compact string", (r: Reader) => r.compactString(), "00"],
    ["null for an array", (r: Reader) => r.arrayLength(1), "ffffffff"],
    ["null for a compact array", (r: Reader) => r.compactArrayLength(1), "00"],
    ["null for bytes", (r: Reader) => r.byteString(), "ffffffff"],
    ["null for compact bytes", (r: Reader) => r.compactByteString(), "00"],
    ["a length of -2", (r: Reader) => r.nullableString(), "fffe"],
    ["a byte length of -2", (r: Reader) => r.nullableByteString(), "fffffffe"],
    ["an array length of -2", (r: Reader) => r.nullableArrayLength(1), "fffffffe"]
  ])("%s", (_, read, bytes) => {
    expect(() => read(reading(bytes))).toThrow(ProtocolError)
  })

  test("a message has a maximum of array elements, however large its frame", () => {
    const frame = new Uint8Array(MAX_ELEMENTS + 16)
    new DataView(frame.buffer).setInt32(0, MAX_ELEMENTS)
    const reader = new Reader(frame)
    expect(reader.arrayLength(1)).toBe(MAX_ELEMENTS)
    reader.pos = 0
    expect(() => reader.arrayLength(1)).toThrow(ProtocolError)
    expect(reader.reset(frame, 0, frame.length).arrayLength(1)).toBe(MAX_ELEMENTS)
  })

  test("the end of the message counts, not the end of the memory it lies in", () => {
    expect(() => new Reader(hex("0000000100"), 0, 3).int32()).toThrow(ProtocolError)
  })
})

describe("text", () => {
  const both = (text: string): Array<string> => {
    const writer = new Writer()
    writer.compactString(text)
    const bytes = writer.finishBytes()
    return [new Reader(bytes).compactString(), new Reader(Buffer.from(bytes)).compactString()]
  }

  test("survives in plain bytes and in a Buffer, whatever its characters and length", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.string({ maxLength: 200 })), (text) => {
        expect(both(text)).toEqual([text, text])
      })
    )
  })

  test("keeps a byte order mark", () => {
    expect(both("\ufefftopic")).toEqual(["\ufefftopic", "\ufefftopic"])
  })

  test("that shares its place in the table of seen strings is told apart", () => {
    const names = Array.from({ length: 5000 }, (_, i) => `topic-${i}`)
    for (const name of [...names, ...names]) expect(both(name)[0]).toBe(name)
  })

  test("a lone surrogate is written as the replacement character", () => {
    expect(both("a\ud800b")).toEqual(["a\ufffdb", "a\ufffdb"])
  })
})

test("uuids that share a place in the table of seen ones are told apart", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 60 }), (ids) => {
      for (const id of [...ids, ...ids]) {
        const text = new Reader(id).uuid()
        expect(text).toBe(Buffer.from(id).toString("base64url"))
        const writer = new Writer()
        writer.uuid(text)
        expect(Buffer.from(writer.finishBytes()).equals(id)).toBe(true)
      }
    })
  )
})

test("bytes are views of the frame", () => {
  const frame = hex("00000003010203")
  const view = new Reader(frame).byteString()
  expect(view.buffer).toBe(frame.buffer)
  expect(view.byteOffset).toBe(4)
})
