import { type Entry, EntryKind, type HardState } from "@chronik-effect/core/raft/Entry.ts"
import {
  encodeHardState,
  entryFrameBytes,
  readEntryFrame,
  readVoteFrame,
  writeEntryFrame
} from "@chronik-effect/server/metadata/RaftFrames.ts"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"

const number = fc.maxSafeNat()
const entry: fc.Arbitrary<Entry> = fc.record({
  index: number,
  term: number,
  kind: fc.constantFrom(...Object.values(EntryKind)),
  payload: fc.uint8Array({ maxLength: 300 })
})
const hardState: fc.Arbitrary<HardState> = fc.record({
  term: number,
  vote: fc.option(fc.record({ node: fc.nat(0xffff_ffff), directoryId: fc.string({ unit: "grapheme" }) }))
})

describe("frames of the metadata log", () => {
  it("give entries back, wherever they lie", () => {
    fc.assert(
      fc.property(entry, fc.nat(20), (one, at) => {
        const bytes = new Uint8Array(at + entryFrameBytes(one) + 3).fill(0xee)
        writeEntryFrame(bytes, at, one)
        expect(readEntryFrame(bytes, at, entryFrameBytes(one))).toEqual(one)
        expect(bytes.subarray(0, at).every((byte) => byte === 0xee)).toBe(true)
        expect([...bytes.subarray(-3)]).toEqual([0xee, 0xee, 0xee])
      })
    )
  })

  it("give votes back, also the absence of one", () => {
    fc.assert(
      fc.property(hardState, fc.nat(20), (state, at) => {
        const encoded = encodeHardState(state)
        const bytes = new Uint8Array(at + encoded.length + 3).fill(0xee)
        bytes.set(encoded, at)
        expect(readVoteFrame(bytes, at, encoded.length)).toEqual(state)
      })
    )
  })

  it("keep their bytes", () => {
    const bytes = new Uint8Array(20)
    writeEntryFrame(bytes, 0, { index: 0x1_0000_0002, term: 3, kind: 2, payload: new Uint8Array([7, 8, 9]) })
    expect(Buffer.from(bytes).toString("hex")).toBe("02000000010000000300000000000000" + "02" + "070809")
    const vote = encodeHardState({ term: 258, vote: { node: 5, directoryId: "ab" } })
    expect(Buffer.from(vote).toString("hex")).toBe("0201000000000000" + "01" + "05000000" + "6162")
    expect(Buffer.from(encodeHardState({ term: 1, vote: null })).toString("hex")).toBe("01000000000000000000000000")
  })

  it("are copied out of the log's buffer", () => {
    const bytes = new Uint8Array(18)
    writeEntryFrame(bytes, 0, { index: 1, term: 1, kind: EntryKind.Command, payload: new Uint8Array([1]) })
    const read = readEntryFrame(bytes, 0, 18)
    bytes.fill(0)
    expect([...read.payload]).toEqual([1])
  })

  it("of an unknown kind are a defect", () => {
    const bytes = new Uint8Array(17)
    bytes[16] = 9
    expect(() => readEntryFrame(bytes, 0, 17)).toThrow("has a kind that is known, not 9")
  })
})
