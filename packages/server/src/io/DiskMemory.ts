/**
 * A disk in memory: for `--ephemeral` and for tests. Every sync succeeds at once and nothing survives the process.
 *
 * A file is a sparse table of 64 KiB pages, so that a preallocated log costs what was written to it. It deliberately
 * simulates no fault: `test/support/DiskFaulty.ts` does, on top of the same pages.
 */
import { crc32 } from "node:zlib"
import { Layer } from "effect"
import { Disk, DiskError, type DiskFile, type DiskOperation } from "./Disk.ts"

const PAGE_BYTES = 64 * 1024

/** Bytes of one file, shared by all that have it open. */
export class MemoryPages {
  size = 0
  #pages: Array<Uint8Array | undefined> = []

  write(bytes: Uint8Array, start: number, length: number, position: number): void {
    let done = 0
    while (done < length) {
      const index = Math.floor((position + done) / PAGE_BYTES)
      const place = (position + done) % PAGE_BYTES
      const n = Math.min(PAGE_BYTES - place, length - done)
      const page = this.#pages[index] ?? new Uint8Array(PAGE_BYTES)
      this.#pages[index] = page
      page.set(bytes.subarray(start + done, start + done + n), place)
      done += n
    }
    this.size = Math.max(this.size, position + length)
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    const end = Math.min(position + length, this.size)
    let from = position
    while (from < end) {
      const page = this.#pages[Math.floor(from / PAGE_BYTES)]
      const place = from % PAGE_BYTES
      const n = Math.min(PAGE_BYTES - place, end - from)
      const target = at + from - position
      if (page === undefined) into.fill(0, target, target + n)
      else into.set(page.subarray(place, place + n), target)
      from += n
    }
    return Math.max(0, end - position)
  }

  /** Zeroes a range: whole pages are simply let go. */
  clear(position: number, length: number): void {
    for (let from = position; from < position + length; ) {
      const place = from % PAGE_BYTES
      const n = Math.min(PAGE_BYTES - place, position + length - from)
      const index = Math.floor(from / PAGE_BYTES)
      if (n === PAGE_BYTES) this.#pages[index] = undefined
      else this.#pages[index]?.fill(0, place, place + n)
      from += n
    }
    this.size = Math.max(this.size, position + length)
  }

  truncate(length: number): void {
    if (length < this.size) this.clear(length, this.size - length)
    this.size = length
  }

  copy(): MemoryPages {
    const copy = new MemoryPages()
    copy.size = this.size
    copy.#pages = this.#pages.map((page) => page?.slice())
    return copy
  }
}

class MemoryFile implements DiskFile {
  readonly path: string
  readonly #pages: MemoryPages

  constructor(path: string, pages: MemoryPages) {
    this.path = path
    this.#pages = pages
  }

  write(bytes: Uint8Array, start: number, length: number, position: number): void {
    this.#pages.write(bytes, start, length, position)
  }
  writeLater(
    bytes: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined) => void
  ): void {
    this.#pages.write(bytes, start, length, position)
    queueMicrotask(() => done(undefined))
  }
  read(into: Uint8Array, at: number, length: number, position: number): number {
    return this.#pages.read(into, at, length, position)
  }
  readLater(
    into: Uint8Array,
    at: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined, bytesRead: number) => void
  ): void {
    queueMicrotask(() => done(undefined, this.#pages.read(into, at, length, position)))
  }
  allocate(position: number, length: number): void {
    this.#pages.clear(position, length)
  }
  datasync(done: (error: DiskError | undefined) => void): void {
    queueMicrotask(() => done(undefined))
  }
  datasyncNow(): void {}
  truncate(length: number): void {
    this.#pages.truncate(length)
  }
  size(): number {
    return this.#pages.size
  }
  close(): void {}
}

const refused = (operation: DiskOperation, path: string, code: string) => new DiskError({ operation, path, code })

/** A disk of its own; two layers share files only if they share this value. */
export const make = (): Disk["Service"] => {
  const files = new Map<string, MemoryPages>()
  const directories = new Set<string>()
  const under = (path: string) => (name: string) => name.startsWith(`${path}/`)
  const remove = (path: string): void => {
    files.delete(path)
    directories.delete(path)
    for (const name of [...files.keys()].filter(under(path))) files.delete(name)
    for (const name of [...directories].filter(under(path))) directories.delete(name)
  }
  return Disk.of({
    open: (path, mode) => {
      if (mode === "create") files.set(path, new MemoryPages())
      const pages = files.get(path)
      if (pages === undefined) throw refused("open", path, "ENOENT")
      return new MemoryFile(path, pages)
    },
    exists: (path) => files.has(path) || directories.has(path),
    list: (path) => {
      const names = new Set<string>()
      for (const name of [...files.keys(), ...directories].filter(under(path))) {
        names.add(name.slice(path.length + 1).split("/")[0]!)
      }
      return [...names].sort()
    },
    makeDirectory: (path) => {
      const parts = path.split("/")
      for (let i = 1; i <= parts.length; i++) directories.add(parts.slice(0, i).join("/"))
    },
    rename: (from, to) => {
      const pages = files.get(from)
      if (pages !== undefined) {
        files.delete(from)
        files.set(to, pages)
        return
      }
      if (!directories.delete(from)) throw refused("rename", from, "ENOENT")
      directories.add(to)
      for (const name of [...files.keys()].filter(under(from))) {
        files.set(to + name.slice(from.length), files.get(name)!)
        files.delete(name)
      }
      for (const name of [...directories].filter(under(from))) {
        directories.delete(name)
        directories.add(to + name.slice(from.length))
      }
    },
    remove,
    removeLater: (path, done) => {
      remove(path)
      queueMicrotask(() => done(undefined))
    },
    syncDirectory: () => {},
    syncDirectoryLater: (_path, done) => queueMicrotask(() => done(undefined)),
    space: () => undefined,
    absolute: (path) => path,
    join: (...parts) => parts.join("/"),
    nowMicros: () => performance.now() * 1000,
    crc32: (bytes, seed) => crc32(bytes, seed)
  })
}

export const layer: Layer.Layer<Disk> = Layer.sync(Disk, make)
