import { describe, expect, it } from "vitest"
import { FakeCluster } from "./FakeCluster.ts"

/** Entries 1 (term 1) and 2 (term 1) on all, durable, committed and applied by node 1. */
const committed = (): FakeCluster => {
  const cluster = new FakeCluster()
  for (const node of [1, 2, 3]) {
    cluster.raftAppend(node, 1, 1, 0)
    cluster.raftAppend(node, 1, 2, 1)
  }
  cluster.raftLeads(1, 1, 2)
  cluster.sync(1, 2, 3)
  cluster.raftCommits(1, 2)
  return cluster
}

const rule = (name: string) => expect.objectContaining({ rule: name })

describe("election safety", () => {
  it("allows one leader a term, told twice, and the next term", () => {
    const cluster = committed()
    cluster.raftLeads(1, 1, 2)
    cluster.raftLeads(2, 2, 2)
  })

  it("sees two leaders of a term", () => {
    expect(() => committed().raftLeads(2, 1, 2)).toThrow(rule("raft-two-leaders"))
  })

  it("sees the next process of a node lead on in its old term", () => {
    const cluster = committed()
    cluster.restart(1)
    expect(() => cluster.raftLeads(1, 1, 2)).toThrow(rule("raft-two-leaders"))
  })

  it("sees a leader that has no majority of durable votes", () => {
    const cluster = committed()
    cluster.raftLeads(2, 2, 2, [2, 3])
    expect(() => committed().raftLeads(2, 2, 2, [2])).toThrow(rule("raft-leader-votes"))
    const late = committed()
    const vote = { node: 2, directoryId: "d2" }
    for (const node of [2, 3]) late.at(node).records.push({ _tag: "HardState", hardState: { term: 2, vote } })
    expect(() => late.raftLeads(2, 2, 2, [])).toThrow(rule("raft-leader-votes"))
    late.sync(2, 3)
    late.raftLeads(2, 2, 2, [])
  })

  it("allows a vote after none and votes of different terms", () => {
    const cluster = new FakeCluster()
    cluster.votes(1, 1, null)
    cluster.votes(1, 1, 2)
    cluster.votes(1, 1, 2)
    cluster.restart(1)
    cluster.votes(1, 2, 3)
  })

  it.each([2, null])("sees a vote that is lost or another in its term (%s)", (candidate) => {
    const cluster = new FakeCluster()
    cluster.votes(1, 4, 3)
    cluster.restart(1)
    expect(() => cluster.votes(1, 4, candidate)).toThrow(rule("raft-two-votes"))
  })

  it("asks a new directory for nothing that the old one promised", () => {
    const cluster = new FakeCluster()
    cluster.votes(1, 4, 3)
    cluster.wipe(1)
    cluster.votes(1, 4, 2)
  })

  it("sees a term that falls", () => {
    const cluster = new FakeCluster()
    cluster.votes(1, 4, 3)
    expect(() => cluster.votes(1, 3, 3)).toThrow(rule("raft-term-falls"))
  })
})

describe("raft log matching", () => {
  it("sees other content at the same index and term", () => {
    const cluster = committed()
    cluster.raftAppend(1, 1, 3, 1, "this")
    expect(() => cluster.raftAppend(2, 1, 3, 1, "that")).toThrow(rule("raft-log-matching"))
  })

  it("sees another predecessor", () => {
    const cluster = committed()
    cluster.raftAppend(1, 3, 3, 1)
    expect(() => cluster.raftAppend(2, 3, 3, 2)).toThrow(rule("raft-log-matching"))
  })

  it("sees a term that falls along the log, and a gap", () => {
    expect(() => committed().raftAppend(1, 1, 3, 2)).toThrow(rule("raft-log-order"))
    const cluster = committed()
    cluster.raftAppend(1, 1, 4, 1)
    expect(() => cluster.raftLeads(1, 2, 4)).toThrow(rule("raft-log-order"))
  })
})

