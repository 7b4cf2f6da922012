/**
 * Buffers for reads from files and for the settler, in two sizes, used again and again, because fresh memory costs more to
 * touch than to fill.
 *
 * The first ones lie in the memory that CRCs are computed in, so that a batch is checked without a copy. When all of a size
 * are out a plain one is made and forgotten after use; the number of those is the number of answers in flight beyond the
 * pool, which the connections bound.
 */
import { crcMemory } from "@chronik-effect/core/base/Crc32c.ts"
import type { Lease } from "../io/Slabs.ts"

export const BUFFER_BYTES = 1024 * 1024
export const BUFFERS_KEPT = 16
/** For the answers of clients that fetch in small pieces: a batch of Kafka's usual largest size and the way to it. */
const SMALL_BYTES = 128 * 1024
const SMALL_KEPT = 48

export interface PooledBuffer extends Lease {
  readonly bytes: Uint8Array
}

/** Buffers of one size. */
class Pool {
  readonly bytes: number
  readonly #kept: number
  readonly #free: Array<Uint8Array> = []
  #made = 0

  constructor(bytes: number, kept: number) {
    this.bytes = bytes
    this.#kept = kept
  }

  /** A kept one, or undefined when all are out. */
  take(): Uint8Array | undefined {
    const free = this.#free.pop()
    if (free !== undefined || this.#made === this.#kept) return free
    this.#made++
    return crcMemory(this.bytes)
  }

  put(bytes: Uint8Array): void {
    this.#free.push(bytes)
  }

  get capacityBytes(): number {
    return this.bytes * this.#kept
  }
}

export class SegmentFileBuffers {
  readonly #large: Pool
  readonly #small = new Pool(SMALL_BYTES, SMALL_KEPT)
  /** Leased and not yet released. */
  leased = 0
  #leasedBytes = 0

  constructor(kept = BUFFERS_KEPT) {
    this.#large = new Pool(BUFFER_BYTES, kept)
  }

  /** More than half of what is kept is out: who can do with less memory should. */
  get scarce(): boolean {
    return this.#leasedBytes > (this.#large.capacityBytes + this.#small.capacityBytes) / 2
  }

  /** A buffer of at least `length` bytes. Contents are arbitrary. */
  lease(length: number): PooledBuffer {
    if (length > BUFFER_BYTES) return this.#leased(new Uint8Array(length), undefined)
    const pool = length <= SMALL_BYTES ? this.#small : this.#large
    const kept = pool.take()
    return this.#leased(kept ?? new Uint8Array(pool.bytes), kept === undefined ? undefined : pool)
  }

  #leased(bytes: Uint8Array, pool: Pool | undefined): PooledBuffer {
    this.leased++
    this.#leasedBytes += bytes.length
    let released = false
    return {
      bytes,
      release: () => {
        if (released) return
        released = true
        this.leased--
        this.#leasedBytes -= bytes.length
        pool?.put(bytes)
      }
    }
  }
}
