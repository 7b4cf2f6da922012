import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib"
import { crc32c } from "@chronik-effect/core/base/Crc32c.ts"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import { CompressionFault } from "@chronik-effect/core/record/Compression.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { CODEC_NAMES, Codec } from "@chronik-effect/core/record/RecordBatch.ts"
import { readAllRecords } from "@chronik-effect/core/record/Records.ts"
import { validateRecords } from "@chronik-effect/core/record/Validation.ts"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import clientBatches from "../../../core/test/record/client-batches.json" with { type: "json" }
import { compress, decompress } from "../../src/io/Compression.ts"

const BYTES_MAX = 64 * 1024 * 1024
const codecs = Object.values(Codec)
const compressing = codecs.filter((codec) => codec !== Codec.NONE)
const nameOf = (codec: Codec) => CODEC_NAMES[codec]

/** Bytes that compress more or less: `alphabet` different ones, in runs. */
const bytesOf = (seed: number, length: number, alphabet: number, runLength: number): Uint8Array => {
  const prng = new Prng(seed)
  const bytes = new Uint8Array(length)
  for (let pos = 0; pos < length; ) {
    const byte = prng.below(alphabet)
    for (let run = prng.between(1, runLength); run > 0 && pos < length; run--) bytes[pos++] = byte
  }
  return bytes
}
const anyBytes = fc
  .tuple(
    fc.nat(),
    fc.oneof(fc.nat(300), fc.nat(200_000)),
    fc.integer({ min: 1, max: 256 }),
    fc.constantFrom(1, 3, 20, 500)
  )
  .map((shape) => bytesOf(...shape))
/** Around the block sizes of snappy (32 KiB) and LZ4 (64 KiB). */
const edges = [
  0, 1, 4, 5, 12, 13, 14, 59, 60, 61, 255, 256, 257, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 131_072
]

describe.each(codecs.map((codec) => [nameOf(codec), codec] as const))("%s", (_name, codec) => {
  it("gives back what went in", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(Buffer.compare(decompress(codec, compress(codec, bytes), BYTES_MAX) as Uint8Array, bytes)).toBe(0)
      }),
      { numRuns: 60 }
    )
  })

  it("gives it back at every edge, compressible or not", () => {
    for (const length of edges) {
      for (const bytes of [
        new Uint8Array(length).fill(7),
        bytesOf(length, length, 256, 1),
        bytesOf(length, length, 3, 9)
      ]) {
        const output = decompress(codec, compress(codec, bytes), length)
        expect(output, `${length} bytes`).not.toBeInstanceOf(CompressionFault)
        expect(Buffer.compare(output as Uint8Array, bytes)).toBe(0)
      }
    }
  })

  it("gives out no byte more than allowed", () => {
    for (const length of edges.filter((length) => length > 0)) {
      const compressed = compress(codec, new Uint8Array(length))
      expect(decompress(codec, compressed, length - 1)).toMatchObject({ kind: "tooLarge" })
    }
  })

  it("does not change its input", () => {
    const bytes = bytesOf(1, 5000, 5, 4)
    const before = Uint8Array.from(bytes)
    const compressed = compress(codec, bytes)
    const compressedBefore = Uint8Array.from(compressed)
    decompress(codec, compressed, BYTES_MAX)
    expect(Buffer.compare(bytes, before)).toBe(0)
    expect(Buffer.compare(compressed, compressedBefore)).toBe(0)
  })

  it("batches of any records round-trip through it", () => {
    const field = fc.option(fc.uint8Array({ maxLength: 60 }), { nil: null })
    const record = fc.record({ timestamp: fc.nat(2 ** 45), key: field, value: field })
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 50 }), (records) => {
        const batch = buildBatch(records, { codec, compress })
        const expected = records.map((input, offset) => ({ offset, ...input, headers: [] }))
        expect(readAllRecords(batch, 0, decompress, BYTES_MAX)?.map(plain)).toEqual(expected)
      })
    )
  })
})

const bare = (bytes: Uint8Array | null) => bytes && new Uint8Array(bytes)
const plain = <A extends { readonly key: Uint8Array | null; readonly value: Uint8Array | null }>(record: A): A => ({
  ...record,
  key: bare(record.key),
  value: bare(record.value)
})

