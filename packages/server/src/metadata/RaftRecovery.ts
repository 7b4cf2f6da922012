/**
 * What the disk gives Raft back at a start: the newest whole snapshot, the entries in the WAL behind it, the last hard state.
 *
 * A frame replaces what earlier frames hold at its index and beyond: the log was cut there before it was written. Whatever is
 * missing between snapshot and entries, or was in a snapshot that is damaged, is noticed and keeps the node from starting:
 * going on without it would lose topics, or a vote. Everything that is read is durable: the WAL has seen to that.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import {
  type Configuration,
  type Entry,
  type HardState,
  INITIAL_HARD_STATE,
  sameMember
} from "@chronik-effect/core/raft/Entry.ts"
import type { Recovered } from "@chronik-effect/core/raft/RaftOptions.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { Data, Effect } from "effect"
import type { Wal } from "../storage/Wal.ts"
import { EntryPlaces } from "./EntryPlaces.ts"
import { METADATA_STREAM, readEntryFrame, readVoteFrame } from "./RaftFrames.ts"
import { type SnapshotFiles, type StoredSnapshot, snapshotOf } from "./SnapshotFile.ts"

/** What is on disk does not give the metadata back. Starting without it would lose topics, so the node does not start. */
export class MetadataUnreadable extends Data.TaggedError("MetadataUnreadable")<{ readonly message: string }> {}

export interface RecoveredLog {
  readonly recovered: Recovered
  /** The file behind `recovered.snapshot`. */
  readonly snapshot: StoredSnapshot | undefined
  readonly places: EntryPlaces
  /** Where the last Vote frame lies; -1 when there is none. */
  readonly voteAddress: number
}

export interface RecoverOptions {
  /** The configuration of a cluster that begins. */
  readonly bootstrap: Configuration
  /**
   * Nobody else votes, so a vote that is gone (a WAL without syncs and a power cut) contradicts nobody: this node goes on in a
   * later term. Anywhere else it must not vote again, and does not start (rules 18 and 33).
   */
  readonly isAlone: boolean
}

export const recoverLog: (
  wal: Wal["Service"],
  files: SnapshotFiles,
  options: RecoverOptions
) => Effect.Effect<RecoveredLog, MetadataUnreadable> = Effect.fnUntraced(function* (wal, files, options) {
  const { snapshot, damaged } = files.newest()
  for (const { path } of damaged) {
    yield* Effect.logWarning(`The metadata snapshot ${path} is damaged and is not used.`)
  }
  const frames = new Frames(snapshot === undefined ? 0 : snapshot.endOffset - 1)
  wal.recovered.frames((kind, stream, address, payload, at, length) => {
    if (stream !== METADATA_STREAM) return
    if (kind === FrameKind.Metadata) frames.entry(readEntryFrame(payload, at, length), address, length)
    else if (kind === FrameKind.Vote) frames.vote(readVoteFrame(payload, at, length), address)
  })
  if (frames.gapAt !== undefined) return yield* lost(frames.endIndex, frames.gapAt)
  // The name of a damaged snapshot still says how far the metadata went.
  for (const { endOffset } of damaged) {
    if (endOffset > frames.endIndex) return yield* lost(frames.endIndex, endOffset)
  }
  const lastTerm = frames.entries.at(-1)?.term ?? snapshot?.term ?? 0
  let { hardState } = frames
  if (lastTerm > hardState.term) {
    if (!options.isAlone) return yield* voteLost(lastTerm, hardState.term)
    yield* Effect.logWarning(`The vote of term ${lastTerm} is gone from the write-ahead log; the node goes on alone.`)
    hardState = { term: lastTerm, vote: null }
  }
  return {
    recovered: {
      hardState,
      snapshot: snapshot === undefined ? undefined : snapshotOf(snapshot),
      entries: frames.entries,
      bootstrap: options.bootstrap
    },
    snapshot,
    places: frames.places,
    voteAddress: frames.voteAddress
  }
})

/** Puts the frames together in the order of the WAL. */
class Frames {
  readonly entries: Array<Entry> = []
  readonly places = new EntryPlaces()
  hardState: HardState = INITIAL_HARD_STATE
  voteAddress = -1
  /** Index of the first frame that does not continue the log. What follows it is not read any more. */
  gapAt: number | undefined
  readonly #snapshotIndex: number

  constructor(snapshotIndex: number) {
    this.#snapshotIndex = snapshotIndex
  }

  /** The index that would come next. */
  get endIndex(): number {
    return this.#snapshotIndex + this.entries.length + 1
  }

  entry(entry: Entry, address: number, length: number): void {
    const { index } = entry
    if (this.gapAt !== undefined) return
    if (index > this.endIndex) {
      this.gapAt = index
      return
    }
    this.entries.splice(Math.max(0, index - this.#snapshotIndex - 1))
    this.places.cut(index)
    if (index <= this.#snapshotIndex) return
    assert((this.entries.at(-1)?.term ?? 0) <= entry.term, "terms in the metadata log never fall")
    this.entries.push(entry)
    this.places.add(index, address, length)
  }

  vote(state: HardState, address: number): void {
    const held = this.hardState
    assert(state.term >= held.term, "terms in the votes of the log never fall")
    // One vote a term (Raft section 5.2): a second one would have been told to somebody else.
    assert(
      state.term > held.term || held.vote === null || (state.vote !== null && sameMember(state.vote, held.vote)),
      "a vote in the log is never taken back within its term"
    )
    this.hardState = state
    this.voteAddress = address
  }
}

const lost = (from: number, end: number): Effect.Effect<never, MetadataUnreadable> =>
  Effect.fail(
    new MetadataUnreadable({
      message:
        `The metadata log is damaged: entries ${from} to ${end - 1} are in no whole snapshot and not in the write-ahead log. ` +
        "Restore the metadata folder of the data directory from a copy, or begin with an empty data directory."
    })
  )

const voteLost = (entryTerm: number, term: number): Effect.Effect<never, MetadataUnreadable> =>
  Effect.fail(
    new MetadataUnreadable({
      message:
        `The metadata log is damaged: it has entries of term ${entryTerm}, and the last vote in the write-ahead log is of term ${term}. ` +
        "Restore the whole data directory from a copy, or begin with an empty one."
    })
  )
