/**
 * Chunks of a TCP stream in, whole frames out: int32 length, then that many bytes.
 *
 * A frame that lies in one chunk is handed out in place; one that spans chunks is put together in memory of its own. The
 * receiver owns the bytes of a frame, but not the rest of the array they lie in: except with `reuse`, where a frame that
 * spans chunks is overwritten by the next such one. That is for readers of large answers that look and forget.
 */
import { EMPTY_BYTES, readInt32 } from "@chronik-effect/core/base/Bytes.ts"

export type OnFrame = (bytes: Uint8Array, start: number, end: number) => void

const LENGTH_BYTES = 4

export class FrameAssembler {
  private readonly onFrame: OnFrame
  private readonly maxFrameBytes: number
  /** The frame under way, with its length prefix; empty when there is none whose length is known. */
  private frame: Uint8Array = EMPTY_BYTES
  private filled = 0
  /** Fewer than 4 bytes: the beginning of a length. */
  private prefix: Uint8Array = EMPTY_BYTES

  /** Undefined: every frame has memory of its own. */
  private spare: Uint8Array | undefined

  constructor(maxFrameBytes: number, onFrame: OnFrame, reuse = false) {
    this.maxFrameBytes = maxFrameBytes
    this.onFrame = onFrame
    this.spare = reuse ? EMPTY_BYTES : undefined
  }

  /** Takes a chunk. Throws a RangeError on an impossible length: the stream is then worth nothing. */
  push(chunk: Uint8Array): void {
    let bytes = chunk
    if (this.frame.length > 0) {
      const taken = Math.min(bytes.length, this.frame.length - this.filled)
      this.frame.set(bytes.subarray(0, taken), this.filled)
      this.filled += taken
      if (this.filled < this.frame.length) return
      const whole = this.frame
      this.frame = EMPTY_BYTES
      this.onFrame(whole, LENGTH_BYTES, whole.length)
      bytes = bytes.subarray(taken)
    } else if (this.prefix.length > 0) {
      const joined = new Uint8Array(this.prefix.length + bytes.length)
      joined.set(this.prefix)
      joined.set(bytes, this.prefix.length)
      this.prefix = EMPTY_BYTES
      bytes = joined
    }
    this.scan(bytes)
  }

  private scan(bytes: Uint8Array): void {
    let at = 0
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = readInt32(bytes, at)
      if (length < 0 || length > this.maxFrameBytes) {
        throw new RangeError(`a frame of ${length} bytes was announced, and ${this.maxFrameBytes} is the limit`)
      }
      const size = LENGTH_BYTES + length
      if (bytes.length - at < size) {
        this.frame = this.memory(size)
        this.frame.set(bytes.subarray(at))
        this.filled = bytes.length - at
        return
      }
      this.onFrame(bytes, at + LENGTH_BYTES, at + size)
      at += size
    }
    this.prefix = at === bytes.length ? EMPTY_BYTES : bytes.slice(at)
  }

  private memory(size: number): Uint8Array {
    if (this.spare === undefined) return new Uint8Array(size)
    if (this.spare.length < size) this.spare = new Uint8Array(size)
    return this.spare.subarray(0, size)
  }
}
