/**
 * The memory of the log's head: four chunks, used in turn, that hold the image of the last 48 to 64 MiB of the log.
 *
 * It is commit buffer, replication frame and tail cache at once: bytes are copied in once and read as views. The chunk of an
 * address is `floor(address / chunkBytes) % 4`, its place `address % chunkBytes`. Chunks are allocated when first entered and
 * touched as they fill.
 *
 * A view is good until the ring comes round to its chunk. Who must keep it longer takes a lease; a leased chunk is left to
 * its readers and replaced by a fresh one, so that a reader that stopped reading stalls nobody. At most
 * `DETACHED_CHUNKS_MAX` such chunks, then leases are refused and readers copy.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import type { Lease } from "../io/Slabs.ts"

export const RING_CHUNKS = 4
export const DETACHED_CHUNKS_MAX = 4

interface Chunk {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Address of its first byte, or -1 while nothing was put there. */
  base: number
  leases: number
  detached: boolean
}

export class CommitRing {
  readonly chunkBytes: number
  readonly #mask: number
  readonly #chunks: Array<Chunk | undefined> = new Array(RING_CHUNKS).fill(undefined)
  #detached = 0

  constructor(chunkBytes: number) {
    this.chunkBytes = chunkBytes
    this.#mask = chunkBytes - 1
  }

  get detachedChunks(): number {
    return this.#detached
  }

  chunkAt(address: number): Uint8Array {
    return this.#chunkOf(address).bytes
  }

  /** Over the same bytes as `chunkAt`. */
  dataViewAt(address: number): DataView {
    return this.#chunkOf(address).view
  }

  placeAt(address: number): number {
    // The low bits survive the conversion to 32 bits, whatever the address.
    return address & this.#mask
  }

  holds(address: number, length: number): boolean {
    const chunk = this.#chunks[(address / this.chunkBytes) & (RING_CHUNKS - 1)]
    if (chunk === undefined || chunk.base < 0) return false
    return address >= chunk.base && address + length <= chunk.base + this.chunkBytes
  }

  /** The chunk that begins at `base` takes the place of the one four before, whose bytes must be on disk by now. */
  enter(base: number): void {
    assert(base % this.chunkBytes === 0, "the ring is entered at the start of a chunk")
    const slot = (base / this.chunkBytes) & (RING_CHUNKS - 1)
    let chunk = this.#chunks[slot]
    if (chunk !== undefined && chunk.leases > 0) {
      chunk.detached = true
      this.#detached++
      chunk = undefined
    }
    if (chunk === undefined) chunk = this.#chunks[slot] = makeChunk(this.chunkBytes)
    chunk.base = base
  }

  lease(address: number): Lease | undefined {
    if (this.#detached >= DETACHED_CHUNKS_MAX || !this.holds(address, 0)) return undefined
    const chunk = this.#chunkOf(address)
    chunk.leases++
    return new ChunkLease(this, chunk)
  }

  /** For `ChunkLease` only. */
  endLease(chunk: Chunk): void {
    chunk.leases--
    assert(chunk.leases >= 0, "a chunk's lease cannot end twice")
    if (chunk.leases === 0 && chunk.detached) this.#detached--
  }

  #chunkOf(address: number): Chunk {
    const chunk = this.#chunks[(address / this.chunkBytes) & (RING_CHUNKS - 1)]
    if (chunk === undefined) throw new Error("no frame was ever reserved in this chunk of the ring")
    return chunk
  }
}

class ChunkLease implements Lease {
  readonly #ring: CommitRing
  #chunk: Chunk | undefined

  constructor(ring: CommitRing, chunk: Chunk) {
    this.#ring = ring
    this.#chunk = chunk
  }

  release = (): void => {
    const chunk = this.#chunk
    this.#chunk = undefined
    if (chunk !== undefined) this.#ring.endLease(chunk)
  }
}

function makeChunk(chunkBytes: number): Chunk {
  const bytes = new Uint8Array(chunkBytes)
  return { bytes, view: new DataView(bytes.buffer), base: -1, leases: 0, detached: false }
}
