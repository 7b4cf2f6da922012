/**
 * The port to the disk: files, directories, and the two things that belong to a commit (a monotonic clock and the native
 * CRC-32 of zlib). Everything in `storage/` does its I/O through this service, so that a simulated disk can lose, tear and
 * refuse what a real one may lose, tear and refuse.
 *
 * Operations are synchronous and throw `DiskError`, because a commit and a read of cached pages must not pay a trip through
 * the thread pool; only `datasync`, `readLater` and `writeLater` go there and answer by callback. It deliberately knows nothing of
 * segments, blocks or indexes, and never retries: a failed write or sync is the caller's defect to fence.
 *
 * Bytes belong to the caller; an implementation keeps no reference to them after the call (after the callback for
 * `readLater`).
 */
import { Context, Data } from "effect"

export type DiskOperation =
  | "open"
  | "read"
  | "write"
  | "allocate"
  | "truncate"
  | "datasync"
  | "close"
  | "rename"
  | "remove"
  | "list"
  | "stat"
  | "makeDirectory"
  | "syncDirectory"

/** What the operating system refused. `code` is its own word (`ENOSPC`, `EIO`, …), or `ESHORT` for a write cut short. */
export class DiskError extends Data.TaggedError("DiskError")<{
  readonly operation: DiskOperation
  readonly path: string
  readonly code: string
}> {
  override get message() {
    return `The disk refused to ${this.operation} ${this.path}: ${this.code}.`
  }
}

/** `create` makes or empties it, `write` opens what exists for reading and writing, `read` only for reading. */
export type OpenMode = "create" | "write" | "read"

export interface DiskFile {
  readonly path: string
  /** Writes all of `bytes[start, start + length)` at `position`, or throws: less than all is an error, never a retry. */
  readonly write: (bytes: Uint8Array, start: number, length: number, position: number) => void
  /**
   * The same in the thread pool, for large writes that no client waits for: copying them into the page cache, and the kernel's
   * braking when too much there is dirty, must not stop the event loop. `bytes` are the disk's until `done`, which is called
   * exactly once, never before `writeLater` returned.
   */
  readonly writeLater: (
    bytes: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined) => void
  ) => void
  /** Reads up to `length` bytes; answers how many there were (fewer only at the end of the file). */
  readonly read: (into: Uint8Array, at: number, length: number, position: number) => number
  /** The same in the thread pool, for data that is probably not in the page cache. `into` is the disk's until `done`. */
  readonly readLater: (
    into: Uint8Array,
    at: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined, bytesRead: number) => void
  ) => void
  /** Makes [position, position + length) zero bytes that occupy space, so that a later write there cannot run out of it. */
  readonly allocate: (position: number, length: number) => void
  /** fdatasync in the thread pool. `done` is called exactly once, never before `datasync` returned. */
  readonly datasync: (done: (error: DiskError | undefined) => void) => void
  /** fdatasync on the caller's thread: only at start and stop. */
  readonly datasyncNow: () => void
  readonly truncate: (length: number) => void
  readonly size: () => number
  /** Idempotent. */
  readonly close: () => void
}

export interface DiskSpace {
  readonly totalBytes: number
  readonly usableBytes: number
}

export class Disk extends Context.Service<
  Disk,
  {
    readonly open: (path: string, mode: OpenMode) => DiskFile
    readonly exists: (path: string) => boolean
    /** Names (not paths) in a directory, sorted; empty when there is no such directory. */
    readonly list: (path: string) => ReadonlyArray<string>
    /** With all its parents; fine when it exists. */
    readonly makeDirectory: (path: string) => void
    readonly rename: (from: string, to: string) => void
    /** A file or an empty or full directory; fine when it does not exist. */
    readonly remove: (path: string) => void
    /** The same in the thread pool: freeing the blocks of a large file takes tens of milliseconds. */
    readonly removeLater: (path: string, done: (error: DiskError | undefined) => void) => void
    /** Creations, renames and removals in a directory survive a crash only after this. On the caller's thread. */
    readonly syncDirectory: (path: string) => void
    readonly syncDirectoryLater: (path: string, done: (error: DiskError | undefined) => void) => void
    /** `a/b` with the platform's separator. */
    readonly join: (...parts: ReadonlyArray<string>) => string
    /** Bytes of the file system that `path` lies on, and those that are free for us; undefined where nobody knows. */
    readonly space: (path: string) => DiskSpace | undefined
    /** The path from the root on, for people who do not stand where this process does. */
    readonly absolute: (path: string) => string
    /** Monotonic microseconds: the stamps of commits. `performance.now() * 1000` on a real disk. */
    readonly nowMicros: () => number
    /** zlib's CRC-32, native; `seed` is the CRC of what came before. */
    readonly crc32: (bytes: Uint8Array, seed?: number) => number
  }
>()("chronik/Disk") {}

/** Reads a small file whole. */
export const readWhole = (disk: Disk["Service"], path: string): Uint8Array => {
  const file = disk.open(path, "read")
  try {
    const bytes = new Uint8Array(file.size())
    return bytes.subarray(0, file.read(bytes, 0, bytes.length, 0))
  } finally {
    file.close()
  }
}

/** Replaces a small file so that a crash leaves the old or the new one: write beside it, sync, rename, sync directory. */
export const writeWhole = (disk: Disk["Service"], directory: string, name: string, bytes: Uint8Array): void => {
  const temporary = disk.join(directory, `${name}.tmp`)
  const file = disk.open(temporary, "create")
  try {
    file.write(bytes, 0, bytes.length, 0)
    file.datasyncNow()
  } finally {
    file.close()
  }
  disk.rename(temporary, disk.join(directory, name))
  disk.syncDirectory(directory)
}
