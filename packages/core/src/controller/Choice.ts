/** The choice of an election: positions in, the leader out. Knows nothing of time, nodes or messages. */
import { assert } from "../base/Assert.ts"
import { majorityOf } from "../metadata/Replicas.ts"
import type { ReplicaId } from "../replication/Frame.ts"
import { comparePoints, type Point } from "../replication/Point.ts"

/** A counted replica that has promised. */
export interface Promised extends ReplicaId {
  readonly position: Point
  /** Live, on the directory that was counted: what the command will ask of a leader. */
  readonly electable: boolean
  /** Rather not: it lacked its quorum as the leader (rule 15), or it is about to stop. */
  readonly avoided: boolean
  readonly inSync: boolean
}

/**
 * Rule 14: a candidate is eligible when its position is at or beyond that of a majority of the counted replicas, itself
 * included. So it holds everything that a quorum ever acknowledged. The target of a hand-over wins if it is eligible, else
 * the greatest position; among equals the preferred replica, then one in sync, then the first in order.
 *
 * `promised`: in order of preference. Undefined: nobody is eligible, or nobody that is can lead.
 */
export const choose = (
  counted: number,
  promised: ReadonlyArray<Promised>,
  preferred: number,
  target: number | undefined
): Promised | undefined => {
  const majority = majorityOf(counted)
  assert(promised.length <= counted, "more promises than counted replicas")
  // Rule 26: never with fewer than a majority.
  if (promised.length < majority) return undefined
  const eligible = promised.filter((candidate) => {
    const reached = promised.filter((other) => comparePoints(other.position, candidate.position) <= 0)
    return candidate.electable && reached.length >= majority
  })
  const aimed = eligible.find((candidate) => candidate.node === target)
  return aimed ?? best(eligible, preferred)
}

/** Rule 21: without a majority nobody is known to hold what was acknowledged; the greatest position that answered loses least. */
export const chooseUnclean = (promised: ReadonlyArray<Promised>, preferred: number): Promised | undefined =>
  best(
    promised.filter((candidate) => candidate.electable),
    preferred
  )

const best = (candidates: ReadonlyArray<Promised>, preferred: number): Promised | undefined => {
  const wanted = candidates.filter((candidate) => !candidate.avoided)
  const among = wanted.length > 0 ? wanted : candidates
  const score = (candidate: Promised) => (candidate.node === preferred ? 2 : candidate.inSync ? 1 : 0)
  let found: Promised | undefined
  for (const candidate of among) {
    const order = found === undefined ? 1 : comparePoints(candidate.position, found.position)
    if (order > 0 || (order === 0 && score(candidate) > score(found!))) found = candidate
  }
  return found
}
