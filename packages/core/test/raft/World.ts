/**
 * A few participants with disks, a state machine each and a network in one place, moved by hand or by chance.
 *
 * Nothing happens by itself: a message waits in its link until it is delivered or dropped, a write until it is persisted, a
 * clock until it is moved. What a participant applies, whom it elects and what it acknowledges is checked against all others at
 * each step; a broken rule throws.
 */
import { utf8Bytes, utf8Text } from "../../src/base/Bytes.ts"
import { Prng } from "../../src/base/Prng.ts"
import {
  type Configuration,
  EMPTY_CONFIGURATION,
  type Entry,
  EntryKind,
  type HardState,
  INITIAL_HARD_STATE,
  type Member,
  type Snapshot
} from "../../src/raft/Entry.ts"
import type { Message } from "../../src/raft/Message.ts"
import { Raft } from "../../src/raft/Raft.ts"
import { defaultRaftOptions, type RaftOptions } from "../../src/raft/RaftOptions.ts"
import type { Apply, Ready, Write } from "../../src/raft/Ready.ts"

export type Trace = (line: string) => void

export const memberText = (member: Member): string =>
  member.directoryId === "a" ? String(member.node) : `${member.node}${member.directoryId}`

export const entryText = (entry: Entry): string => {
  if (entry.kind === EntryKind.Noop) return `${entry.index}/${entry.term}`
  if (entry.kind === EntryKind.Configuration) return `${entry.index}/${entry.term}=members`
  return `${entry.index}/${entry.term}=${utf8Text(entry.payload)}`
}

function fail(rule: string): never {
  throw new Error(rule)
}

export class Node {
  readonly id: number
  member: Member
  raft: Raft | undefined
  nowMs = 0
  bootstrap: Configuration
  hardState: HardState = INITIAL_HARD_STATE
  snapshot: Snapshot | undefined
  entries: Array<Entry> = []
  readonly writes: Array<Write> = []
  /** The state machine: commands in order. */
  state: Array<string> = []
  appliedIndex = 0
  role = "follower"
  /** For reads: what was acknowledged anywhere when the read was asked. */
  readonly reading = new Map<number, number>()

  constructor(id: number, bootstrap: Configuration) {
    this.id = id
    this.member = { node: id, directoryId: "a" }
    this.bootstrap = bootstrap
  }

  /** One write reaches the disk. */
  store(write: Write): void {
    if (write.hardState !== undefined) this.hardState = write.hardState
    if (write.snapshot !== undefined) {
      this.snapshot = write.snapshot
      this.entries = []
    }
    const first = write.entries[0]
    if (first === undefined) return
    while (this.entries.length > 0 && this.entries[this.entries.length - 1]!.index >= first.index) this.entries.pop()
    const last = this.entries[this.entries.length - 1]?.index ?? this.snapshot?.index ?? 0
    if (first.index !== last + 1) fail(`node ${this.id}: a write leaves a hole at ${last + 1}`)
    this.entries.push(...write.entries)
  }
}

export class World {
  readonly nodes = new Map<number, Node>()
  readonly links = new Map<string, Array<Message>>()
  readonly options: Partial<RaftOptions>
  readonly random: Prng
  readonly trace: Trace
  readonly fates = new Map<number, string>()
  /** By index, what any participant ever applied: (term, content). */
  readonly committed: Array<string> = []
  readonly leaders = new Map<number, number>()
  /** Called for each message that leaves a participant. */
  onMessage: (message: Message) => void = () => {}
  acknowledgedIndex = 0
  readonly seen = new Map<string, number>()

  constructor(options: Partial<RaftOptions>, seed: number, trace: Trace) {
    this.options = options
    this.random = new Prng(seed)
    this.trace = trace
  }

  count(state: string): void {
    this.seen.set(state, (this.seen.get(state) ?? 0) + 1)
  }

  add(id: number, bootstrap: Configuration = EMPTY_CONFIGURATION): Node {
    const node = new Node(id, bootstrap)
    this.nodes.set(id, node)
    this.start(node)
    return node
  }

