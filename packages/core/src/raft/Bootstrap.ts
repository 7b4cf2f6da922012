/**
 * Whether a node may begin a cluster (rule 18): decided from what the configured voters answered, by nobody's clock.
 *
 * Automatically only when *all* configured voters, this node included, say that they are empty: a majority is not enough, since
 * the others may hold a cluster whose majority was just wiped. One voter that holds a cluster is enough to join it instead. An
 * operator's explicit command begins a cluster of this node alone; the others join as learners.
 *
 * It asks nobody and writes nothing. Whoever asks starts over with no answers after each restart: an answer names a directory, and
 * one that was formatted since makes another participant.
 */
import { assert } from "../base/Assert.ts"
import { type Configuration, type Member, sameMember } from "./Entry.ts"

/** What a configured voter says of itself. No answer: it is not in the map. */
export type BootstrapAnswer =
  | { readonly _tag: "Empty"; readonly directoryId: string }
  /** It holds a log or a vote: there is, or was, a cluster. */
  | { readonly _tag: "Holds"; readonly directoryId: string }

export interface BootstrapState {
  readonly self: Member
  /** This node's own disk has neither log nor vote nor snapshot. */
  readonly empty: boolean
  /** Node ids of the configuration file. */
  readonly configuredVoters: ReadonlyArray<number>
  /** By node id; of other nodes than the configured ones nothing is believed. */
  readonly answers: ReadonlyMap<number, BootstrapAnswer>
  /** An operator ordered it. */
  readonly explicit: boolean
}

export type BootstrapDecision =
  /** Go on with what the disk holds. */
  | { readonly _tag: "Resume" }
  /** Begin, with this configuration: the same on every node that decides from the same directories. */
  | { readonly _tag: "Bootstrap"; readonly configuration: Configuration }
  /** A cluster exists: ask this node to be taken in as a learner. */
  | { readonly _tag: "Join"; readonly node: number }
  /** Voters that have not answered, ascending; empty for a node that is no configured voter and waits for a cluster. */
  | { readonly _tag: "Wait"; readonly missing: ReadonlyArray<number> }

export function decideBootstrap(state: BootstrapState): BootstrapDecision {
  if (!state.empty) return { _tag: "Resume" }
  const configured = [...new Set(state.configuredVoters)].sort((a, b) => a - b)
  for (const node of configured) {
    if (node !== state.self.node && state.answers.get(node)?._tag === "Holds") return { _tag: "Join", node }
  }
  if (!configured.includes(state.self.node)) return { _tag: "Wait", missing: [] }
  if (state.explicit) return { _tag: "Bootstrap", configuration: { voters: [state.self], learners: [] } }
  const missing: Array<number> = []
  const voters: Array<Member> = []
  for (const node of configured) {
    const answer = state.answers.get(node)
    if (node === state.self.node) voters.push(state.self)
    else if (answer === undefined) missing.push(node)
    else voters.push({ node, directoryId: answer.directoryId })
  }
  if (missing.length > 0) return { _tag: "Wait", missing }
  assert(voters.length === configured.length, "automatic bootstrap needs every configured voter (rule 18)")
  assert(
    voters.some((voter) => sameMember(voter, state.self)),
    "a node must take part in the cluster that it begins"
  )
  return { _tag: "Bootstrap", configuration: { voters, learners: [] } }
}
