/**
 * The real disk: `node:fs` behind the `Disk` port.
 *
 * Writes and reads of cached pages are plain system calls on the loop (80 µs a MiB); syncs and cold reads go to the thread
 * pool. A write that the kernel cuts short is continued until it is whole or the kernel says why not. It deliberately
 * caches nothing and retries nothing that failed.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { crc32 } from "node:zlib"
import { Layer } from "effect"
import { Disk, DiskError, type DiskFile, type DiskOperation, type OpenMode } from "./Disk.ts"

const ZEROES = new Uint8Array(1 << 20)

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : String(cause)

const refused = (operation: DiskOperation, at: string, cause: unknown) =>
  new DiskError({ operation, path: at, code: codeOf(cause) })

const attempt = <A>(operation: DiskOperation, at: string, run: () => A): A => {
  try {
    return run()
  } catch (cause) {
    throw refused(operation, at, cause)
  }
}

/** The callbacks of a file are numbers and errors only: nothing here allocates on a successful write. */
class NodeDiskFile implements DiskFile {
  readonly path: string
  #descriptor: number

  constructor(at: string, descriptor: number) {
    this.path = at
    this.#descriptor = descriptor
  }

  write(bytes: Uint8Array, start: number, length: number, position: number): void {
    this.#write("write", bytes, start, length, position)
  }

  #write(operation: DiskOperation, bytes: Uint8Array, start: number, length: number, position: number): void {
    let written = 0
    try {
      while (written < length) {
        const n = fs.writeSync(this.#descriptor, bytes, start + written, length - written, position + written)
        if (n === 0) break
        written += n
      }
    } catch (cause) {
      throw refused(operation, this.path, cause)
    }
    if (written < length) throw new DiskError({ operation, path: this.path, code: "ESHORT" })
  }

  writeLater(
    bytes: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined) => void
  ): void {
    fs.write(this.#descriptor, bytes, start, length, position, (cause, written) => {
      if (cause !== null) done(refused("write", this.path, cause))
      else done(written < length ? new DiskError({ operation: "write", path: this.path, code: "ESHORT" }) : undefined)
    })
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    let got = 0
    try {
      while (got < length) {
        const n = fs.readSync(this.#descriptor, into, at + got, length - got, position + got)
        if (n === 0) break
        got += n
      }
    } catch (cause) {
      throw refused("read", this.path, cause)
    }
    return got
  }

  readLater(
    into: Uint8Array,
    at: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined, bytesRead: number) => void
  ): void {
    const next = (got: number): void =>
      fs.read(this.#descriptor, into, at + got, length - got, position + got, (cause, n) => {
        if (cause !== null) done(refused("read", this.path, cause), 0)
        else if (n === 0 || got + n === length) done(undefined, got + n)
        else next(got + n)
      })
    next(0)
  }

  allocate(position: number, length: number): void {
    // Written zeroes, not a hole and not fallocate: the first overwrite of an unwritten extent goes through the journal.
    for (let done = 0; done < length; done += ZEROES.length) {
      this.#write("allocate", ZEROES, 0, Math.min(ZEROES.length, length - done), position + done)
    }
  }

  datasync(done: (error: DiskError | undefined) => void): void {
    fs.fdatasync(this.#descriptor, (cause) => done(cause === null ? undefined : refused("datasync", this.path, cause)))
  }

  datasyncNow(): void {
    attempt("datasync", this.path, () => fs.fdatasyncSync(this.#descriptor))
  }

  truncate(length: number): void {
    attempt("truncate", this.path, () => fs.ftruncateSync(this.#descriptor, length))
  }

  size(): number {
    return attempt("stat", this.path, () => fs.fstatSync(this.#descriptor).size)
  }

  close(): void {
    if (this.#descriptor < 0) return
    const descriptor = this.#descriptor
    this.#descriptor = -1
    attempt("close", this.path, () => fs.closeSync(descriptor))
  }
}

const FLAGS: Record<OpenMode, string> = { create: "w+", write: "r+", read: "r" }

/** Steps in which a large file is shortened before it is unlinked, so that no system call holds the file system's journal long. */
const UNLINK_STEP_BYTES = 128 * 1024 * 1024

/** Calls `then` whether that worked or not: it is the unlinking that must. */
const shorten = (at: string, bytes: number, then: () => void): void => {
  if (bytes <= UNLINK_STEP_BYTES) return then()
  const left = bytes - UNLINK_STEP_BYTES
  fs.truncate(at, left, (cause) => (cause === null ? shorten(at, left, then) : then()))
}

/** Windows cannot open a directory; its file system journals the entries by itself. */
const directoriesSync = process.platform !== "win32"

const disk = Disk.of({
  open: (at, mode) => attempt("open", at, () => new NodeDiskFile(at, fs.openSync(at, FLAGS[mode]))),
  exists: (at) => fs.existsSync(at),
  list: (at) => {
    try {
      return fs.readdirSync(at).sort()
    } catch (cause) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(cause))) return []
      throw refused("list", at, cause)
    }
  },
  makeDirectory: (at) => attempt("makeDirectory", at, () => void fs.mkdirSync(at, { recursive: true })),
  rename: (from, to) => attempt("rename", from, () => fs.renameSync(from, to)),
  remove: (at) => attempt("remove", at, () => fs.rmSync(at, { recursive: true, force: true })),
  removeLater: (at, done) => {
    const remove = () =>
      fs.rm(at, { recursive: true, force: true }, (cause) =>
        done(cause === null ? undefined : refused("remove", at, cause))
      )
    fs.stat(at, (cause, stats) => (cause === null && stats.isFile() ? shorten(at, stats.size, remove) : remove()))
  },
  syncDirectory: (at) => {
    if (!directoriesSync) return
    attempt("syncDirectory", at, () => {
      const descriptor = fs.openSync(at, "r")
      try {
        fs.fsyncSync(descriptor)
      } finally {
        fs.closeSync(descriptor)
      }
    })
  },
  syncDirectoryLater: (at, done) => {
    if (!directoriesSync) return setImmediate(done, undefined) as unknown as void
    fs.open(at, "r", (openCause, descriptor) => {
      if (openCause !== null) return done(refused("syncDirectory", at, openCause))
      fs.fsync(descriptor, (cause) =>
        fs.close(descriptor, (closeCause) =>
          done((cause ?? closeCause) === null ? undefined : refused("syncDirectory", at, cause ?? closeCause))
        )
      )
    })
  },
  space: (at) => {
    try {
      const { bsize, blocks, bavail } = fs.statfsSync(at)
      return { totalBytes: blocks * bsize, usableBytes: bavail * bsize }
    } catch {
      // A file system that does not tell is no failure: the protocol has a word for "unknown".
      return undefined
    }
  },
  absolute: (at) => path.resolve(at),
  join: (...parts) => path.join(...parts),
  nowMicros: () => performance.now() * 1000,
  crc32: (bytes, seed) => crc32(bytes, seed)
})

export const layer: Layer.Layer<Disk> = Layer.succeed(Disk, disk)