  node(id: number): Node {
    return this.nodes.get(id) ?? fail(`no node ${id}`)
  }

  start(node: Node): void {
    const { hardState, snapshot, entries, bootstrap } = node
    node.state = []
    node.appliedIndex = 0
    node.role = "follower"
    node.raft = new Raft(
      { ...defaultRaftOptions(node.member), ...this.options },
      { hardState, snapshot, entries, bootstrap },
      {
        read: (index, offset, maxBytes) =>
          node.snapshot?.index === index ? node.snapshot.payload.subarray(offset, offset + maxBytes) : undefined
      },
      this.random.fork(),
      node.nowMs
    )
    this.pump(node)
  }

  /** Writes under way are lost but for the first `kept`. */
  crash(node: Node, kept = 0): void {
    for (const write of node.writes.splice(0).slice(0, kept)) node.store(write)
    node.raft = undefined
    node.reading.clear()
  }

  /** The node comes back with an empty disk: another participant. */
  wipe(node: Node): void {
    this.crash(node)
    node.member = { node: node.id, directoryId: String.fromCharCode(node.member.directoryId.charCodeAt(0) + 1) }
    node.bootstrap = EMPTY_CONFIGURATION
    node.hardState = INITIAL_HARD_STATE
    node.snapshot = undefined
    node.entries = []
  }

  persist(node: Node, count = node.writes.length): void {
    for (const write of node.writes.splice(0, count)) {
      node.store(write)
      node.raft!.advance(write.sequence)
      this.pump(node)
    }
  }

  link(from: number, to: number): Array<Message> {
    const key = `${from} ${to}`
    const link = this.links.get(key) ?? []
    this.links.set(key, link)
    return link
  }

  deliver(message: Message): void {
    const node = this.nodes.get(message.to.node)
    if (node?.raft === undefined) return
    this.count(message._tag)
    node.raft.step(node.nowMs, message)
    this.pump(node)
  }

  tick(node: Node, byMs: number): void {
    node.nowMs += byMs
    if (node.raft === undefined) return
    node.raft.tick(node.nowMs)
    this.pump(node)
  }

  propose(node: Node, ticket: number, text: string): string {
    const outcome = node.raft!.propose(node.nowMs, ticket, utf8Bytes(text))
    if (outcome === "proposed") this.fates.set(ticket, "open")
    this.pump(node)
    return outcome
  }

  read(node: Node, ticket: number): void {
    node.reading.set(ticket, this.acknowledgedIndex)
    node.raft!.readIndex(node.nowMs, ticket)
    this.pump(node)
  }

  /** The newest state becomes a snapshot, durable at once. */
  saveSnapshot(node: Node): boolean {
    const raft = node.raft!
    const index = node.appliedIndex
    if (index < raft.firstIndex || index > raft.persistedIndex) return false
    const configuration = raft.configurationAt(index)!
    const term = raft.termAt(index)!
    const payload = utf8Bytes(node.state.join(" "))
    // The disk holds what is persisted: writes under way come later and start behind `index`.
    node.snapshot = { index, term, configuration, payload }
    node.entries = node.entries.filter((entry) => entry.index > index)
    raft.snapshotSaved({ index, term, configuration, totalBytes: payload.length })
    this.pump(node)
    return true
  }

  /** Does all that the participant wants done, but for making writes durable. */
  pump(node: Node): void {
    const raft = node.raft!
    for (let ready = raft.ready(); ready !== undefined; ready = raft.ready()) this.#take(node, raft, ready)
    if (raft.role !== node.role) {
      node.role = raft.role
      this.trace(`${memberText(node.member)} is ${raft.role} in term ${raft.term}`)
      this.count(raft.role)
    }
    if (raft.role === "leader") this.#checkLeader(node, raft)
  }

