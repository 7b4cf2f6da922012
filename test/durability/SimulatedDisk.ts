/**
 * A disk in memory that knows what is in the page cache and what is on the medium, for runs that crash everywhere.
 *
 * **Medium.** Bytes reach it at the end of a sync of their file, names at the sync of the very directory that they are in: a
 * directory whose own name was never synced is gone with all it holds. A sync that fails drops what it was to save, and the
 * next one says that all is well, as kernels do.
 *
 * **What a crash leaves** is named, not drawn: `lost` nothing unsynced; `some` each unsynced write and change of a name by
 * itself; `torn` each 512-byte sector of each unsynced write by itself; `killed` the page cache (the process died, the
 * kernel lives), with what was unsynced still unsynced.
 *
 * It differs from `packages/server/test/support/DiskFaulty.ts` in directories (they have names that can be lost, and can be
 * renamed) and in truncation (unsynced like a write). Contents of other tests' faults (bit flips) are there, not here.
 */
import { crc32 } from "node:zlib"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { Disk, DiskError, type DiskFile, type DiskOperation } from "@chronik-effect/server/io/Disk.ts"
import { MemoryPages } from "@chronik-effect/server/io/DiskMemory.ts"

export const LOSSES = ["lost", "some", "torn", "killed"] as const
export type Loss = (typeof LOSSES)[number]

const SECTOR_BYTES = 512
const SYNC_TURNS_MAX = 3

type Change =
  | { readonly _tag: "Write"; readonly position: number; readonly bytes: Uint8Array }
  | { readonly _tag: "Truncate"; readonly length: number }

interface Inode {
  readonly now: MemoryPages
  readonly durable: MemoryPages
  unsynced: Array<Change>
}

type Names = Map<string, Inode | "directory">

interface Naming {
  readonly directory: string
  readonly apply: (names: Names) => void
}

interface PendingSync {
  readonly path: string
  readonly done: (error: DiskError | undefined) => void
}

const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")))
const isUnder = (directory: string, path: string) => path.startsWith(`${directory}/`)

const apply = (pages: MemoryPages, change: Change): void => {
  if (change._tag === "Truncate") pages.truncate(change.length)
  else pages.write(change.bytes, 0, change.bytes.length, change.position)
}

export class SimulatedDisk {
  readonly service: Disk["Service"]
  /** Asked before each operation; a code refuses it. `ESHORT` on a write leaves its first half. */
  refuse: (operation: DiskOperation, path: string) => string | undefined = () => undefined
  /** Boundaries passed: changes of bytes and names, syncs begun, syncs ended. */
  operations = 0
  /** Called at each boundary; may call `crash`. */
  onOperation: (operation: DiskOperation, path: string) => void = () => {}
  /** Operations by kind, for tests that say what must not happen any more. */
  readonly counts = new Map<DiskOperation, number>()

  readonly #random: Prng
  readonly #names: Names
  readonly #durableNames: Names
  #namings: Array<Naming>
  readonly #pending = new Set<PendingSync>()
  #dead = false

  constructor(
    seed: number,
    names: Names = new Map([["/data", "directory"]]),
    durable: Names = new Map(names),
    namings: Array<Naming> = []
  ) {
    this.#random = new Prng(seed)
    this.#names = names
    this.#durableNames = durable
    this.#namings = namings
    this.service = this.#make()
  }

  get alive(): boolean {
    return !this.#dead
  }

  /** The disk as the next start finds it. This one refuses everything from now on. */
  crash(loss: Loss, seed: number): SimulatedDisk {
    this.#dead = true
    setImmediate(() => this.#answerTheDead())
    if (loss === "killed") return new SimulatedDisk(seed, this.#names, this.#durableNames, this.#namings)
    return new SimulatedDisk(seed, survivors(this.#durableNames, this.#namings, loss, new Prng(seed)))
  }

  #answerTheDead(): void {
    for (const sync of this.#pending) sync.done(this.#error("datasync", sync.path, "EIO"))
    this.#pending.clear()
  }

  #error(operation: DiskOperation, path: string, code: string): DiskError {
    return new DiskError({ operation, path, code })
  }

  /** Throws unless the operation may go on. */
  #ask(operation: DiskOperation, path: string): void {
    const code = this.#dead ? "EIO" : this.refuse(operation, path)
    if (code !== undefined) throw this.#error(operation, path, code)
  }

  #passed(operation: DiskOperation, path: string): void {
    if (this.#dead) return
    this.operations++
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1)
    this.onOperation(operation, path)
  }

  #change(inode: Inode, change: Change): void {
    apply(inode.now, change)
    inode.unsynced.push(change)
  }

