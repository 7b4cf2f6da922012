/**
 * A place in a partition's log: (leader epoch, offset), ordered by epoch first.
 *
 * A log *contains* (e, o) iff it holds the marker of e and start(e) <= o <= end(e), where end(e) is the next marker's start or
 * the log end. A marker is an entry of zero width, so (e, o) and (e + 1, o) are different places: an offset alone never says
 * which entries are held (replication rules 1 and 4).
 */
export interface Point {
  readonly epoch: number
  readonly offset: number
}

/** Every log begins with epoch 0 at offset 0 until its start moves: CreateTopic is election 0 and has no marker round. */
export const ORIGIN: Point = { epoch: 0, offset: 0 }

export const comparePoints = (a: Point, b: Point): number => a.epoch - b.epoch || a.offset - b.offset

export const samePoint = (a: Point, b: Point): boolean => a.epoch === b.epoch && a.offset === b.offset

/** Before every log: nothing is held (or nothing is known to be durable yet). */
export const NOWHERE: Point = { epoch: -1, offset: -1 }

export const minPoint = (a: Point, b: Point): Point => (comparePoints(a, b) <= 0 ? a : b)

export const maxPoint = (a: Point, b: Point): Point => (comparePoints(a, b) >= 0 ? a : b)
