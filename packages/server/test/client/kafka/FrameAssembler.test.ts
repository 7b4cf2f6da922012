import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { FrameAssembler } from "../../../src/client/kafka/FrameAssembler.ts"

const frameOf = (body: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(4 + body.length)
  new DataView(frame.buffer).setInt32(0, body.length)
  frame.set(body, 4)
  return frame
}

describe("FrameAssembler", () => {
  it("hands out the frames that went in, however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (bodies, cuts, reuse) => {
          const stream = Buffer.concat(bodies.map(frameOf))
          const got: Array<Array<number>> = []
          const frames = new FrameAssembler(
            1_000,
            (bytes, start, end) => got.push([...bytes.subarray(start, end)]),
            reuse
          )
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length]!
            frames.push(Uint8Array.from(stream.subarray(at, at + size)))
            at += size
          }
          expect(got).toEqual(bodies.map((body) => [...body]))
        }
      )
    )
  })

  it.each([-1, 1_001, 0x7fff_ffff])("refuses a length of %d before it reserves memory", (length) => {
    const frames = new FrameAssembler(1_000, () => {})
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setInt32(0, length)
    expect(() => frames.push(bytes)).toThrow(`a frame of ${length} bytes was announced`)
  })
})
