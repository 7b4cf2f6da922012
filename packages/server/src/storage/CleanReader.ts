/**
 * Walks the batches of a segment file for the cleaner, in large pieces by way of the thread pool, each batch checked.
 *
 * It gives the event loop its turn after a third of a millisecond of work and keeps to `log.cleaner.io.max.bytes.per.second`. The
 * file is kept on the disk by its caller (`retain`); that it was cut meanwhile ends the walk.
 */
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { Effect } from "effect"
import type { DiskError } from "../io/Disk.ts"
import { batchSizeAt, type Landing, type SegmentFile } from "./SegmentFile.ts"
import { BUFFER_BYTES, type PooledBuffer } from "./SegmentFileBuffers.ts"
import type { StorageError } from "./SegmentsContext.ts"
import { attempt } from "./SettlerSync.ts"

/** The event loop's turn comes after it: a record that is being acknowledged needs several, and each may find us at work. */
const SLICE_MICROS = 300
const BATCHES_A_SLICE = 1_000

/** Sleeps as much as it takes to stay below a number of bytes a second. */
export interface Throttle {
  readonly used: (bytes: number) => Effect.Effect<void>
}

/** What to do before the next batch; `stop` ends the walk, as the end of the file does. The bytes stay as they are until that is done. */
export type Visit = (
  bytes: Uint8Array,
  pos: number,
  size: number
) => Effect.Effect<void, DiskError | StorageError> | "stop" | undefined

/** Whether the walk came to its end: false when the file was cut under it. */
export const walkBatches = Effect.fnUntraced(function* (
  file: SegmentFile,
  landing: Landing,
  throttle: Throttle,
  visit: Visit
): Effect.fn.Return<boolean, DiskError | StorageError> {
  const walk = new Walk(file, landing, visit)
  const { version } = file
  return yield* Effect.gen(function* () {
    while (walk.position < file.size) {
      const length = yield* walk.fill
      if (file.version !== version) return false
      yield* throttle.used(length)
      walk.begin(length)
      for (let next = yield* attempt(() => walk.step()); next !== "more"; next = yield* attempt(() => walk.step())) {
        if (next === "stop") return true
        yield* next
        if (file.version !== version) return false
      }
    }
    return true
  }).pipe(Effect.ensuring(Effect.sync(() => walk.release())))
})

class Walk {
  position: number
  readonly #file: SegmentFile
  readonly #visit: Visit
  readonly #landingLastOffset: number
  #expected: number
  #buffer: PooledBuffer
  #length = 0
  #pos = 0

  constructor(file: SegmentFile, landing: Landing, visit: Visit) {
    this.#file = file
    this.#visit = visit
    this.position = landing.position
    this.#expected = landing.baseOffset
    this.#landingLastOffset = landing.lastOffset
    this.#buffer = file.context.buffers.lease(BUFFER_BYTES)
  }

  release(): void {
    this.#buffer.release()
  }

  /** The next piece, from `position` on. */
  readonly fill: Effect.Effect<number, DiskError | StorageError> = Effect.suspend(() => {
    const file = this.#file
    const { handles } = file.context
    const path = file.logPath
    const want = Math.min(this.#buffer.bytes.length, file.size - this.position)
    return Effect.flatMap(
      attempt(() => handles.pin(path)),
      (handle) =>
        Effect.callback<number, DiskError>((resume) =>
          handle.readLater(this.#buffer.bytes, 0, want, this.position, (error, length) => {
            handles.unpin(path, handle)
            resume(error === undefined ? Effect.succeed(length) : Effect.fail(error))
          })
        )
    )
  }).pipe(Effect.uninterruptible)

  begin(length: number): void {
    this.#length = length
    this.#pos = 0
  }

  /** Visits batches until there is something to do in between. `more`: the piece is used up. Throws `StorageError`. */
  step(): Effect.Effect<void, DiskError | StorageError> | "stop" | "more" {
    const { bytes } = this.#buffer
    const { disk } = this.#file.context
    const since = disk.nowMicros()
    for (let seen = 0; this.#pos + RecordBatch.HEADER_BYTES <= this.#length; seen++) {
      // A crash may have brought back a tail that was cut: the offsets say where the file ends.
      if (this.#expected === this.#file.endOffset) return "stop"
      if (seen > 0 && (seen === BATCHES_A_SLICE || disk.nowMicros() - since > SLICE_MICROS)) return Effect.yieldNow
      const size = this.#sizeAt(this.#pos)
      if (this.#pos + size > this.#length) break
      if (!RecordBatch.verifyCrc(bytes, this.#pos)) throw this.#damaged("has a wrong checksum")
      const pos = this.#pos
      this.#expected = RecordBatch.endOffset(bytes, pos)
      const next = this.#visit(bytes, pos, size)
      if (next === "stop") return next
      this.#pos += size
      if (next !== undefined) return next
    }
    return this.#more()
  }

  #more(): "more" {
    if (this.#pos === 0) {
      const size = this.#length < RecordBatch.HEADER_BYTES ? 0 : this.#sizeAt(0)
      if (size <= this.#buffer.bytes.length) throw this.#damaged("is cut off")
      const { buffers } = this.#file.context
      this.#buffer.release()
      this.#buffer = buffers.lease(size)
    }
    this.position += this.#pos
    this.#pos = this.#length = 0
    return "more"
  }

  #sizeAt(pos: number): number {
    const { bytes } = this.#buffer
    const size = batchSizeAt(bytes, pos, this.#expected, this.#file.size - this.position - pos)
    const landed = this.#expected >= 0 || RecordBatch.lastOffset(bytes, pos) === this.#landingLastOffset
    if (size > 0 && landed) return size
    throw this.#file.damaged(`there is no batch that continues the log at position ${this.position + pos}`)
  }

  #damaged(what: string) {
    return this.#file.damaged(`the batch at position ${this.position + this.#pos} ${what}`)
  }
}
