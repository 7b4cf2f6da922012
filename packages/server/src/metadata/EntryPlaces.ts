/**
 * Where in the WAL the entries of the metadata log lie that no snapshot covers: what must be in a snapshot before a WAL segment
 * is recycled (rule 31). One row an entry, ascending in index and in address; an entry that replaces others takes theirs away.
 *
 * Owned by whoever writes and recovers the frames. It holds no payload.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"

interface Place {
  readonly index: number
  readonly address: number
  readonly bytes: number
}

export class EntryPlaces {
  /** Of the frames of all rows. */
  bytes = 0
  readonly #rows: Array<Place> = []

  /** Rows at and beyond `index` are gone: the entry begins a new suffix of the log. */
  add(index: number, address: number, bytes: number): void {
    this.cut(index)
    const last = this.#rows.at(-1)
    assert(last === undefined || last.index === index - 1, "entries of the metadata log are consecutive")
    assert(last === undefined || last.address < address, "entries of the metadata log lie in the order of the WAL")
    this.#rows.push({ index, address, bytes })
    this.bytes += bytes
  }

  cut(index: number): void {
    for (let last = this.#rows.at(-1); last !== undefined && last.index >= index; last = this.#rows.at(-1)) {
      this.bytes -= last.bytes
      this.#rows.pop()
    }
  }

  /** A snapshot covers everything up to `index`. */
  covered(index: number): void {
    const kept = this.#rows.findIndex((row) => row.index > index)
    for (const row of this.#rows.splice(0, kept < 0 ? this.#rows.length : kept)) this.bytes -= row.bytes
  }

  /** The last entry whose frame begins below the address; undefined when there is none. */
  lastBelow(address: number): number | undefined {
    return this.#rows.findLast((row) => row.address < address)?.index
  }
}
