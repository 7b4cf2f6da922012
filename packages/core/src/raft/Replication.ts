/**
 * The leader's side: what each peer is sent, what its answers mean, and what is committed.
 *
 * Everything is sent by `flush`, once a turn, so that all that came in a turn shares its messages. Sending overlaps the leader's
 * own write; the leader's place in the quorum waits for it.
 */
import { assert } from "../base/Assert.ts"
import { becomeFollower } from "./Election.ts"
import type { Entry } from "./Entry.ts"
import type { Leadership } from "./Leadership.ts"
import { entryBytes } from "./Log.ts"
import type { AppendResponse, SnapshotResponse } from "./Message.ts"
import type { Participant } from "./Participant.ts"
import type { Progress } from "./Progress.ts"
import { answerConfirmed, attachReads, readsWantRound } from "./ReadIndexing.ts"
import { onChunkAnswered, sendChunks } from "./SnapshotTransfer.ts"

/** Everything that the leader has to say now. */
export function flush(p: Participant, leadership: Leadership): void {
  assert(p.persistence.hardStateDurable, "a leader must not send in a term that a crash would make it forget")
  const alone = leadership.peers.length === 0
  const broadcast = (leadership.roundWanted && !alone) || readsWantRound(p, leadership)
  if (broadcast) {
    leadership.beginRound(p.nowMs)
    leadership.heartbeatDueMs = p.nowMs + p.options.heartbeatMs
    attachReads(p, leadership)
  }
  for (const peer of leadership.peers) sendTo(p, leadership, peer, broadcast)
  if (leadership.handover !== undefined) orderCampaign(p, leadership)
  answerConfirmed(p, leadership)
}

function sendTo(p: Participant, leadership: Leadership, peer: Progress, broadcast: boolean): void {
  if (peer.state !== "snapshot" && !p.log.reaches(peer.next)) peer.becomeSnapshot()
  const sent = !peer.silent && sendLog(p, leadership, peer)
  if (sent) return
  // Told at once, also when there is nothing else to say: a follower's readers wait for it.
  const commitNews = peer.state === "replicate" && Math.min(p.log.commitIndex, peer.match) > peer.commitSent
  if (broadcast || commitNews) sendAppend(p, leadership, peer, [])
}

/** Entries or chunks, as far as the peer's state allows. Returns whether anything was sent. */
function sendLog(p: Participant, leadership: Leadership, peer: Progress): boolean {
  let sent = false
  switch (peer.state) {
    case "probe":
      if (!peer.probing) {
        sendProbe(p, leadership, peer)
        sent = true
      }
      break
    case "replicate":
      while (peer.next <= p.log.lastIndex && sendEntries(p, leadership, peer)) sent = true
      break
    case "snapshot":
      sent = sendChunks(p, leadership, peer)
      break
  }
  return sent
}

/** With entries, so that a guess that was right costs no round. They are one message, not counted as in flight. */
function sendProbe(p: Participant, leadership: Leadership, peer: Progress): void {
  peer.probing = true
  sendAppend(p, leadership, peer, takeFrom(p, peer.next, p.options.appendBytesMax))
}

function sendEntries(p: Participant, leadership: Leadership, peer: Progress): boolean {
  const room = p.options.inflightBytesMax - peer.inflightBytes
  // One entry is always allowed, however large, when nothing else is in flight.
  if (peer.inflightBytes > 0 && room < entryBytes(p.log.entryAt(peer.next)!)) return false
  const entries = takeFrom(p, peer.next, Math.min(p.options.appendBytesMax, room))
  sendAppend(p, leadership, peer, entries)
  let bytes = 0
  for (const entry of entries) bytes += entryBytes(entry)
  peer.sent(entries[entries.length - 1]!.index, bytes)
  return true
}

/** Entries from `first` on, at least one if there is any, then as many as fit. */
function takeFrom(p: Participant, first: number, bytesMax: number): Array<Entry> {
  const entries: Array<Entry> = []
  let bytes = 0
  for (let index = first; index <= p.log.lastIndex; index++) {
    const entry = p.log.entryAt(index)!
    bytes += entryBytes(entry)
    if (entries.length > 0 && bytes > bytesMax) break
    entries.push(entry)
  }
  return entries
}

