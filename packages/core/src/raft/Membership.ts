/**
 * Who takes part, by log index, and which changes are allowed.
 *
 * A configuration is in force as soon as its entry is in the log, committed or not, and is taken back when the entry is cut
 * (dissertation 4.1). Changes differ by one voter, so that any majority of the old and any of the new meet; two of them must not
 * be under way at once, and none before the leader has committed an entry of its own term (the flaw of the first publication of
 * single-server changes). Those two conditions need the log: they are `Proposing.changeMembership`.
 */
import { assert } from "../base/Assert.ts"
import { MEMBERS_MAX } from "./ConfigurationCodec.ts"
import { type Configuration, type Member, sameMember } from "./Entry.ts"

export type MembershipChange =
  | { readonly _tag: "AddLearner"; readonly member: Member }
  | { readonly _tag: "PromoteLearner"; readonly member: Member }
  | { readonly _tag: "RemoveMember"; readonly member: Member }

interface InForce {
  readonly fromIndex: number
  readonly configuration: Configuration
}

export const containsMember = (members: ReadonlyArray<Member>, member: Member): boolean => {
  for (const one of members) if (sameMember(one, member)) return true
  return false
}

const sameMembers = (a: ReadonlyArray<Member>, b: ReadonlyArray<Member>): boolean =>
  a.length === b.length && a.every((member, at) => sameMember(member, b[at]!))

export const sameConfiguration = (a: Configuration, b: Configuration): boolean =>
  sameMembers(a.voters, b.voters) && sameMembers(a.learners, b.learners)

export class Membership {
  /** Ascending; the first one is that of the snapshot or of the bootstrap. */
  #history: Array<InForce>
  #latest: InForce

  constructor(fromIndex: number, configuration: Configuration) {
    this.#latest = { fromIndex, configuration }
    this.#history = [this.#latest]
  }

  get configuration(): Configuration {
    return this.#latest.configuration
  }
  /** Index of the entry that carries the configuration in force; 0: the bootstrap or a snapshot. */
  get fromIndex(): number {
    return this.#latest.fromIndex
  }

  isVoter(member: Member): boolean {
    return containsMember(this.#latest.configuration.voters, member)
  }

  /** A voter of the configuration before the one in force: whoever is being removed is one until that is committed. */
  wasVoter(member: Member): boolean {
    const before = this.#history.at(-2)
    return before !== undefined && containsMember(before.configuration.voters, member)
  }

  isMember(member: Member): boolean {
    return this.isVoter(member) || containsMember(this.#latest.configuration.learners, member)
  }

  /** In force at `index`; undefined for what lies before the newest snapshot. */
  at(index: number): Configuration | undefined {
    for (let i = this.#history.length - 1; i >= 0; i--) {
      if (this.#history[i]!.fromIndex <= index) return this.#history[i]!.configuration
    }
    return undefined
  }

  appended(index: number, configuration: Configuration): void {
    assert(index > this.#latest.fromIndex, "configurations must come in log order")
    this.#latest = { fromIndex: index, configuration }
    this.#history.push(this.#latest)
  }

  /** Returns whether a configuration was taken back. */
  truncatedFrom(index: number): boolean {
    const before = this.#history.length
    while (this.#history.length > 1 && this.#history[this.#history.length - 1]!.fromIndex >= index) this.#history.pop()
    this.#latest = this.#history[this.#history.length - 1]!
    return this.#history.length < before
  }

  /** A snapshot up to `index` is durable: what was replaced before it is forgotten. */
  compacted(index: number): void {
    let kept = 0
    while (kept + 1 < this.#history.length && this.#history[kept + 1]!.fromIndex <= index) kept++
    this.#history.splice(0, kept)
  }

  replacedBy(configuration: Configuration): void {
    this.#latest = { fromIndex: 0, configuration }
    this.#history = [this.#latest]
  }
}

/** The configuration after the change; undefined when it makes no sense for the one in force. */
export function changedConfiguration(before: Configuration, change: MembershipChange): Configuration | undefined {
  const { voters, learners } = before
  const { member } = change
  const isVoter = containsMember(voters, member)
  const isLearner = containsMember(learners, member)
  switch (change._tag) {
    case "AddLearner":
      if (isVoter || isLearner || voters.length + learners.length >= MEMBERS_MAX) return undefined
      return { voters, learners: [...learners, member] }
    case "PromoteLearner":
      // Rule 18: the voter that had this node's old directory stays in the denominator until it is removed; one node, one vote.
      if (!isLearner || voters.some((voter) => voter.node === member.node)) return undefined
      return { voters: [...voters, member], learners: learners.filter((one) => !sameMember(one, member)) }
    case "RemoveMember":
      if (!isVoter && !isLearner) return undefined
      if (isVoter && voters.length === 1) return undefined
      return {
        voters: voters.filter((one) => !sameMember(one, member)),
        learners: learners.filter((one) => !sameMember(one, member))
      }
  }
}

/** How many voters two configurations do not share: at most one between successive ones (dissertation 4.1). */
export function voterDifference(a: Configuration, b: Configuration): number {
  let difference = 0
  for (const voter of a.voters) if (!containsMember(b.voters, voter)) difference++
  for (const voter of b.voters) if (!containsMember(a.voters, voter)) difference++
  return difference
}
