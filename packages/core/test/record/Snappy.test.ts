import { describe, expect, it } from "vitest"
import { snappyDecompress } from "../../src/record/Snappy.ts"

const HEADER = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]
const LITERAL_ABCD = [3 << 2, 1, 2, 3, 4]
const corrupt = expect.objectContaining({ kind: "corrupt" })
const decoded = (bytes: ReadonlyArray<number>) => snappyDecompress(Uint8Array.from(bytes), 1000)
const framed = (...blocks: ReadonlyArray<ReadonlyArray<number>>) =>
  decoded([...HEADER, ...blocks.flatMap((block) => [0, 0, 0, block.length, ...block])])

// Random round trips and the batches of real clients are tested with server's io; here is what only a broken or hostile
// encoder writes.
describe("snappy elements", () => {
  it("legal ones: literals, near, far and overlapping copies", () => {
    expect(decoded([4, ...LITERAL_ABCD])).toEqual(Uint8Array.of(1, 2, 3, 4))
    expect(decoded([8, ...LITERAL_ABCD, 1, 4])).toEqual(Uint8Array.of(1, 2, 3, 4, 1, 2, 3, 4))
    expect(decoded([6, ...LITERAL_ABCD, (1 << 2) | 2, 3, 0])).toEqual(Uint8Array.of(1, 2, 3, 4, 2, 3))
    expect(decoded([8, ...LITERAL_ABCD, 1, 1])).toEqual(Uint8Array.of(1, 2, 3, 4, 4, 4, 4, 4))
    expect(framed([4, ...LITERAL_ABCD], [4, ...LITERAL_ABCD])).toEqual(Uint8Array.of(1, 2, 3, 4, 1, 2, 3, 4))
  })

  it.each([
    ["less content than announced", [5, ...LITERAL_ABCD]],
    ["more literals than announced", [3, ...LITERAL_ABCD]],
    ["many more literals than announced", [3, 39 << 2, ...new Array<number>(40).fill(1)]],
    ["a longer copy than announced", [7, ...LITERAL_ABCD, 1, 4]],
    ["an offset of 0", [8, ...LITERAL_ABCD, 1, 0]],
    ["an offset before the start", [8, ...LITERAL_ABCD, 1, 5]],
    ["literals cut off", [4, ...LITERAL_ABCD.slice(0, 4)]],
    ["a literal length cut off", [4, 61 << 2, 3]],
    ["a near copy cut off", [8, ...LITERAL_ABCD, 1]],
    ["a far copy cut off", [8, ...LITERAL_ABCD, (3 << 2) | 2, 4]],
    ["a very far copy cut off", [8, ...LITERAL_ABCD, (3 << 2) | 3, 4, 0, 0]],
    ["a negative-looking offset", [8, ...LITERAL_ABCD, (3 << 2) | 3, 0xfc, 0xff, 0xff, 0xff]],
    ["no length", []]
  ])("%s is corrupt", (_name, bytes) => {
    expect(decoded(bytes)).toEqual(corrupt)
  })

  it("a block of a frame refers only to itself and fills only its own part", () => {
    expect(framed([4, ...LITERAL_ABCD], [4, 1, 4])).toEqual(corrupt)
    expect(framed([3, ...LITERAL_ABCD], [5, ...LITERAL_ABCD])).toEqual(corrupt)
    expect(framed([5, ...LITERAL_ABCD], [3, ...LITERAL_ABCD])).toEqual(corrupt)
  })

  it("block lengths of a frame lie inside it, and their sum inside the bound", () => {
    expect(decoded([...HEADER, 0, 0, 0])).toEqual(corrupt)
    expect(decoded([...HEADER, 0, 0, 0, 6, 4, ...LITERAL_ABCD.slice(0, 4)])).toEqual(corrupt)
    expect(decoded([...HEADER, 0xff, 0xff, 0xff, 0xff, 4, ...LITERAL_ABCD])).toEqual(corrupt)
    const twice = Uint8Array.from([...HEADER, ...[0, 0, 0, 6, 4, ...LITERAL_ABCD], ...[0, 0, 0, 6, 4, ...LITERAL_ABCD]])
    expect(snappyDecompress(twice, 8)).toHaveLength(8)
    expect(snappyDecompress(twice, 7)).toMatchObject({ kind: "tooLarge" })
  })
})
