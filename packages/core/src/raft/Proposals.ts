/**
 * Proposals that this process accepted and whose end is not known yet, also after it stopped leading.
 *
 * A proposal is an entry (index, term) with the proposer's ticket. Cutting the entry here settles nothing: another node may
 * still hold it, win an election and commit it. What settles it is a *committed* entry:
 * - the same index in the same term: it is committed (`apply` carries the ticket);
 * - any entry of a later term: terms never fall along a log and committed entries stay, so it can never be applied: `Lost`;
 * - a snapshot that covers its index: nobody here can tell: `Superseded`.
 *
 * Leaderships of one process have rising terms, and indexes rise within a term: one queue in the order (term, index).
 */
import { assert } from "../base/Assert.ts"
import type { ProposalFate } from "./Ready.ts"

interface Proposal {
  readonly index: number
  readonly term: number
  readonly ticket: number
}

export class Proposals {
  #queue: Array<Proposal> = []
  #head = 0

  /** Bounded by `pendingProposalsMax`: the caller refuses beyond it. */
  get count(): number {
    return this.#queue.length - this.#head
  }

  accepted(index: number, term: number, ticket: number): void {
    if (this.count > 0) {
      const last = this.#queue[this.#queue.length - 1]!
      assert(
        term > last.term || (term === last.term && index > last.index),
        "proposals must come in the order of (term, index)"
      )
    }
    this.#queue.push({ index, term, ticket })
  }

  /** The entry (index, term) is committed and handed to the state machine: its ticket, if it was proposed here. */
  committed(index: number, term: number, fates: Array<ProposalFate>): number | undefined {
    if (this.count === 0) return undefined
    this.#lose(term, fates)
    const first = this.#queue[this.#head]
    if (first === undefined || first.term > term) return undefined
    assert(first.index >= index, "an entry of a term must not be passed over by a later one of the same term")
    if (first.index > index) return undefined
    this.#pass()
    return first.ticket
  }

  /** A snapshot took the place of everything up to (index, term). */
  superseded(index: number, term: number, fates: Array<ProposalFate>): void {
    const kept: Array<Proposal> = []
    for (let i = this.#head; i < this.#queue.length; i++) {
      const proposal = this.#queue[i]!
      // Entries up to `index` have terms up to `term`; those behind it have terms from `term` on.
      if (proposal.index <= index && proposal.term <= term) fates.push({ ticket: proposal.ticket, fate: "Superseded" })
      else if (proposal.index <= index || proposal.term < term) fates.push({ ticket: proposal.ticket, fate: "Lost" })
      else kept.push(proposal)
    }
    this.#queue = kept
    this.#head = 0
  }

  #lose(committedTerm: number, fates: Array<ProposalFate>): void {
    while (this.#head < this.#queue.length) {
      const first = this.#queue[this.#head]!
      if (first.term >= committedTerm) return
      fates.push({ ticket: first.ticket, fate: "Lost" })
      this.#pass()
    }
  }

  #pass(): void {
    this.#head++
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    } else if (this.#head >= 4096 && this.#head * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
  }
}
