/**
 * A disk that forgets and refuses, for tests of everything that must survive one.
 *
 * **What a crash leaves.** Written bytes reach the medium at the sync that follows them; until then each 512-byte sector of
 * each write survives or not by itself, in any order, as the seed says. The same for names: a creation, rename or removal
 * that no sync of the directory followed survives or not, in order or by itself. A sync that fails loses what it was to
 * save, and the next one says that all is well, as kernels do.
 *
 * **What it refuses.** `refuse` is asked before each operation and may name an error code. `ESHORT` on a write leaves its
 * first half. `capacityBytes` bounds what `allocate` and growing writes may take.
 *
 * Syncs end after some turns of the event loop, drawn from the seed, or only by `finishSync` when `manualSyncs` is set.
 */

import { crc32 } from "node:zlib"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { Disk, DiskError, type DiskFile, type DiskOperation } from "@chronik-effect/server/io/Disk.ts"
import { MemoryPages } from "@chronik-effect/server/io/DiskMemory.ts"

const SECTOR_BYTES = 512

interface Write {
  readonly operation: DiskOperation
  readonly position: number
  readonly bytes: Uint8Array
}

/** What a name points to. `now` is the page cache, `durable` the medium. */
interface Inode {
  readonly now: MemoryPages
  readonly durable: MemoryPages
  unsynced: Array<Write>
}

interface Naming {
  readonly directory: string
  readonly apply: (names: Map<string, Inode>) => void
}

interface PendingSync {
  readonly inode: Inode
  readonly path: string
  /** Of the last of the writes that it is to save. */
  readonly operation: DiskOperation | undefined
  readonly writes: ReadonlyArray<Write>
  readonly done: (error: DiskError | undefined) => void
}

const newInode = (): Inode => ({ now: new MemoryPages(), durable: new MemoryPages(), unsynced: [] })
const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")))

export class DiskFaulty {
  readonly service: Disk["Service"]
  refuse: (operation: DiskOperation, path: string) => string | undefined = () => undefined
  manualSyncs = false
  capacityBytes = Number.POSITIVE_INFINITY
  /** Counted: writes, allocations, syncs begun, syncs ended, changes of names. */
  operations = 0
  /** Called after each counted operation; may call `crash`. */
  onOperation: () => void = () => {}
  readonly pendingSyncs: Array<PendingSync> = []
  /** Most syncs that were under way at once. */
  mostSyncs = 0

  readonly #random: Prng
  #names: Map<string, Inode>
  #durableNames: Map<string, Inode>
  readonly #directories: Set<string>
  #namings: Array<Naming> = []
  #dead = false
  #used = 0

  constructor(seed: number, names = new Map<string, Inode>(), directories = new Set<string>()) {
    this.#random = new Prng(seed)
    this.#names = names
    this.#durableNames = new Map(names)
    this.#directories = directories
    this.service = this.#make()
  }

  get alive(): boolean {
    return !this.#dead
  }

  /** The disk as the next start finds it. This one refuses everything from now on, and syncs under way fail. */
  crash(seed: number): DiskFaulty {
    const image = this.image(seed)
    this.#die()
    return image
  }

