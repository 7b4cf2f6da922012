/**
 * What a leader is asked to do: append commands, change the membership, hand over. Refusals are values.
 */
import { encodeConfiguration } from "./ConfigurationCodec.ts"
import { type Entry, EntryKind, type Member, sameMember } from "./Entry.ts"
import type { Leadership } from "./Leadership.ts"
import { ENTRY_OVERHEAD_BYTES, entryBytes } from "./Log.ts"
import { changedConfiguration, type MembershipChange } from "./Membership.ts"
import type { Participant } from "./Participant.ts"
import type { Progress } from "./Progress.ts"

export type ProposeOutcome = "proposed" | "not-leader" | "busy" | "too-large" | "transferring"
/**
 * `pending`: another change is not committed yet, or no entry of the leader's own term is. `behind`: the learner's log is not close
 * enough to the leader's to count it. `invalid`: makes no sense for the configuration in force.
 */
export type ChangeOutcome = ProposeOutcome | "pending" | "invalid" | "behind"
export type TransferOutcome = "started" | "not-leader" | "invalid"

function refusal(p: Participant, bytes: number): Exclude<ProposeOutcome, "proposed"> | undefined {
  const leadership = p.leadership
  if (leadership === undefined) return "not-leader"
  if (leadership.handover !== undefined) return "transferring"
  if (bytes > p.options.uncommittedBytesMax) return "too-large"
  if (p.log.uncommittedBytes + bytes > p.options.uncommittedBytesMax) return "busy"
  if (p.proposals.count >= p.options.pendingProposalsMax) return "busy"
  return undefined
}

function appendOwn(p: Participant, ticket: number, kind: EntryKind, payload: Uint8Array): void {
  const entry: Entry = { term: p.term, index: p.log.lastIndex + 1, kind, payload }
  p.proposals.accepted(entry.index, entry.term, ticket)
  p.append(entry)
}

export function propose(p: Participant, ticket: number, payload: Uint8Array): ProposeOutcome {
  const refused = refusal(p, payload.length + ENTRY_OVERHEAD_BYTES)
  if (refused !== undefined) return refused
  appendOwn(p, ticket, EntryKind.Command, payload)
  return "proposed"
}

export function changeMembership(p: Participant, ticket: number, change: MembershipChange): ChangeOutcome {
  const leadership = p.leadership
  if (leadership === undefined) return "not-leader"
  // One at a time, and none before an entry of the own term is committed: else two disjoint majorities could decide.
  if (!p.leaderReady || p.membership.fromIndex > p.log.commitIndex) return "pending"
  const configuration = changedConfiguration(p.membership.configuration, change)
  if (configuration === undefined) return "invalid"
  if (change._tag === "PromoteLearner" && !isCaughtUp(p, leadership.peer(change.member))) return "behind"
  const payload = encodeConfiguration(configuration)
  const refused = refusal(p, payload.length + ENTRY_OVERHEAD_BYTES)
  if (refused !== undefined) return refused
  appendOwn(p, ticket, EntryKind.Configuration, payload)
  leadership.follow(p.membership.configuration, p.self, p.log.lastIndex)
  leadership.roundWanted = true
  restartTimers(p, leadership)
  return "proposed"
}

/** A leader that was alone had no timers: they begin now. */
function restartTimers(p: Participant, leadership: Leadership): void {
  leadership.heartbeatDueMs = p.nowMs
  if (leadership.checkQuorumDueMs <= p.nowMs) leadership.checkQuorumDueMs = p.nowMs + p.options.electionTimeoutMs
}

/**
 * Counted too early, a learner would hold up every commit until it has caught up. It is close enough when it is alive and what it
 * lacks fits into one Append: one more round and it has all.
 */
function isCaughtUp(p: Participant, learner: Progress | undefined): boolean {
  if (learner === undefined || learner.state !== "replicate" || learner.acknowledgedRound === 0) return false
  let lacking = 0
  for (let index = p.log.lastIndex; index > learner.match; index--) {
    const entry = p.log.entryAt(index)
    if (entry === undefined) return false
    lacking += entryBytes(entry)
    if (lacking > p.options.appendBytesMax) return false
  }
  return true
}

/** Dissertation 3.10. Proposals are refused until the target leads or an election timeout has passed. */
export function transferLeadership(p: Participant, target: Member): TransferOutcome {
  const leadership = p.leadership
  if (leadership === undefined) return "not-leader"
  if (sameMember(target, p.self) || !p.membership.isVoter(target)) return "invalid"
  const under = leadership.handover
  if (under !== undefined && sameMember(under.target, target)) return "started"
  leadership.handover = { target, deadlineMs: p.nowMs + p.options.electionTimeoutMs, ordered: false }
  return "started"
}
