/**
 * What a Raft log is made of, and who takes part in it.
 *
 * A participant is a node *and* the directory it keeps its log in: the directory id is made when a data directory is formatted,
 * so a node that comes back with an empty disk is another participant, and what it says under its old id counts for nothing
 * (replication rule 18). Payloads are opaque bytes that the log never looks into.
 */
export interface Member {
  readonly node: number
  readonly directoryId: string
}

/**
 * Who votes and who only listens. Takes effect in a log as soon as the entry that carries it is appended, and is taken back
 * when that entry is truncated. Two successive configurations differ by one voter at most.
 */
export interface Configuration {
  readonly voters: ReadonlyArray<Member>
  readonly learners: ReadonlyArray<Member>
}

export const EMPTY_CONFIGURATION: Configuration = { voters: [], learners: [] }

export const EntryKind = {
  /** The first entry of a term: what lets a leader commit what earlier terms left (dissertation 3.6.2). Empty payload. */
  Noop: 0,
  Command: 1,
  /** The payload is an encoded `Configuration`. */
  Configuration: 2
} as const
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind]

export interface Entry {
  readonly term: number
  /** Dense from 1; 0 means "before the first entry". */
  readonly index: number
  readonly kind: EntryKind
  readonly payload: Uint8Array
}

/** What must survive a crash beside the entries. Written before anything that relies on it leaves the node. */
export interface HardState {
  readonly term: number
  /** Whom this node voted for in `term`. */
  readonly vote: Member | null
}

export const INITIAL_HARD_STATE: HardState = { term: 0, vote: null }

/** The log up to `index` replaced by the state it leads to. */
export interface Snapshot {
  readonly index: number
  readonly term: number
  /** The configuration in force at `index`. */
  readonly configuration: Configuration
  /** Opaque: the state machine's own encoding. */
  readonly payload: Uint8Array
}

export const sameMember = (a: Member, b: Member): boolean => a.node === b.node && a.directoryId === b.directoryId
