import { describe, expect, it } from "vitest"
import { encodeCommand } from "../../../packages/core/src/metadata/CommandCodec.ts"
import type { BrokerImage, PartitionImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { EntryKind } from "../../../packages/core/src/raft/Entry.ts"
import { drawOptions, type Options } from "../kernel/Options.ts"
import type { Observation } from "../Observation.ts"
import { CommittedLogs } from "./CommittedLog.ts"
import { Confirmations } from "./Confirmations.ts"
import { ControllerDecisions } from "./ControllerDecisions.ts"
import { DiskModel } from "./DiskModel.ts"
import { batchOf, FakeCluster, TOPIC } from "./FakeCluster.ts"

const AT = { topicId: TOPIC, partition: 0 }
const rule = (name: string) => expect.objectContaining({ rule: name })

const calm: Options = {
  ...drawOptions(1),
  ...{ uncleanElections: false, bias: "none", lossChance: 0, tailChance: 0, delayMs: 0.5, jitterMs: 0.5 },
  ...{ oneWayWeight: 0, partitionWeight: 0, isolateWeight: 0, bridgeWeight: 0, ringWeight: 0, slowLinkWeight: 0 },
  ...{ resetWeight: 0, membershipEveryMs: 0, wipesMax: 0, nodeSessionMs: 200, electionTimeoutMs: 150 },
  ...{ fsyncMs: 1, fsyncJitterMs: 1, fsyncTailChance: 0, slowDiskWeight: 0 }
}

/** Three nodes and one partition, told to the two checkers alone. */
class Decisions {
  readonly cluster = new FakeCluster()
  readonly logs = new CommittedLogs()
  readonly controller: ControllerDecisions
  readonly confirmations: Confirmations
  nowMs = 0
  #offset = 0

  constructor(options = calm) {
    const disks = new DiskModel(this.cluster.view)
    this.controller = new ControllerDecisions(disks, options, () => this.nowMs)
    this.confirmations = new Confirmations(disks, this.logs, () => undefined)
    this.image({})
  }

  tell(o: Observation): void {
    this.controller.observe(o)
    this.confirmations.observe(o)
  }

  /** The next image, on all nodes. */
  image(partition: Partial<PartitionImage>, brokers: Readonly<Record<number, Partial<BrokerImage>>> = {}): void {
    this.cluster.image(1, { target: [], ...partition })
    const offset = ++this.#offset
    for (const node of this.cluster.view.nodes) {
      const known = this.cluster.view.nodes.map((nodeId): [number, BrokerImage] => [
        nodeId,
        {
          ...{ nodeId, incarnation: 1, endpoints: [], rack: null, fenced: false, registeredAt: 1 },
          ...{ directoryId: `d${nodeId}`, ...brokers[nodeId] }
        }
      ])
      const at = this.cluster.at(node)
      at.image = at.image.with({ offset, brokers: new Map(known) })
    }
    this.controller.afterEvent()
    this.confirmations.afterEvent()
  }

  promise(epoch: number, ...nodes: ReadonlyArray<number>): void {
    for (const node of nodes) {
      this.cluster.at(node).records.push({ _tag: "Replica", ...AT, write: { _tag: "Promise", epoch } })
      this.cluster.sync(node)
    }
  }

  elected(leader: number, epoch: number, unclean = false): void {
    this.tell({ _tag: "Elected", ...AT, epoch, leader, unclean, counted: this.cluster.view.nodes })
  }

  confirmed(epoch: number, configVersion: number): void {
    this.tell({ _tag: "Confirmed", ...AT, node: 1, incarnation: 1, epoch, configVersion })
  }

  fences(nodeId: number, index: number): void {
    const payload = encodeCommand({ _tag: "FenceNode", nodeId, incarnation: 1, fenced: true })
    const entries = [{ term: 1, index, kind: EntryKind.Command, payload }]
    this.tell({ _tag: "RaftAppended", node: 1, incarnation: 1, entries, previousTerm: 1 })
  }
}

describe("an election", () => {
  const elect = (promised: ReadonlyArray<number>, brokers = {}, unclean = false, options = calm) => {
    const run = new Decisions(options)
    run.promise(1, ...promised)
    run.image({ leader: 2, leaderEpoch: 1, unclean, isr: [1, 3] }, brokers)
    return () => run.elected(2, 1, unclean)
  }

  it("rests on durable promises of a majority (rules 10 and 26)", () => {
    expect(elect([2, 3])).not.toThrow()
    expect(elect([2])).toThrow(rule("elected-without-promises"))
  })

  it("is of a node that is there, on the disk that was counted (rules 13 and 18)", () => {
    expect(elect([2, 3], { 2: { fenced: true } })).toThrow(rule("elected-fenced"))
    expect(elect([2, 3], { 2: { directoryId: "other" } })).toThrow(rule("elected-other-disk"))
  })

  it("is unclean only where that is allowed (rule 21)", () => {
    expect(elect([2], {}, true)).toThrow(rule("unclean-not-allowed"))
    expect(elect([2], {}, true, { ...calm, uncleanElections: true })).not.toThrow()
  })
})

describe("replicas", () => {
  it("that are fenced leave the in-sync set (rule 30)", () => {
    const run = new Decisions()
    const fenced = { 3: { fenced: true } }
    run.image({ leaderEpoch: 1, isr: [1, 2] }, fenced)
    expect(() => run.image({ leaderEpoch: 1, isr: [1, 2, 3] }, fenced)).toThrow(rule("in-sync-not-there"))
  })

  it("that are counted stay on their disk until they are removed (rule 18)", () => {
    const moved = { directories: ["d1", "d2", "d3'"], isr: [1, 2] }
    expect(() => new Decisions().image(moved)).toThrow(rule("counted-on-another-disk"))
    expect(() => new Decisions().image({ ...moved, configVersion: 2 })).not.toThrow()
  })
})

describe("a fence", () => {
  it("is for nodes that were away (rule 16)", () => {
    const run = new Decisions()
    run.tell({ _tag: "Crashed", node: 2, incarnation: 1 })
    run.nowMs = 500
    run.fences(2, 1)
    run.nowMs = 600
    expect(() => run.fences(2, 2)).toThrow(rule("fenced-alive"))
    // Told again by a follower.
    run.fences(3, 1)
    expect(() => run.fences(3, 3)).toThrow(rule("fenced-alive"))
  })

  it("is not judged where messages may be late", () => {
    const run = new Decisions({ ...calm, lossChance: 0.1 })
    run.nowMs = 10_000
    expect(() => run.fences(2, 1)).not.toThrow()
  })
})

describe("a change of the counted replicas (rule 17)", () => {
  it("needs a confirmation of the version before it, in its epoch", () => {
    const changed = { replicas: [1, 2], isr: [1, 2], configVersion: 1 }
    expect(() => new Decisions().image(changed)).toThrow(rule("set-changed-unconfirmed"))
    const run = new Decisions()
    run.confirmed(0, 0)
    run.image(changed)
    run.confirmed(0, 0)
    expect(() => run.image({ ...changed, replicas: [1], isr: [1], configVersion: 2 })).toThrow(
      rule("set-changed-unconfirmed")
    )
  })

  it("is confirmed when a majority of the new set holds what is committed", () => {
    const run = new Decisions()
    const { cluster } = run
    const batch = batchOf(["a"])
    cluster.leads(1, 0, 0)
    for (const node of [1, 2]) cluster.append(node, 0, 0, batch, node === 1)
    cluster.sync(1)
    run.logs.of(TOPIC, 0).append({ baseOffset: 0, endOffset: 1, epoch: 0, batch })
    expect(() => run.confirmed(0, 0)).toThrow(rule("confirmed-without-quorum"))
    cluster.sync(2)
    run.confirmed(0, 0)
  })
})