describe.each(compressing.map((codec) => [nameOf(codec), codec] as const))("broken %s", (_name, codec) => {
  const bytes = bytesOf(9, 3000, 6, 5)
  const compressed = new Uint8Array(compress(codec, bytes))

  it("cut off anywhere is a fault", () => {
    for (let end = 0; end < compressed.length; end += 1 + (end >> 5)) {
      const output = decompress(codec, compressed.subarray(0, end), BYTES_MAX)
      // A framed snappy stream has no end mark: cut between two parts it is a shorter stream.
      const legal = codec === Codec.SNAPPY && end === 16
      expect(output instanceof CompressionFault || legal, `${end} of ${compressed.length}`).toBe(true)
    }
  })

  it("random or changed bytes never throw and never exceed the bound", () => {
    const change = fc.tuple(fc.nat(compressed.length - 1), fc.nat(255))
    const changed = fc.array(change, { minLength: 1, maxLength: 5 }).map((changes) => {
      const copy = Uint8Array.from(compressed)
      for (const [at, value] of changes) copy[at] = value
      return copy
    })
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 200 })), (input) => {
        const output = decompress(codec, input, 5000)
        if (output instanceof CompressionFault) expect(output.message).toMatch(/\.$/)
        else expect(output.length).toBeLessThanOrEqual(5000)
      }),
      { numRuns: 1000 }
    )
  })
})

describe("levels", () => {
  it("of gzip and zstd change the size and nothing else; the other codecs ignore them", () => {
    const bytes = bytesOf(2, 100_000, 12, 8)
    for (const codec of compressing) {
      const quick = compress(codec, bytes, 1)
      const thorough = compress(codec, bytes, 9)
      expect(Buffer.compare(decompress(codec, thorough, BYTES_MAX) as Uint8Array, bytes)).toBe(0)
      if (codec === Codec.GZIP || codec === Codec.ZSTD) expect(thorough.length).toBeLessThan(quick.length)
      else expect(Buffer.compare(thorough, quick)).toBe(0)
    }
  })
})

describe("bombs", () => {
  it("are refused without the memory for them", () => {
    const zeros = new Uint8Array(32 * 1024 * 1024)
    for (const codec of compressing) {
      const bomb = compress(codec, zeros)
      expect(bomb.length).toBeLessThan(zeros.length / 15)
      const before = process.memoryUsage().arrayBuffers
      expect(decompress(codec, bomb, 100_000)).toMatchObject({ kind: "tooLarge" })
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
    }
  })

  it("a snappy length that the bytes cannot fill is not allocated", () => {
    const lie = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1)
    expect(decompress(Codec.SNAPPY, lie, 2 ** 32)).toMatchObject({ kind: "corrupt" })
  })
})

describe("batches of real clients", () => {
  it.each(clientBatches.batches)("$client, $codec", ({ client, codec, batch }) => {
    const bytes = new Uint8Array(Buffer.from(batch, "base64"))
    expect(crc32c(bytes, 21, bytes.length)).toBe(RecordBatch.crc(bytes, 0))
    expect(CODEC_NAMES[RecordBatch.codecId(bytes, 0)]).toBe(codec)
    const records = readAllRecords(bytes, 0, decompress, BYTES_MAX)
    const text = (field: Uint8Array | null) => Buffer.from(field ?? []).toString()
    expect(records?.map((record) => `${text(record.key)}:${text(record.value)}`)).toEqual(clientBatches.lines)
    const headers = client.startsWith("kcat") ? [["trace", "abc"]] : []
    for (const record of records ?? []) {
      expect(record.headers.map((header) => [header.key, text(header.value)])).toEqual(headers)
    }
    const rules = {
      apiVersion: 9,
      maxMessageBytes: 1_048_588,
      now: RecordBatch.maxTimestamp(bytes, 0),
      timestampType: "CreateTime",
      timestampBeforeMaxMs: 60_000,
      timestampAfterMaxMs: 0,
      compacted: true,
      decompress,
      decompressedBytesMax: BYTES_MAX
    } as const
    expect(validateRecords(bytes, 0, rules)).toBe(0)
  })
})

