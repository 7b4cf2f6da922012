/**
 * Bounds the memory of loaded index files: the least recently used ones are unloaded, whatever the number of partitions.
 */
import type { SegmentFile } from "./SegmentFile.ts"

const INDEX_BYTES_MAX = 24 * 1024 * 1024
/** What the objects around a loaded index cost. */
const OVERHEAD_BYTES = 512

export class SegmentFileIndexes {
  readonly #bytesMax: number
  /** In order of use, oldest first, with what each was counted as. */
  readonly #loaded = new Map<SegmentFile, number>()
  #bytes = 0

  constructor(bytesMax = INDEX_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  used(file: SegmentFile): void {
    this.forget(file)
    const bytes = file.indexBytes + OVERHEAD_BYTES
    this.#loaded.set(file, bytes)
    this.#bytes += bytes
    if (this.#bytes > this.#bytesMax) this.#evict(file)
  }

  forget(file: SegmentFile): void {
    const bytes = this.#loaded.get(file)
    if (bytes === undefined) return
    this.#loaded.delete(file)
    this.#bytes -= bytes
  }

  #evict(keep: SegmentFile): void {
    for (const file of this.#loaded.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      if (file !== keep && file.unloadIndexes()) this.forget(file)
    }
  }
}
