/**
 * A cluster of disks and pictures without any machine in it, for the checkers' own tests: a history is written by hand, line by
 * line, and every checker is told of it as in a real run.
 */
import { HashMap } from "effect"
import {
  emptyImage,
  type MetadataImage,
  type PartitionImage
} from "../../../packages/core/src/metadata/MetadataImage.ts"
import { type Configuration, type Entry, EntryKind } from "../../../packages/core/src/raft/Entry.ts"
import type { ReplicaWrite } from "../../../packages/core/src/replication/Output.ts"
import { hashText } from "../kernel/Streams.ts"
import type { Observation } from "../Observation.ts"
import type { DiskRecord, LoggedBatch, NodeView, SimBatch } from "../World.ts"
import type { Checker, ClusterView } from "./Checker.ts"
import { AcknowledgedRecords, Reads } from "./ClientHistories.ts"
import { CommittedLogs } from "./CommittedLog.ts"
import { DiskModel } from "./DiskModel.ts"
import { ElectionSafety } from "./ElectionSafety.ts"
import { Linearizability } from "./Linearizability.ts"
import { LogMatching } from "./LogMatching.ts"
import { PartitionCommits } from "./PartitionCommits.ts"
import { RaftCommits } from "./RaftCommits.ts"

export const TOPIC = "topic"
const AT = { topicId: TOPIC, partition: 0 }

interface FakeNode {
  readonly node: number
  incarnation: number
  directoryId: string
  image: MetadataImage
  configuration: Configuration
  records: Array<DiskRecord>
  durableCount: number
  leads: number
}

export const batchOf = (ids: ReadonlyArray<string>, producer?: readonly [id: number, epoch: number, base: number]) => {
  const [producerId, producerEpoch, baseSequence] = producer ?? [-1, -1, -1]
  const batch: SimBatch = {
    ids,
    hash: hashText(ids.join()),
    producerId,
    producerEpoch,
    baseSequence,
    bytes: ids.length
  }
  return batch
}

export class FakeCluster {
  readonly covered: Array<string> = []
  readonly view: ClusterView
  readonly #nodes = new Map<number, FakeNode>()
  readonly #checkers: ReadonlyArray<Checker>

