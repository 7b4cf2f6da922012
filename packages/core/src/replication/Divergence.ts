/**
 * Compares a frame with a log, by markers only: two logs that hold the same epoch hold the same content at the same offsets of
 * it, so they can differ only in which epochs they hold and where these end.
 *
 * It decides nothing: the follower truncates, resets or appends by what it says.
 */
import type { Frame } from "./Frame.ts"
import type { Markers } from "./Markers.ts"
import { comparePoints, NOWHERE, type Point } from "./Point.ts"
import type { ReplicaLog } from "./ReplicaLog.ts"

export interface Agreement {
  /** The last place that both hold, walking from the frame's `previous`. */
  readonly agreed: Point
  /** Whether an entry of the frame contradicts the entry held behind `agreed`: the only reason to truncate (rule 2). */
  readonly contradicted: boolean
}

/**
 * Whether this log holds the place that the frame continues. What lies before its own start is a committed prefix, which every
 * later leader has: it counts as held, but across an unclean election (rule 21).
 */
export function holdsPrevious<D>(log: ReplicaLog<D>, frame: Frame<D>): boolean {
  if (log.contains(frame.previous)) return true
  const { start } = log
  const before = comparePoints(frame.previous, start) < 0 && frame.previous.offset <= start.offset
  return before && !log.markers.missUnclean(frame.uncleanEpoch)
}

/** Walks frame and log side by side from `previous`, which the log holds. */
export function lastAgreed<D>(log: ReplicaLog<D>, frame: Frame<D>): Agreement {
  const { start } = log
  const logEnd = log.end.offset
  let epoch = frame.previous.epoch
  for (let i = 0; ; i++) {
    const marker = frame.markers[i]
    // The frame holds records of `epoch` up to here; then a marker, or it ends.
    const until = marker?.offset ?? frame.end.offset
    if (epoch < start.epoch) {
      // Dropped here: only what reaches beyond the own start can contradict.
      if (until > start.offset) return { agreed: { epoch, offset: start.offset }, contradicted: true }
      if (marker === undefined) return { agreed: { epoch, offset: until }, contradicted: false }
      if (marker.epoch > start.epoch) return { agreed: { epoch, offset: until }, contradicted: true }
    } else {
      const held = log.markers.after(epoch)
      const heldUntil = held?.offset ?? logEnd
      if (until < heldUntil) return { agreed: { epoch, offset: until }, contradicted: marker !== undefined }
      if (until > heldUntil) return { agreed: { epoch, offset: heldUntil }, contradicted: held !== undefined }
      const differs = held !== undefined && marker !== undefined && held.epoch !== marker.epoch
      if (marker === undefined || held === undefined || differs) {
        return { agreed: { epoch, offset: until }, contradicted: differs }
      }
    }
    epoch = marker.epoch
  }
}

/** What a mismatch answers: the largest epoch <= the asked one and where it ends here, so that each step retires an epoch (rule 8). */
export function hintFor<D>(log: ReplicaLog<D>, previous: Point): Point {
  const epoch = log.markers.largestTo(previous.epoch)
  return epoch < 0 ? NOWHERE : { epoch, offset: log.markers.endOf(epoch, log.end.offset) }
}

/** The largest place of the leader's log that a follower with this hint may hold; the log start when there is none (rules 7, 8). */
export function largestHeld(markers: Markers, start: Point, logEnd: number, hint: Point): Point {
  let epoch = markers.largestTo(hint.epoch)
  while (epoch >= 0) {
    const end = markers.endOf(epoch, logEnd)
    const offset = epoch === hint.epoch ? Math.min(hint.offset, end) : end
    if (offset >= Math.max(markers.startOf(epoch), start.offset)) return { epoch, offset }
    epoch = markers.largestTo(epoch - 1)
  }
  return start
}

/** Whether a frame is a piece of a log at all: entries in order and inside of it, nothing missing at its end. */
export function wellFormed<D>(frame: Frame<D>): boolean {
  let epoch = frame.previous.epoch
  let offset = frame.previous.offset
  for (const marker of frame.markers) {
    if (marker.epoch <= epoch || marker.offset < offset) return false
    epoch = marker.epoch
    offset = marker.offset
  }
  if (frame.end.epoch !== epoch || frame.end.offset < offset || epoch > frame.epoch) return false
  let end = frame.previous.offset
  for (const [i, batch] of frame.batches.entries()) {
    // The first one may begin before `previous` where the log starts inside a batch (DeleteRecords).
    if ((i > 0 && batch.baseOffset < end) || batch.endOffset <= Math.max(end, batch.baseOffset)) return false
    if (batch.epoch > frame.end.epoch) return false
    end = batch.endOffset
  }
  return frame.bulk ? end <= frame.end.offset : end === frame.end.offset
}
