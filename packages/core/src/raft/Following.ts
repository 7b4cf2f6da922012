/**
 * A follower's side of replication: checks frames of the leader against the log, takes what is new, answers what is durable.
 *
 * What is answered is the end of the prefix that frames of *this* leader in *this* term proved equal to its log and that is
 * durable here, never the end of the local log (rule 1): a tail that nobody has checked yet counts for nothing.
 */
import { assert } from "../base/Assert.ts"
import { becomeFollower } from "./Election.ts"
import { type Member, sameMember } from "./Entry.ts"
import type { Append, SnapshotChunk } from "./Message.ts"
import type { Participant } from "./Participant.ts"
import { Assembly } from "./SnapshotAssembly.ts"

/** A frame of the term's leader: whoever else wanted to lead this term has lost. */
function follow(p: Participant, leader: Member): void {
  assert(p.role !== "leader", "a term must have one leader at most (Raft section 5.2)")
  if (p.role !== "follower" || p.leader === undefined) becomeFollower(p, p.term, leader)
  assert(
    p.leader !== undefined && sameMember(p.leader, leader),
    "a term must have one leader at most (Raft section 5.2)"
  )
  p.heardAtMs = p.nowMs
  p.restartElectionTimer()
}

/** `m.term` is the current term or older; newer terms were adopted by the caller. */
export function onAppend(p: Participant, m: Append): void {
  if (m.term < p.term) {
    refuseOldTerm(p, m.from)
    return
  }
  follow(p, m.from)
  const following = p.following
  if (m.round > following.round) following.round = m.round
  if (!agreesBefore(p, m)) {
    const at = p.log.lastAtMost(m.previousIndex, m.previousTerm)
    assert(at !== undefined && at >= p.log.commitIndex, "logs must agree on what is committed (leader completeness)")
    following.owesAppend = true
    following.owedMismatch = { previousIndex: m.previousIndex, hintTerm: p.log.termAt(at)!, hintIndex: at }
    return answerLeader(p)
  }
  const verifiedEnd = isOverloaded(p) ? m.previousIndex : takeEntries(p, m)
  if (verifiedEnd > following.verifiedIndex) following.verifiedIndex = verifiedEnd
  // Rule 3: the commit index moves only over what this very frame has verified.
  const commit = Math.min(m.commit, verifiedEnd)
  if (commit > p.log.commitIndex) p.log.commitTo(commit)
  dropPassedAssembly(p)
  // What is not durable yet is answered by `advance`; a new round is answered at once all the same: a slow disk is not a dead node.
  if (verifiedEnd <= p.persistence.persistedIndex || m.round > following.answeredRound) following.owesAppend = true
  answerLeader(p)
}

/**
 * The newer term in the answer makes a leader step down that nobody can follow any more. It echoes no round: rounds count within
 * a term, and the sender may lead this one by now, to whom an old number would be a proof that was never given.
 */
function refuseOldTerm(p: Participant, to: Member): void {
  const { self: from, term } = p
  p.send({ _tag: "AppendResponse", from, to, term, round: 0, matchIndex: 0, mismatch: null })
}

/** The log matching property (Raft section 5.3), with the committed prefix known to agree. */
function agreesBefore(p: Participant, m: Append): boolean {
  const term = p.log.termAt(m.previousIndex)
  if (m.previousIndex > p.log.commitIndex) return term === m.previousTerm
  assert(term === undefined || term === m.previousTerm, "logs must agree on what is committed (leader completeness)")
  return true
}

/**
 * Committed entries that the state machine has not caught up with are as many as may be: the frame's entries are not taken. The
 * leader sends them again. Uncommitted ones are bounded by the leader's `uncommittedBytesMax`.
 */
function isOverloaded(p: Participant): boolean {
  return p.log.unappliedBytes > p.options.uncommittedBytesMax
}

/** Returns the end of what this frame verifies. */
function takeEntries(p: Participant, m: Append): number {
  let index = m.previousIndex
  for (const entry of m.entries) {
    assert(
      entry.index === index + 1 && entry.term <= m.term,
      "entries of a frame must be consecutive, of terms up to its own"
    )
    index = entry.index
    if (index <= p.log.lastIndex) {
      const held = p.log.termAt(index)
      if (held === entry.term) continue
      if (index <= p.log.commitIndex) {
        assert(held === undefined, "logs must agree on what is committed (leader completeness)")
        continue
      }
      // Rule 2: cut only where an entry contradicts the one held there; a frame that is a prefix of the log changes nothing.
      p.truncateFrom(index)
    }
    p.append(entry)
  }
  return index
}

