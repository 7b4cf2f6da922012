/**
 * The port through which pure code reaches the codecs; `server/io/Compression.ts` is the implementation.
 *
 * Both directions answer by value: compressed bytes come from clients, so that they are broken or blow up to gigabytes is
 * an expected outcome.
 */
import type { Codec } from "./RecordBatch.ts"

/** Why bytes could not be decompressed. */
export class CompressionFault {
  readonly _tag = "CompressionFault"
  /** `corrupt`: not what the codec writes. `tooLarge`: more than the allowed bytes would come out. */
  readonly kind: "corrupt" | "tooLarge"
  /** A sentence. */
  readonly message: string

  constructor(kind: "corrupt" | "tooLarge", message: string) {
    this.kind = kind
    this.message = message
  }
}

/** Returns fresh bytes (or, for `Codec.NONE`, the same), never more than `bytesMax`. Never throws. */
export type Decompressor = (codec: Codec, bytes: Uint8Array, bytesMax: number) => Uint8Array | CompressionFault

/** Returns fresh bytes (or, for `Codec.NONE`, the same). `level` as in `compression.<codec>.level`; absent: the codec's own. */
export type Compressor = (codec: Codec, bytes: Uint8Array, level?: number) => Uint8Array
