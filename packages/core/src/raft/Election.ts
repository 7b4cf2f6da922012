/**
 * Who leads: roles, terms and votes (Raft section 5.2, 5.4.1; dissertation 9.6 pre-vote, 6.2 check-quorum, 3.10 transfer).
 *
 * The only place where role and term change. A vote, and a request for votes, leaves the node when term and vote are durable, and
 * a candidate counts its own vote then as well: a crash can take back nothing that anybody has seen.
 */
import { assert } from "../base/Assert.ts"
import { EMPTY_BYTES } from "../base/Bytes.ts"
import { EntryKind, type Member, sameMember } from "./Entry.ts"
import { Leadership } from "./Leadership.ts"
import { containsMember } from "./Membership.ts"
import type { PreVote, PreVoteResponse, TimeoutNow, Vote, VoteResponse } from "./Message.ts"
import type { Participant } from "./Participant.ts"
import { majority } from "./Quorum.ts"
import { LeaderReads } from "./Reads.ts"

/** Steps down, or up to a newer term. `leader` is known when an Append or a snapshot of that term said so. */
export function becomeFollower(p: Participant, term: number, leader: Member | undefined): void {
  assert(term >= p.term, "a participant must not go back to an older term")
  if (p.leadership !== undefined) {
    leaveLeadership(p, p.leadership)
    p.restartElectionTimer()
  }
  if (term > p.term || leader === undefined || p.leader === undefined || !sameMember(leader, p.leader)) {
    // Who was asked may not lead any more: whoever waits for its answer asks again.
    for (const ticket of p.forwarded.takeAll()) p.readRefused(ticket)
    p.forgetFollowed()
    p.heardAtMs = Number.NEGATIVE_INFINITY
  }
  if (term > p.term) p.persistence.setHardState({ term, vote: null })
  p.role = "follower"
  p.leader = leader
  p.votes = []
}

function leaveLeadership(p: Participant, leadership: Leadership): void {
  p.leadership = undefined
  for (const read of leadership.reads.takeAll()) {
    if (read.from === undefined) p.readRefused(read.id)
    else p.send({ _tag: "ReadIndexResponse", from: p.self, to: read.from, term: p.term, id: read.id, index: null })
  }
}

/**
 * A live leader is heard: then nobody gets a vote here, so that a node that was cut off and comes back disturbs nobody
 * (dissertation 4.2.3). The same loyalty carries the lease.
 */
function hearsLeader(p: Participant): boolean {
  if (p.role === "leader") return true
  return p.leader !== undefined && p.nowMs < p.heardAtMs + p.options.electionTimeoutMs
}

/** Rule 28: a restarted voter has forgotten whom it heard, so that with leases on it stays loyal for one election timeout. */
function mayHaveForgottenLeader(p: Participant): boolean {
  return p.options.lease && p.nowMs < p.startedAtMs + p.options.electionTimeoutMs
}

/** The election timer ran out. Whoever has no vote never asks for any: a learner, a node that was removed, an empty one. */
export function electionTimedOut(p: Participant): void {
  p.restartElectionTimer()
  if (p.mayCampaign) beginPreVote(p)
}

/** By order of the shell, at once. Refused while it could break a lease that this voter itself carries (rule 28). */
export function campaign(p: Participant): void {
  if (p.role === "leader" || p.role === "candidate" || !p.mayCampaign) return
  if (p.options.lease && p.hasOtherVoters && (hearsLeader(p) || mayHaveForgottenLeader(p))) return
  beginPreVote(p)
}

function beginPreVote(p: Participant): void {
  becomeFollower(p, p.term, undefined)
  p.role = "preCandidate"
  p.votes = [p.self]
  p.restartElectionTimer()
  if (isElected(p)) return beginElection(p, false)
  const { lastIndex, lastTerm } = p.log
  for (const voter of p.membership.configuration.voters) {
    if (!sameMember(voter, p.self)) {
      p.send({ _tag: "PreVote", from: p.self, to: voter, term: p.term + 1, lastIndex, lastTerm })
    }
  }
}

function beginElection(p: Participant, transfer: boolean): void {
  assert(p.mayCampaign, "only a voter may ask for votes")
  becomeFollower(p, p.term + 1, undefined)
  p.role = "candidate"
  p.persistence.setHardState({ term: p.term, vote: p.self })
  p.restartElectionTimer()
  const { lastIndex, lastTerm } = p.log
  for (const voter of p.membership.configuration.voters) {
    if (!sameMember(voter, p.self)) {
      p.persistence.hold({ _tag: "Vote", from: p.self, to: voter, term: p.term, lastIndex, lastTerm, transfer })
    }
  }
}

