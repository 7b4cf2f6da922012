/**
 * Open files of the partitions, least recently used out first: a bound on descriptors, whatever the number of partitions.
 *
 * A handle may be closed at any later call of `get` unless it is pinned; so nothing keeps one across a suspension without
 * `pin`. Closing a descriptor under an operation in the thread pool would let it hit another file.
 */
import type { Disk, DiskFile } from "../io/Disk.ts"

export const OPEN_FILES_MAX = 512

interface Entry {
  readonly file: DiskFile
  pins: number
}

export class SegmentFileHandles {
  readonly #disk: Disk["Service"]
  readonly #max: number
  /** In order of use, oldest first. */
  readonly #open = new Map<string, Entry>()
  /** Closed by name and still pinned: the name may already be another file's. */
  readonly #doomed = new Map<DiskFile, Entry>()

  constructor(disk: Disk["Service"], max = OPEN_FILES_MAX) {
    this.#disk = disk
    this.#max = max
  }

  get size(): number {
    return this.#open.size
  }

  /** For use within this turn only. Opens for reading and writing; `create` makes the file anew. Throws `DiskError`. */
  get(path: string, create = false): DiskFile {
    return this.#entry(path, create).file
  }

  /** The file, kept open until `unpin`. */
  pin(path: string): DiskFile {
    const entry = this.#entry(path, false)
    entry.pins++
    return entry.file
  }

  unpin(path: string, file: DiskFile): void {
    const entry = this.#open.get(path)
    if (entry !== undefined && entry.file === file) {
      entry.pins--
      return
    }
    const doomed = this.#doomed.get(file)
    if (doomed === undefined || --doomed.pins > 0) return
    this.#doomed.delete(file)
    file.close()
  }

  isPinned(path: string): boolean {
    return (this.#open.get(path)?.pins ?? 0) > 0
  }

  /** Closes the file, now or after its last pin. Its name is free at once. */
  close(path: string): void {
    const entry = this.#open.get(path)
    if (entry === undefined) return
    if (entry.pins === 0) return this.#drop(path, entry)
    this.#open.delete(path)
    this.#doomed.set(entry.file, entry)
  }

  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.close(path)
  }

  #entry(path: string, create: boolean): Entry {
    let entry = this.#open.get(path)
    if (entry !== undefined && !create) {
      // Last in the order of the map is the most recently used one.
      this.#open.delete(path)
      this.#open.set(path, entry)
      return entry
    }
    if (entry !== undefined) this.close(path)
    this.#evict()
    entry = { file: this.#disk.open(path, create ? "create" : "write"), pins: 0 }
    this.#open.set(path, entry)
    return entry
  }

  #evict(): void {
    if (this.#open.size < this.#max) return
    for (const [path, entry] of this.#open) {
      if (entry.pins > 0) continue
      this.#drop(path, entry)
      return
    }
  }

  #drop(path: string, entry: Entry): void {
    this.#open.delete(path)
    entry.file.close()
  }
}
