/**
 * What of this participant's state is durable, while any number of writes is under way.
 *
 * Writes become durable in order. Each one under way remembers up to where it makes the log durable *as the log stands now*: a
 * truncation lowers that for all of them, so that the durability of a cut entry never counts for the one that took its index
 * (entry (7, term 1) under way, replaced by (7, term 2): the first `advance` says nothing of the second).
 *
 * It also holds back messages that promise a vote. It writes nothing: `take` hands out the next write.
 */
import { assert } from "../base/Assert.ts"
import type { Entry, HardState, Snapshot } from "./Entry.ts"
import type { RaftLog } from "./Log.ts"
import type { Message } from "./Message.ts"
import type { Write } from "./Ready.ts"

interface UnderWay {
  readonly sequence: number
  /** Durable with this write, lowered by truncations since. */
  lastIndex: number
}

export class Persistence {
  #hardState: HardState
  #hardStateDirty = false
  /** The write that carries the hard state. */
  #hardStateSequence = 0
  #snapshot: Snapshot | undefined
  #unwrittenFirst: number
  #takenSequence = 0
  #durableSequence = 0
  #persistedIndex: number
  #underWay: Array<UnderWay> = []
  #held: Array<Message> = []

  constructor(hardState: HardState, persistedIndex: number) {
    this.#hardState = hardState
    this.#persistedIndex = persistedIndex
    this.#unwrittenFirst = persistedIndex + 1
  }

  get hardState(): HardState {
    return this.#hardState
  }
  /** The log as it stands is durable up to here. Falls only when entries are cut. */
  get persistedIndex(): number {
    return this.#persistedIndex
  }
  /** Term and vote would survive a crash. */
  get hardStateDurable(): boolean {
    return !this.#hardStateDirty && this.#durableSequence >= this.#hardStateSequence
  }
  get heldCount(): number {
    return this.#held.length
  }

  /** At the start: the whole log came from the disk. */
  recovered(lastIndex: number): void {
    assert(this.#takenSequence === 0, "a log is recovered before anything is written")
    this.#persistedIndex = lastIndex
    this.#unwrittenFirst = lastIndex + 1
  }

  setHardState(hardState: HardState): void {
    const old = this.#hardState
    assert(hardState.term >= old.term, "the term must never fall")
    assert(hardState.term > old.term || old.vote === null, "a vote must not change within a term (Raft section 5.2)")
    // What was held promises an older term: it is void, and letting it out would only confuse.
    if (hardState.term > old.term) this.#held = []
    this.#hardState = hardState
    this.#hardStateDirty = true
  }

  /** Sent when term and vote are durable: a vote that a crash could take back must not be seen by anybody. */
  hold(message: Message): void {
    this.#held.push(message)
  }

  /** Messages that may go out now. */
  release(): ReadonlyArray<Message> {
    if (this.#held.length === 0 || !this.hardStateDurable) return []
    const released = this.#held
    this.#held = []
    return released
  }

  /** Entries from `index` on were cut from the log; what takes their place has to be written. */
  truncatedFrom(index: number): void {
    this.#lowerTo(index - 1)
    if (index < this.#unwrittenFirst) this.#unwrittenFirst = index
  }

  /**
   * A snapshot replaces the log, of which `agreedIndex` was known to be committed. Until the snapshot is durable a crash brings
   * the old log back; of that only the committed part is a prefix of what the log is now.
   */
  replacedBy(snapshot: Snapshot, agreedIndex: number): void {
    this.#lowerTo(agreedIndex)
    this.#snapshot = snapshot
    this.#unwrittenFirst = snapshot.index + 1
  }

  /** The next write, if there is anything to write. */
  take(log: RaftLog): Write | undefined {
    const first = this.#unwrittenFirst
    const last = log.lastIndex
    if (!this.#hardStateDirty && this.#snapshot === undefined && first > last) return undefined
    const sequence = ++this.#takenSequence
    const entries: Array<Entry> = []
    for (let index = first; index <= last; index++) entries.push(log.entryAt(index)!)
    const hardState = this.#hardStateDirty ? this.#hardState : undefined
    if (this.#hardStateDirty) this.#hardStateSequence = sequence
    const write: Write = { sequence, hardState, snapshot: this.#snapshot, entries }
    // An empty write of a hard state makes no entry durable.
    const lastIndex = entries.length > 0 || this.#snapshot !== undefined ? last : 0
    this.#underWay.push({ sequence, lastIndex })
    this.#hardStateDirty = false
    this.#snapshot = undefined
    this.#unwrittenFirst = last + 1
    return write
  }

  /** The write `sequence` and all before it are durable. */
  advance(sequence: number): void {
    assert(sequence <= this.#takenSequence, "a write must be handed out before it is durable")
    if (sequence <= this.#durableSequence) return
    this.#durableSequence = sequence
    let done = 0
    for (const write of this.#underWay) {
      if (write.sequence > sequence) break
      if (write.lastIndex > this.#persistedIndex) this.#persistedIndex = write.lastIndex
      done++
    }
    this.#underWay.splice(0, done)
  }

  #lowerTo(index: number): void {
    if (this.#persistedIndex > index) this.#persistedIndex = index
    for (const write of this.#underWay) if (write.lastIndex > index) write.lastIndex = index
  }
}