function sendAppend(p: Participant, leadership: Leadership, peer: Progress, entries: ReadonlyArray<Entry>): void {
  // A peer that needs a snapshot is only told that the leader lives: nothing is known to precede what it would be sent.
  const previousIndex = peer.state === "snapshot" ? 0 : peer.next - 1
  const previousTerm = previousIndex === 0 ? 0 : p.log.termAt(previousIndex)
  assert(previousTerm !== undefined, "the entry before a frame must be known")
  const commit = Math.min(p.log.commitIndex, previousIndex + entries.length)
  if (commit > peer.commitSent) peer.commitSent = commit
  const round = leadership.round
  const { self: from, term } = p
  p.send({ _tag: "Append", from, to: peer.member, term, previousIndex, previousTerm, entries, commit, round })
}

/** The peer that a message of this term comes from; undefined for strangers, whose answers count for nothing (rule 18). */
function answering(p: Participant, m: AppendResponse | SnapshotResponse): Progress | undefined {
  const leadership = p.leadership
  if (leadership === undefined || m.term !== p.term) return undefined
  const peer = leadership.peer(m.from)
  if (peer === undefined) return undefined
  assert(m.round <= leadership.round, "a round must be sent before it is answered")
  peer.heard(m.round)
  return peer
}

export function onAppendResponse(p: Participant, m: AppendResponse): void {
  const peer = answering(p, m)
  if (peer === undefined) return
  assert(m.matchIndex <= p.log.lastIndex, "a peer must not hold more of this leader's log than the leader")
  const moved = peer.matched(m.matchIndex)
  if (m.mismatch !== null) onMismatch(p, peer, m.mismatch)
  else if (peer.state === "probe" && peer.match >= peer.next - 1) peer.becomeReplicate()
  // Within reach of the cache, by its snapshot or by appends that raced it: whatever is still on the way is not needed.
  else if (peer.state === "snapshot" && p.log.reaches(peer.match + 1)) peer.becomeReplicate()
  if (moved) commitByQuorum(p)
}

/** The peer does not hold the entry before a frame. Each probe retires at least one term of the peer's log (Raft section 5.3). */
function onMismatch(p: Participant, peer: Progress, mismatch: NonNullable<AppendResponse["mismatch"]>): void {
  if (peer.state === "snapshot" || mismatch.previousIndex <= peer.match) return
  if (peer.state === "probe" && mismatch.previousIndex !== peer.next - 1) return
  const at = p.log.lastAtMost(Math.min(mismatch.hintIndex, mismatch.previousIndex - 1), mismatch.hintTerm)
  if (at === undefined) peer.becomeSnapshot()
  else peer.becomeProbe(at + 1)
}

export function onSnapshotResponse(p: Participant, m: SnapshotResponse): void {
  const peer = answering(p, m)
  if (peer === undefined) return
  const before = peer.match
  if (onChunkAnswered(p, peer, m)) peer.becomeReplicate()
  if (peer.match > before) commitByQuorum(p)
}

/**
 * Raft section 5.4.2: only an entry of the leader's own term is committed by counting; those before it come with it. Counted is what
 * a majority of the voters of the configuration in force holds durably, this leader by its own durable log.
 */
export function commitByQuorum(p: Participant): void {
  const leadership = p.leadership
  if (leadership === undefined) return
  const reached = leadership.quorumMatch(p.membership.configuration, p.self, p.persistence.persistedIndex)
  if (reached <= p.log.commitIndex || reached < leadership.firstIndex) return
  assert(p.log.termAt(reached) === p.term, "what lies behind a leader's first entry must be of its term")
  p.log.commitTo(reached)
  // A leader that removed itself leads until that is committed, and no longer (dissertation 4.2.2).
  if (p.membership.fromIndex <= reached && !p.isVoter) retire(p, leadership)
}

/** The others learn of the commit, and the one that is furthest takes over without waiting for a timeout. */
function retire(p: Participant, leadership: Leadership): void {
  flush(p, leadership)
  let best: Progress | undefined
  for (const peer of leadership.peers) {
    if (!p.membership.isVoter(peer.member)) continue
    if (best === undefined || peer.match > best.match) best = peer
  }
  if (best !== undefined) p.send({ _tag: "TimeoutNow", from: p.self, to: best.member, term: p.term })
  becomeFollower(p, p.term, undefined)
}

/** Dissertation 3.10: the target campaigns once it has the whole log. */
function orderCampaign(p: Participant, leadership: Leadership): void {
  const handover = leadership.handover
  if (handover === undefined || handover.ordered) return
  if (leadership.peer(handover.target)?.match !== p.log.lastIndex) return
  handover.ordered = true
  // Rule 28: before TimeoutNow leaves, not after.
  leadership.leaseGivenUp = true
  p.send({ _tag: "TimeoutNow", from: p.self, to: handover.target, term: p.term })
}
