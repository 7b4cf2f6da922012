import { describe, expect, it } from "vitest"
import { batchOf, FakeCluster } from "./FakeCluster.ts"

/** Node 1 leads epoch 0; a (offset 0) and b, c (offsets 1 and 2) are committed on all. */
const committed = (minInSync = 1): FakeCluster => {
  const cluster = new FakeCluster()
  cluster.image(minInSync)
  cluster.leads(1, 0, 0)
  cluster.replicate(0, 0, batchOf(["a"]))
  cluster.replicate(0, 1, batchOf(["b", "c"]))
  return cluster
}

const rule = (name: string) => expect.objectContaining({ rule: name })

describe("one leader an epoch and process lifetime", () => {
  it("allows a clean fail-over", () => {
    const cluster = committed()
    cluster.elected(2, 1)
    cluster.leads(2, 1, 3)
    for (const node of [1, 3]) cluster.marker(node, 1, 3)
    cluster.replicate(1, 3, batchOf(["d"]), 2)
  })

  it("sees two leaders of an epoch, also two lives of one node (rule 19)", () => {
    expect(() => committed().leads(2, 0, 0)).toThrow(rule("epoch-two-leaders"))
    const cluster = committed()
    cluster.restart(1)
    expect(() => cluster.leads(1, 0, 0)).toThrow(rule("epoch-two-leaders"))
  })

  it("sees an append after the promise (rule 9), and one by who does not lead", () => {
    const cluster = committed()
    cluster.leaves(1, 0)
    expect(() => cluster.append(1, 0, 3, batchOf(["d"]))).toThrow(rule("epoch-append-after-leaving"))
    expect(() => cluster.leads(1, 0, 0)).toThrow(rule("epoch-led-again"))
    expect(() => committed().append(2, 0, 3, batchOf(["d"]))).toThrow(rule("epoch-foreign-append"))
  })
})

describe("partition log matching", () => {
  it("sees a follower with another batch, or with one that its leader never appended", () => {
    const cluster = committed()
    cluster.append(1, 0, 3, batchOf(["d"]))
    expect(() => cluster.append(2, 0, 3, batchOf(["e"]), false)).toThrow(rule("partition-log-matching"))
    expect(() => cluster.append(2, 0, 4, batchOf(["e"]), false)).toThrow(rule("partition-log-matching"))
  })

  it("sees an epoch that begins at two offsets", () => {
    const cluster = committed()
    cluster.leads(2, 1, 3)
    expect(() => cluster.marker(3, 1, 1)).toThrow(rule("partition-log-matching"))
  })

  it("sees a leader that leaves a hole, and a log that does", () => {
    expect(() => committed().append(1, 0, 4, batchOf(["d"]))).toThrow(rule("partition-log-matching"))
    const cluster = committed()
    cluster.append(1, 0, 3, batchOf(["d"]))
    cluster.append(1, 0, 4, batchOf(["e"]))
    cluster.append(2, 0, 4, batchOf(["e"]), false)
    expect(() => cluster.highWatermark(2, 0, 3, "follower")).toThrow(rule("log-order"))
  })
})

