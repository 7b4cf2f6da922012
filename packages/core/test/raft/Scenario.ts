/**
 * Runs a text scenario against a small world of participants and prints what they do.
 *
 * A file is a list of blocks: command lines, `----`, the trace, an empty line. Lines that begin with `#` are remarks. Nothing moves
 * by itself. A node is its number; one with a new disk is `3b`, then `3c`. An entry is index/term=content.
 *
 * ```
 * nodes 3 [spare=4,5] [lease=on] [option=value …]   voters 1 to 3; spare nodes are up but in no configuration
 * campaign N            tick N +MS        tick all +MS
 * persist N [COUNT]     deliver A B [COUNT|last] [keep]    drop A B | drop all | drop N
 * settle N N …          delivers and persists among these until nothing moves; messages are not printed
 * propose N TEXT …      read N            lease N           change N add|promote|remove M
 * transfer N M          crash N [KEPT]    restart N         wipe N        snapshot N
 * show [N …]            messages are printed when they leave, unless `quiet`; `loud` again
 * ```
 */
import type { Message } from "../../src/raft/Message.ts"
import type { MembershipChange } from "../../src/raft/Raft.ts"
import { entryText, memberText, type Node, voters, World } from "./World.ts"

const NUMBERS = new Set([
  "electionTimeoutMs",
  "heartbeatMs",
  "appendBytesMax",
  "inflightBytesMax",
  "uncommittedBytesMax",
  "cacheBytesMax",
  "snapshotChunkBytes",
  "snapshotBytesMax",
  "pendingReadsMax",
  "pendingProposalsMax"
])

const CHANGES = { add: "AddLearner", promote: "PromoteLearner", remove: "RemoveMember" } as const

export function messageText(m: Message): string {
  const head = `${memberText(m.from)}->${memberText(m.to)} ${m._tag} term=${m.term}`
  switch (m._tag) {
    case "PreVote":
      return `${head} log=${m.lastIndex}/${m.lastTerm}`
    case "Vote":
      return `${head} log=${m.lastIndex}/${m.lastTerm}${m.transfer ? " transfer" : ""}`
    case "PreVoteResponse":
    case "VoteResponse":
      return `${head} ${m.granted ? "granted" : "denied"}`
    case "Append":
      return `${head} after=${m.previousIndex}/${m.previousTerm} [${m.entries.map(entryText).join(" ")}] commit=${m.commit} round=${m.round}`
    case "AppendResponse":
      return `${head} match=${m.matchIndex} round=${m.round}${m.mismatch === null ? "" : ` mismatch at ${m.mismatch.previousIndex}, holds ${m.mismatch.hintIndex}/${m.mismatch.hintTerm}`}`
    case "SnapshotChunk":
      return `${head} of ${m.snapshotIndex}/${m.snapshotTerm} bytes ${m.offset}+${m.bytes.length} of ${m.totalBytes}`
    case "SnapshotResponse":
      return `${head} of ${m.snapshotIndex} ${m.installed ? "installed" : `received ${m.receivedBytes}`}`
    case "TimeoutNow":
    case "ReadIndex":
      return head
    case "ReadIndexResponse":
      return `${head} ${m.index === null ? "refused" : `at ${m.index}`}`
  }
}

export class Scenario {
  world = new World({}, 1, () => {})
  #ticket = 0
  #loud = true
  #trace: Array<string> = []

  run(line: string): ReadonlyArray<string> {
    this.#trace = []
    const [verb = "", ...words] = line.split(/\s+/)
    this.#command(verb, words)
    return this.#trace
  }

