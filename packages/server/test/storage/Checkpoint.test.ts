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
const numbers = {
  stream: offset,
  logStartOffset: offset,
  highWatermark: offset,
  settledOffset: offset,
  cleanedOffset: offset,
  deleteHorizonMillis: fc.oneof(offset, fc.constant(Number.POSITIVE_INFINITY)),
  epochs: list
}
const entry = fc.record(
  { ...numbers, clean },
  {
    requiredKeys: [
      "stream",
      "logStartOffset",
      "highWatermark",
      "settledOffset",
      "cleanedOffset",
      "deleteHorizonMillis",
      "epochs"
    ]
  }
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

it("reads one of before compaction was noted", () => {
  // One partition: stream 7, start 1, high watermark 9, settled 5, not clean, the epochs 0 and 2.
  const numbers = [4096, 0, 1, 7, 1, 9, 5, 0, 4, 0, 0, 2, 3]
  const bytes = new Uint8Array(8 + 8 * numbers.length)
  const view = new DataView(bytes.buffer)
  numbers.forEach((value, i) => {
    view.setFloat64(8 + 8 * i, value, true)
  })
  view.setUint32(0, 0x3250_4b43, true)
  view.setUint32(4, crc32(bytes.subarray(8)), true)
  write(bytes)
  expect(readCheckpoint(disk, "/data")?.partitions).toEqual([
    {
      stream: 7,
      logStartOffset: 1,
      highWatermark: 9,
      settledOffset: 5,
      cleanedOffset: 0,
      deleteHorizonMillis: Number.POSITIVE_INFINITY,
      epochs: [0, 0, 2, 3]
    }
  ])
})