describe("high watermark", () => {
  it("sees it fall", () => {
    expect(() => committed().highWatermark(1, 0, 1)).toThrow(rule("high-watermark-falls"))
  })

  it("lets the next process begin below", () => {
    const cluster = committed()
    cluster.restart(2)
    cluster.highWatermark(2, 0, 1, "follower")
  })

  it("sees it pass the log end, or stop inside of a batch", () => {
    expect(() => committed().highWatermark(1, 0, 4)).toThrow(rule("high-watermark-beyond-log"))
    const cluster = committed()
    cluster.append(1, 0, 3, batchOf(["d", "e"]))
    cluster.append(2, 0, 3, batchOf(["d", "e"]), false)
    cluster.sync(1, 2)
    expect(() => cluster.highWatermark(1, 0, 4)).toThrow(rule("high-watermark-inside-batch"))
  })

  it("sees a leader count what is not durable (rule 1)", () => {
    const cluster = committed()
    for (const node of [1, 2]) cluster.append(node, 0, 3, batchOf(["d"]), node === 1)
    cluster.sync(1)
    expect(() => cluster.highWatermark(1, 0, 4)).toThrow(rule("high-watermark-quorum"))
  })

  it("sees an old epoch's record committed by counting, without the marker (Raft, figure 8)", () => {
    const cluster = committed()
    for (const node of [1, 2, 3]) cluster.append(node, 0, 3, batchOf(["d"]), node === 1)
    cluster.leaves(1, 0)
    cluster.leads(2, 1, 4)
    cluster.sync(1, 2, 3)
    expect(() => cluster.highWatermark(2, 1, 4)).toThrow(rule("high-watermark-quorum"))
    const holds = committed()
    for (const node of [1, 2, 3]) holds.append(node, 0, 3, batchOf(["d"]), node === 1)
    holds.leaves(1, 0)
    holds.leads(2, 1, 4)
    holds.marker(3, 1, 4)
    holds.sync(1, 2, 3)
    holds.highWatermark(2, 1, 4)
  })

  it("takes what moves in the turn of leaving for the leader's", () => {
    const cluster = committed()
    for (const node of [1, 2]) cluster.append(node, 0, 3, batchOf(["d"]), node === 1)
    cluster.sync(1, 2)
    cluster.highWatermark(1, 0, 4, "follower")
    cluster.leaves(1, 0)
    for (const node of [1, 2]) expect(() => cluster.highWatermark(node, 0, 5, "follower")).toThrow()
  })

  it("asks for Q beyond the own marker, and for a majority up to it (rule 6)", () => {
    const cluster = committed(3)
    cluster.append(1, 0, 3, batchOf(["d"]))
    cluster.append(2, 0, 3, batchOf(["d"]), false)
    cluster.elected(2, 1)
    cluster.leads(2, 1, 4)
    cluster.marker(1, 1, 4)
    cluster.sync(1, 2)
    cluster.highWatermark(2, 1, 4)
    cluster.append(2, 1, 4, batchOf(["e"]))
    cluster.append(1, 1, 4, batchOf(["e"]), false)
    cluster.sync(1, 2)
    expect(() => cluster.highWatermark(2, 1, 5)).toThrow(rule("high-watermark-quorum"))
  })

  it("allows a commit under an image that the same event left, and none from before", () => {
    for (const told of [true, false]) {
      const cluster = committed(1)
      for (const node of [1, 2]) cluster.append(node, 0, 3, batchOf(["d"]), node === 1)
      cluster.sync(1, 2)
      cluster.raftAppend(1, 1, 1, 0)
      cluster.raftAppend(2, 1, 1, 0)
      cluster.sync(1, 2)
      if (told) cluster.raftApplies(1, 1, false)
      cluster.image(3)
      const commit = () => cluster.highWatermark(1, 0, 4)
      if (told) commit()
      else expect(commit).toThrow(rule("high-watermark-quorum"))
      cluster.next()
    }
  })

  it("does not count learners and wiped disks (rule 18)", () => {
    const learner = committed()
    learner.image(1, { replicas: [1, 2, 3], adding: [3] })
    learner.append(1, 0, 3, batchOf(["d"]))
    learner.append(3, 0, 3, batchOf(["d"]), false)
    learner.sync(1, 3)
    expect(() => learner.highWatermark(1, 0, 4)).toThrow(rule("high-watermark-quorum"))
    const wiped = new FakeCluster()
    wiped.image(1)
    wiped.wipe(3)
    wiped.leads(1, 0, 0)
    wiped.append(1, 0, 0, batchOf(["a"]))
    wiped.append(3, 0, 0, batchOf(["a"]), false)
    wiped.sync(1, 3)
    expect(() => wiped.highWatermark(1, 0, 1)).toThrow(rule("high-watermark-quorum"))
  })

  it("counts what a replica had in time, though its log was dropped or its disk wiped since", () => {
    for (const end of ["drop", "wipe"]) {
      const cluster = committed()
      cluster.append(1, 0, 3, batchOf(["d"]))
      cluster.append(3, 0, 3, batchOf(["d"]), false)
      cluster.sync(1, 3)
      if (end === "wipe") cluster.wipe(3)
      else cluster.at(3).records.push({ _tag: "Dropped", topicId: "topic", partition: 0, at: 9 })
      cluster.sync(3)
      cluster.highWatermark(1, 0, 4)
    }
  })

  it("sees a follower pass what is committed (rule 3), or cover other content", () => {
    const cluster = committed()
    cluster.append(1, 0, 3, batchOf(["d"]))
    cluster.append(2, 0, 3, batchOf(["d"]), false)
    expect(() => cluster.highWatermark(2, 0, 4, "follower")).toThrow(rule("high-watermark-not-committed"))
    const divergent = committed()
    divergent.append(1, 0, 3, batchOf(["x"]))
    divergent.elected(2, 1)
    divergent.leads(2, 1, 3)
    divergent.marker(3, 1, 3)
    divergent.append(2, 1, 3, batchOf(["d"]))
    divergent.append(3, 1, 3, batchOf(["d"]), false)
    divergent.sync(2, 3)
    divergent.highWatermark(2, 1, 4)
    expect(() => divergent.highWatermark(1, 1, 4, "follower")).toThrow(rule("committed-differs"))
  })
})