  /** What a crash now would leave; this disk lives on. */
  image(seed: number): DiskFaulty {
    const random = new Prng(seed)
    const names = new Map(this.#durableNames)
    // Journaling file systems keep a prefix; nothing obliges others to.
    const share = random.pick([0, 0.5, 1])
    const prefix = random.chance(0.5) ? random.below(this.#namings.length + 1) : -1
    this.#namings.forEach((naming, index) => {
      if (prefix < 0 ? random.chance(share) : index < prefix) naming.apply(names)
    })
    const survivors = new Map<Inode, Inode>()
    const result = new Map<string, Inode>()
    for (const [name, inode] of names) {
      const survivor = survivors.get(inode) ?? survive(inode, random)
      survivors.set(inode, survivor)
      result.set(name, survivor)
    }
    return new DiskFaulty(seed, result, new Set(this.#directories))
  }

  /** The process dies, the kernel lives: the next start finds the page cache, and what was not synced still is not. */
  kill(seed: number): DiskFaulty {
    const next = new DiskFaulty(seed, new Map(this.#names), new Set(this.#directories))
    next.#durableNames = new Map(this.#durableNames)
    next.#namings = [...this.#namings]
    this.#die()
    return next
  }

  #die(): void {
    this.#dead = true
    for (const sync of this.pendingSyncs.splice(0)) sync.done(this.#error("datasync", sync.path, "EIO"))
  }

  /** Ends the n-th sync under way, with an error if a code is given. */
  finishSync(index = 0, code?: string): void {
    const [sync] = this.pendingSyncs.splice(index, 1)
    if (sync === undefined) throw new Error(`no sync number ${index} is under way`)
    // Another sync may have saved some of them meanwhile, and later writes over them.
    const writes = sync.inode.unsynced.filter((write) => sync.writes.includes(write))
    if (code === undefined) this.#settle(sync.inode, writes)
    sync.inode.unsynced = sync.inode.unsynced.filter((write) => !writes.includes(write))
    this.#counted()
    sync.done(code === undefined ? undefined : this.#error("datasync", sync.path, code))
  }

  /** Changes a byte on the medium and in the cache. */
  damage(path: string, position: number, mask: number): void {
    const inode = this.#names.get(path)
    if (inode === undefined) throw new Error(`no file ${path}`)
    const byte = new Uint8Array(1)
    inode.now.read(byte, 0, 1, position)
    byte[0]! ^= mask
    inode.now.write(byte, 0, 1, position)
    inode.durable.write(byte, 0, 1, position)
  }

  #error(operation: DiskOperation, path: string, code: string): DiskError {
    return new DiskError({ operation, path, code })
  }

  #ask(operation: DiskOperation, path: string): void {
    const code = this.#dead ? "EIO" : this.refuse(operation, path)
    if (code !== undefined) throw this.#error(operation, path, code)
  }

  #counted(): void {
    this.operations++
    this.onOperation()
  }

  #settle(inode: Inode, writes: ReadonlyArray<Write>): void {
    for (const { position, bytes } of writes) inode.durable.write(bytes, 0, bytes.length, position)
  }

  #write(operation: DiskOperation, path: string, inode: Inode, position: number, bytes: Uint8Array): void {
    const code = this.#dead ? "EIO" : this.refuse(operation, path)
    if (code !== undefined && code !== "ESHORT") throw this.#error(operation, path, code)
    const growth = Math.max(0, position + bytes.length - inode.now.size)
    if (this.#used + growth > this.capacityBytes) throw this.#error(operation, path, "ENOSPC")
    this.#used += growth
    const write = { operation, position, bytes: code === "ESHORT" ? bytes.slice(0, bytes.length / 2) : bytes }
    inode.now.write(write.bytes, 0, write.bytes.length, position)
    inode.unsynced.push(write)
    this.#counted()
    if (code === "ESHORT") throw this.#error(operation, path, code)
  }

  #datasync(path: string, inode: Inode, done: (error: DiskError | undefined) => void): void {
    if (this.#dead) return void setImmediate(() => done(this.#error("datasync", path, "EIO")))
    const operation = inode.unsynced.at(-1)?.operation
    const sync = { inode, path, operation, writes: [...inode.unsynced], done }
    this.pendingSyncs.push(sync)
    this.mostSyncs = Math.max(this.mostSyncs, this.pendingSyncs.length)
    this.#counted()
    if (this.manualSyncs) return
    const end = (turns: number): void => {
      if (turns > 0) return void setImmediate(() => end(turns - 1))
      const index = this.pendingSyncs.indexOf(sync)
      if (index >= 0) this.finishSync(index, this.refuse("datasync", path))
    }
    setImmediate(() => end(this.#random.below(4)))
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
        this.#settle(inode, inode.unsynced)
        inode.unsynced = []
        this.#counted()
      },
      truncate: (length) => {
        this.#ask("truncate", path)
        this.#used -= Math.max(0, inode.now.size - length)
        inode.now.truncate(length)
        inode.durable.truncate(length)
      },
      size: () => inode.now.size,
      close: () => {}
    }
  }

  #rename(naming: Naming): void {
    naming.apply(this.#names)
    this.#namings.push(naming)
    this.#counted()
  }

  #syncNames(directory: string): void {
    // Changes of names reach the journal in order, whichever directory they are of.
    const last = this.#namings.findLastIndex((naming) => naming.directory === directory)
    for (const naming of this.#namings.splice(0, last + 1)) naming.apply(this.#durableNames)
    this.#counted()
  }

  #make(): Disk["Service"] {
    const under = (path: string) => (name: string) => name.startsWith(`${path}/`)
    const remove = (path: string): void => {
      this.#ask("remove", path)
      const inode = this.#names.get(path)
      if (inode === undefined) return
      this.#used -= inode.now.size
      this.#rename({ directory: parentOf(path), apply: (names) => names.delete(path) })
    }
    return Disk.of({
      open: (path, mode) => {
        this.#ask("open", path)
        if (mode === "create") {
          const inode = newInode()
          this.#rename({ directory: parentOf(path), apply: (names) => names.set(path, inode) })
        }
        const inode = this.#names.get(path)
        if (inode === undefined) throw this.#error("open", path, "ENOENT")
        return this.#file(path, inode)
      },
      exists: (path) => this.#names.has(path) || this.#directories.has(path),
      list: (path) => {
        const names = [...this.#names.keys(), ...this.#directories].filter(under(path))
        return [...new Set(names.map((name) => name.slice(path.length + 1).split("/")[0]!))].sort()
      },
      makeDirectory: (path) => {
        const parts = path.split("/")
        for (let i = 1; i <= parts.length; i++) this.#directories.add(parts.slice(0, i).join("/"))
      },
      rename: (from, to) => {
        this.#ask("rename", from)
        if (!this.#names.has(from)) throw this.#error("rename", from, "ENOENT")
        const apply = (names: Map<string, Inode>) => {
          const inode = names.get(from)
          if (inode === undefined) return
          names.delete(from)
          names.set(to, inode)
        }
        this.#rename({ directory: parentOf(to), apply })
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
      },
      syncDirectoryLater: (path, done) => {
        const code = this.#dead ? "EIO" : this.refuse("syncDirectory", path)
        setImmediate(() => {
          if (this.#dead || code !== undefined) return done(this.#error("syncDirectory", path, code ?? "EIO"))
          this.#syncNames(path)
          done(undefined)
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

/** The medium after a crash: of the writes not yet synced, some sectors. */
function survive(inode: Inode, random: Prng): Inode {
  const medium = inode.durable.copy()
  // All, none, or each sector by itself: the extremes are likelier than a coin would make them.
  const share = [0, 1, 0.5, 0.9][random.below(4)]!
  for (const { position, bytes } of inode.unsynced) {
    const end = position + bytes.length
    for (let from = position; from < end; ) {
      const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES)
      if (random.chance(share)) medium.write(bytes, from - position, to - from, from)
      from = to
    }
  }
  return { now: medium, durable: medium.copy(), unsynced: [] }
}
