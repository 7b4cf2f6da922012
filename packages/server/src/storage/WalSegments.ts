/**
 * The files of the write-ahead log.
 *
 * `<sequence, 20 digits>.wal` are live segments, the highest of them the head (or the spare made ready to follow it);
 * `<sequence>.free` wait to be recycled. A file is filled with written zeroes once and from then on only overwritten and
 * renamed, because a write into a growing file pays the journal of the file system at each sync.
 *
 * States: spare → head → sealed → released → spare under the next number, or free where there are enough spares. A spare may follow the head as soon as a
 * part of it is filled and its name is durable; filling goes on ahead of the writer, in slices. Frames are reserved only
 * where the file is filled, so that a full disk is met here and never by the write of a block.
 *
 * Released segments leave in order, lowest first, each rename synced before its number can matter: what is on disk is
 * always one contiguous stretch of the log.
 *
 * The maintainer begins when the blocks of the node's start are on disk, or with the first frame that finds no room: before
 * that its writes and syncs would only stand in the way of the start.
 *
 * The maintainer's fiber (`maintain`) owns spare, free and every file operation but block writes, syncs and reads. No space
 * (or no descriptor) left is waited out, a second at a time; any other refusal ends the log.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { Effect } from "effect"
import type { Disk, DiskError, DiskFile } from "../io/Disk.ts"
import { Signal } from "./WalSignal.ts"

export interface SegmentFile {
  readonly sequence: number
  path: string
  readonly file: DiskFile
  /** Bytes from the start that exist as written zeroes or old blocks. */
  filled: number
  readonly startAddress: number
  /** End of the last block; meaningful once it is no longer the head. */
  endAddress: number
  sealed: boolean
  released: boolean
}

export interface SegmentLimits {
  readonly directory: string
  readonly segmentBytes: number
  readonly segmentsMax: number
  /** Whether names and zeroes have to reach the disk. */
  readonly syncs: boolean
  /** The maintainer begins when so many blocks are on disk. */
  readonly startBlocks: number
}

/** One step of the filler: short enough not to be seen in the latency of a commit. */
export const SLICE_BYTES = 1 << 20
const SPARES_MAX = 2
/** Recycled files beyond this are removed. */
const FREE_MAX = 3
const RETRY_AFTER_NO_SPACE = "1 second"

/** Codes that time or an operator can heal. */
const isShortage = (error: DiskError) => ["ENOSPC", "EDQUOT", "EMFILE", "ENFILE"].includes(error.code)

export const liveName = (sequence: number) => `${String(sequence).padStart(20, "0")}.wal`
export const freeName = (sequence: number) => `${String(sequence).padStart(20, "0")}.free`

export class WalSegments {
  /** Ascending; the last one is the head. */
  readonly live: Array<SegmentFile>
  readonly free: Array<SegmentFile>
  /** Ready to follow the head, in order: the syncs of the directory that one costs must not be waited for at full speed. */
  readonly #spares: Array<SegmentFile> = []
  /** Somebody waits for a filled file: be quick rather than gentle. */
  demanded = false
  #begun = false
  #blocks = 0
  /** The last attempt to make or fill a file met a full disk. */
  noSpace = false
  /** Something was made, freed, or found impossible: whoever waits for room should look again. */
  onProgress: () => void = () => {}

  readonly #disk: Disk["Service"]
  readonly #limits: SegmentLimits
  readonly #signal = new Signal()
  readonly #bySequence = new Map<number, SegmentFile>()

  constructor(disk: Disk["Service"], limits: SegmentLimits, live: Array<SegmentFile>, free: Array<SegmentFile>) {
    assert(live.length > 0, "the log needs a head segment")
    this.#disk = disk
    this.#limits = limits
    this.live = live
    this.free = free
    for (const segment of live) this.#bySequence.set(segment.sequence, segment)
  }

  /** Follows the head at once, if there is one. */
  get spare(): SegmentFile | undefined {
    return this.#spares[0]
  }