describe("partition leader completeness", () => {
  /** Offset 3 is committed by 1 and 2 only. */
  const partial = (): FakeCluster => {
    const cluster = committed()
    for (const node of [1, 2]) cluster.append(node, 0, 3, batchOf(["d"]), node === 1)
    cluster.sync(1, 2)
    cluster.highWatermark(1, 0, 4)
    return cluster
  }

  it("sees one elected, or leading, without what is committed", () => {
    partial().elected(2, 1)
    expect(() => partial().elected(3, 1)).toThrow(rule("partition-leader-completeness"))
    expect(() => partial().leads(3, 1, 3)).toThrow(rule("partition-leader-completeness"))
  })

  it("sees a commit by the old leader that the elected one does not hold", () => {
    const cluster = committed()
    for (const node of [1, 2]) cluster.append(node, 0, 3, batchOf(["d"]), node === 1)
    cluster.sync(1, 2)
    cluster.elected(3, 1)
    expect(() => cluster.highWatermark(1, 0, 4)).toThrow(rule("partition-leader-completeness"))
  })

  it("exempts an unclean election, and only what that lost (rule 21)", () => {
    const cluster = partial()
    cluster.sends(["d"])
    cluster.acked("d", 3, 0)
    cluster.elected(3, 1, true)
    cluster.leads(3, 1, 3, true)
    cluster.truncate(2, 0, 3, true)
    for (const node of [1, 2]) if (node === 2) cluster.marker(node, 1, 3, true)
    cluster.append(3, 1, 3, batchOf(["e"]))
    cluster.append(2, 1, 3, batchOf(["e"]), false)
    cluster.sync(2, 3)
    cluster.highWatermark(3, 1, 4)
    cluster.fetched(0, ["a", "b", "c", "e"], 4)
    cluster.fetched(3, ["d"], 4)
    expect(() => cluster.fetched(3, ["x"], 4)).toThrow(rule("read-other-content"))
    expect(() => cluster.leads(1, 2, 4)).toThrow(rule("partition-leader-completeness"))
  })

  it("sees a cut below the high watermark, or of what is committed", () => {
    expect(() => committed().truncate(2, 0, 1)).toThrow(rule("truncated-below-high-watermark"))
    const cluster = new FakeCluster()
    cluster.image(1)
    cluster.leads(1, 0, 0)
    for (const node of [1, 2, 3]) cluster.append(node, 0, 0, batchOf(["a"]), node === 1)
    cluster.sync(1, 2, 3)
    cluster.highWatermark(1, 0, 1)
    expect(() => cluster.truncate(2, 0, 0)).toThrow(rule("truncated-committed"))
  })

  it("sees a reset beyond what is committed, or below the high watermark (rule 7)", () => {
    const reset = (cluster: FakeCluster, offset: number) => () =>
      cluster.tell({ _tag: "Reset", topicId: "topic", partition: 0, node: 2, incarnation: 1, to: { epoch: 0, offset } })
    reset(committed(), 3)()
    expect(reset(committed(), 4)).toThrow(rule("reset-beyond-committed"))
    expect(reset(committed(), 1)).toThrow(rule("truncated-below-high-watermark"))
  })
})