  #command(verb: string, words: ReadonlyArray<string>): void {
    switch (verb) {
      case "nodes":
        return this.#build(words)
      case "quiet":
      case "loud":
        this.#loud = verb === "loud"
        return
      case "settle":
        return this.#settle(words.map(Number))
      case "deliver":
        return this.#deliver(words)
      case "drop":
        return this.#drop(words)
      case "show":
        for (const node of words.length === 0 ? this.world.nodes.values() : words.map((id) => this.#node(id)))
          this.#show(node)
        return
      case "tick":
        for (const node of words[0] === "all" ? this.world.nodes.values() : [this.#node(words[0])]) {
          this.world.tick(node, Number(words[1]))
        }
        return
      default:
        return this.#at(verb, this.#node(words[0]), words.slice(1))
    }
  }

  #at(verb: string, node: Node, words: ReadonlyArray<string>): void {
    const { world } = this
    const raft = node.raft
    switch (verb) {
      case "crash":
        return world.crash(node, Number(words[0] ?? 0))
      case "restart":
        return world.start(node)
      case "wipe":
        return world.wipe(node)
      case "persist":
        return world.persist(node, words[0] === undefined ? undefined : Number(words[0]))
      case "propose":
        for (const text of words) this.#outcome(`proposal ${++this.#ticket}`, world.propose(node, this.#ticket, text))
        return
      case "read":
        return world.read(node, ++this.#ticket)
      case "snapshot":
        this.#trace.push(world.saveSnapshot(node) ? `snapshot up to ${node.snapshot!.index}` : "nothing to snapshot")
        return
      case "campaign":
        raft!.campaign(node.nowMs)
        return world.pump(node)
      case "lease":
        this.#trace.push(raft!.leaseHolds(node.nowMs) ? "the lease holds" : "no lease")
        return
      case "transfer":
        this.#trace.push(raft!.transferLeadership(node.nowMs, this.#node(words[0]).member))
        return world.pump(node)
      case "change":
        return this.#change(node, words)
      default:
        throw new Error(`unknown command "${verb}"`)
    }
  }

  #build(words: ReadonlyArray<string>): void {
    const args = new Map(words.slice(1).map((word) => word.split("=") as [string, string]))
    const options: Record<string, unknown> = { lease: args.get("lease") === "on" }
    for (const [name, value] of args) if (NUMBERS.has(name)) options[name] = Number(value)
    this.world = new World(options, 1, (line) => this.#trace.push(line))
    this.world.onMessage = (message) => {
      if (this.#loud) this.#trace.push(messageText(message))
    }
    const ids = Array.from({ length: Number(words[0]) }, (_, at) => at + 1)
    for (const id of ids) this.world.add(id, voters(ids))
    for (const id of args.get("spare")?.split(",").map(Number) ?? []) this.world.add(id)
  }

  #settle(ids: ReadonlyArray<number>): void {
    const loud = this.#loud
    this.#loud = false
    this.world.settle(ids)
    this.#loud = loud
  }

  #deliver([from, to, ...how]: ReadonlyArray<string>): void {
    const link = this.world.link(Number(from), Number(to))
    const keep = how.includes("keep")
    if (how.includes("last")) {
      const message = link[link.length - 1]
      if (message === undefined) throw new Error("nothing to deliver")
      if (!keep) link.pop()
      return this.world.deliver(message)
    }
    const count = how.find((word) => /^\d+$/.test(word))
    const taken = link.slice(0, count === undefined ? undefined : Number(count))
    if (taken.length === 0) throw new Error(`nothing to deliver from ${from} to ${to}`)
    if (!keep) link.splice(0, taken.length)
    for (const message of taken) this.world.deliver(message)
  }

  #drop([from, to]: ReadonlyArray<string>): void {
    for (const [name, link] of this.world.links) {
      const [source, target] = name.split(" ")
      const meant =
        to === undefined ? from === "all" || source === from || target === from : source === from && target === to
      if (meant) link.length = 0
    }
  }

  #change(node: Node, [how, id]: ReadonlyArray<string>): void {
    const _tag = CHANGES[how as keyof typeof CHANGES]
    const letter = id!.replace(/^\d+/, "")
    const member = { node: Number.parseInt(id!, 10), directoryId: letter === "" ? "a" : letter }
    const change: MembershipChange = { _tag, member }
    const outcome = node.raft!.changeMembership(node.nowMs, ++this.#ticket, change)
    if (outcome === "proposed") this.world.fates.set(this.#ticket, "open")
    this.#outcome(`change ${this.#ticket}`, outcome)
    this.world.pump(node)
  }

  #outcome(what: string, outcome: string): void {
    this.#trace.push(`${what}: ${outcome}`)
  }

  #show(node: Node): void {
    const { raft } = node
    if (raft === undefined) {
      this.#trace.push(`${memberText(node.member)} is down`)
      return
    }
    const log: Array<string> = []
    for (let index = raft.firstIndex; index <= raft.lastIndex; index++) {
      const entry = raft.entryAt(index)
      log.push(entry === undefined ? `${index}/${raft.termAt(index)}` : entryText(entry))
    }
    const { voters: voting, learners } = raft.configuration
    const members = `voters=${voting.map(memberText).join(",")}${learners.length === 0 ? "" : ` learners=${learners.map(memberText).join(",")}`}`
    this.#trace.push(
      `${memberText(node.member)} ${raft.role} term=${raft.term} log=[${log.join(" ")}] persisted=${raft.persistedIndex} commit=${raft.commitIndex} applied=${raft.appliedIndex} ${members}${raft.snapshotWanted ? " wants a snapshot" : ""}`
    )
  }

  #node(word: string | undefined): Node {
    return this.world.node(Number(word))
  }
}
