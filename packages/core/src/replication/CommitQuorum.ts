/** How far a set of counted replicas has committed a leader's log: rules 6, 17 and 26 as arithmetic. */
import { assert } from "../base/Assert.ts"

export const majorityOf = (counted: number): number => Math.floor(counted / 2) + 1

/**
 * Q: replicas that must hold a record durably. Never less than a majority, whatever `minInSync` says (rule 26), and never more
 * than there are: with fewer replicas than `minInSync` an append with acks=all is refused, as in Kafka, while one with acks=1
 * commits and can be read.
 */
export const quorumOf = (counted: number, minInSync: number): number =>
  Math.min(counted, Math.max(majorityOf(counted), minInSync))

/** Nothing is held by enough replicas that have the leader's marker. */
export const NOT_HELD = -1

export interface Held {
  /** A majority holds the leader's marker and everything below this offset; `NOT_HELD` when the marker is not on a majority. */
  readonly byMajority: number
  /** The same of Q replicas. */
  readonly byQuorum: number
}

/**
 * `offsets`: one entry a counted replica, the end of its verified and durable prefix where that lies in the leader's own epoch,
 * else `NOT_HELD` (rule 1: an offset that equals the marker's start does not show that the marker is held).
 */
export function heldBy(offsets: ReadonlyArray<number>, minInSync: number): Held {
  const falling = offsets.toSorted((a, b) => b - a)
  const held = {
    byMajority: falling[majorityOf(falling.length) - 1] ?? NOT_HELD,
    byQuorum: falling[quorumOf(falling.length, minInSync) - 1] ?? NOT_HELD
  }
  assert(held.byQuorum <= held.byMajority, "what a quorum holds, a majority must hold")
  return held
}

/**
 * Rule 6: with the marker on a majority everything before it is committed (Raft section 5.4.2, the marker as the no-op of the
 * term); beyond its start Q replicas are asked for.
 */
export const committedBy = (held: Held, markerOffset: number): number =>
  held.byMajority === NOT_HELD ? NOT_HELD : Math.max(markerOffset, held.byQuorum)