  #write(operation: DiskOperation, path: string, inode: Inode, position: number, bytes: Uint8Array): void {
    const code = this.#dead ? "EIO" : this.refuse(operation, path)
    if (code === "ESHORT") {
      this.#change(inode, { _tag: "Write", position, bytes: bytes.slice(0, bytes.length >> 1) })
    }
    if (code !== undefined) throw this.#error(operation, path, code)
    this.#change(inode, { _tag: "Write", position, bytes })
    this.#passed(operation, path)
  }

  #datasync(path: string, inode: Inode, done: (error: DiskError | undefined) => void): void {
    if (this.#dead) return void setImmediate(() => done(this.#error("datasync", path, "EIO")))
    const saves = new Set(inode.unsynced)
    const sync: PendingSync = { path, done }
    this.#pending.add(sync)
    this.#passed("datasync", path)
    const end = (turns: number): void => {
      if (turns > 0) return void setImmediate(() => end(turns - 1))
      if (this.#dead || !this.#pending.delete(sync)) return
      const code = this.refuse("datasync", path)
      if (code === undefined) for (const change of inode.unsynced) if (saves.has(change)) apply(inode.durable, change)
      inode.unsynced = inode.unsynced.filter((change) => !saves.has(change))
      this.#passed("datasync", path)
      if (!this.#dead) return done(code === undefined ? undefined : this.#error("datasync", path, code))
      // The medium has it, but nobody lives to hear of it.
      done(this.#error("datasync", path, "EIO"))
    }
    setImmediate(() => end(this.#random.below(SYNC_TURNS_MAX)))
  }

  #file(path: string, inode: Inode): DiskFile {
    return {
      path,
      write: (bytes, start, length, position) =>
        this.#write("write", path, inode, position, bytes.slice(start, start + length)),
      writeLater: (bytes, start, length, position, done) => {
        // It reaches the page cache at some moment before the answer, which comes in a later turn.
        setImmediate(() => {
          try {
            this.#write("write", path, inode, position, bytes.slice(start, start + length))
          } catch (error) {
            if (!(error instanceof DiskError)) throw error
            done(error)
            return
          }
          done(undefined)
        })
      },
      read: (into, at, length, position) => {
        this.#ask("read", path)
        return inode.now.read(into, at, length, position)
      },
      readLater: (into, at, length, position, done) => {
        const code = this.#dead ? "EIO" : this.refuse("read", path)
        setImmediate(() => {
          if (code !== undefined) done(this.#error("read", path, code), 0)
          else done(undefined, inode.now.read(into, at, length, position))
        })
      },
      allocate: (position, length) => this.#write("allocate", path, inode, position, new Uint8Array(length)),
      datasync: (done) => this.#datasync(path, inode, done),
      datasyncNow: () => {
        this.#ask("datasync", path)
        for (const change of inode.unsynced) apply(inode.durable, change)
        inode.unsynced = []
        this.#passed("datasync", path)
      },
      truncate: (length) => {
        this.#ask("truncate", path)
        this.#change(inode, { _tag: "Truncate", length })
        this.#passed("truncate", path)
      },
      size: () => inode.now.size,
      close: () => {}
    }
  }

  #name(operation: DiskOperation, path: string, naming: Naming): void {
    naming.apply(this.#names)
    this.#namings.push(naming)
    this.#passed(operation, path)
  }

  #syncNames(directory: string): void {
    for (const naming of this.#namings) if (naming.directory === directory) naming.apply(this.#durableNames)
    this.#namings = this.#namings.filter((naming) => naming.directory !== directory)
  }

  #makeDirectory(path: string): void {
    if (path === "" || this.#names.has(path)) return
    this.#makeDirectory(parentOf(path))
    this.#ask("makeDirectory", path)
    const make = (names: Names) => names.set(path, "directory")
    this.#name("makeDirectory", path, { directory: parentOf(path), apply: make })
  }

  #open(path: string, mode: "create" | "write" | "read"): DiskFile {
    this.#ask("open", path)
    const known = this.#names.get(path)
    if (known === "directory") throw this.#error("open", path, "EISDIR")
    if (mode !== "create") {
      if (known === undefined) throw this.#error("open", path, "ENOENT")
      return this.#file(path, known)
    }
    if (this.#names.get(parentOf(path)) !== "directory") throw this.#error("open", path, "ENOENT")
    if (known !== undefined) {
      // O_TRUNC keeps the file and its name.
      this.#change(known, { _tag: "Truncate", length: 0 })
      this.#passed("truncate", path)
      return this.#file(path, known)
    }
    const inode: Inode = { now: new MemoryPages(), durable: new MemoryPages(), unsynced: [] }
    this.#name("open", path, { directory: parentOf(path), apply: (names) => names.set(path, inode) })
    return this.#file(path, inode)
  }

  #make(): Disk["Service"] {
    const remove = (path: string): void => {
      this.#ask("remove", path)
      if (!this.#names.has(path)) return
      this.#name("remove", path, { directory: parentOf(path), apply: (names) => removed(names, path) })
    }
    return Disk.of({
      open: (path, mode) => this.#open(path, mode),
      exists: (path) => this.#names.has(path),
      list: (path) =>
        [...this.#names.keys()]
          .filter((n) => parentOf(n) === path)
          .map((n) => n.slice(path.length + 1))
          .sort(),
      makeDirectory: (path) => this.#makeDirectory(path),
      rename: (from, to) => {
        this.#ask("rename", from)
        if (!this.#names.has(from)) throw this.#error("rename", from, "ENOENT")
        this.#name("rename", from, { directory: parentOf(to), apply: (names) => renamed(names, from, to) })
      },
      remove,
      removeLater: (path, done) => {
        let failure: DiskError | undefined
        try {
          remove(path)
        } catch (error) {
          if (!(error instanceof DiskError)) throw error
          failure = error
        }
        setImmediate(() => done(failure))
      },
      syncDirectory: (path) => {
        this.#ask("syncDirectory", path)
        this.#syncNames(path)
        this.#passed("syncDirectory", path)
      },
      syncDirectoryLater: (path, done) => {
        const code = this.#dead ? "EIO" : this.refuse("syncDirectory", path)
        setImmediate(() => {
          if (!this.#dead && code === undefined) {
            this.#syncNames(path)
            this.#passed("syncDirectory", path)
          }
          done(this.#dead || code !== undefined ? this.#error("syncDirectory", path, code ?? "EIO") : undefined)
        })
      },
      space: () => undefined,
      absolute: (path) => path,
      join: (...parts) => parts.join("/").replace(/\/[^/]+\/\.\.$/, ""),
      nowMicros: () => this.operations,
      crc32: (bytes, seed) => crc32(bytes, seed)
    })
  }
}

function renamed(names: Names, from: string, to: string): void {
  const node = names.get(from)
  if (node === undefined) return
  names.delete(from)
  names.set(to, node)
  for (const [path, child] of [...names]) {
    if (!isUnder(from, path)) continue
    names.delete(path)
    names.set(to + path.slice(from.length), child)
  }
}

function removed(names: Names, path: string): void {
  names.delete(path)
  for (const child of [...names.keys()]) if (isUnder(path, child)) names.delete(child)
}

/** What is left of names and bytes when the kernel dies. */
function survivors(durable: Names, namings: ReadonlyArray<Naming>, loss: Loss, random: Prng): Names {
  const names: Names = new Map(durable)
  // Journaling file systems keep a prefix of the changes; nothing obliges others to.
  const prefix = random.chance(0.5) ? random.below(namings.length + 1) : -1
  const share = random.pick([0, 0.5, 1])
  namings.forEach((naming, i) => {
    if (loss !== "lost" && (prefix < 0 ? random.chance(share) : i < prefix)) naming.apply(names)
  })
  const bytesShare = random.pick([0.1, 0.5, 0.9])
  const kept = new Map<Inode, Inode>()
  const left: Names = new Map()
  const hasHome = (path: string): boolean => path === "" || (names.get(path) === "directory" && hasHome(parentOf(path)))
  for (const [path, node] of names) {
    if (!hasHome(parentOf(path))) continue
    if (node === "directory") left.set(path, node)
    else {
      const survivor = kept.get(node) ?? survivorOf(node, loss, bytesShare, random)
      kept.set(node, survivor)
      left.set(path, survivor)
    }
  }
  return left
}

function survivorOf(inode: Inode, loss: Loss, share: number, random: Prng): Inode {
  const medium = inode.durable.copy()
  for (const change of loss === "lost" ? [] : inode.unsynced) {
    if (loss === "some" || change._tag === "Truncate") {
      if (random.chance(share)) apply(medium, change)
      continue
    }
    const { position, bytes } = change
    const end = position + bytes.length
    for (let from = position; from < end; ) {
      const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES)
      if (random.chance(share)) medium.write(bytes, from - position, to - from, from)
      from = to
    }
  }
  return { now: medium, durable: medium.copy(), unsynced: [] }
}
