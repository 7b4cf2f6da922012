import { HashMap } from "effect"
import { describe, expect, it } from "vitest"
import { emptyImage, type MetadataImage, type TopicImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { EntryKind } from "../../../packages/core/src/raft/Entry.ts"
import type { DiskRecord, LoggedBatch, NodeView } from "../World.ts"
import { BoundedMemory, type MemoryBounds } from "./BoundedMemory.ts"
import type { ClusterView } from "./Checker.ts"
import { converged } from "./Converged.ts"
import { batchOf } from "./FakeCluster.ts"

/** Spoils an object in place. */
const set = <A extends object>(object: A, values: Partial<A>): void => void Object.assign(object, values)

/** A node at rest, whose every property a test may spoil. */
const restingNode = (node: number) => {
  const batch = batchOf(["a", "b"])
  const entry = { term: 1, index: 1, kind: EntryKind.Command, payload: new Uint8Array([1]) }
  const replica = {
    ...{ topicId: "topic", partition: 0, role: node === 1 ? "leader" : "follower", epoch: 1, promised: 1 },
    ...{ logEndOffset: 2, highWatermark: 2, memory: 0, serves: node === 1, verified: { epoch: 1, offset: 2 } }
  }
  const memory = { cacheBytes: 33, inflightBytes: 0, pendingReads: 0, pendingProposals: 0, snapshotBytes: 0, held: 0 }
  const members = [1, 2, 3].map((id) => ({ node: id, directoryId: `d${id}` }))
  const raft = {
    ...{ role: node === 1 ? "leader" : "follower", term: 1, lastIndex: 1, commitIndex: 1, appliedIndex: 1 },
    ...{ leaderReady: node === 1, leader: { node: 1 }, configuration: { voters: members, learners: [] } },
    ...{ memory, entryAt: () => entry }
  }
  const write = (record: object) => ({ _tag: "Replica", topicId: "topic", partition: 0, write: record }) as DiskRecord
  const records: Array<DiskRecord> = [
    { _tag: "Entries", entries: [entry] },
    write({ _tag: "Marker", marker: { epoch: 1, offset: 0, unclean: false } }),
    write({ _tag: "Batches", batches: [{ epoch: 1, baseOffset: 0, endOffset: 2, data: batch }] })
  ]
  return {
    ...{ node, up: true, paused: false, incarnation: 1, directoryId: `d${node}`, image: restingImage({}, {}) },
    ...{ raft, replica: (): typeof replica | undefined => replica, hosted: replica, pendingWaiters: 0 },
    replicas: () => [replica],
    disk: { records, durableCount: records.length },
    log: (): ReadonlyArray<LoggedBatch> => [{ baseOffset: 0, endOffset: 2, epoch: 1, batch }]
  }
}

type RestingNode = ReturnType<typeof restingNode>

/** A resting node has of each machine what the checkers under test read, not the machines. */
const nodeViewOf = (node: RestingNode): NodeView => node as unknown as NodeView
const clusterOf = (nodes: ReadonlyArray<RestingNode>): ClusterView => {
  const view = { nodes: nodes.map((_, i) => i + 1), node: (node: number) => nodeViewOf(nodes[node - 1]!) }
  // Without faults and clients, of which a cluster at rest has none.
  return view as unknown as ClusterView
}

const restingImage = (partition: object, broker: object, name = "t0"): MetadataImage => {
  const replicas = [1, 2, 3]
  const placed = {
    ...{ partition: 0, stream: 1, replicas, directories: ["d1", "d2", "d3"], isr: replicas, leader: 1, leaderEpoch: 1 },
    ...{ unclean: false, configVersion: 0, adding: [], removing: [], target: [], electedAt: 1, ...partition }
  }
  const topic: TopicImage = { name, topicId: "topic", internal: false, partitions: [placed], configs: new Map() }
  const shared = { incarnation: 1, endpoints: [], rack: null, fenced: false, registeredAt: 0 }
  return emptyImage("fake").with({
    topicsByName: HashMap.make([name, topic]),
    topicsById: HashMap.make(["topic", topic]),
    brokers: new Map(replicas.map((nodeId) => [nodeId, { nodeId, directoryId: `d${nodeId}`, ...shared, ...broker }]))
  })
}

const missing = (spoil: (nodes: ReadonlyArray<RestingNode>) => void): string | undefined => {
  const nodes = [1, 2, 3].map(restingNode)
  spoil(nodes)
  return converged(clusterOf(nodes), { topics: 1 })
}

const everywhere = (image: MetadataImage) => (nodes: ReadonlyArray<RestingNode>) => {
  for (const node of nodes) node.image = image
}

describe("converged", () => {
  it("misses nothing at a cluster at rest", () => {
    expect(missing(() => {})).toBeUndefined()
  })

  it.each<readonly [what: string, spoil: (nodes: ReadonlyArray<RestingNode>) => void, sentence: RegExp]>([
    ["a node down", ([, two]) => set(two!, { up: false }), /node 2 is down/],
    ["a paused node", ([, two]) => set(two!, { paused: true }), /node 2 is paused/],
    ["a waiter", ([, two]) => set(two!, { pendingWaiters: 1 }), /node 2 still has 1 waiters/],
    ["no metadata leader", ([one]) => set(one!.raft, { role: "follower" }), /0 nodes lead/],
    ["two metadata leaders", ([, two]) => set(two!.raft, { role: "leader" }), /2 nodes lead/],
    ["nothing committed in the term", ([one]) => set(one!.raft, { leaderReady: false }), /committed nothing/],
    ["another term", ([, two]) => set(two!.raft, { term: 2 }), /node 2 is in term 2/],
    ["another leader", ([, two]) => set(two!.raft, { leader: { node: 3 } }), /node 2 takes 3/],
    ["an entry not applied", ([, two]) => set(two!.raft, { appliedIndex: 0 }), /node 2 has applied 0/],
    ["a log that is behind", ([, two]) => set(two!.raft, { lastIndex: 0 }), /node 2 has applied/],
    ["a proposal", ([, two]) => set(two!.raft.memory, { pendingProposals: 1 }), /node 2 has 1 proposals/],
    ["a member that is gone", ([, , three]) => set(three!, { directoryId: "d3'" }), /member 3 .* gone/],
    ["a node that is no member", ([one]) => void one!.raft.configuration.voters.pop(), /node 3 is no member/],
    ["another image", ([, two]) => set(two!, { image: two!.image.with({ nextProducerId: 7 }) }), /images .* differ/],
    ["no topic", everywhere(restingImage({}, {}, "other")), /topic t0 is not there/],
    ["a reassignment", everywhere(restingImage({ adding: [3] }, {})), /adding 3/],
    ["no leader", everywhere(restingImage({ leader: -1 }, {})), /nobody leads/],
    ["a leader beside the set", everywhere(restingImage({ leader: 4 }, {})), /leader 4 is no replica/],
    ["a fenced replica", everywhere(restingImage({}, { fenced: true })), /replica 1 is fenced/],
    ["a set that is not full", everywhere(restingImage({ isr: [1, 2] }, {})), /in sync are 1 2 of 1 2 3/],
    ["a disk that is gone", everywhere(restingImage({ directories: ["d1", "d2", "x"] }, {})), /disk x of replica 3/],
    ["a leader that does not serve", ([one]) => set(one!.hosted, { serves: false }), /serves: false/],
    ["a leader of another epoch", everywhere(restingImage({ leaderEpoch: 2 }, {})), /in epoch 1, named for 2/],
    ["a replica that is not there", ([, two]) => set(two!, { replica: () => undefined }), /node 2 does not host/],
    ["an open promise", ([, two]) => set(two!.hosted, { promised: 2 }), /node 2 has promised 2/],
    ["a shorter log", ([, two]) => set(two!.hosted, { logEndOffset: 1 }), /node 2 ends at 1/],
    [
      "a high watermark behind",
      ([, two]) => set(two!.hosted, { highWatermark: 1 }),
      /high watermark of node 2 is 1 of 2/
    ],
    ["a queue", ([, two]) => set(two!.hosted, { memory: 3 }), /node 2 still holds 3/],
    ["a log on disk that is shorter", ([, two]) => void two!.disk.records.pop(), /logs end at/],
    ["a metadata log that differs", ([, two]) => void two!.disk.records.shift(), /metadata logs .* differ at 1/],
    ["a log that is not served", ([, two]) => set(two!, { log: () => [] }), /node 2 serves 0 batches/],
    [
      "a replica that is not its own",
      ([one, two, three]) => {
        everywhere(restingImage({ replicas: [1, 2], isr: [1, 2] }, {}))([one!, two!, three!])
      },
      /node 3 hosts topic-0/
    ],
    [
      "another record on disk",
      ([, two]) => {
        const batches = [{ epoch: 1, baseOffset: 0, endOffset: 2, data: batchOf(["a", "x"]) }]
        two!.disk.records[2] = { _tag: "Replica", topicId: "topic", partition: 0, write: { _tag: "Batches", batches } }
      },
      /logs differ/
    ]
  ])("sees %s", (_, spoil, sentence) => {
    expect(missing(spoil)).toMatch(sentence)
  })
})

describe("bounded memory", () => {
  const raft = {
    ...{
      cacheBytesMax: 100,
      uncommittedBytesMax: 100,
      inflightBytesMax: 100,
      appendBytesMax: 10,
      snapshotChunkBytes: 1
    },
    ...{ snapshotBytesMax: 100, pendingReadsMax: 5, pendingProposalsMax: 5 }
  }
  const bounds: MemoryBounds = { raft, replicas: { inflightFramesMax: 2 } }
  const look = (spoil: (node: RestingNode) => void) => () => {
    const node = restingNode(1)
    spoil(node)
    new BoundedMemory(clusterOf([node]), bounds).look(nodeViewOf(node))
  }

  it("allows what the options allow", () => {
    look(() => {})()
  })

  it.each<readonly [what: string, spoil: (node: RestingNode) => void]>([
    ["cached entries", (node) => set(node.raft.memory, { cacheBytes: 5_000 })],
    ["entries not applied", (node) => set(node.raft, { lastIndex: 10 })],
    ["bytes in flight", (node) => set(node.raft.memory, { inflightBytes: 10_000 })],
    ["reads", (node) => set(node.raft.memory, { pendingReads: 6 })],
    ["proposals", (node) => set(node.raft.memory, { pendingProposals: 6 })],
    ["snapshots", (node) => set(node.raft.memory, { snapshotBytes: 101 })],
    ["queued items of a replica", (node) => set(node.hosted, { memory: 300 })]
  ])("sees too many %s", (_, spoil) => {
    expect(look(spoil)).toThrow(expect.objectContaining({ rule: "memory-unbounded" }))
  })

  it("looks at one node after the other while events go by, at all of them at the end", () => {
    const nodes = [1, 2, 3].map(restingNode)
    nodes[1]!.hosted.memory = 300
    const checker = new BoundedMemory(clusterOf(nodes), bounds)
    const run = () => {
      for (let i = 0; i < 1_000; i++) checker.afterEvent()
    }
    expect(run).toThrow(expect.objectContaining({ rule: "memory-unbounded" }))
    expect(() => checker.final()).toThrow(expect.objectContaining({ rule: "memory-unbounded" }))
  })
})