/** Term and vote became durable. */
export function voteBecameDurable(p: Participant): void {
  assert(p.persistence.hardStateDurable, "a vote must be durable before it counts or leaves")
  for (const message of p.persistence.release()) p.send(message)
  if (p.role !== "candidate" || containsMember(p.votes, p.self)) return
  p.votes.push(p.self)
  if (isElected(p)) becomeLeader(p)
}

function isElected(p: Participant): boolean {
  const { voters } = p.membership.configuration
  let granted = 0
  for (const voter of voters) if (containsMember(p.votes, voter)) granted++
  return voters.length > 0 && granted >= majority(voters.length)
}

function becomeLeader(p: Participant): void {
  assert(p.role === "candidate" && p.leader === undefined, "only a candidate without a leader may win an election")
  assert(p.persistence.hardStateDurable, "a leader's term must be durable before it leads")
  const vote = p.persistence.hardState.vote
  assert(vote !== null && sameMember(vote, p.self), "a leader must have voted for itself")
  const firstIndex = p.log.lastIndex + 1
  p.role = "leader"
  p.leader = p.self
  p.votes = []
  p.leadership = new Leadership(p.term, firstIndex, p.nowMs, p.options.electionTimeoutMs, new LeaderReads())
  p.leadership.follow(p.membership.configuration, p.self, firstIndex)
  // Nothing of earlier terms is committed by counting: an entry of the own term carries it (Raft section 5.4.2).
  p.append({ term: p.term, index: firstIndex, kind: EntryKind.Noop, payload: EMPTY_BYTES })
}

export function onPreVote(p: Participant, m: PreVote): void {
  const granted =
    m.term > p.term && !hearsLeader(p) && !mayHaveForgottenLeader(p) && p.log.isUpToDate(m.lastIndex, m.lastTerm)
  p.send({ _tag: "PreVoteResponse", from: p.self, to: m.from, term: granted ? m.term : p.term, granted })
}

/** Only voters of the configuration in force count, directory id included (rule 18). */
export function onPreVoteResponse(p: Participant, m: PreVoteResponse): void {
  if (!p.membership.isVoter(m.from)) return
  if (!m.granted) {
    if (m.term > p.term) becomeFollower(p, m.term, undefined)
    return
  }
  if (p.role !== "preCandidate" || m.term !== p.term + 1) return
  if (!containsMember(p.votes, m.from)) p.votes.push(m.from)
  if (isElected(p)) beginElection(p, false)
}

/**
 * Also for candidates that this node's configuration does not know: it may be behind (dissertation 4.1). The candidate decides
 * by its own configuration whose votes count.
 */
export function onVote(p: Participant, m: Vote): void {
  if (m.term < p.term) {
    p.send({ _tag: "VoteResponse", from: p.self, to: m.from, term: p.term, granted: false })
    return
  }
  // The term is not adopted either: it would depose the leader all the same (dissertation 4.2.3).
  if (mayHaveForgottenLeader(p) || (!m.transfer && hearsLeader(p))) return
  if (m.term > p.term) becomeFollower(p, m.term, undefined)
  const { vote } = p.persistence.hardState
  const free = vote === null ? p.leader === undefined : sameMember(vote, m.from)
  if (!free || !p.log.isUpToDate(m.lastIndex, m.lastTerm)) {
    p.send({ _tag: "VoteResponse", from: p.self, to: m.from, term: p.term, granted: false })
    return
  }
  if (vote === null) p.persistence.setHardState({ term: p.term, vote: m.from })
  p.restartElectionTimer()
  const response: VoteResponse = { _tag: "VoteResponse", from: p.self, to: m.from, term: p.term, granted: true }
  if (p.persistence.hardStateDurable) p.send(response)
  else p.persistence.hold(response)
}

/** Only voters of the configuration in force count, directory id included (rule 18). */
export function onVoteResponse(p: Participant, m: VoteResponse): void {
  if (!p.membership.isVoter(m.from)) return
  if (m.term > p.term) return becomeFollower(p, m.term, undefined)
  if (m.term < p.term || p.role !== "candidate" || !m.granted) return
  if (!containsMember(p.votes, m.from)) p.votes.push(m.from)
  // The own vote is among them only once it is durable: a candidate must not lead a term that a crash would make it forget.
  if (containsMember(p.votes, p.self) && isElected(p)) becomeLeader(p)
}

/** The leader hands over (dissertation 3.10): campaign without asking first and past everybody's loyalty. */
export function onTimeoutNow(p: Participant, m: TimeoutNow): void {
  if (m.term !== p.term || p.role !== "follower" || !p.isVoter) return
  if (p.leader === undefined || !sameMember(p.leader, m.from)) return
  beginElection(p, true)
}
