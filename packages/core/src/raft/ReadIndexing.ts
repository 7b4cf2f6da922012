/**
 * Linearizable reads (dissertation 6.4) and the leader lease (6.4.1, rule 28): when a read may be answered, and with which index.
 *
 * ReadIndex is the default: a read waits until a majority answers a round that was sent after it came. With leases on, the leader
 * answers at once while its lease holds; whoever reads then asks `leaseHolds` again *after* reading the image.
 */

import { sameMember } from "./Entry.ts"
import type { Leadership } from "./Leadership.ts"
import type { ReadIndex, ReadIndexResponse } from "./Message.ts"
import type { Participant } from "./Participant.ts"
import type { LeaderRead } from "./Reads.ts"

/** A read of this node. */
export function readIndex(p: Participant, ticket: number): void {
  const leadership = p.leadership
  if (leadership !== undefined && leaseHolds(p, p.nowMs)) {
    p.reads.push({ ticket, index: p.log.commitIndex, lease: true })
    return
  }
  const unanswered = (leadership?.reads.count ?? 0) + p.forwarded.count
  if (unanswered >= p.options.pendingReadsMax) return p.readRefused(ticket)
  if (leadership !== undefined) leadership.reads.add({ from: undefined, id: ticket })
  else if (p.leader === undefined) p.readRefused(ticket)
  else p.forwarded.add(ticket, p.nowMs + p.options.electionTimeoutMs)
}

/** A read of a follower. It never uses the lease: the follower could not check it after reading. */
export function onReadIndex(p: Participant, m: ReadIndex): void {
  const leadership = p.leadership
  if (m.term < p.term || leadership === undefined || leadership.reads.count >= p.options.pendingReadsMax) {
    p.send({ _tag: "ReadIndexResponse", from: p.self, to: m.from, term: p.term, id: m.id, index: null })
  } else leadership.reads.add({ from: m.from, id: m.id })
}

export function onReadIndexResponse(p: Participant, m: ReadIndexResponse): void {
  if (m.term < p.term || p.leader === undefined || !sameMember(p.leader, m.from)) return
  for (const ticket of p.forwarded.answered(m.id)) p.reads.push({ ticket, index: m.index, lease: false })
}

/** The follower's question of this turn. */
export function forwardReads(p: Participant): void {
  if (p.leader === undefined || p.role === "leader") return
  const id = p.forwarded.ask()
  if (id !== undefined) p.send({ _tag: "ReadIndex", from: p.self, to: p.leader, term: p.term, id })
}

export function expireForwarded(p: Participant): void {
  if (p.forwarded.deadlineMs > p.nowMs) return
  for (const ticket of p.forwarded.expired(p.nowMs)) p.readRefused(ticket)
}

/**
 * Reads wait for a round of their own, but only one such round is under way at a time: under load those that come meanwhile share
 * the next one, and the send times of rounds are remembered long enough for the lease.
 */
export function readsWantRound(p: Participant, leadership: Leadership): boolean {
  if (!leadership.reads.anyWaiting || !p.leaderReady) return false
  return leadership.readRound <= leadership.confirmedRound(p.membership.configuration, p.self)
}

/** A round begins: reads that came before it are confirmed by it, once an entry of this term is committed. */
export function attachReads(p: Participant, leadership: Leadership): void {
  if (!leadership.reads.anyWaiting || !p.leaderReady) return
  leadership.reads.attach(leadership.round, p.log.commitIndex)
  leadership.readRound = leadership.round
}

export function answerConfirmed(p: Participant, leadership: Leadership): void {
  if (leadership.reads.count === 0) return
  const round = leadership.confirmedRound(p.membership.configuration, p.self)
  leadership.reads.confirmed(round, (read, index) => answer(p, read, index))
}

function answer(p: Participant, read: LeaderRead, index: number): void {
  if (read.from === undefined) p.reads.push({ ticket: read.id, index, lease: false })
  else p.send({ _tag: "ReadIndexResponse", from: p.self, to: read.from, term: p.term, id: read.id, index })
}

/**
 * No other leader can have committed anything up to `nowMs`. Rule 28: counted from when the newest round that a majority answered
 * was *sent*, on the monotonic clock, shorter by the drift of clocks, and not once a handover was ordered in this term.
 */
export function leaseHolds(p: Participant, nowMs: number): boolean {
  const leadership = p.leadership
  if (!p.options.lease || leadership === undefined || leadership.leaseGivenUp || !p.leaderReady) return false
  if (p.isVoter && !p.hasOtherVoters) return true
  const sentAtMs = leadership.roundSentAtMs(leadership.confirmedRound(p.membership.configuration, p.self))
  if (sentAtMs === undefined) return false
  return nowMs < sentAtMs + p.options.electionTimeoutMs * (1 - p.options.clockDriftMax)
}