  constructor(count = 3) {
    const members = Array.from({ length: count }, (_, i) => ({ node: i + 1, directoryId: `d${i + 1}` }))
    for (const { node, directoryId } of members) {
      const configuration: Configuration = { voters: members, learners: [] }
      const image = emptyImage("fake")
      const lives = { incarnation: 1, records: [], durableCount: 0, leads: 0 }
      this.#nodes.set(node, { node, directoryId, image, configuration, ...lives })
    }
    this.view = { nodes: members.map(({ node }) => node), node: (node) => viewOf(this.#nodes.get(node)!) }
    const disks = new DiskModel(this.view)
    const logs = new CommittedLogs()
    const cover = (state: string) => void this.covered.push(state)
    this.#checkers = [
      disks,
      new ElectionSafety(),
      new LogMatching(),
      new RaftCommits(disks),
      new PartitionCommits(disks, logs, cover),
      new AcknowledgedRecords(logs),
      new Reads(logs),
      new Linearizability(cover)
    ]
    for (const { node } of members) this.start(node)
  }

  at(node: number): FakeNode {
    return this.#nodes.get(node)!
  }

  tell(observation: Observation): void {
    for (const checker of this.#checkers) checker.observe(observation)
  }

  /** The event under way is over. */
  next(): void {
    for (const checker of this.#checkers) checker.afterEvent?.()
  }

  final(): void {
    for (const checker of this.#checkers) checker.final?.(this.view)
  }

  // --- processes and disks

  start(node: number, wiped = false): void {
    const at = this.at(node)
    this.tell({ _tag: "Started", node, incarnation: at.incarnation, directoryId: at.directoryId, wiped })
    this.next()
  }

  /** Loses everything that is not durable, and starts again. */
  restart(node: number): void {
    const at = this.at(node)
    at.records = at.records.slice(0, at.durableCount)
    this.tell({ _tag: "Crashed", node, incarnation: at.incarnation })
    at.incarnation++
    this.start(node)
  }

  wipe(node: number): void {
    const at = this.at(node)
    this.tell({ _tag: "Crashed", node, incarnation: at.incarnation })
    at.records = []
    at.durableCount = 0
    at.directoryId = `${at.directoryId}'`
    at.incarnation++
    this.start(node, true)
  }

  sync(...nodes: ReadonlyArray<number>): void {
    for (const node of nodes) this.at(node).durableCount = this.at(node).records.length
  }

  #life(node: number) {
    return { node, incarnation: this.at(node).incarnation }
  }

  #write(node: number, write: ReplicaWrite<SimBatch>): void {
    this.at(node).records.push({ _tag: "Replica", ...AT, write })
  }

  // --- the metadata log

  raftAppend(node: number, term: number, index: number, previousTerm: number, text = `${term}/${index}`): void {
    const entry: Entry = { term, index, kind: EntryKind.Command, payload: new TextEncoder().encode(text) }
    this.at(node).records.push({ _tag: "Entries", entries: [entry] })
    this.tell({ _tag: "RaftAppended", ...this.#life(node), entries: [entry], previousTerm })
  }

  /** With the durable votes of `voters`, of all when they are not named. */
  raftLeads(node: number, term: number, lastIndex: number, voters = this.view.nodes): void {
    const vote = { node, directoryId: this.at(node).directoryId }
    for (const voter of voters) {
      this.at(voter).records.push({ _tag: "HardState", hardState: { term, vote } })
      this.sync(voter)
    }
    this.tell({ _tag: "RaftRole", ...this.#life(node), role: "leader", term, lastIndex })
  }

  raftCommits(node: number, index: number): void {
    this.tell({ _tag: "RaftCommit", ...this.#life(node), index })
    this.next()
  }

  raftApplies(node: number, index: number, endsEvent = true): void {
    const entries = this.at(node).records.flatMap((record) => (record._tag === "Entries" ? record.entries : []))
    const entry = entries.findLast((one) => one.index === index)!
    this.tell({ _tag: "RaftApplied", ...this.#life(node), entry })
    if (endsEvent) this.next()
  }

  votes(node: number, term: number, candidate: number | null): void {
    this.tell({ _tag: "RaftVoteDurable", ...this.#life(node), term, candidate })
  }

  // --- one partition

  /** What every node's image says of the partition. */
  image(minInSync: number, partition: Partial<PartitionImage> = {}): void {
    const replicas = partition.replicas ?? this.view.nodes
    const image: PartitionImage = {
      partition: 0,
      stream: 1,
      replicas,
      directories: replicas.map((node) => this.at(node).directoryId),
      isr: replicas,
      leader: 1,
      leaderEpoch: 0,
      unclean: false,
      configVersion: 0,
      adding: [],
      removing: [],
      electedAt: 1,
      ...partition
    } as PartitionImage
    const configs = new Map([["min.insync.replicas", String(minInSync)]])
    const topic = { name: "t", topicId: TOPIC, internal: false, partitions: [image], configs }
    for (const at of this.#nodes.values()) {
      at.image = at.image.with({ topicsById: HashMap.make([TOPIC, topic]), topicsByName: HashMap.make(["t", topic]) })
    }
  }

  elected(leader: number, epoch: number, unclean = false): void {
    this.tell({ _tag: "Elected", ...AT, epoch, leader, unclean, counted: this.view.nodes })
  }

  marker(node: number, epoch: number, offset: number, unclean = false): void {
    this.tell({ _tag: "MarkerAppended", ...AT, ...this.#life(node), epoch, offset, unclean })
    this.#write(node, { _tag: "Marker", marker: { epoch, offset, unclean } })
  }

  /** Writes its marker (but for epoch 0) and leads. */
  leads(node: number, epoch: number, offset: number, unclean = false): void {
    this.at(node).leads = epoch
    if (epoch > 0) this.marker(node, epoch, offset, unclean)
    this.tell({ _tag: "Leads", ...AT, ...this.#life(node), epoch, markerOffset: offset })
  }

  leaves(node: number, epoch: number): void {
    this.tell({ _tag: "LeftEpoch", ...AT, ...this.#life(node), epoch })
  }

  append(node: number, epoch: number, baseOffset: number, batch: SimBatch, byLeader = true): void {
    const endOffset = baseOffset + batch.ids.length
    const { hash } = batch
    this.tell({ _tag: "Appended", ...AT, ...this.#life(node), epoch, baseOffset, endOffset, hash, byLeader })
    this.#write(node, { _tag: "Batches", batches: [{ epoch, baseOffset, endOffset, data: batch }] })
  }

  truncate(node: number, epoch: number, offset: number, unclean = false): void {
    this.tell({ _tag: "Truncated", ...AT, ...this.#life(node), to: { epoch, offset }, unclean })
    this.#write(node, { _tag: "Truncate", to: { epoch, offset } })
  }

  highWatermark(node: number, epoch: number, offset: number, role: "leader" | "follower" = "leader"): void {
    this.tell({ _tag: "HighWatermark", ...AT, ...this.#life(node), offset, role, epoch })
  }

  /** One batch of epoch 0 from node 1 to all, durable and committed everywhere. */
  replicate(epoch: number, baseOffset: number, batch: SimBatch, leader = 1): void {
    const end = baseOffset + batch.ids.length
    this.append(leader, epoch, baseOffset, batch)
    for (const node of this.view.nodes) if (node !== leader) this.append(node, epoch, baseOffset, batch, false)
    this.sync(...this.view.nodes)
    this.highWatermark(leader, epoch, end)
    for (const node of this.view.nodes) if (node !== leader) this.highWatermark(node, epoch, end, "follower")
  }

  // --- clients

  sends(ids: ReadonlyArray<string>, acks = -1): void {
    this.tell({ _tag: "ProduceSent", client: 9, ...AT, acks, ids, idempotent: false })
  }

  acked(id: string, offset: number, epoch: number, acks = -1): void {
    const records = [{ id, offset }]
    this.tell({ _tag: "ProduceAcked", client: 9, ...AT, acks, records, idempotent: false, node: 1, epoch })
  }

  fetched(offset: number, ids: ReadonlyArray<string>, highWatermark: number, first = offset): void {
    const records = ids.map((id, i) => ({ id, offset: first + i }))
    this.tell({ _tag: "Fetched", client: 9, ...AT, node: 1, offset, records, highWatermark })
  }
}

const viewOf = (fake: FakeNode): NodeView => {
  const view = {
    ...fake,
    up: true,
    paused: false,
    disk: { records: fake.records, durableCount: fake.durableCount },
    raft: { configuration: fake.configuration },
    replica: () => undefined,
    replicas: () => [],
    log: (): ReadonlyArray<LoggedBatch> => [],
    durableLog: () => ({ batches: [], position: { epoch: 0, offset: 0 } }),
    pendingWaiters: 0
  }
  // What no checker under test reads is left out: the machines of a node that has none.
  return view as unknown as NodeView
}