  get head(): SegmentFile {
    return this.live[this.live.length - 1]!
  }

  bySequence(sequence: number): SegmentFile | undefined {
    return this.#bySequence.get(sequence)
  }

  /** The spare becomes the head. `endAddress` is where the old head's last block ends. */
  advance(endAddress: number): SegmentFile {
    const next = this.#spares.shift()
    assert(next !== undefined, "the log can go on only into a segment that is ready")
    this.head.endAddress = endAddress
    this.live.push(next)
    this.#bySequence.set(next.sequence, next)
    this.#signal.notifyLater()
    return next
  }

  release(sequence: number): void {
    const segment = this.#bySequence.get(sequence)
    if (segment === undefined || segment.released) return
    assert(segment.sealed, "a WAL segment may be released only after it was sealed")
    segment.released = true
    this.#signal.notifyLater()
  }

  /** Called with every block that is on disk. */
  blockDone(): void {
    if (++this.#blocks >= this.#limits.startBlocks) this.#begin()
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#signal.notifyLater()
  }

  demand(): void {
    this.demanded = true
    this.#begin()
  }

  closeAll(): void {
    for (const segment of [...this.live, ...this.#spares, ...this.free]) {
      segment.file.close()
    }
  }

  /** The maintainer. Fails only with what waiting cannot heal. */
  readonly maintain: Effect.Effect<never, DiskError> = Effect.suspend(() => this.#loop())

  readonly #loop = Effect.fnUntraced(function* (this: WalSegments) {
    while (!this.#begun) yield* this.#signal.wait
    while (true) {
      const outcome = yield* Effect.result(this.#turn())
      if (outcome._tag === "Success") {
        if (outcome.success === "idle") yield* this.#signal.wait
        continue
      }
      if (!isShortage(outcome.failure)) return yield* Effect.fail(outcome.failure)
      yield* attempt(() => this.#dropSpare())
      this.noSpace = true
      this.#report()
      yield* Effect.timeoutOption(this.#signal.wait, RETRY_AFTER_NO_SPACE)
    }
  })

  /** One small piece of work, or none to do. */
  readonly #turn = Effect.fnUntraced(function* (this: WalSegments): Effect.fn.Return<"worked" | "idle", DiskError> {
    if (this.live.length > 1 && this.live[0]!.released) {
      yield* this.#recycle()
    } else if (this.head.filled < this.#limits.segmentBytes) {
      yield* this.#fillGently(this.head)
    } else if (this.#spares.length === 0 && this.live.length < this.#limits.segmentsMax) {
      yield* this.#makeSpare()
    } else if (this.#unfilledSpare !== undefined) {
      yield* this.#fillGently(this.#unfilledSpare)
    } else return "idle"
    this.noSpace = false
    this.#report()
    return "worked"
  })

  get #unfilledSpare(): SegmentFile | undefined {
    return this.#spares.find((spare) => spare.filled < this.#limits.segmentBytes)
  }

  get #nextSequence(): number {
    return (this.#spares.at(-1) ?? this.head).sequence + 1
  }

  #report(): void {
    this.demanded = false
    this.onProgress()
  }

  /** One slice; synced at once, so that no commit's sync has to carry 64 MiB of zeroes, unless somebody waits for it. */
  readonly #fillGently = Effect.fnUntraced(function* (this: WalSegments, segment: SegmentFile) {
    yield* attempt(() => this.#fill(segment))
    if (this.#limits.syncs && !this.demanded) yield* synced(segment.file)
    else yield* Effect.yieldNow
  })

  #fill(segment: SegmentFile): void {
    const length = Math.min(SLICE_BYTES, this.#limits.segmentBytes - segment.filled)
    segment.file.allocate(segment.filled, length)
    segment.filled += length
  }

  /** One at a time: a crash may keep a later change of names and lose an earlier one until the directory is synced. */
  readonly #recycle = Effect.fnUntraced(function* (this: WalSegments) {
    const segment = this.live[0]!
    const spare = yield* attempt(() => this.#takeOut(segment))
    this.live.shift()
    this.#bySequence.delete(segment.sequence)
    yield* this.#namesSynced
    if (spare !== undefined) this.#spares.push(spare)
  })

