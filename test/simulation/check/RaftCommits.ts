/**
 * What Raft has committed, and that it stays so.
 *
 * - A leader has the votes of a majority, and they are durable (section 5.2).
 * - Leader completeness (section 5.4.3): a new leader's log holds every entry that was ever committed, judged at the moment when
 *   it appears; not of one that appears when a later term has a leader.
 * - State-machine safety (section 5.4.3): one entry an index, applied in order and without gaps by each process.
 * - The commit index never falls within a process lifetime, and what it reaches first lies durably on a majority of the voters.
 *
 * The logs are read from the disks. Only who votes is taken from the leader's own configuration: which one is in force is its
 * decision, that the members of it hold the entry is not.
 */
import type { Configuration, Entry, Member } from "../../../packages/core/src/raft/Entry.ts"
import type { Observation } from "../Observation.ts"
import { type Checker, lifeOf, Violation } from "./Checker.ts"
import type { DiskModel, Fold } from "./DiskModel.ts"
import { sameEntry } from "./LogMatching.ts"

type Of<Tag extends Observation["_tag"]> = Extract<Observation, { readonly _tag: Tag }>

export class RaftCommits implements Checker {
  readonly name = "raft commits"
  readonly #disks: DiskModel
  /** By index; index 0 stays empty. */
  readonly #committed: Array<Entry | undefined> = [undefined]
  readonly #commitIndex = new Map<string, number>()
  readonly #applied = new Map<string, number>()
  /** Configurations as they were before the event under way: a commit may have been counted under either. */
  readonly #before = new Map<number, Configuration>()
  /** The newest term that had a leader. */
  #newestTerm = 0
  /** Nodes whose log changed in this event, and their configuration perhaps with it. */
  readonly #changed = new Set<number>()

  constructor(disks: DiskModel) {
    this.#disks = disks
  }

  get committedIndex(): number {
    return this.#committed.length - 1
  }

  observe(o: Observation): void {
    switch (o._tag) {
      case "Started":
      case "RaftAppended":
        this.#changed.add(o.node)
        return
      case "RaftRole":
        if (o.role === "leader") this.#leader(o)
        return
      case "RaftCommit":
        return this.#commit(o)
      case "RaftApplied":
        return this.#apply(o)
      case "RaftSnapshot":
        this.#changed.add(o.node)
        return this.#snapshot(o)
    }
  }

  afterEvent(): void {
    if (this.#changed.size === 0) return
    for (const node of this.#changed) {
      const configuration = this.#disks.view.node(node).raft?.configuration
      if (configuration !== undefined) this.#before.set(node, configuration)
    }
    this.#changed.clear()
  }

  #leader(o: Of<"RaftRole">): void {
    this.#checkVotes(o)
    // Its votes came late: a later term has a leader already, and what that one commits need not be here. It cannot commit itself.
    if (o.term < this.#newestTerm) return
    this.#newestTerm = o.term
    const log = this.#disks.appended(o.node)
    const who = `the leader of term ${o.term}, node ${o.node},`
    for (let index = Math.max(1, log.snapshotIndex); index <= this.committedIndex; index++) {
      const held = index <= o.lastIndex ? log.termAt(index) : undefined
      const due = this.#committed[index]!.term
      if (held !== due) {
        const text = `${who} lacks the committed entry ${index} of term ${due}: it has ${held ?? "nothing"} there`
        throw new Violation("raft-leader-completeness", text)
      }
    }
  }

  /** Votes count from the moment when no crash can take them back (section 5.2): so a majority of them lies on the disks. */
  #checkVotes(o: Of<"RaftRole">): void {
    const asked = this.#configurations(o.node)
    const voted = ({ node, directoryId }: Member): boolean => {
      const { term, vote } = this.#disks.durable(node, directoryId).hardState
      // One that has gone on to a later term may have voted before.
      return term > o.term || (term === o.term && vote?.node === o.node)
    }
    if (asked.some(({ voters }) => voters.filter(voted).length * 2 > voters.length)) return
    const voters = asked[0]?.voters.map((voter) => `${voter.node}${voted(voter) ? " (durable)" : ""}`).join(", ")
    throw new Violation("raft-leader-votes", `node ${o.node} leads term ${o.term} without the durable votes: ${voters}`)
  }

