import { AssertionError } from "@chronik-effect/core/base/Assert.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import fc from "fast-check"
import { describe, expect, test } from "vitest"

const join = (parts: ReadonlyArray<Uint8Array>): string => Buffer.concat(parts).toString("hex")

describe("parts", () => {
  test("records are the caller's own memory, between the parts around them", () => {
    const [first, second] = [new Uint8Array(300).fill(1), new Uint8Array(2).fill(2)]
    const writer = new Writer()
    writer.int8(7)
    writer.records(first)
    writer.compactRecords(second)
    writer.int8(8)
    expect(writer.length).toBe(1 + 4 + 300 + 1 + 2 + 1)
    const parts = writer.finish()
    expect(parts[1]).toBe(first)
    expect(parts[3]).toBe(second)
    expect(join(parts)).toBe(`070000012c${"01".repeat(300)}03020208`)
  })

  test("two slices in a row need no part between them, and empty records none of their own", () => {
    const writer = new Writer()
    writer.slice(Uint8Array.of(1))
    writer.slice(Uint8Array.of(2))
    writer.records(new Uint8Array(0))
    expect(writer.finish().map((part) => part.length)).toEqual([1, 1, 4])
  })

  test("stay as they were while the writer goes on", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 200 }), (messages) => {
        const writer = new Writer(1024)
        const kept = messages.map((message) => {
          writer.byteString(message)
          return writer.finish()
        })
        expect(kept.map((parts) => join(parts))).toEqual(
          messages.map((message) => {
            const length = Buffer.alloc(4)
            length.writeInt32BE(message.length)
            return join([length, message])
          })
        )
      })
    )
  })

  test("a message may outgrow its chunk many times", () => {
    const writer = new Writer(16)
    writer.int32(0)
    for (let i = 0; i < 100_000; i++) writer.int32(i)
    writer.patchInt32(0, 99)
    const reader = new Reader(writer.finishBytes())
    expect(reader.int32()).toBe(99)
    for (let i = 0; i < 100_000; i++) if (reader.int32() !== i) expect.unreachable(`element ${i} is damaged`)
  })

  test("reset forgets an unfinished message with its slices", () => {
    const writer = new Writer()
    writer.records(Uint8Array.of(1, 2, 3))
    writer.reset()
    writer.int8(5)
    expect(join(writer.finish())).toBe("05")
  })
})

describe("tagged fields", () => {
  test.each([0, 1, 127, 128, 16_383, 16_384, 70_000])("a field of %i bytes has its size in front", (size) => {
    const writer = new Writer(64)
    const mark = writer.openTag(3)
    writer.copy(new Uint8Array(size).fill(9))
    writer.closeTag(mark)
    writer.int8(1)
    const reader = new Reader(writer.finishBytes())
    expect(reader.unsignedVarint()).toBe(3)
    expect(reader.tagEnd()).toBe(reader.pos + size)
    const content = reader.bytes.subarray(reader.take(size), reader.pos)
    expect(content.every((byte) => byte === 9)).toBe(true)
    expect(reader.int8()).toBe(1)
  })
})

describe("values that do not fit are defects", () => {
  test.each([
    ["int8", (w: Writer) => w.int8(128)],
    ["int16", (w: Writer) => w.int16(-32769)],
    ["int16 that is no number", (w: Writer) => w.int16(Number.NaN)],
    ["uint16", (w: Writer) => w.uint16(-1)],
    ["int32", (w: Writer) => w.int32(2 ** 31)],
    ["int32 with a fraction", (w: Writer) => w.int32(1.5)],
    ["uint32", (w: Writer) => w.uint32(-1)],
    ["int64 as an unsafe number", (w: Writer) => w.int64(2 ** 53)],
    ["int64 as a bigint of 65 bits", (w: Writer) => w.int64((2n ** 63n) as unknown as number)],
    ["a string of 32768 bytes", (w: Writer) => w.string("x".repeat(32_768))],
    ["a uuid that is none", (w: Writer) => w.uuid("not a uuid")]
  ])("%s", (_, write) => {
    expect(() => write(new Writer())).toThrow(AssertionError)
  })
})

describe("growth", () => {
  const uuid = "AQIDBAUGBwgJCgsMDQ4PEA"
  const kinds: ReadonlyArray<
    readonly [string, (writer: Writer) => void, (reader: Reader) => unknown, expected: unknown]
  > = [
    ["bool", (w) => w.bool(true), (r) => r.bool(), true],
    ["int8", (w) => w.int8(-113), (r) => r.int8(), -113],
    ["int16", (w) => w.int16(-2), (r) => r.int16(), -2],
    ["uint16", (w) => w.uint16(65_535), (r) => r.uint16(), 65_535],
    ["int32", (w) => w.int32(-3), (r) => r.int32(), -3],
    ["uint32", (w) => w.uint32(4_294_967_295), (r) => r.uint32(), 4_294_967_295],
    ["int64", (w) => w.int64(-4), (r) => r.int64(), -4],
    ["float64", (w) => w.float64(1.5), (r) => r.float64(), 1.5],
    ["uuid", (w) => w.uuid(uuid), (r) => r.uuid(), uuid],
    ["unsigned varint", (w) => w.unsignedVarint(300), (r) => r.unsignedVarint(), 300],
    ["string", (w) => w.string("größer"), (r) => r.string(), "größer"],
    ["compact string", (w) => w.compactString("abc"), (r) => r.compactString(), "abc"]
  ]

  test.each(kinds)("a %s is not lost where the memory ends", (_, write, read, expected) => {
    for (let before = 0; before <= 64; before++) {
      const writer = new Writer(64)
      for (let i = 0; i < before; i++) writer.int8(1)
      write(writer)
      const reader = new Reader(writer.finishBytes())
      for (let i = 0; i < before; i++) expect(reader.int8()).toBe(1)
      expect(read(reader)).toBe(expected)
    }
  })
})