describe("leader completeness", () => {
  it("judges at the election, by the log on the disk", () => {
    const cluster = committed()
    cluster.raftLeads(2, 2, 2)
    // Node 3 overwrites what was committed, and nobody minds until it leads.
    cluster.raftAppend(3, 2, 2, 1)
    expect(() => cluster.raftLeads(3, 3, 2)).toThrow(rule("raft-leader-completeness"))
  })

  it("sees a leader whose log is too short, as it says itself", () => {
    expect(() => committed().raftLeads(2, 2, 1)).toThrow(rule("raft-leader-completeness"))
  })

  it("sees entries that were not durable missing after a crash", () => {
    const cluster = new FakeCluster()
    for (const node of [1, 2, 3]) cluster.raftAppend(node, 1, 1, 0)
    cluster.sync(1, 2)
    cluster.raftCommits(1, 1)
    cluster.restart(3)
    expect(() => cluster.raftLeads(3, 2, 0)).toThrow(rule("raft-leader-completeness"))
  })
})

describe("commits", () => {
  it("sees a commit index that falls, but not in the next process", () => {
    const cluster = committed()
    cluster.restart(1)
    cluster.raftCommits(1, 1)
    cluster.raftCommits(1, 2)
    expect(() => cluster.raftCommits(1, 1)).toThrow(rule("raft-commit-falls"))
  })

  it("sees a commit beyond the log", () => {
    expect(() => committed().raftCommits(1, 3)).toThrow(rule("raft-commit-beyond-log"))
  })

  it("sees a commit that only one of three has durably", () => {
    const cluster = committed()
    for (const node of [1, 2, 3]) cluster.raftAppend(node, 1, 3, 1)
    cluster.sync(1)
    expect(() => cluster.raftCommits(1, 3)).toThrow(rule("raft-commit-quorum"))
  })

  it("does not count a learner", () => {
    const cluster = committed()
    const { voters } = cluster.at(1).configuration
    for (const node of [1, 2, 3]) cluster.raftAppend(node, 1, 3, 1)
    cluster.sync(1, 3)
    cluster.at(1).configuration = { voters: voters.slice(0, 2), learners: voters.slice(2) }
    cluster.start(1)
    expect(() => cluster.raftCommits(1, 3)).toThrow(rule("raft-commit-quorum"))
  })

  it("does not count a wiped disk for its predecessor, but what that one had", () => {
    const lost = committed()
    lost.wipe(3)
    for (const node of [1, 3]) lost.raftAppend(node, 1, 3, 1)
    lost.sync(1, 3)
    expect(() => lost.raftCommits(1, 3)).toThrow(rule("raft-commit-quorum"))
    const inTime = committed()
    for (const node of [1, 3]) inTime.raftAppend(node, 1, 3, 1)
    inTime.sync(1, 3)
    inTime.wipe(3)
    inTime.raftCommits(1, 3)
  })

  it("sees two entries committed at one index", () => {
    const cluster = committed()
    cluster.raftAppend(3, 2, 2, 1)
    cluster.sync(3)
    expect(() => cluster.raftCommits(3, 2)).toThrow(rule("raft-state-machine-safety"))
  })

  it("sees entries applied out of order, twice, or with a gap", () => {
    const cluster = committed()
    cluster.raftApplies(2, 1)
    cluster.raftApplies(2, 2)
    expect(() => cluster.raftApplies(2, 2)).toThrow(rule("raft-apply-order"))
    expect(() => committed().raftApplies(2, 2)).toThrow(rule("raft-apply-order"))
    cluster.restart(2)
    cluster.raftApplies(2, 1)
  })

  it("goes on after a snapshot that was installed", () => {
    const cluster = committed()
    const snapshot = { index: 2, term: 1, configuration: cluster.at(1).configuration, payload: new Uint8Array() }
    cluster.wipe(3)
    cluster.at(3).records.push({ _tag: "RaftSnapshot", snapshot, installed: true })
    const install = (term: number) =>
      cluster.tell({ _tag: "RaftSnapshot", node: 3, incarnation: cluster.at(3).incarnation, index: 2, term })
    expect(() => install(9)).toThrow(rule("raft-state-machine-safety"))
    install(1)
    for (const node of [1, 2, 3]) cluster.raftAppend(node, 1, 3, 1)
    cluster.sync(1, 2, 3)
    cluster.raftCommits(1, 3)
    cluster.raftApplies(3, 3)
  })
})