  /** Answers the spare that it has become, if one is wanted. */
  #takeOut(segment: SegmentFile): SegmentFile | undefined {
    if (this.#spares.length < SPARES_MAX) return this.#rename(segment)
    if (this.free.length < FREE_MAX) {
      const path = this.#disk.join(this.#limits.directory, freeName(segment.sequence))
      this.#disk.rename(segment.path, path)
      segment.path = path
      this.free.push(segment)
    } else {
      segment.file.close()
      this.#disk.remove(segment.path)
    }
    return undefined
  }

  #rename(from: SegmentFile): SegmentFile {
    const sequence = this.#nextSequence
    const path = this.#disk.join(this.#limits.directory, liveName(sequence))
    this.#disk.rename(from.path, path)
    return enlist(from, sequence, path, this.#limits.segmentBytes)
  }

  readonly #makeSpare = Effect.fnUntraced(function* (this: WalSegments) {
    const recycled = this.free.at(-1)
    const spare = yield* attempt(() => (recycled === undefined ? this.#create() : this.#rename(recycled)))
    if (recycled !== undefined) this.free.pop()
    yield* this.#namesSynced
    this.#spares.push(spare)
  })

  #create(): SegmentFile {
    const sequence = this.#nextSequence
    const path = this.#disk.join(this.#limits.directory, liveName(sequence))
    const segment = createSegment(this.#disk, sequence, path, this.#limits.segmentBytes)
    try {
      this.#fill(segment)
      return segment
    } catch (error) {
      segment.file.close()
      this.#disk.remove(path)
      throw error
    }
  }

  /** Gives the space back: settling and metadata need it more than an unfinished spare. */
  #dropSpare(): void {
    const spare = this.#spares.at(-1)
    if (spare === undefined || spare.filled === this.#limits.segmentBytes) return
    this.#spares.pop()
    spare.file.close()
    this.#disk.remove(spare.path)
  }

  readonly #namesSynced: Effect.Effect<void, DiskError> = Effect.suspend(() =>
    this.#limits.syncs
      ? Effect.uninterruptible(
          Effect.callback<void, DiskError>((resume) =>
            this.#disk.syncDirectoryLater(this.#limits.directory, (error) =>
              resume(error === undefined ? Effect.void : Effect.fail(error))
            )
          )
        )
      : Effect.void
  )
}

export function createSegment(
  disk: Disk["Service"],
  sequence: number,
  path: string,
  segmentBytes: number
): SegmentFile {
  return enlist({ file: disk.open(path, "create"), filled: 0 }, sequence, path, segmentBytes)
}

/** A file under a (new) number: everything that belonged to its last use is forgotten. */
export function enlist(
  from: Pick<SegmentFile, "file" | "filled">,
  sequence: number,
  path: string,
  segmentBytes: number
): SegmentFile {
  const startAddress = sequence * segmentBytes
  return {
    sequence,
    path,
    file: from.file,
    filled: from.filled,
    startAddress,
    endAddress: startAddress,
    sealed: false,
    released: false
  }
}

// A sync in the pool works on a descriptor: nobody may close it meanwhile, so it is not interrupted.
const synced = (file: DiskFile): Effect.Effect<void, DiskError> =>
  Effect.uninterruptible(
    Effect.callback<void, DiskError>((resume) =>
      file.datasync((error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
    )
  )

/** What the disk throws as a failure; anything else stays a defect. */
const attempt = <A>(run: () => A): Effect.Effect<A, DiskError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      if (isDiskError(error)) return Effect.fail(error)
      throw error
    }
  })

const isDiskError = (error: unknown): error is DiskError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "DiskError"
