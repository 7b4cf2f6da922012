import { crc32 } from "node:zlib"
import { Effect } from "effect"
import * as fc from "fast-check"
import { expect, it } from "vitest"
import { Disk, writeWhole } from "../../src/io/Disk.ts"
import * as DiskMemory from "../../src/io/DiskMemory.ts"
import {
  CHECKPOINT_FILE,
  type CheckpointContent,
  encodeCheckpoint,
  readCheckpoint
} from "../../src/storage/Checkpoint.ts"

const disk = Effect.runSync(Disk.pipe(Effect.provide(DiskMemory.layer)))
disk.makeDirectory("/data")

const offset = fc.maxSafeNat()
const list = fc.array(fc.maxSafeInteger(), { maxLength: 8 })
const clean = fc.record({
  logEndOffset: offset,
  files: fc.array(fc.array(fc.maxSafeInteger(), { minLength: 6, maxLength: 6 }), { maxLength: 3 }),
  batches: list,
  producers: fc.uint8Array({ maxLength: 30 })
})
const entry = fc.record(
  { stream: offset, logStartOffset: offset, highWatermark: offset, settledOffset: offset, epochs: list, clean },
  { requiredKeys: ["stream", "logStartOffset", "highWatermark", "settledOffset", "epochs"] }
)
const content: fc.Arbitrary<CheckpointContent> = fc.record({
  address: offset,
  clean: fc.boolean(),
  partitions: fc.array(entry, { maxLength: 5 })
})

const write = (bytes: Uint8Array) => writeWhole(disk, "/data", CHECKPOINT_FILE, bytes)
const encode = (value: CheckpointContent) => encodeCheckpoint(value, (bytes, seed) => crc32(bytes, seed))

it("reads back what was written", () => {
  fc.assert(
    fc.property(content, (value) => {
      write(encode(value))
      expect(readCheckpoint(disk, "/data")).toEqual(value)
    })
  )
})

it("is absent before it was written", () => {
  expect(readCheckpoint(disk, "/nowhere")).toBeUndefined()
})

it("refuses a file in which any bit is another, or the end is missing", () => {
  fc.assert(
    fc.property(content, fc.nat(), fc.nat(7), fc.boolean(), (value, place, bit, cut) => {
      const bytes = encode(value)
      const at = place % bytes.length
      if (cut) write(bytes.subarray(0, at))
      else {
        bytes[at]! ^= 1 << bit
        write(bytes)
      }
      expect(() => readCheckpoint(disk, "/data")).toThrow("damaged or of another version")
    })
  )
})
