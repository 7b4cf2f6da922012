/**
 * The segment files of one partition, in offset order, and their directory `topics/<topic>-<partition>.<topic id>/`, which
 * appears with the first file.
 *
 * Files are disjoint and adjacent. A cut (`truncateTo`) counts in memory at once; on disk it is done by `applyCuts`, which
 * the settler calls when the note of the cut in the WAL is durable: before that a crash must still find the old bytes.
 * Removed files (`removeBelow`, a cut) are unlinked in the background.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { DiskError } from "../io/Disk.ts"
import type { SegmentFile } from "./SegmentFile.ts"
import type { Swap } from "./SegmentSwap.ts"
import type { StoreContext } from "./SegmentsContext.ts"

export const DELETED_SUFFIX = ".deleted"
export const LEADER_EPOCH_FILE = "leader-epoch-checkpoint"

export const partitionDirectoryName = (topic: string, partition: number, topicId: string): string =>
  `${topic}-${partition}.${topicId}`

/** The topic id that a directory name ends in; undefined when it is none of ours. */
export const topicIdOfDirectory = (name: string): string | undefined => /^.+-\d+\.([\w-]{22})$/.exec(name)?.[1]

const NO_FILES: Array<SegmentFile> = []

export class Segments {
  readonly context: StoreContext
  readonly directory: string
  /** In offset order. Replaced, never changed, by those who remove; the settler appends. */
  files: Array<SegmentFile> = NO_FILES
  /** Whether the directory exists, and its entry is durable. */
  directoryExists = false
  /** Content of the leader epoch file as last written. */
  writtenEpochs = ""
  /** Files whose length changed and was not yet synced. */
  readonly unsynced = new Set<SegmentFile>()
  /** Files were renamed or removed, and the directory was not yet synced. */
  namesUnsynced = false
  /** The directory was synced since the start: what a killed process had put there may have had no durable name. */
  namesRecovered = false
  /** Swaps of the cleaner that have taken place in memory and not in all names; oldest first. */
  readonly unfinished: Array<Swap> = []
  /** Why the cleaner must leave this partition alone until the next start. */
  notCleanable: string | undefined
  /** Cut in memory, not yet on disk. */
  #cuts: Array<{ readonly file: SegmentFile; readonly removed: boolean }> = []

  constructor(context: StoreContext, directory: string) {
    this.context = context
    this.directory = directory
  }

  /** First offset behind the files; -1 when there are none. */
  get endOffset(): number {
    return this.files.length === 0 ? -1 : this.files.at(-1)!.endOffset
  }
  get firstOffset(): number {
    return this.files.length === 0 ? -1 : this.files[0]!.baseOffset
  }
  get bytes(): number {
    let bytes = 0
    for (const file of this.files) bytes += file.size
    return bytes
  }
  get hasCuts(): boolean {
    return this.#cuts.length > 0 || this.unsynced.size > 0 || this.namesUnsynced
  }

  /** The file that holds `offset`, which must lie between first and end offset. */
  find(offset: number): SegmentFile {
    let low = 0
    let high = this.files.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.files[middle]!.endOffset <= offset) low = middle + 1
      else high = middle
    }
    assert(low < this.files.length, "an offset below the end of the files must lie in one of them")
    return this.files[low]!
  }

  add(file: SegmentFile): void {
    if (this.files.length === 0) this.files = [file]
    else this.files.push(file)
  }

  /** Base of the batch in which `offset` lies. Throws `StorageError`. */
  batchStart(offset: number): number {
    if (offset >= this.endOffset) return this.endOffset < 0 ? offset : this.endOffset
    if (offset < this.firstOffset) return this.firstOffset
    return this.find(offset).locate(offset).baseOffset
  }

  /** `file` takes the place of `old`, which are neighbours. */
  replace(old: ReadonlyArray<SegmentFile>, file: SegmentFile): void {
    const at = this.files.indexOf(old[0]!)
    assert(at >= 0 && this.files[at + old.length - 1] === old.at(-1), "only neighbours in the log are replaced")
    this.files = [...this.files.slice(0, at), file, ...this.files.slice(at + old.length)]
    for (const one of old) this.unsynced.delete(one)
  }

  /** Removes the file of a swap that did not take place. While it is there, nothing here may be cleaned. */
  removeOrKeepFromCleaning(path: string): void {
    try {
      this.context.disk.remove(path)
      this.namesUnsynced = true
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      this.notCleanable = error.message
      this.context.report(
        `The log in ${this.directory} is not compacted any more until the next start. ${error.message}`
      )
    }
  }

  /** Cuts at `offset`, the base of a batch. Throws `StorageError`. */
  truncateTo(offset: number): void {
    if (offset >= this.endOffset) return
    const kept = this.files.filter((file) => file.baseOffset < offset)
    for (const file of this.files.slice(kept.length)) {
      file.version++
      this.#cuts.push({ file, removed: true })
    }
    const last = kept.at(-1)
    if (last !== undefined && last.endOffset > offset) {
      last.size = last.locate(offset).position
      last.endOffset = offset
      last.version++
      last.cutIndexes()
      this.#cuts.push({ file: last, removed: false })
    }
    this.files = kept
  }

  /** Forgets the files that lie wholly below `offset`. */
  removeBelow(offset: number): void {
    if (this.files.length === 0 || this.files[0]!.endOffset > offset) return
    for (const file of this.files) {
      if (file.endOffset > offset) continue
      this.unsynced.delete(file)
      this.#remove(file)
    }
    this.files = this.files.filter((file) => file.endOffset > offset)
  }

  /** Does on disk what was cut in memory. Only when the cut's note in the WAL is durable. Throws `DiskError`. */
  applyCuts(): void {
    const { disk, handles } = this.context
    for (const { file, removed } of this.#cuts) {
      if (!removed) {
        if (!this.files.includes(file)) continue
        handles.get(file.logPath).truncate(file.size)
        this.unsynced.add(file)
        continue
      }
      for (const path of file.paths) {
        // A new file of this name may come at once; the old one must be out of its way.
        handles.close(path)
        if (!disk.exists(path)) continue
        disk.rename(path, path + DELETED_SUFFIX)
        this.namesUnsynced = true
        this.context.removeLater(path + DELETED_SUFFIX)
      }
    }
    this.#cuts = []
  }

  /** `applyCuts`, synced on the caller's thread: only at the stop. Throws `DiskError`. */
  applyCutsNow(): void {
    if (!this.hasCuts) return
    this.applyCuts()
    for (const file of this.unsynced) this.context.handles.get(file.logPath).datasyncNow()
    this.unsynced.clear()
    if (this.namesUnsynced) this.context.disk.syncDirectory(this.directory)
    this.namesUnsynced = false
  }

  /** Readers in flight keep what they have begun to read. */
  #remove(file: SegmentFile): void {
    file.whenUnread(() => {
      for (const path of file.paths) this.context.removeLater(path)
    })
  }
}
