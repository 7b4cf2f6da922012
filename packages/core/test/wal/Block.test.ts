import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { describe, expect, it } from "vitest"
import { batch, LogImage } from "./LogImage.ts"

const hex = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/(.{32})(?=.)/g, "$1\n")

describe("the bytes of a block", () => {
  it("are these, for ever", () => {
    const log = new LogImage({ chunkBytes: 16 << 20, segmentChunks: 4 })
    log.salt = { low: 0x01020304, high: 0x05060708 }
    log.append([{ kind: FrameKind.Vote, stream: 0, payload: new Uint8Array([0xaa]) }])
    const block = log.append([
      { kind: FrameKind.Metadata, stream: 0, payload: new Uint8Array([1, 2, 3]) },
      { kind: FrameKind.HighWatermark, stream: 0xfffefdfc, payload: new Uint8Array() }
    ])
    expect(hex(log.file(0).subarray(block.address, block.address + block.length))).toMatchInlineSnapshot(`
      "a1e94b3a4357414c0100000018040000
      02000000000000000100000000000000
      00020000000000005500000002000000
      a2a93de8000000000403020108070605
      02000000000300000001020306fcfdfe
      ff00000000"
    `)
  })

  it("cover a small batch whole and a large one up to its header", () => {
    const crcOf = (records: Uint8Array, flip: number) => {
      const log = new LogImage()
      const payload = batch(records)
      payload[flip]! ^= 1
      log.append([{ kind: FrameKind.Batch, stream: 1, payload }])
      return log.crc
    }
    const large = new Uint8Array(4000)
    const small = new Uint8Array(100)
    expect(crcOf(small, 160)).not.toBe(crcOf(small, 159))
    expect(crcOf(large, 60)).not.toBe(crcOf(large, 59))
    expect(crcOf(large, 61)).toBe(crcOf(large, 4060))
  })
})