describe("records", () => {
  it("sees one that is committed twice", () => {
    expect(() => committed().replicate(0, 3, batchOf(["a"]))).toThrow(rule("record-twice"))
  })

  it("sees one that is acknowledged and not committed, or elsewhere", () => {
    const cluster = committed()
    cluster.sends(["b", "d"])
    cluster.acked("b", 1, 0)
    expect(() => cluster.acked("b", 2, 0)).toThrow(rule("record-moved"))
    expect(() => cluster.acked("d", 3, 0)).toThrow(rule("acknowledged-not-committed"))
    expect(() => cluster.acked("x", 3, 0)).toThrow(rule("record-foreign"))
  })

  it("lets acks=1 vanish, but not move", () => {
    const cluster = committed()
    cluster.sends(["d", "e"], 1)
    cluster.acked("d", 3, 0, 1)
    cluster.acked("e", 4, 0, 1)
    cluster.replicate(0, 3, batchOf(["d"]))
    expect(() => cluster.replicate(0, 4, batchOf(["f", "e"]))).toThrow(rule("record-moved"))
  })

  it("follows each producer's sequence", () => {
    const cluster = committed()
    cluster.replicate(0, 3, batchOf(["p0", "p1"], [7, 0, 0]))
    cluster.replicate(0, 5, batchOf(["p2"], [7, 0, 2]))
    cluster.replicate(0, 6, batchOf(["p3"], [7, 1, 0]))
    expect(() => cluster.replicate(0, 7, batchOf(["p5"], [7, 1, 2]))).toThrow(rule("producer-sequence"))
    expect(() => committed().replicate(0, 3, batchOf(["q"], [8, 0, 1]))).toThrow(rule("producer-sequence"))
    const back = committed()
    back.replicate(0, 3, batchOf(["p0"], [7, 1, 0]))
    expect(() => back.replicate(0, 4, batchOf(["p1"], [7, 0, 0]))).toThrow(rule("producer-sequence"))
  })

  it("sees one sent twice by a client that may not", () => {
    const cluster = committed()
    cluster.sends(["d"])
    expect(() => cluster.sends(["d"])).toThrow(rule("record-sent-twice"))
  })
})

describe("reads", () => {
  it("allows what is committed", () => {
    const cluster = committed()
    cluster.fetched(0, ["a", "b", "c"], 3)
    cluster.fetched(2, ["c"], 3)
    cluster.fetched(3, [], 3)
  })

  it("sees a read of what is not committed, of other content, with a hole, or of nothing", () => {
    expect(() => committed().fetched(3, ["d"], 3)).toThrow(rule("read-beyond-committed"))
    expect(() => committed().fetched(0, ["a"], 4)).toThrow(rule("read-beyond-committed"))
    expect(() => committed().fetched(0, ["a", "b"], 1)).toThrow(rule("read-beyond-committed"))
    expect(() => committed().fetched(0, ["b"], 3)).toThrow(rule("read-other-content"))
    expect(() => committed().fetched(0, ["b"], 3, 1)).toThrow(rule("read-hole"))
    expect(() => committed().fetched(0, [], 3)).toThrow(rule("read-hidden"))
  })
})
