/**
 * What the machine wants done: the contract between Raft and whoever owns its disk, network and state machine.
 *
 * ```
 *   loop:  step / tick / propose / …      any number of inputs
 *          ready()                        takes everything the machine has produced since the last call
 *            1. write  `write` to the log, in order; it becomes durable later
 *            2. send   `messages` at once: nothing in them promises what is not durable yet
 *            3. apply  `apply` in order, then tell `applied(index)`
 *            4. answer `fates` and `reads`
 *          advance(sequence)              when the write with that sequence number, and all before it, are durable
 * ```
 * The machine itself holds back what relies on a write (votes, append answers, its own place in the quorum) until `advance`
 * says that it is durable, so a shell cannot get that order wrong; it may have any number of writes under way. A write that
 * fails is never followed by `advance`: the node stops.
 */
import type { Entry, HardState, Snapshot } from "./Entry.ts"
import type { Message } from "./Message.ts"

export interface Write {
  /** Rises by one with each write. */
  readonly sequence: number
  readonly hardState: HardState | undefined
  /** A snapshot received from the leader: it replaces the whole log. Written before `entries`. */
  readonly snapshot: Snapshot | undefined
  /** Consecutive. If the log holds entries at or beyond the first index, those are cut first. */
  readonly entries: ReadonlyArray<Entry>
}

export type Apply =
  | { readonly _tag: "Entry"; readonly entry: Entry; readonly ticket: number | undefined }
  /** The state machine's state is replaced. */
  | { readonly _tag: "Snapshot"; readonly snapshot: Snapshot }

/**
 * How a proposal that this node accepted ended. `Committed` is reported by `apply` (with its ticket), the others here.
 * `Lost`: another entry took its place, it will never be applied. `Superseded`: a snapshot took its place, so this node cannot
 * know whether it was applied; the state machine (command ids) can tell.
 */
export interface ProposalFate {
  readonly ticket: number
  readonly fate: "Lost" | "Superseded"
}

/** `index`: the read is linearizable once everything up to it is applied here. Null: refused, ask again. */
export interface ReadOutcome {
  readonly ticket: number
  readonly index: number | null
  /** Given by the lease, not by a round: if `leaseHolds` says no *after* the image was read, ask again (rule 28). */
  readonly lease: boolean
}

export interface Ready {
  readonly write: Write | undefined
  readonly messages: ReadonlyArray<Message>
  readonly apply: ReadonlyArray<Apply>
  readonly fates: ReadonlyArray<ProposalFate>
  readonly reads: ReadonlyArray<ReadOutcome>
}
