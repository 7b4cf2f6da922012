/**
 * What the partitions have committed, and that it stays so.
 *
 * - The high watermark never falls within the life of a replica (rule 21 has the exception), never passes the log, and what it
 *   covers on any node equals what is committed.
 * - A leader's high watermark rests on the disks: up to the start of its own marker that marker lies on a majority of the counted
 *   replicas, beyond it Q of them hold everything up to it (rules 1, 6 and 18). Who is counted, and Q, are of the leader's image.
 * - A follower's high watermark never passes what a leader has committed (rule 3).
 * - Leader completeness: a replica that is elected, or begins to lead, holds everything that was ever committed.
 * - A clean truncation takes away nothing committed (rules 2 and 21), a reset ends where something is committed (rule 7).
 */
import type { MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import type { Observation } from "../Observation.ts"
import { type Checker, lifeOf, partitionKey, Violation } from "./Checker.ts"
import { type CommittedLog, type CommittedLogs, describeBatch, type Of, sameBatch } from "./CommittedLog.ts"
import type { DiskModel, PartitionFold } from "./DiskModel.ts"

/** A replica in one process lifetime, from its placing to its removal. */
interface Life {
  highWatermark: number
  /** Everything below was compared with the committed log. */
  comparedTo: number
}

interface Election {
  readonly epoch: number
  /** Of the elected log: dropped since, it is gone with its topic. */
  readonly generation: number
  readonly leader: number
  readonly directoryId: string
}

type HighWatermark = Of<"HighWatermark">
type At = { readonly topicId: string; readonly partition: number }

export class PartitionCommits implements Checker {
  readonly name = "partition commits"
  readonly #disks: DiskModel
  readonly #logs: CommittedLogs
  readonly #cover: (state: string) => void
  readonly #lives = new Map<string, Life>()
  readonly #uncleanEpochs = new Set<string>()
  /** Epochs that processes lead and have not left. */
  readonly #leading = new Map<string, number>()
  /** The newest election of each partition. */
  readonly #elected = new Map<string, Election>()
  /** Images that nodes had earlier in the event under way: a commit may have been counted under any of them. */
  readonly #left = new Map<number, Array<MetadataImage>>()

  constructor(disks: DiskModel, logs: CommittedLogs, cover: (state: string) => void) {
    this.#disks = disks
    this.#logs = logs
    this.#cover = cover
  }

  observe(o: Observation): void {
    switch (o._tag) {
      case "RaftApplied":
      case "RaftSnapshot":
        return this.#imageChanges(o.node)
      case "HighWatermark":
        return this.#highWatermark(o)
      case "Elected":
        return this.#electedLeader(o)
      case "MarkerAppended":
        if (o.unclean) this.#uncleanEpochs.add(`${partitionKey(o.topicId, o.partition)} ${o.epoch}`)
        return
      case "Leads":
        this.#leading.set(`${partitionKey(o.topicId, o.partition)} ${lifeOf(o)}`, o.epoch)
        return this.#leads(o)
      case "LeftEpoch":
        this.#leading.delete(`${partitionKey(o.topicId, o.partition)} ${lifeOf(o)}`)
        return
      case "Truncated":
        return this.#truncated(o)
      case "Reset":
        return this.#reset(o)
    }
  }

  /** Told before the image of the node changes. */
  #imageChanges(node: number): void {
    const { image } = this.#disks.view.node(node)
    const images = this.#left.get(node)
    if (images === undefined) this.#left.set(node, [image])
    else images.push(image)
  }

  afterEvent(): void {
    this.#left.clear()
  }

  // --- high watermarks

  #highWatermark(seen: HighWatermark): void {
    const committed = this.#logs.of(seen.topicId, seen.partition)
    // A watermark may move in the turn in which its replica leaves the epoch: what it was until then counts.
    const led = this.#leading.get(`${committed.key} ${lifeOf(seen)}`)
    const o: HighWatermark = led === undefined ? seen : { ...seen, role: "leader", epoch: led }
    const fold = this.#disks.appendedPartition(o.node, o.topicId, o.partition)
    const life = this.#lifeOf(o, fold)
    const where = `${committed.key} on node ${o.node}, ${o.role} in epoch ${o.epoch}`
    if (o.offset < life.highWatermark) {
      const text = `the high watermark of ${where} falls from ${life.highWatermark} to ${o.offset}`
      throw new Violation("high-watermark-falls", text)
    }
    if (o.offset > fold.endOffset) {
      const text = `the high watermark of ${where} moves to ${o.offset}, its log ends at ${fold.endOffset}`
      throw new Violation("high-watermark-beyond-log", text)
    }
    life.highWatermark = o.offset
    if (o.epoch < committed.uncleanEpoch) return this.#oldBranch(o, committed, fold)
    if (o.role === "leader") this.#commit(o, committed, fold)
    else if (o.offset > committed.endOffset) {
      const text = `the high watermark of ${where} moves to ${o.offset}, committed is up to ${committed.endOffset}`
      throw new Violation("high-watermark-not-committed", text)
    }
    this.#compare(where, life, committed, fold)
  }

  #commit(o: HighWatermark, committed: CommittedLog, fold: PartitionFold): void {
    // Nothing new: whoever committed it first was asked.
    if (o.offset <= committed.endOffset) return
    this.#checkQuorum(o, committed.key, fold)
    const newer = this.#elected.get(committed.key)
    for (let i = fold.indexOf(committed.endOffset); i < fold.batches.length; i++) {
      const batch = fold.batches[i]!
      if (batch.endOffset > o.offset) break
      committed.append(batch)
    }
    if (committed.endOffset !== o.offset) {
      const text = `${committed.key}: node ${o.node} moves its high watermark to ${o.offset}, inside of a batch`
      throw new Violation("high-watermark-inside-batch", text)
    }
    if (newer !== undefined && newer.epoch > o.epoch)
      this.#checkHolds(newer, o, committed, "commits after its election")
  }

  /** Compares what the watermark has newly covered here with the committed log. */
  #compare(where: string, life: Life, committed: CommittedLog, fold: PartitionFold): void {
    const from = Math.max(life.comparedTo, fold.startOffset)
    let at = committed.indexOf(from)
    for (let i = fold.indexOf(from); i < fold.batches.length; i++, at++) {
      const mine = fold.batches[i]!
      if (mine.baseOffset >= life.highWatermark) break
      const due = committed.batches[at]
      if (due !== undefined && sameBatch(mine, due)) continue
      const text = `${where} has ${describeBatch(mine)} under its high watermark, committed is ${describeBatch(due)}`
      throw new Violation("committed-differs", text)
    }
    life.comparedTo = life.highWatermark
  }

  #oldBranch(o: HighWatermark, committed: CommittedLog, fold: PartitionFold): void {
    this.#cover("check.committed beside an unclean epoch")
    for (let i = fold.indexOf(committed.endOffset); i < fold.batches.length; i++) {
      if (fold.batches[i]!.endOffset <= o.offset) committed.lose(fold.batches[i]!)
    }
  }

  #checkQuorum(o: HighWatermark, key: string, fold: PartitionFold): void {
    const marker = fold.markerOf(o.epoch)
    if (marker === undefined) {
      throw new Violation(
        "high-watermark-quorum",
        `node ${o.node} commits ${key} in epoch ${o.epoch} without its marker`
      )
    }
    const images = [this.#disks.view.node(o.node).image, ...(this.#left.get(o.node) ?? [])]
    let told = ""
    for (const image of images) {
      const topic = image.topicById(o.topicId)
      const partition = topic?.partitions[o.partition]
      if (topic === undefined || partition === undefined) continue
      const holds = (node: number, directoryId: string, offset: number) =>
        this.#disks.durablePartition(node, directoryId, o.topicId, o.partition).contains(o.epoch, offset)
      const counted = partition.replicas
        .map((node, i) => ({ node, directoryId: partition.directories[i]! }))
        .filter(({ node }) => !partition.adding.includes(node))
      const majority = Math.floor(counted.length / 2) + 1
      const minInSync = Number(topic.configs.get("min.insync.replicas") ?? "1")
      const place = Math.max(o.offset, marker.offset)
      // Rule 6: the start of the leader's own marker needs the marker on a majority; beyond it, Q.
      const needed = o.offset <= marker.offset ? majority : Math.min(counted.length, Math.max(majority, minInSync))
      const holding = counted.filter(({ node, directoryId }) => holds(node, directoryId, place))
      if (holding.length >= needed) return
      const nodes = (replicas: typeof counted) => replicas.map(({ node }) => node).join(" ")
      told = `(${o.epoch}, ${place}) lies durably on [${nodes(holding)}] of [${nodes(counted)}], needed are ${needed}`
    }
    if (told === "") return this.#cover("check.commit of a deleted topic")
    throw new Violation("high-watermark-quorum", `node ${o.node} commits ${key} up to ${o.offset}: ${told}`)
  }

  // --- elections

  #electedLeader(o: Of<"Elected">): void {
    const { key } = this.#logs.of(o.topicId, o.partition)
    if (o.unclean) this.#uncleanEpochs.add(`${key} ${o.epoch}`)
    const newest = this.#elected.get(key)
    if (o.leader < 0 || (newest !== undefined && newest.epoch >= o.epoch)) return
    const { generation } = this.#disks.appendedPartition(o.leader, o.topicId, o.partition)
    const elected = { epoch: o.epoch, generation, leader: o.leader, directoryId: this.#directoryElected(o) }
    if (o.unclean) {
      this.#elected.delete(key)
      return
    }
    this.#elected.set(key, elected)
    this.#checkHolds(elected, o, this.#logs.of(o.topicId, o.partition), "is elected")
  }

  /** The directory that the command meant: the newest image that has this election knows it. */
  #directoryElected(o: Of<"Elected">): string {
    const { view } = this.#disks
    for (const node of view.nodes) {
      const partition = view.node(node).image.topicById(o.topicId)?.partitions[o.partition]
      if (partition?.leaderEpoch !== o.epoch) continue
      const at = partition.replicas.indexOf(o.leader)
      if (at >= 0) return partition.directories[at]!
    }
    return view.node(o.leader).directoryId
  }

  #leads(o: Of<"Leads">): void {
    const committed = this.#logs.of(o.topicId, o.partition)
    const fold = this.#disks.appendedPartition(o.node, o.topicId, o.partition)
    if (this.#uncleanEpochs.has(`${committed.key} ${o.epoch}`)) {
      this.#cover("check.unclean leader")
      return this.#adopt(o, committed, fold)
    }
    if (o.epoch < committed.uncleanEpoch) return
    // A majority elected one that never heard of the unclean epoch, in which nothing was committed: that branch is the lost one.
    const nothing = committed.batches.every((batch) => batch.epoch < committed.uncleanEpoch)
    if (this.#crossesUnclean(committed, fold) && nothing) {
      this.#cover("check.unclean epoch abandoned")
      this.#adopt(o, committed, fold)
      const { highWatermark } = this.#lifeOf(o, fold)
      for (const batch of fold.batches.slice(fold.indexOf(committed.endOffset))) {
        if (batch.endOffset <= highWatermark) committed.append(batch)
      }
      return
    }
    // It hears late of its election, and somebody else has been elected since: it was compared when it was elected, and what
    // later epochs have committed it need not have.
    if ((this.#elected.get(committed.key)?.epoch ?? -1) > o.epoch) return this.#cover("check.late leader")
    this.#complete(`${committed.key}: node ${o.node} leads in epoch ${o.epoch}`, committed, fold)
  }

  /** From here on what this leader begins with is what is committed. */
  #adopt(o: Of<"Leads">, committed: CommittedLog, fold: PartitionFold): void {
    const batches = fold.batches.slice(fold.indexOf(fold.startOffset))
    committed.beginUnclean(o.epoch, batches, fold.startOffset, o.markerOffset)
    for (const [key, life] of this.#lives) {
      if (key.startsWith(`${committed.key} `)) life.comparedTo = Math.min(life.comparedTo, committed.endOffset)
    }
  }

  #checkHolds(election: Election, at: At, committed: CommittedLog, what: string): void {
    const { view } = this.#disks
    if (election.epoch < committed.uncleanEpoch) return
    // Wiped since: it will not lead (rule 18), and what it held is gone.
    if (view.node(election.leader).directoryId !== election.directoryId)
      return this.#cover("check.elected disk is gone")
    const fold = this.#disks.appendedPartition(election.leader, at.topicId, at.partition)
    if (fold.generation !== election.generation) return this.#cover("check.elected log was dropped")
    this.#complete(`${committed.key}: node ${election.leader} of epoch ${election.epoch} (${what})`, committed, fold)
  }

  #complete(who: string, committed: CommittedLog, fold: PartitionFold): void {
    const from = fold.startOffset
    let i = fold.indexOf(from)
    for (let at = committed.indexOf(from); at < committed.batches.length; at++, i++) {
      const due = committed.batches[at]!
      const held = fold.batches[i]
      if (held !== undefined && sameBatch(held, due)) continue
      const text = `${who} lacks what is committed, ${describeBatch(due)}: it has ${describeBatch(held)} there`
      throw new Violation("partition-leader-completeness", text)
    }
  }

  // --- cuts

  #truncated(o: Of<"Truncated">): void {
    const committed = this.#logs.of(o.topicId, o.partition)
    const fold = this.#disks.appendedPartition(o.node, o.topicId, o.partition)
    const life = this.#lifeOf(o, fold)
    const where = `${committed.key}: node ${o.node} truncates to (${o.to.epoch}, ${o.to.offset})`
    if (o.to.offset < life.highWatermark) {
      // Rule 21: only across the marker of an unclean epoch.
      if (!this.#crossesUnclean(committed, fold)) {
        throw new Violation("truncated-below-high-watermark", `${where}, its high watermark is ${life.highWatermark}`)
      }
      life.highWatermark = o.to.offset
      life.comparedTo = Math.min(life.comparedTo, o.to.offset)
    }
    if (o.to.offset < fold.endOffset) this.#cover("check.truncation compared")
    for (const batch of fold.batches.slice(fold.indexOf(o.to.offset))) {
      const due = committed.batches[committed.indexOf(batch.baseOffset)]
      if (due === undefined || !sameBatch(batch, due)) continue
      throw new Violation("truncated-committed", `${where} and loses ${describeBatch(batch)}, which is committed`)
    }
  }

  #crossesUnclean(committed: CommittedLog, fold: PartitionFold): boolean {
    return committed.uncleanEpoch >= 0 && fold.markerOf(committed.uncleanEpoch) === undefined
  }

  #reset(o: Of<"Reset">): void {
    const committed = this.#logs.of(o.topicId, o.partition)
    if (o.to.offset > committed.endOffset) {
      const text = `${committed.key}: node ${o.node} begins anew at ${o.to.offset}, committed is up to ${committed.endOffset}`
      throw new Violation("reset-beyond-committed", text)
    }
    const fold = this.#disks.appendedPartition(o.node, o.topicId, o.partition)
    const life = this.#lifeOf(o, fold)
    if (o.to.offset < life.highWatermark && !this.#crossesUnclean(committed, fold)) {
      const text = `${committed.key}: node ${o.node} begins anew at ${o.to.offset}, below its high watermark`
      throw new Violation("truncated-below-high-watermark", `${text} ${life.highWatermark}`)
    }
    life.highWatermark = Math.min(life.highWatermark, o.to.offset)
    life.comparedTo = o.to.offset
  }

  #lifeOf(o: At & { readonly node: number; readonly incarnation: number }, fold: PartitionFold): Life {
    const key = `${partitionKey(o.topicId, o.partition)} ${lifeOf(o)} ${fold.generation}`
    let life = this.#lives.get(key)
    if (life === undefined) {
      life = { highWatermark: 0, comparedTo: 0 }
      this.#lives.set(key, life)
    }
    return life
  }
}