  #configurations(node: number): ReadonlyArray<Configuration> {
    const now = this.#disks.view.node(node).raft?.configuration
    return [now, this.#before.get(node)].filter((configuration) => configuration !== undefined)
  }

  #commit(o: Of<"RaftCommit">): void {
    const life = lifeOf(o)
    const last = this.#commitIndex.get(life) ?? 0
    if (o.index < last) {
      throw new Violation("raft-commit-falls", `process ${life} moves its commit index from ${last} back to ${o.index}`)
    }
    this.#commitIndex.set(life, o.index)
    const log = this.#disks.appended(o.node)
    if (o.index > log.lastIndex) {
      throw new Violation(
        "raft-commit-beyond-log",
        `process ${life} commits ${o.index}, its log ends at ${log.lastIndex}`
      )
    }
    for (let index = Math.max(last, log.snapshotIndex) + 1; index <= o.index; index++) {
      this.#committedAt(o, log.entryAt(index)!, log)
    }
  }

  #apply(o: Of<"RaftApplied">): void {
    const life = lifeOf(o)
    const log = this.#disks.appended(o.node)
    // A process begins where its disk's snapshot ends.
    const last = this.#applied.get(life) ?? log.snapshotIndex
    if (o.entry.index !== last + 1) {
      throw new Violation("raft-apply-order", `process ${life} applies ${o.entry.index} after ${last}`)
    }
    this.#applied.set(life, o.entry.index)
    this.#committedAt(o, o.entry, log)
  }

  #snapshot(o: Of<"RaftSnapshot">): void {
    const known = this.#committed[o.index]
    if (known === undefined || known.term !== o.term) {
      const text = `node ${o.node} installs a snapshot at (${o.index}, term ${o.term}), committed there: ${known?.term}`
      throw new Violation("raft-state-machine-safety", text)
    }
    const life = lifeOf(o)
    this.#applied.set(life, Math.max(this.#applied.get(life) ?? 0, o.index))
  }

  /** A process says that this entry is committed. */
  #committedAt(o: Of<"RaftCommit" | "RaftApplied">, entry: Entry, log: Fold): void {
    const known = this.#committed[entry.index]
    if (known !== undefined) {
      if (sameEntry(known, entry)) return
      const text = `node ${o.node} has entry ${entry.index} of term ${entry.term} committed, elsewhere it is of term ${known.term}`
      throw new Violation("raft-state-machine-safety", text)
    }
    if (entry.index !== this.#committed.length) {
      throw new Violation("raft-apply-order", `index ${entry.index} is committed before ${this.#committed.length}`)
    }
    this.#checkQuorum(o.node, entry, log)
    this.#committed.push(entry)
  }

  #checkQuorum(node: number, entry: Entry, log: Fold): void {
    if (log.entryAt(entry.index)?.term !== entry.term) {
      throw new Violation("raft-commit-beyond-log", `node ${node} commits index ${entry.index}, which its log lacks`)
    }
    const asked = this.#configurations(node)
    if (asked.some((configuration) => this.#majorityHolds(configuration, entry))) return
    const voters = asked[0]?.voters.map((voter) => voter.node).join(", ")
    const text = `node ${node} commits index ${entry.index} of term ${entry.term}, which no majority of ${voters} holds durably`
    throw new Violation("raft-commit-quorum", text)
  }

  #majorityHolds(configuration: Configuration, entry: Entry): boolean {
    const { voters } = configuration
    let holding = 0
    for (const { node, directoryId } of voters) {
      const log = this.#disks.durable(node, directoryId)
      if (log.snapshotIndex >= entry.index || log.entryAt(entry.index)?.term === entry.term) holding++
    }
    return holding * 2 > voters.length
  }
}
