/**
 * The codecs of record batches: the implementation of core's `Compressor` and `Decompressor` ports.
 *
 * gzip and zstd are Node's own; LZ4 and snappy are core's, because of their framing (see `Lz4.ts`, `Snappy.ts`). All are
 * synchronous: a batch is at most a few MiB, and the hot path stores producers' bytes as they come. `bytesMax` bounds what
 * a hostile batch can make us allocate.
 */
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib"
import { CompressionFault, type Compressor, type Decompressor } from "@chronik-effect/core/record/Compression.ts"
import { lz4Compress, lz4Decompress } from "@chronik-effect/core/record/Lz4.ts"
import { CODEC_NAMES, Codec } from "@chronik-effect/core/record/RecordBatch.ts"
import { snappyCompress, snappyDecompress } from "@chronik-effect/core/record/Snappy.ts"

/** LZ4 and snappy have one level. */
export const compress: Compressor = (codec, bytes, level) => {
  switch (codec) {
    case Codec.NONE:
      return bytes
    case Codec.GZIP:
      return gzipSync(bytes, { level: level ?? constants.Z_DEFAULT_COMPRESSION })
    case Codec.SNAPPY:
      return snappyCompress(bytes)
    case Codec.LZ4:
      return lz4Compress(bytes)
    case Codec.ZSTD:
      return zstdCompressSync(bytes, {
        params: { [constants.ZSTD_c_compressionLevel]: level ?? constants.ZSTD_CLEVEL_DEFAULT }
      })
  }
}

export const decompress: Decompressor = (codec, bytes, bytesMax) => {
  switch (codec) {
    case Codec.NONE:
      return bytes.length <= bytesMax ? bytes : tooLarge(codec, bytesMax)
    case Codec.GZIP:
      return guarded(codec, gunzipSync, bytes, bytesMax)
    case Codec.SNAPPY:
      return snappyDecompress(bytes, bytesMax)
    case Codec.LZ4:
      return lz4Decompress(bytes, bytesMax)
    case Codec.ZSTD:
      return guarded(codec, zstdDecompressSync, bytes, bytesMax)
  }
}

type NodeDecompress = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array

/** Node's codecs throw; what they throw is data of the client, so it becomes a value. */
function guarded(
  codec: Codec,
  nodeDecompress: NodeDecompress,
  bytes: Uint8Array,
  bytesMax: number
): Uint8Array | CompressionFault {
  try {
    // Node refuses a limit of 0 bytes as an argument.
    const output = nodeDecompress(bytes, { maxOutputLength: Math.max(1, bytesMax) })
    return output.length <= bytesMax ? output : tooLarge(codec, bytesMax)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      return tooLarge(codec, bytesMax)
    const reason = error instanceof Error ? error.message : String(error)
    return new CompressionFault("corrupt", `The ${CODEC_NAMES[codec]} data is broken: ${reason}.`)
  }
}

function tooLarge(codec: Codec, bytesMax: number): CompressionFault {
  return new CompressionFault(
    "tooLarge",
    `The ${CODEC_NAMES[codec]} data holds more than the allowed ${bytesMax} bytes.`
  )
}
