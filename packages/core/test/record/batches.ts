/** Arbitrary records and shared pieces of the record tests. */
import * as fc from "fast-check"
import type { RecordInput } from "../../src/record/BatchBuilder.ts"
import { CompressionFault, type Decompressor } from "../../src/record/Compression.ts"
import { lz4Compress, lz4Decompress } from "../../src/record/Lz4.ts"
import { Codec } from "../../src/record/RecordBatch.ts"
import { snappyCompress, snappyDecompress } from "../../src/record/Snappy.ts"
import type { BatchRules } from "../../src/record/Validation.ts"

const field = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null })

export const recordInput: fc.Arbitrary<Required<RecordInput>> = fc.record({
  timestamp: fc.integer({ min: -1, max: 2 ** 45 }),
  key: field,
  value: fc.oneof(field, fc.uint8Array({ minLength: 100, maxLength: 300 })),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 10 }), value: field }), { maxLength: 3 })
})

/** The two codecs that are pure; gzip and zstd are Node's and are tested with server's io. */
export const compress = (codec: Codec, bytes: Uint8Array): Uint8Array =>
  codec === Codec.LZ4 ? lz4Compress(bytes) : codec === Codec.SNAPPY ? snappyCompress(bytes) : bytes

export const decompress: Decompressor = (codec, bytes, bytesMax) =>
  codec === Codec.LZ4
    ? lz4Decompress(bytes, bytesMax)
    : codec === Codec.SNAPPY
      ? snappyDecompress(bytes, bytesMax)
      : new CompressionFault("corrupt", "This test has no such codec.")

export const NOW = 1_800_000_000_000

export const rules: BatchRules = {
  apiVersion: 9,
  maxMessageBytes: 1_048_588,
  now: NOW,
  timestampType: "CreateTime",
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  compacted: false,
  decompress,
  decompressedBytesMax: 16 * 1024 * 1024
}
