/**
 * Buffers for reads from files and for the settler: 1 MiB each, used again and again, because a fresh megabyte costs more to
 * touch than to fill.
 *
 * The first ones lie in the memory that CRCs are computed in, so that a batch is checked without a copy. When all are out a
 * plain one is made and forgotten after use; the number of those is the number of answers in flight beyond the pool, which
 * the connections bound.
 */
import { crcMemory } from "@chronik-effect/core/base/Crc32c.ts"
import type { Lease } from "../io/Slabs.ts"

export const BUFFER_BYTES = 1024 * 1024
export const BUFFERS_KEPT = 16

export interface PooledBuffer extends Lease {
  readonly bytes: Uint8Array
}

export class SegmentFileBuffers {
  readonly #kept: number
  readonly #free: Array<Uint8Array> = []
  #made = 0
  /** Leased and not yet released. */
  leased = 0

  constructor(kept = BUFFERS_KEPT) {
    this.#kept = kept
  }

  /** A buffer of at least `length` bytes; of `BUFFER_BYTES` unless more is needed. Contents are arbitrary. */
  lease(length: number): PooledBuffer {
    this.leased++
    if (length > BUFFER_BYTES) return this.#leased(new Uint8Array(length), false)
    const free = this.#free.pop()
    if (free !== undefined) return this.#leased(free, true)
    const pooled = this.#made < this.#kept
    if (pooled) this.#made++
    return this.#leased(pooled ? crcMemory(BUFFER_BYTES) : new Uint8Array(BUFFER_BYTES), pooled)
  }

  #leased(bytes: Uint8Array, pooled: boolean): PooledBuffer {
    let released = false
    return {
      bytes,
      release: () => {
        if (released) return
        released = true
        this.leased--
        if (pooled) this.#free.push(bytes)
      }
    }
  }
}