describe("forms that our encoders do not write", () => {
  const bytes = bytesOf(4, 100_000, 20, 6)
  const equal = (output: Uint8Array | CompressionFault, expected: Uint8Array) =>
    expect(output instanceof CompressionFault ? output.message : Buffer.compare(output, expected)).toBe(0)

  it("raw snappy, and framed streams joined to one", () => {
    const framed = compress(Codec.SNAPPY, bytes.subarray(0, 1000))
    equal(decompress(Codec.SNAPPY, framed.subarray(20), BYTES_MAX), bytes.subarray(0, 1000))
    const twice = Buffer.concat([framed, framed])
    equal(decompress(Codec.SNAPPY, twice, BYTES_MAX), Buffer.concat([bytes.subarray(0, 1000), bytes.subarray(0, 1000)]))
  })

  it("snappy copies with a four-byte offset and literals with long lengths", () => {
    const literals = bytesOf(5, 300, 256, 1)
    const raw = [0xb0, 0x02, (62 << 2) | 0, 299 & 255, 299 >> 8, 0, ...literals, (3 << 2) | 3, 44, 1, 0, 0]
    equal(decompress(Codec.SNAPPY, Uint8Array.from(raw), BYTES_MAX), Buffer.concat([literals, literals.subarray(0, 4)]))
  })

  it("gzip of several members, zstd of several frames", () => {
    const halves = [bytes.subarray(0, 500), bytes.subarray(500, 1000)]
    for (const [codec, make] of [
      [Codec.GZIP, gzipSync],
      [Codec.ZSTD, zstdCompressSync]
    ] as const) {
      equal(decompress(codec, Buffer.concat(halves.map((half) => make(half))), BYTES_MAX), bytes.subarray(0, 1000))
    }
    expect(decompress(Codec.GZIP, deflateRawSync(bytes), BYTES_MAX)).toBeInstanceOf(CompressionFault)
  })

  // Made by the lz4 1.9 command line tool from 10,000 times "chronik-effect ", with the options named.
  const LZ4_FRAMES = [
    [
      "-1 -B4",
      "BCJNGGRApxoBAAD/AGNocm9uaWstZWZmZWN0IA8A/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////9lQZWN0IGMaAQAA/wBocm9uaWstZWZmZWN0IGMPAP/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////ZUGN0IGNoZAAAAP8Acm9uaWstZWZmZWN0IGNoDwD//////////////////////////////////////////////////////////////////////////////////////////////////xNQZmVjdCAAAAAAKh0GSA=="
    ],
    [
      "-9 -B4 -BD",
      "BCJNGERAXhoBAAD/AGNocm9uaWstZWZmZWN0IA8A/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////9lQZWN0IGMKAQAADw8A/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////+hQY3QgY2hUAAAADw8A//////////////////////////////////////////////////////////////////////////////////////////////////8iUGZlY3QgAAAAACodBkg="
    ],
    [
      "-5 -B4 -BD -BX",
      "BCJNGFRArhoBAAD/AGNocm9uaWstZWZmZWN0IA8A/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////9lQZWN0IGP1Vc7UCgEAAA8PAP/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////oUGN0IGNoOKGhNFQAAAAPDwD//////////////////////////////////////////////////////////////////////////////////////////////////yJQZmVjdCDe7cTmAAAAACodBkg="
    ],
    [
      "-B7 -BX --content-size",
      "BCJNGHxQ8EkCAAAAAABjZgIAAP8AY2hyb25pay1lZmZlY3QgDwD///////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////8VUGZlY3QgBXc+CgAAAAAqHQZI"
    ],
    [
      "-1 -B4 -BD --content-size",
      "BCJNGExA8EkCAAAAAAAaGgEAAP8AY2hyb25pay1lZmZlY3QgDwD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////2VBlY3QgYwoBAAAP////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////6FBjdCBjaGQAAAD/AHJvbmlrLWVmZmVjdCBjaA8A//////////////////////////////////////////////////////////////////////////////////////////////////8TUGZlY3QgAAAAACodBkg="
    ],
    [
      "--fast=20 -B5",
      "BCJNGGRQCL8CAAD/WmNocm9uaWstZWZmZWN0IGNocm9uaWstZWZmZWN0IGNocm9uaWstZWZmZWN0IGNocm9uaWstZWZmZWN0IGNocm9uaWstZWZmZWN0IGNocm9uaWstZWZmZWN0IGNocm9uaWstZWZmZWN0IGkA//////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////+6UGZlY3QgAAAAACodBkg="
    ]
  ] as const
  const content = Buffer.from("chronik-effect ".repeat(10_000))
  it.each(LZ4_FRAMES)("LZ4 frame of lz4 %s", (_options, frame) => {
    const frameBytes = Buffer.from(frame, "base64")
    equal(decompress(Codec.LZ4, frameBytes, BYTES_MAX), content)
    expect(decompress(Codec.LZ4, frameBytes, content.length - 1)).toMatchObject({ kind: "tooLarge" })
    // Every byte counts: magic, descriptor, sizes, data and checksums, for these frames all have a content checksum. Only an
    // offset changed by a whole number of repetitions finds the same content.
    for (let at = 0; at < frameBytes.length; at++) {
      const broken = Uint8Array.from(frameBytes)
      broken[at]! ^= 0x11
      const output = decompress(Codec.LZ4, broken, BYTES_MAX)
      expect(output instanceof CompressionFault || Buffer.compare(output, content) === 0, `byte ${at}`).toBe(true)
    }
  })
})
