/**
 * A snapshot while it comes in, chunk by chunk, in order. One at a time, from one leader in one term, bounded by
 * `snapshotBytesMax`. It knows nothing of the log: whether the snapshot is needed was decided before.
 */
import { assert } from "../base/Assert.ts"
import { concatBytes } from "../base/Bytes.ts"
import type { Snapshot } from "./Entry.ts"
import type { SnapshotChunk } from "./Message.ts"

export class Assembly {
  readonly snapshotIndex: number
  readonly snapshotTerm: number
  readonly totalBytes: number
  readonly #configuration: Snapshot["configuration"]
  #parts: Array<Uint8Array> = []
  #receivedBytes = 0
  #complete = false

  constructor(first: SnapshotChunk) {
    this.snapshotIndex = first.snapshotIndex
    this.snapshotTerm = first.snapshotTerm
    this.totalBytes = first.totalBytes
    this.#configuration = first.configuration
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }
  get complete(): boolean {
    return this.#complete
  }

  belongs(chunk: SnapshotChunk): boolean {
    return (
      chunk.snapshotIndex === this.snapshotIndex &&
      chunk.snapshotTerm === this.snapshotTerm &&
      chunk.totalBytes === this.totalBytes
    )
  }

  /** Only the chunk that continues what is here is taken: doubled, overtaken and oversized ones change nothing. */
  add(chunk: SnapshotChunk): void {
    assert(this.belongs(chunk), "a chunk must belong to the snapshot that it is added to")
    if (this.#complete || chunk.offset !== this.#receivedBytes) return
    if (chunk.bytes.length === 0 && this.totalBytes > 0) return
    if (chunk.offset + chunk.bytes.length > this.totalBytes) return
    this.#parts.push(chunk.bytes)
    this.#receivedBytes += chunk.bytes.length
    this.#complete = this.#receivedBytes === this.totalBytes
  }

  finish(): Snapshot {
    assert(this.#complete, "a snapshot must be whole before it is installed")
    const payload = this.#parts.length === 1 ? this.#parts[0]! : concatBytes(this.#parts)
    return { index: this.snapshotIndex, term: this.snapshotTerm, configuration: this.#configuration, payload }
  }
}
