/**
 * Payloads of the WAL frames that change one partition's log other than by a batch.
 *
 * ```
 *   Truncate       offset i64   everything at or beyond it is cut, in files too
 *   LogStart       offset i64   everything below it is gone; beyond the log end: the log is reset to begin there
 *   HighWatermark  offset i64   everything below it is committed
 *   Marker         (epoch i32, start offset i64)…   leader epochs that begin, oldest first
 * ```
 * Batch frames hold the record batch verbatim and need no codec.
 */
import { readInt32, readInt64, writeInt32, writeInt64 } from "../base/Bytes.ts"

export const OFFSET_FRAME_BYTES = 8
export const MARKER_FRAME_BYTES = 12

export const writeOffsetFrame = (into: Uint8Array, at: number, offset: number): void => writeInt64(into, at, offset)

export const readOffsetFrame = (bytes: Uint8Array, at: number): number => readInt64(bytes, at)

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
