import { BLOCK_HEADER_BYTES, CLEAN_STOP, FrameKind } from "@chronik-effect/core/wal/Block.ts"
import type { ScannedLog } from "@chronik-effect/core/wal/Scanner.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { batch, type Frame, LogImage, SMALL } from "./LogImage.ts"

const metadata = (...bytes: Array<number>): Frame => ({
  kind: FrameKind.Metadata,
  stream: 0,
  payload: Uint8Array.from(bytes)
})
const filled = (kind: number, length: number, value = 7): Frame => ({
  kind,
  stream: 3,
  payload: kind === FrameKind.Batch ? batch(new Uint8Array(length).fill(value)) : new Uint8Array(length).fill(value)
})

const scanned = (log: LogImage): ScannedLog => {
  const outcome = log.scan()
  if (outcome._tag === "Damaged") throw new Error(outcome.reason)
  return outcome
}
const framesOf = (log: LogImage, blocks = log.blocks) => blocks.flatMap((block) => block.frames)

/** Blocks up to `durable` were on disk when this one was written: two flights. */
const twoFlights = (log: LogImage, frames: ReadonlyArray<Frame>) =>
  log.append(frames, { durable: Math.max(0, log.sequence - 1) })

const arbitraryFrame: fc.Arbitrary<Frame> = fc
  .record({
    kind: fc.constantFrom(...Object.values(FrameKind)),
    stream: fc.nat(0xffffffff),
    payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 1990, maxLength: 3000 }))
  })
  .map((frame) => (frame.kind === FrameKind.Batch ? { ...frame, payload: batch(frame.payload) } : frame))

describe("a log that was written", () => {
  it("is read back whole, whatever its frames, chunks, segments and restarts", () => {
    const step = fc.oneof(
      { weight: 9, arbitrary: fc.array(arbitraryFrame, { maxLength: 2 }) },
      { weight: 1, arbitrary: fc.constant("restart" as const) }
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const log = new LogImage()
        for (const frames of steps) {
          if (frames === "restart") log.restart()
          else log.append(frames)
        }
        const scan = scanned(log)
        expect(log.read(scan)).toEqual(framesOf(log))
        expect([scan.lastSequence, scan.lastCrc, scan.tornBytes]).toEqual([log.sequence, log.crc, 0])
      })
    )
  })

  it("is empty where nothing was written, and where only stale blocks of a recycled file are", () => {
    const old = new LogImage()
    for (let i = 0; i < 20; i++) old.append([metadata(i)])
    const recycled = new LogImage()
    recycled.files.set(5, old.file(0))
    expect(scanned(recycled)).toMatchObject({ lastSequence: 0, runs: [], tornBytes: 0 })
    expect(scanned(new LogImage())).toMatchObject({ lastSequence: 0, runs: [] })
  })

  it("goes on over the stale blocks of a recycled file", () => {
    const old = new LogImage()
    for (let i = 0; i < 20; i++) old.append([metadata(i)])
    const log = new LogImage()
    log.append([metadata(1)])
    log.files.set(1, old.file(0))
    log.restart()
    log.append([metadata(2)])
    expect(log.read(scanned(log))).toEqual([metadata(1), metadata(2)])
  })

  it("ends cleanly only with the mark as its last block", () => {
    const log = new LogImage()
    log.append([metadata(1)])
    expect(scanned(log).cleanStop).toBe(false)
    log.append([], { flags: CLEAN_STOP })
    expect(scanned(log).cleanStop).toBe(true)
    log.restart()
    expect(scanned(log).cleanStop).toBe(true)
    log.append([metadata(2)])
    expect(scanned(log).cleanStop).toBe(false)
  })
})

describe("a torn tail", () => {
  it("is cut to whole blocks at every byte where the file may end", () => {
    const log = new LogImage()
    for (const size of [10, 700, 2500, 30]) twoFlights(log, [filled(FrameKind.Batch, size), metadata(size & 255)])
    const whole = log.file(0)
    const last = log.blocks.at(-1)!
    for (let length = 0; length <= last.address + last.length; length++) {
      log.files.set(0, whole.slice(0, length))
      const kept = log.blocks.filter((block) => block.address + block.length <= length)
      expect(log.read(scanned(log))).toEqual(framesOf(log, kept))
    }
  })

  it("is cut at every sector that may not have been written, of the last two flights", () => {
    const log = new LogImage()
    for (const size of [10, 700, 1500]) twoFlights(log, [metadata(1), filled(FrameKind.Batch, size, size & 255)])
    twoFlights(log, [filled(FrameKind.Batch, 2500)])
    const whole = log.file(0).slice()
    const [, , third, fourth] = log.blocks
    for (const block of [third!, fourth!]) {
      for (let sector = block.address; sector < block.address + block.length; sector += 512) {
        log.files.set(0, whole.slice().fill(0, sector, sector + 512))
        const kept = log.blocks.filter((one) => one.sequence < block.sequence)
        expect(log.read(scanned(log))).toEqual(framesOf(log, kept))
      }
    }
  })

  it("says how long the unfinished block was to be", () => {
    const log = new LogImage()
    log.append([metadata(1)])
    const torn = log.append([filled(FrameKind.Metadata, 2000)])
    log.file(0).fill(0, torn.address + 1024, torn.address + 1536)
    expect(scanned(log).tornBytes).toBe(torn.length)
  })

  it("leaves at most two blocks of which nothing says that they were synced", () => {
    const log = new LogImage()
    const unproven = () => scanned(log).unproven.map(({ start, end }) => ({ address: start, length: end - start }))
    const places = () => log.blocks.map(({ address, length }) => ({ address, length }))
    expect(unproven()).toEqual([])
    for (let i = 0; i < 4; i++) {
      log.append([metadata(i)])
      expect(unproven()).toEqual(places().slice(-1))
    }
    twoFlights(log, [metadata(9)])
    expect(unproven()).toEqual(places().slice(-2))
  })

  it("never gives back a block that stood behind it (rule 32)", () => {
    const log = new LogImage()
    log.append([metadata(1)])
    const torn = log.append([metadata(2)])
    log.append([metadata(3)], { durable: 1 })
    log.file(0).fill(0, torn.address, torn.address + 512)
    expect(log.read(scanned(log))).toEqual([metadata(1)])
    // The next start writes its own second block; a third would be the old one's neighbour.
    const first = log.blocks[0]!
    const resumed = new LogImage()
    resumed.files.set(0, log.file(0))
    resumed.append([metadata(1)])
    resumed.restart()
    resumed.append([metadata(20)], { previousCrc: resumed.crc })
    expect(first.sequence).toBe(1)
    expect(resumed.read(scanned(resumed))).toEqual([metadata(1), metadata(20)])
    // Even in the same place the old third block does not follow the new second one.
    const inPlace = new LogImage()
    inPlace.files.set(0, log.file(0))
    inPlace.append([metadata(1)])
    inPlace.salt = { low: 9, high: 9 }
    inPlace.append([metadata(20)])
    expect(inPlace.read(scanned(inPlace))).toEqual([metadata(1), metadata(20)])
  })
})

