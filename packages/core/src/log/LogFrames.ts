/**
 * Payloads of the WAL frames that change one partition's log other than by a batch.
 *
 * ```
 *   Truncate       offset i64   everything at or beyond it is cut, in files too
 *                  [epoch i32]  of the place that stays: markers at the offset that are not its own go. Absent: all of them go
 *   Reset          offset i64, epoch i32   the whole log is dropped and begins there, in that epoch
 *   LogStart       offset i64   everything below it is gone; beyond the log end: the log is reset to begin there
 *   HighWatermark  offset i64   everything below it is committed
 *   Marker         (epoch i32, start offset i64)…   leader epochs that begin, oldest first
 * ```
 * Batch frames hold the record batch verbatim and need no codec.
 */
import { readInt32, readInt64, writeInt32, writeInt64 } from "../base/Bytes.ts"

export const OFFSET_FRAME_BYTES = 8
export const POINT_FRAME_BYTES = 12
export const MARKER_FRAME_BYTES = 12

export const writeOffsetFrame = (into: Uint8Array, at: number, offset: number): void => writeInt64(into, at, offset)

export const readOffsetFrame = (bytes: Uint8Array, at: number): number => readInt64(bytes, at)

/** A place in the log: of Truncate and Reset. */
export const writePointFrame = (into: Uint8Array, at: number, epoch: number, offset: number): void => {
  writeInt64(into, at, offset)
  writeInt32(into, at + OFFSET_FRAME_BYTES, epoch)
}

/** The epoch of a place; -1 in a frame that names the offset only. */
export const readPointFrameEpoch = (bytes: Uint8Array, at: number, length: number): number =>
  length >= POINT_FRAME_BYTES ? readInt32(bytes, at + OFFSET_FRAME_BYTES) : -1

export const writeMarkerFrame = (into: Uint8Array, at: number, epoch: number, startOffset: number): void => {
  writeInt32(into, at, epoch)
  writeInt64(into, at + 4, startOffset)
}

export const readMarkerFrame = (
  bytes: Uint8Array,
  at: number,
  length: number,
  visit: (epoch: number, startOffset: number) => void
): void => {
  for (let pos = at; pos + MARKER_FRAME_BYTES <= at + length; pos += MARKER_FRAME_BYTES) {
    visit(readInt32(bytes, pos), readInt64(bytes, pos + 4))
  }
}
