/**
 * Drives `core/raft` over the WAL: the one owner of the machine, its writes and its place in the log of the node.
 *
 * Every input (a proposal, durability, room) ends in one loop: take what the machine has produced, write it as frames, hand out
 * its messages, hand committed entries to the applier, and again until it has nothing more. All of it is synchronous: the
 * machine never waits, and neither does whoever calls. A call from inside the loop (the applier proposes something) adds its
 * input and leaves the rest to the loop that runs.
 *
 * **Order** frames go into the WAL in the order of the machine's writes, and `advance` is called for a write only when the WAL
 * says that its last frame is durable. A write that finds no room is held with what comes after it; proposals are refused
 * meanwhile, so what is held is one write and what the machine makes by itself.
 * **Failure** when the WAL fails nothing is advanced any more. A broken invariant of the machine ends it the same way: it
 * takes no further input, and the applier is told.
 * **Votes** (rule 31) `keepVote` repeats the last Vote frame at the head of the WAL. It is called when a segment is sealed, while
 * the next one still has room, and answers whether a segment may be recycled.
 *
 * It deliberately has no fiber, no clock and no socket, and knows nothing of what entries mean. What a cluster plugs in:
 * `ShellPorts.send` (one FIFO a peer), `fates` and `reads` (answers to waiters), inputs for the machine's `step` (a message came)
 * and `tick` (its `nextDeadline` did), and `Write.snapshot`, which it emits only when a leader sent one: save the file, then let
 * the state machine begin from it.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { type Configuration, type Entry, EntryKind, type HardState } from "@chronik-effect/core/raft/Entry.ts"
import type { Message } from "@chronik-effect/core/raft/Message.ts"
import type { Raft } from "@chronik-effect/core/raft/Raft.ts"
import type { Apply, ProposalFate, ReadOutcome, Write } from "@chronik-effect/core/raft/Ready.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import type { Wal } from "../storage/Wal.ts"
import type { EntryPlaces } from "./EntryPlaces.ts"
import { encodeHardState, entryFrameBytes, METADATA_STREAM, writeEntryFrame } from "./RaftFrames.ts"
import type { RecoveredLog } from "./RaftRecovery.ts"

export interface CommittedEntry {
  readonly index: number
  /** Undefined: an entry of the log's own, such as the first of a term. The state moves on to it unchanged. */
  readonly payload: Uint8Array | undefined
  /** What the proposer gave to `propose`; undefined for entries of another node or an earlier run. */
  readonly ticket: number | undefined
}

/** What the shell hands out. Called in order, synchronously, and only with something. */
export interface ShellPorts {
  readonly committed: (entries: ReadonlyArray<CommittedEntry>) => void
  /** To the peers, in this order, at once. */
  readonly send: (messages: ReadonlyArray<Message>) => void
  readonly fates: (fates: ReadonlyArray<ProposalFate>) => void
  readonly reads: (reads: ReadonlyArray<ReadOutcome>) => void
  /** A frame found no room in the WAL: call `resume` when there is some. */
  readonly stalled: () => void
  /** The machine broke an invariant: nothing is committed any more. */
  readonly broken: (reason: string) => void
}

/** A write whose frames are in the WAL and not yet known to be durable. */
interface Written {
  readonly sequence: number
  /** Where its last frame ends. */
  readonly endAddress: number
}

type ShellWal = Pick<Wal["Service"], "reserve" | "chunkAt" | "placeAt" | "durableAddress" | "segmentBytes">

export class RaftShell {
  readonly raft: Raft
  readonly places: EntryPlaces
  readonly #wal: ShellWal
  readonly #ports: ShellPorts
  readonly #now: () => number
  /** Of the snapshot that the applier begins with; 0 when there is none. */
  readonly #recoveredIndex: number
  /** Writes that are not or only in part in the WAL, and how far the first one got. */
  readonly #unwritten: Array<Write> = []
  #entriesWritten = 0
  #voteWritten = false
  readonly #written: Array<Written> = []
  /** The last hard state that is in the WAL, and where: at -1 while there is none. */
  #hardState: HardState
  #voteAddress: number
  #running = false
  #ended = false

