import { describe, expect, it } from "vitest"
import {
  MARKER_FRAME_BYTES,
  OFFSET_FRAME_BYTES,
  POINT_FRAME_BYTES,
  readMarkerFrame,
  readOffsetFrame,
  readPointFrameEpoch,
  writeMarkerFrame,
  writeOffsetFrame,
  writePointFrame
} from "../../src/log/LogFrames.ts"

describe("LogFrames", () => {
  it("reads a place, and an offset alone, with the same reader", () => {
    const bytes = new Uint8Array(32).fill(0xff)
    writePointFrame(bytes, 4, 7, 2 ** 40)
    expect(readOffsetFrame(bytes, 4)).toBe(2 ** 40)
    expect(readPointFrameEpoch(bytes, 4, POINT_FRAME_BYTES)).toBe(7)

    writeOffsetFrame(bytes, 4, 5)
    expect(readOffsetFrame(bytes, 4)).toBe(5)
    // What lies behind the frame is not read.
    expect(readPointFrameEpoch(bytes, 4, OFFSET_FRAME_BYTES)).toBe(-1)
  })

  it("reads markers in order", () => {
    const bytes = new Uint8Array(3 + 2 * MARKER_FRAME_BYTES)
    writeMarkerFrame(bytes, 3, 1, 10)
    writeMarkerFrame(bytes, 3 + MARKER_FRAME_BYTES, 2, 2 ** 41)
    const seen: Array<readonly [number, number]> = []
    readMarkerFrame(bytes, 3, 2 * MARKER_FRAME_BYTES, (epoch, offset) => seen.push([epoch, offset]))
    expect(seen).toEqual([
      [1, 10],
      [2, 2 ** 41]
    ])
  })
})
