/**
 * How many bytes of entries lie before an index, remembered coarsely after the entries themselves are gone from memory.
 *
 * A mark every so many bytes; when there are too many, every other one goes and the spacing doubles, so that the error stays a
 * small part of the whole. Owned by the log; only the decision when to make a snapshot relies on it.
 */
const MARKS_MAX = 256
const SPACING_BYTES = 16 * 1024

export class ByteMarks {
  #spacingBytes = SPACING_BYTES
  readonly #indexes: Array<number> = []
  readonly #totals: Array<number> = []

  /** Entries up to `index` have `totalBytes` together. Called for rising indexes. */
  note(index: number, totalBytes: number): void {
    const count = this.#totals.length
    if (count > 0 && totalBytes - this.#totals[count - 1]! < this.#spacingBytes) return
    this.#indexes.push(index)
    this.#totals.push(totalBytes)
    if (this.#totals.length > MARKS_MAX) this.#thin()
  }

  /** Marks at or beyond `index` no longer hold. */
  cutFrom(index: number): void {
    while (this.#indexes.length > 0 && this.#indexes[this.#indexes.length - 1]! >= index) {
      this.#indexes.pop()
      this.#totals.pop()
    }
  }

  /** Total bytes at the last mark at or before `index`, or `fallbackBytes`; older marks are forgotten. */
  takeUpTo(index: number, fallbackBytes: number): number {
    let passed = 0
    while (passed < this.#indexes.length && this.#indexes[passed]! <= index) passed++
    if (passed === 0) return fallbackBytes
    const total = this.#totals[passed - 1]!
    this.#indexes.splice(0, passed)
    this.#totals.splice(0, passed)
    if (this.#totals.length < MARKS_MAX / 8) this.#spacingBytes = SPACING_BYTES
    return Math.max(total, fallbackBytes)
  }

  #thin(): void {
    this.#spacingBytes *= 2
    let kept = 0
    for (let i = 1; i < this.#totals.length; i += 2) {
      this.#indexes[kept] = this.#indexes[i]!
      this.#totals[kept++] = this.#totals[i]!
    }
    this.#indexes.length = kept
    this.#totals.length = kept
  }
}