  #take(node: Node, raft: Raft, ready: Ready): void {
    if (ready.write !== undefined) node.writes.push(ready.write)
    for (const message of ready.messages) {
      this.link(message.from.node, message.to.node).push(message)
      this.onMessage(message)
    }
    for (const apply of ready.apply) this.#apply(node, apply)
    if (ready.apply.length > 0) raft.applied(node.appliedIndex)
    for (const { ticket, fate } of ready.fates) {
      this.trace(`${memberText(node.member)} proposal ${ticket}: ${fate}`)
      if (this.fates.get(ticket) !== "open") fail(`proposal ${ticket} ended twice`)
      this.fates.set(ticket, fate)
      this.count(fate)
    }
    for (const { ticket, index, lease } of ready.reads) {
      this.trace(
        `${memberText(node.member)} read ${ticket}: ${index === null ? "refused" : `at ${index}`}${lease ? " by lease" : ""}`
      )
      const least = node.reading.get(ticket)
      if (least === undefined) fail(`read ${ticket} was answered twice`)
      node.reading.delete(ticket)
      if (index !== null && index < least) fail(`read ${ticket} is stale: ${index} < ${least}`)
      if (index !== null) this.count(lease ? "leaseRead" : "read")
    }
  }

  #apply(node: Node, apply: Apply): void {
    if (apply._tag === "Snapshot") {
      const { index, payload } = apply.snapshot
      node.state = payload.length === 0 ? [] : utf8Text(payload).split(" ")
      node.appliedIndex = index
      this.trace(`${memberText(node.member)} applies snapshot up to ${index}: [${node.state.join(" ")}]`)
      this.count("appliedSnapshot")
      return
    }
    const { entry, ticket } = apply
    if (entry.index !== node.appliedIndex + 1) fail(`node ${node.id} applies ${entry.index} after ${node.appliedIndex}`)
    const content = entryText(entry)
    const stored = node.entries[entry.index - (node.entries[0]?.index ?? 0)]
    if (stored === undefined || entryText(stored) !== content)
      fail(`node ${node.id} applies ${content}, not on its disk`)
    const before = this.committed[entry.index] ?? content
    this.committed[entry.index] = before
    if (before !== content) fail(`node ${node.id} applies ${content}, another one applied ${before}`)
    node.appliedIndex = entry.index
    if (entry.kind === EntryKind.Command) node.state.push(utf8Text(entry.payload))
    this.trace(`${memberText(node.member)} applies ${content}${ticket === undefined ? "" : `, proposal ${ticket}`}`)
    if (ticket === undefined) return
    if (this.fates.get(ticket) !== "open") fail(`proposal ${ticket} ended twice`)
    this.fates.set(ticket, "Committed")
    if (entry.index > this.acknowledgedIndex) this.acknowledgedIndex = entry.index
  }

  #checkLeader(node: Node, raft: Raft): void {
    const known = this.leaders.get(raft.term)
    if (known === undefined) {
      this.leaders.set(raft.term, node.id)
      // Leader completeness, at the election: everything that anybody has applied is in the leader's log.
      for (let index = raft.firstIndex; index < this.committed.length; index++) {
        const entry = raft.entryAt(index)
        const content = this.committed[index]
        if (content === undefined || (entry === undefined && raft.termAt(index) !== undefined)) continue
        if (entry === undefined || entryText(entry) !== content)
          fail(`leader ${node.id} of ${raft.term} lacks ${content}`)
      }
    } else if (known !== node.id) fail(`term ${raft.term} has two leaders, ${known} and ${node.id}`)
  }

  /** Delivers and persists among these nodes until nothing moves. Messages to and from others stay where they are. */
  settle(ids: ReadonlyArray<number>): void {
    const key = new Set(ids)
    for (let turn = 0; turn < 10_000; turn++) {
      let moved = false
      for (const id of ids) {
        const node = this.node(id)
        if (node.raft !== undefined && node.writes.length > 0) {
          this.persist(node)
          moved = true
        }
      }
      for (const [name, link] of this.links) {
        const [from, to] = name.split(" ").map(Number)
        if (!key.has(from!) || !key.has(to!) || link.length === 0) continue
        for (const message of link.splice(0)) this.deliver(message)
        moved = true
      }
      if (!moved) return
    }
    fail("the world does not come to rest")
  }
}

export const voters = (ids: ReadonlyArray<number>): Configuration => ({
  voters: ids.map((node) => ({ node, directoryId: "a" })),
  learners: []
})
