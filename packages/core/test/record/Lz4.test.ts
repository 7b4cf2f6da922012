import { describe, expect, it } from "vitest"
import { xxHash32 } from "../../src/base/XxHash32.ts"
import { lz4Compress, lz4Decompress } from "../../src/record/Lz4.ts"

const MAGIC = [0x04, 0x22, 0x4d, 0x18]
const INDEPENDENT = 0x60
const LINKED = 0x40
const CONTENT_SIZE = 0x08
/** Literals 1 2 3 4 5. */
const FIVE = [0x50, 1, 2, 3, 4, 5]
const corrupt = expect.objectContaining({ kind: "corrupt" })

const header = (flags: number, blockSize = 0x40, rest: ReadonlyArray<number> = []): ReadonlyArray<number> => {
  const descriptor = Uint8Array.from([flags, blockSize, ...rest])
  return [...MAGIC, ...descriptor, (xxHash32(descriptor, 0, descriptor.length) >>> 8) & 0xff]
}
const block = (...bytes: ReadonlyArray<number>) => [bytes.length, 0, 0, 0, ...bytes]
const stored = (...bytes: ReadonlyArray<number>) => [bytes.length, 0, 0, 0x80, ...bytes]
const END = [0, 0, 0, 0]
const decoded = (...parts: ReadonlyArray<ReadonlyArray<number>>) => lz4Decompress(Uint8Array.from(parts.flat()), 1000)
const blockOf = (...bytes: ReadonlyArray<number>) => decoded(header(INDEPENDENT), block(...bytes), END)

// Random round trips, real clients' batches and the lz4 tool's frames are tested with server's io; here is what only a broken
// or hostile encoder writes.
describe("LZ4 frames", () => {
  it("legal ones: literals, matches, overlapping matches, stored blocks, linked blocks", () => {
    expect(blockOf(...FIVE)).toEqual(Uint8Array.of(1, 2, 3, 4, 5))
    expect(blockOf(0x20, 1, 2, 2, 0, 0x10, 9)).toEqual(Uint8Array.of(1, 2, 1, 2, 1, 2, 9))
    expect(decoded(header(INDEPENDENT), stored(7, 8), END)).toEqual(Uint8Array.of(7, 8))
    const linked = decoded(header(LINKED), block(...FIVE), block(0x00, 5, 0, 0x10, 9), END)
    expect(linked).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 1, 2, 3, 4, 9))
    expect(
      decoded(header(INDEPENDENT | CONTENT_SIZE, 0x40, [5, 0, 0, 0, 0, 0, 0, 0]), block(...FIVE), END)
    ).toHaveLength(5)
    expect(decoded(header(INDEPENDENT), END)).toEqual(new Uint8Array(0))
  })

  it.each([
    [
      "an independent block that refers to the one before",
      [header(INDEPENDENT), block(...FIVE), block(0, 5, 0, 0x10, 9), END]
    ],
    ["an offset before the start", [header(INDEPENDENT), block(0x20, 1, 2, 3, 0, 0x10, 9), END]],
    ["an offset of 0", [header(INDEPENDENT), block(0x20, 1, 2, 0, 0, 0x10, 9), END]],
    ["a block that ends with a match", [header(INDEPENDENT), block(0x20, 1, 2, 2, 0), END]],
    ["a block that ends inside an offset", [header(INDEPENDENT), block(0x20, 1, 2, 2), END]],
    ["a block that ends inside a literal length", [header(INDEPENDENT), block(0xf0, 255), END]],
    ["a block that ends inside a match length", [header(INDEPENDENT), block(0x2f, 1, 2, 2, 0, 255), END]],
    ["literals beyond the block", [header(INDEPENDENT), block(0x60, 1, 2, 3, 4, 5), END]],
    [
      "more content than announced",
      [header(INDEPENDENT | CONTENT_SIZE, 0x40, [4, 0, 0, 0, 0, 0, 0, 0]), block(...FIVE), END]
    ],
    [
      "less content than announced",
      [header(INDEPENDENT | CONTENT_SIZE, 0x40, [6, 0, 0, 0, 0, 0, 0, 0]), block(...FIVE), END]
    ],
    ["a dictionary", [header(INDEPENDENT | 1, 0x40, [1, 0, 0, 0]), block(...FIVE), END]],
    ["a reserved flag", [header(INDEPENDENT | 2), block(...FIVE), END]],
    ["another version", [header(0xa0), block(...FIVE), END]],
    ["an unknown block size", [header(INDEPENDENT, 0x30), block(...FIVE), END]],
    ["a wrong header checksum", [[...MAGIC, INDEPENDENT, 0x40, 0], block(...FIVE), END]],
    ["no end mark", [header(INDEPENDENT), block(...FIVE)]],
    ["bytes after the end", [header(INDEPENDENT), block(...FIVE), END, [0]]]
  ] as ReadonlyArray<[string, ReadonlyArray<ReadonlyArray<number>>]>)("%s is corrupt", (_name, parts) => {
    expect(decoded(...parts)).toEqual(corrupt)
  })

  it("a block larger than its frame allows is corrupt", () => {
    const large = lz4Compress(new Uint8Array(65_536))
    const length = new DataView(large.buffer).getInt32(7, true)
    const frame = Uint8Array.from([...header(INDEPENDENT), ...large.subarray(7, 11 + length), ...END])
    expect(lz4Decompress(frame, 1 << 20)).toHaveLength(65_536)
    // One more match byte makes it 65,537: the last length byte of the run of zeros.
    const longer = Uint8Array.from(frame)
    const at = 11 + length - 1 - 6
    longer[at]!++
    expect(lz4Decompress(longer, 1 << 20)).toEqual(corrupt)
  })

  it("an announced size beyond the bound is refused before anything is read", () => {
    const announced = header(INDEPENDENT | CONTENT_SIZE, 0x40, [0, 0, 0, 0, 1, 0, 0, 0])
    expect(decoded(announced)).toMatchObject({ kind: "tooLarge" })
  })
})

describe("LZ4 encoder", () => {
  it("writes what Java reads: 64 KiB independent blocks, each ending with five literals", () => {
    const compressed = lz4Compress(new Uint8Array(200_000).fill(65))
    expect(Array.from(compressed.subarray(0, 7))).toEqual([...MAGIC, 0x60, 0x40, 0x82])
    let blocks = 0
    let pos = 7
    for (let length = 1; ; blocks++) {
      length = new DataView(compressed.buffer).getInt32(pos, true)
      if (length === 0) break
      pos += 4 + length
      expect(Array.from(compressed.subarray(pos - 6, pos))).toEqual([0x50, 65, 65, 65, 65, 65])
    }
    expect(blocks).toBe(4)
    expect(pos + 4).toBe(compressed.length)
  })
})