  /** `now`: the monotonic clock, in milliseconds. */
  constructor(raft: Raft, wal: ShellWal, log: RecoveredLog, ports: ShellPorts, now: () => number) {
    this.raft = raft
    this.places = log.places
    this.#wal = wal
    this.#ports = ports
    this.#now = now
    const { hardState, snapshot } = log.recovered
    this.#recoveredIndex = snapshot?.index ?? 0
    this.#hardState = hardState
    this.#voteAddress = log.voteAddress
  }

  /** A write waits for room in the WAL. */
  get isStalled(): boolean {
    return this.#unwritten.length > 0
  }

  /** Writes that the machine waits for, in the WAL or before it. */
  get writesUnderWay(): number {
    return this.#unwritten.length + this.#written.length
  }

  /**
   * Leads, and has handed out everything up to an entry of its own term, hence everything that earlier terms left
   * (Raft section 5.4.2, dissertation 3.6.2).
   */
  get isReady(): boolean {
    return this.raft.leaderReady && this.raft.appliedIndex === this.raft.commitIndex
  }

  /** Asks to lead now. A sole voter wins without asking anybody. */
  campaign(): void {
    this.raft.campaign(this.#now())
    this.#run()
  }

  propose(payload: Uint8Array, ticket: number): ReturnType<Raft["propose"]> {
    if (this.#ended || this.isStalled) return "busy"
    const outcome = this.raft.propose(this.#now(), ticket, payload)
    if (outcome === "proposed") this.#run()
    return outcome
  }

  /** From the WAL: more of it is durable. */
  durable(): void {
    if (this.#ended) return
    const durableAddress = this.#wal.durableAddress()
    let count = 0
    while (count < this.#written.length && this.#written[count]!.endAddress <= durableAddress) count++
    if (count === 0) return
    const { sequence } = this.#written[count - 1]!
    this.#written.splice(0, count)
    this.#guarded(() => this.raft.advance(sequence))
    this.#run()
  }

  /** There may be room in the WAL again. */
  resume(): void {
    if (this.isStalled) this.#run()
  }

  /** The WAL has failed. Nothing that is under way becomes durable: no advance follows. */
  end(): void {
    this.#ended = true
  }

  /** What a snapshot of everything up to `index` has to say of the log. The index was handed out. */
  headerAt(index: number): { readonly term: number; readonly configuration: Configuration } {
    const term = this.raft.termAt(index)
    const configuration = this.raft.configurationAt(index)
    assert(index <= this.raft.appliedIndex, "a snapshot is taken of what has been applied")
    assert(term !== undefined && configuration !== undefined, "a snapshot is newer than the one before")
    return { term, configuration }
  }

  /** A snapshot up to `index` is durable: the log may forget what it covers. */
  snapshotSaved(index: number, totalBytes: number): void {
    const { term, configuration } = this.headerAt(index)
    this.places.covered(index)
    if (this.#ended) return
    this.#guarded(() => this.raft.snapshotSaved({ index, term, configuration, totalBytes }))
    this.#run()
  }

  /**
   * The last vote lies at or beyond `address`, if need be as a copy made now (rule 31). `durable`: nothing below is needed for
   * votes any more. `written`: when the WAL has been flushed. `no-room`: try again.
   */
  keepVote(address: number): "durable" | "written" | "no-room" {
    const none = this.#voteAddress < 0
    if (none || (this.#voteAddress >= address && this.#voteAddress < this.#wal.durableAddress())) return "durable"
    if (this.#voteAddress >= address) return "written"
    return this.#putVote(this.#hardState, 0) < 0 ? "no-room" : "written"
  }

  #run(): void {
    if (this.#running || this.#ended) return
    this.#running = true
    this.#guarded(() => {
      this.#write()
      for (let ready = this.raft.ready(); ready !== undefined; ready = this.raft.ready()) {
        const { write, messages, apply, fates, reads } = ready
        if (write !== undefined) this.#unwritten.push(write)
        this.#write()
        if (messages.length > 0) this.#ports.send(messages)
        if (apply.length > 0) this.#apply(apply)
        if (fates.length > 0) this.#ports.fates(fates)
        if (reads.length > 0) this.#ports.reads(reads)
      }
    })
    this.#running = false
  }

  /** A defect ends the machine: what it would say after it cannot be trusted. */
  #guarded(body: () => void): void {
    try {
      body()
    } catch (defect) {
      this.#ended = true
      this.#running = false
      this.#ports.broken(defect instanceof Error ? (defect.stack ?? defect.message) : String(defect))
      throw defect
    }
  }

  /** Puts what waits into the WAL, in order, as far as there is room. */
  #write(): void {
    for (let write = this.#unwritten[0]; write !== undefined; write = this.#unwritten[0]) {
      const endAddress = this.#put(write)
      if (endAddress < 0) return this.#ports.stalled()
      this.#unwritten.shift()
      this.#entriesWritten = 0
      this.#voteWritten = false
      this.#written.push({ sequence: write.sequence, endAddress })
    }
  }

  /** Where the write's last frame ends; -1 when there is no room for the rest of it. Goes on where it stopped. */
  #put(write: Write): number {
    const { hardState, snapshot, entries, sequence } = write
    assert(snapshot === undefined, "a snapshot of a leader is not received: there is no peer")
    assert(hardState !== undefined || entries.length > 0, "a write has something to become durable")
    assert(sequence > 0, "the sequence of a write says in the WAL's notification that there is news")
    let end = -1
    if (hardState !== undefined && !this.#voteWritten) {
      end = this.#putVote(hardState, entries.length === 0 ? sequence : 0)
      if (end < 0) return -1
      this.#voteWritten = true
    }
    while (this.#entriesWritten < entries.length) {
      const isLast = this.#entriesWritten === entries.length - 1
      end = this.#putEntry(entries[this.#entriesWritten]!, isLast ? sequence : 0)
      if (end < 0) return -1
      this.#entriesWritten++
    }
    return end
  }

  #putEntry(entry: Entry, news: number): number {
    const length = entryFrameBytes(entry)
    const address = this.#wal.reserve(FrameKind.Metadata, METADATA_STREAM, length, news)
    if (address < 0) return -1
    writeEntryFrame(this.#wal.chunkAt(address), this.#wal.placeAt(address), entry)
    this.places.add(entry.index, address, length)
    return address + length
  }

  #putVote(state: HardState, news: number): number {
    assert(state.term >= this.#hardState.term, "the term never falls")
    const bytes = encodeHardState(state)
    const address = this.#wal.reserve(FrameKind.Vote, METADATA_STREAM, bytes.length, news)
    if (address < 0) return -1
    this.#wal.chunkAt(address).set(bytes, this.#wal.placeAt(address))
    this.#hardState = state
    this.#voteAddress = address
    return address + bytes.length
  }

  #apply(apply: ReadonlyArray<Apply>): void {
    const entries: Array<CommittedEntry> = []
    let last = 0
    for (const one of apply) {
      if (one._tag === "Snapshot") {
        // What the applier begins with, not a leader's: it has it from the recovery.
        assert(one.snapshot.index === this.#recoveredIndex, "a snapshot of a leader is not received: there is no peer")
        last = one.snapshot.index
      } else {
        const { index, kind, payload } = one.entry
        last = index
        entries.push({ index, payload: kind === EntryKind.Command ? payload : undefined, ticket: one.ticket })
      }
    }
    // Before it is handed out: whoever is woken by that may save a snapshot of it at once.
    this.raft.applied(last)
    if (entries.length > 0) this.#ports.committed(entries)
  }
}