export function onSnapshotChunk(p: Participant, m: SnapshotChunk): void {
  if (m.term < p.term) {
    refuseOldTerm(p, m.from)
    return
  }
  follow(p, m.from)
  const following = p.following
  if (m.round > following.round) following.round = m.round
  const held = p.log.termAt(m.snapshotIndex)
  if (m.snapshotIndex <= p.log.commitIndex || held === m.snapshotTerm) alreadyHeld(p, m)
  else if (m.totalBytes <= p.options.snapshotBytesMax) assemble(p, m)
  answerLeader(p)
}

/** Appends overtook the transfer, or it was done before: a snapshot's end is committed, so the log agrees up to there. */
function alreadyHeld(p: Participant, m: SnapshotChunk): void {
  const { following, log } = p
  if (m.snapshotIndex > following.verifiedIndex) following.verifiedIndex = m.snapshotIndex
  if (m.snapshotIndex > log.commitIndex) log.commitTo(m.snapshotIndex)
  dropPassedAssembly(p)
  if (m.snapshotIndex > following.owedSnapshotIndex) following.owedSnapshotIndex = m.snapshotIndex
}

/** Committed up to its end without it: the chunks that came so far are of no use and hold memory. */
function dropPassedAssembly(p: Participant): void {
  const { assembly } = p.following
  if (assembly === undefined || assembly.snapshotIndex > p.log.commitIndex) return
  p.following.assembly = undefined
  p.following.owedChunk = undefined
}

function assemble(p: Participant, m: SnapshotChunk): void {
  const following = p.following
  const current = following.assembly
  // A chunk of an older snapshot than the one coming in is late: the leader has gone on.
  if (current !== undefined && m.snapshotIndex < current.snapshotIndex) return
  if (current === undefined || !current.belongs(m)) following.assembly = new Assembly(m)
  const assembly = following.assembly!
  assembly.add(m)
  if (!assembly.complete) {
    following.owedChunk = { snapshotIndex: m.snapshotIndex, receivedBytes: assembly.receivedBytes }
    return
  }
  following.assembly = undefined
  following.owedChunk = undefined
  install(p, assembly)
}

/** The whole log gives way: it contradicts the snapshot or ends before it. Handed to the state machine once durable. */
function install(p: Participant, assembly: Assembly): void {
  const snapshot = assembly.finish()
  const agreedIndex = p.log.commitIndex
  p.proposals.superseded(snapshot.index, snapshot.term, p.fates)
  p.log.replacedBy(snapshot)
  p.membership.replacedBy(snapshot.configuration)
  p.persistence.replacedBy(snapshot, agreedIndex)
  p.snapshotToApply = snapshot
  p.following.verifiedIndex = snapshot.index
  p.following.owedSnapshotIndex = snapshot.index
}

/** Sends what is owed and may be said: nothing before the term is durable, nothing beyond what is durable. */
export function answerLeader(p: Participant): void {
  if (p.role !== "follower" || p.leader === undefined || !p.persistence.hardStateDurable) return
  const { following, leader, term, self } = p
  const { persistedIndex } = p.persistence
  const envelope = { from: self, to: leader, term, round: following.round }
  const chunk = following.owedChunk
  if (chunk !== undefined) {
    following.owedChunk = undefined
    p.send({ _tag: "SnapshotResponse", ...envelope, ...chunk, installed: false })
  }
  const installed = following.owedSnapshotIndex
  if (installed > 0 && persistedIndex >= installed) {
    following.owedSnapshotIndex = 0
    p.send({ _tag: "SnapshotResponse", ...envelope, snapshotIndex: installed, receivedBytes: 0, installed: true })
  }
  const matchIndex = Math.min(following.verifiedIndex, persistedIndex)
  assert(matchIndex <= p.log.lastIndex, "a follower must not answer beyond its log")
  if (!following.owesAppend && matchIndex <= following.answeredMatch) return
  const mismatch = following.owedMismatch
  following.owesAppend = false
  following.owedMismatch = null
  following.answeredMatch = Math.max(following.answeredMatch, matchIndex)
  following.answeredRound = following.round
  p.send({ _tag: "AppendResponse", ...envelope, matchIndex, mismatch })
}