describe("damage (rule 33)", () => {
  /** Five blocks, each written when the one before was durable, but for the last two, which flew together. */
  const fiveBlocks = () => {
    const log = new LogImage()
    log.append([metadata(1, 2, 3), filled(FrameKind.Batch, 90)])
    log.append([filled(FrameKind.Batch, 2100), metadata(9)])
    log.append([filled(FrameKind.Promise, 30)])
    log.append([metadata(4)])
    log.append([metadata(5)], { durable: 3 })
    return log
  }

  it("is told from a torn tail at every bit: durable blocks are never cut, wrong bytes are never read", () => {
    const log = fiveBlocks()
    const whole = log.file(0).slice()
    for (const block of log.blocks) {
      for (let bit = 0; bit < block.length * 8; bit++) {
        const bytes = whole.slice()
        bytes[block.address + (bit >>> 3)]! ^= 1 << (bit & 7)
        log.files.set(0, bytes)
        const outcome = log.scan()
        const at = `bit ${bit} of block ${block.sequence}`
        if (outcome._tag === "Damaged") {
          const header = bit >>> 3 < BLOCK_HEADER_BYTES && block.address === 0
          expect(block.sequence <= 3 || header, at).toBe(true)
          expect(outcome, at).toMatchObject({ segment: 0, position: block.address })
        } else {
          expect(block.sequence >= 4, at).toBe(true)
          expect(log.read(outcome), at).toEqual(framesOf(log, log.blocks.slice(0, block.sequence - 1)))
        }
      }
    }
  })

  it("is seen across chunks and segments, and when the first block of the head is the damaged one", () => {
    for (const victim of [0, 1, 2, 3, 4, 5]) {
      const log = new LogImage()
      for (let i = 0; i < 4; i++) log.append([filled(FrameKind.Metadata, 5000, i)])
      log.restart()
      for (let i = 4; i < 8; i++) log.append([filled(FrameKind.Metadata, 900, i)])
      const { address } = log.blocks[victim]!
      const at = address % log.segmentBytes
      log.file(Math.floor(address / log.segmentBytes)).fill(0xee, at, at + 64)
      expect(log.scan(), `block ${victim}`).toMatchObject({ _tag: "Damaged" })
    }
  })

  it("is a segment file that is missing between two others, or whose beginning is", () => {
    const log = new LogImage()
    for (let i = 0; i < 6; i++) log.append([filled(FrameKind.Metadata, 6000, i)])
    const missing = new LogImage()
    missing.files.set(0, log.file(0))
    missing.files.set(2, log.file(2))
    expect(missing.scan(log.salt)).toMatchObject({ _tag: "Damaged", segment: 0, position: 14336 })
    log.file(0).fill(0)
    expect(log.scan()).toMatchObject({ _tag: "Damaged", segment: 0, position: 0 })
  })

  it("is not a lowest segment that was released", () => {
    const log = new LogImage()
    for (let i = 0; i < 6; i++) log.append([filled(FrameKind.Metadata, 6000, i)])
    log.files.delete(0)
    expect(log.read(scanned(log))).toEqual(framesOf(log, log.blocks.slice(2)))
  })

  it("cannot be forged by a client inside a record", () => {
    const forged = new LogImage()
    forged.salt = { low: 666, high: 666 }
    forged.sequence = 1000
    forged.append([metadata(6)], { at: 1024 })
    const log = new LogImage()
    log.append([metadata(1)])
    const torn = log.append([{ ...filled(FrameKind.Metadata, 3000), payload: forged.file(0).slice(585, 3000) }])
    log.file(0).set(forged.file(0).subarray(1024, 1536), 1024)
    log.file(0).fill(0, torn.address, torn.address + 512)
    expect(log.read(scanned(log))).toEqual([metadata(1)])
  })

  it("is a log of another format or geometry, said by name", () => {
    const log = new LogImage()
    log.append([metadata(1)])
    const view = new DataView(log.file(0).buffer)
    view.setUint16(8, 2, true)
    expect(log.scan()).toMatchObject({ _tag: "Damaged", reason: expect.stringContaining("format version 2") })
    view.setUint16(8, 1, true)
    const other = new LogImage({ ...SMALL, chunkBytes: 16384 })
    other.files.set(0, log.file(0))
    expect(other.scan()).toMatchObject({ _tag: "Damaged", reason: expect.stringContaining("2^13 bytes") })
  })
})
