import { AssertionError } from "@chronik-effect/core/base/Assert.ts"
import { compiledCodec } from "@chronik-effect/core/protocol/Compiler.ts"
import {
  array,
  bytes,
  int32,
  int64,
  type Message,
  message,
  type Partially,
  string,
  struct,
  type TypeOf,
  uuid
} from "@chronik-effect/core/protocol/Descriptor.ts"
import { interpretedCodec } from "@chronik-effect/core/protocol/Interpreter.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { FetchRequest, FetchResponse } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataRequest } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { planOf } from "@chronik-effect/core/protocol/Plan.ts"
import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { RecordSlices } from "@chronik-effect/core/protocol/RecordSlices.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import { describe, expect, test } from "vitest"

const Sample = message(
  "Sample",
  { versions: "0-3", flexible: "2+" },
  {
    name: string("0+"),
    id: uuid("1+", { ignorable: true }),
    strict: int32("1+", { default: -1 }),
    numbers: array("0+", "int32", { nullable: "1+" }),
    leader: struct("2+", { id: int32("2+", { default: -1 }), rack: string("2+") }, { tag: 1 }),
    cursor: struct("3+", { at: int64("3+") }, { nullable: true, default: null }),
    note: string("3+", { nullable: true, default: null, tag: 0 }),
    blob: bytes("0-1", { ignorable: true })
  }
)
type Sample = TypeOf<typeof Sample>

const modes = [
  { mode: "compiled", codec: <A>(m: Message<A>, version: number) => compiledCodec<A>(planOf(m, version)) },
  { mode: "interpreted", codec: <A>(m: Message<A>, version: number) => interpretedCodec<A>(planOf(m, version)) }
]

describe.each(modes)("$mode codec", ({ codec }) => {
  const encoded = (version: number, value: Partially<Sample>): string => {
    const writer = new Writer()
    codec(Sample, version).encode(writer, value)
    return Buffer.from(writer.finishBytes()).toString("hex")
  }
  const decoded = (version: number, hex: string): Sample =>
    codec(Sample, version).decode(new Reader(Buffer.from(hex, "hex")))

  test("an empty value stands for the defaults", () => {
    expect(encoded(0, {})).toBe("0000" + "00000000" + "00000000")
    expect(decoded(0, "00000000000000000000")).toEqual({
      name: "",
      id: "AAAAAAAAAAAAAAAAAAAAAA",
      strict: -1,
      numbers: [],
      leader: { id: -1, rack: "" },
      cursor: null,
      note: null,
      blob: Buffer.alloc(0)
    })
  })

  test("flexible versions: compact lengths, tags in order, presence of structs", () => {
    const value = { name: "ab", strict: 1, numbers: [5], leader: { id: 2 }, cursor: { at: 3 }, note: "n" }
    const id = "00".repeat(16)
    const tagged = "02" + "0002026e" + "0106" + "00000002" + "01" + "00"
    expect(encoded(3, value)).toBe(`036162${id}00000001020000000501000000000000000300${tagged}`)
    expect(decoded(3, encoded(3, value))).toMatchObject({ ...value, leader: { id: 2, rack: "" } })
  })

  test("a tagged field at its default is not written, at any depth", () => {
    expect(encoded(3, { leader: { id: -1, rack: "" }, note: null })).toBe(encoded(3, {}))
    expect(encoded(3, { leader: { rack: "r" } })).not.toBe(encoded(3, {}))
  })

  test("unknown tags are passed over by their size", () => {
    const plain = encoded(2, { name: "x" })
    expect(decoded(2, `${plain.slice(0, -2)}01${"0703aabbcc"}`)).toEqual(decoded(2, plain))
  })

  test("a known tag must fill its size", () => {
    const body = encoded(3, {}).slice(0, -2)
    expect(decoded(3, `${body}010002026e`).note).toBe("n")
    expect(() => decoded(3, `${body}010003026e00`)).toThrow(ProtocolError)
  })

  test("a value for a field that the version lacks is a defect, unless it is ignorable or the default", () => {
    expect(() => encoded(0, { strict: 7 })).toThrow(AssertionError)
    expect(() => encoded(1, { cursor: { at: 1 } })).toThrow(AssertionError)
    expect(() => encoded(1, { leader: { id: 4 } })).toThrow(AssertionError)
    const plain = encoded(0, {})
    expect(encoded(0, { strict: -1, id: "AAAAAAAAAAAAAAAAAAAAAQ", cursor: null, leader: { id: -1 } })).toBe(plain)
  })

  test("null is a defect where the version does not allow it", () => {
    expect(encoded(1, { numbers: null })).toContain("ffffffff")
    expect(() => encoded(0, { numbers: null })).toThrow(AssertionError)
    expect(() => encoded(0, { name: null as unknown as string })).toThrow(AssertionError)
  })

  test("bytes may be given in slices", () => {
    const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)]
    expect(encoded(0, { blob: new RecordSlices([a, b]) })).toBe(encoded(0, { blob: Uint8Array.of(1, 2, 3) }))
    expect(encoded(0, { blob: new RecordSlices([]) })).toBe(encoded(0, {}))
    expect(encoded(2, { blob: new RecordSlices([]) })).toBe(encoded(2, {}))
  })

  test("a version outside the message's range is a defect", () => {
    expect(() => codec(Sample, 4)).toThrow(AssertionError)
  })
})

describe("codecs of real messages", () => {
  test("are made once", () => {
    expect(codecOf(FetchRequest, 12)).toBe(codecOf(FetchRequest, 12))
    expect(() => codecOf(FetchRequest, 3)).toThrow(AssertionError)
  })

  test("the unknown high watermark of Fetch 18 is int64 max, and is neither written nor lost", () => {
    const writer = new Writer()
    const codec = codecOf(FetchRequest, 18)
    const unknown = { topics: [{ partitions: [{ partition: 1 }] }] }
    codec.encode(writer, unknown)
    const bytes = writer.finishBytes()
    const value = codec.decode(new Reader(bytes))
    expect(value.topics[0]!.partitions[0]!.highWatermark).toBe(2n ** 63n - 1n)
    codec.encode(writer, value)
    expect(writer.finishBytes()).toEqual(bytes)
  })

  test("all topics of Metadata: an empty list in version 0, null from version 1 on", () => {
    const writer = new Writer()
    codecOf(MetadataRequest, 1).encode(writer, { topics: null })
    expect(codecOf(MetadataRequest, 1).decode(new Reader(writer.finishBytes())).topics).toBe(null)
    expect(() => codecOf(MetadataRequest, 0).encode(writer.reset(), { topics: null })).toThrow(AssertionError)
  })

  test("records of a Fetch response are not copied in either direction", () => {
    const writer = new Writer()
    const records = new Uint8Array(500).fill(3)
    const codec = codecOf(FetchResponse, 12)
    const tail = new Uint8Array(7).fill(3)
    codec.encode(writer, { responses: [{ topic: "t", partitions: [{ records: new RecordSlices([records, tail]) }] }] })
    const parts = writer.finish()
    expect(parts).toContain(records)
    expect(parts[parts.indexOf(records) + 1]).toBe(tail)
    const frame = Buffer.concat(parts)
    const read = codec.decode(new Reader(frame)).responses[0]!.partitions[0]!.records!
    expect(read.buffer).toBe(frame.buffer)
    expect(Buffer.compare(read, new Uint8Array(507).fill(3))).toBe(0)
  })
})
