import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Command, PartitionOp } from "../../src/metadata/Command.ts"
import type { MetadataImage, PartitionImage } from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"
import { countedReplicas, leaderReplica, learners } from "../../src/metadata/Replicas.ts"
import { decodeSnapshot, encodeSnapshot } from "../../src/metadata/Snapshot.ts"
import { ErrorCode } from "../../src/model/ErrorCode.ts"
import { commands, replayAll, topicIdOf } from "./Arbitrary.ts"

const T = topicIdOf(0)
const register = (nodeId: number, incarnation = 1, directoryId = `d${nodeId}`): Command => ({
  _tag: "RegisterNode",
  nodeId,
  incarnation,
  directoryId,
  endpoints: [],
  rack: null
})
const fence = (nodeId: number, fenced = true): Command => ({ _tag: "FenceNode", nodeId, incarnation: 1, fenced })
const create = (...replicas: ReadonlyArray<number>): Command => ({
  _tag: "CreateTopic",
  name: "t",
  topicId: T,
  internal: false,
  partitions: [{ replicas, isr: replicas, leader: replicas[0]! }],
  configs: []
})
const op = (change: Partial<PartitionOp>): Command => {
  const unchanged = { election: null, isr: null, replicas: null, adding: null, removing: null }
  const at = { topicId: T, partition: 0, expectedEpoch: 0, expectedConfigVersion: 0 }
  return { _tag: "PartitionOps", ops: [{ ...at, ...unchanged, ...change }] }
}
const elect = (leader: number, leaderEpoch = 1, directoryId = `d${leader}`, unclean = false): Command =>
  op({ election: { leader, leaderEpoch, unclean, directoryId } })

const three = replayAll([register(1), register(2), register(3), register(4), create(1, 2, 3)])
const apply = (image: MetadataImage, ...list: ReadonlyArray<Command>): PartitionImage =>
  replayAll(list, image).topic("t")!.partitions[0]!
const applies = (image: MetadataImage, command: Command): boolean => {
  const { result } = replay(image, command, image.offset)
  return result._tag === "PartitionsChanged" ? result.refused.length === 0 : result._tag === "Applied"
}

describe("elections", () => {
  it("name a live counted replica on its own disk (rule 13)", () => {
    expect(applies(three, elect(2))).toBe(true)
    expect(applies(three, elect(2, 7))).toBe(true)
    expect(applies(three, elect(2, 0))).toBe(false)
    expect(applies(three, elect(2, 1, "elsewhere"))).toBe(false)
    expect(applies(three, elect(4))).toBe(false)
    expect(applies(replayAll([fence(2)], three), elect(2))).toBe(false)
    expect(applies(replayAll([register(2, 2, "wiped")], three), elect(2))).toBe(false)
    expect(applies(replayAll([register(2, 2, "wiped")], three), elect(2, 1, "wiped"))).toBe(false)
    const learning = replayAll([op({ replicas: [1, 2, 3, 4], adding: [4] })], three)
    expect(applies(learning, elect(4))).toBe(false)
  })

  it("may say that nobody leads, whoever is live", () => {
    const fenced = replayAll([fence(1), fence(2), fence(3)], three)
    expect(apply(fenced, elect(-1, 1, ""))).toMatchObject({ leader: -1, leaderEpoch: 1, isr: [] })
    expect(leaderReplica(apply(fenced, elect(-1, 1, "")))).toBe(null)
  })

  it("say whether they were unclean, until the next one (rule 21)", () => {
    expect(apply(three, elect(2, 1, "d2", true)).unclean).toBe(true)
    const next: PartitionOp = {
      ...(op({}) as { ops: ReadonlyArray<PartitionOp> }).ops[0]!,
      expectedEpoch: 1,
      election: { leader: 3, leaderEpoch: 2, unclean: false, directoryId: "d3" }
    }
    expect(apply(three, elect(2, 1, "d2", true), { _tag: "PartitionOps", ops: [next] }).unclean).toBe(false)
  })
})

describe("changes of the replica set (rule 17)", () => {
  const learning = replayAll([op({ replicas: [1, 2, 3, 4], adding: [4] })], three)

  it("count a learner, on the disk that had caught up", () => {
    const count = op({ adding: [], countedDirectory: "d4", expectedConfigVersion: 1 })
    expect(apply(learning, count)).toMatchObject({ configVersion: 2, adding: [] })
    const wiped = replayAll([register(4, 2, "wiped")], learning)
    expect(learners(wiped.topic("t")!.partitions[0]!)).toEqual([{ node: 4, directoryId: "wiped" }])
    expect(applies(wiped, count)).toBe(false)
  })

  it.each([
    ["two at once", { replicas: [1] }],
    ["one for another", { replicas: [1, 2, 4] }],
    ["the leader", { replicas: [2, 3] }],
    ["all of them", { replicas: [1, 2, 3], adding: [1, 2, 3] }],
    ["one that was no learner", { replicas: [1, 2, 3, 4] }],
    ["a replica twice", { replicas: [1, 2, 2] }],
    ["a learner that is no replica", { adding: [4] }],
    [
      "beside an election",
      { replicas: [1, 2], election: { leader: 2, leaderEpoch: 1, unclean: false, directoryId: "d2" } }
    ],
    ["an in-sync set beyond the counted", { isr: [1, 4] }]
  ] as const)("do not apply: %s", (_, change) => {
    expect(applies(three, op(change))).toBe(false)
  })

  it("do not apply while nobody leads: nobody has confirmed", () => {
    const offline = replayAll([elect(-1, 1, "")], three)
    const change = (op({ replicas: [1, 2] }) as { ops: ReadonlyArray<PartitionOp> }).ops[0]!
    expect(applies(offline, { _tag: "PartitionOps", ops: [{ ...change, expectedEpoch: 1 }] })).toBe(false)
  })

  it("keep the target until it is taken away", () => {
    const moving = replayAll([op({ target: [4, 2, 3], removing: [1] })], three)
    expect(moving.topic("t")!.partitions[0]).toMatchObject({ target: [4, 2, 3], removing: [1], configVersion: 0 })
    expect(apply(moving, op({ target: [], removing: [] }))).toMatchObject({ target: [], removing: [] })
  })
})

describe("directories (rule 18)", () => {
  it("are those of the nodes when the replica was made, and stay", () => {
    const image = replayAll([register(2, 2, "wiped")], three)
    expect(countedReplicas(image.topic("t")!.partitions[0]!)).toEqual([
      { node: 1, directoryId: "d1" },
      { node: 2, directoryId: "d2" },
      { node: 3, directoryId: "d3" }
    ])
    // What was on the lost disk is in sync with nobody, whatever a leader said meanwhile.
    expect(image.topic("t")!.partitions[0]!.isr).toEqual([1, 3])
    expect(apply(image, op({ isr: [1, 2, 3] })).isr).toEqual([1, 3])
    expect(apply(image, op({ replicas: [1, 3] })).directories).toEqual(["d1", "d3"])
  })

  it("are new when a replica was removed and comes again", () => {
    const removed = replayAll([register(2, 2, "wiped"), op({ replicas: [1, 3] })], three)
    const change = (op({ replicas: [1, 3, 2], adding: [2] }) as { ops: ReadonlyArray<PartitionOp> }).ops[0]!
    const added = apply(removed, { _tag: "PartitionOps", ops: [{ ...change, expectedConfigVersion: 1 }] })
    expect(added).toMatchObject({ replicas: [1, 3, 2], directories: ["d1", "d3", "wiped"], adding: [2] })
  })

  it("that were unknown are taken from the first registration", () => {
    const early = replayAll([create(1, 2)])
    expect(early.topic("t")!.partitions[0]!.directories).toEqual(["", ""])
    expect(apply(early, register(1)).directories).toEqual(["d1", ""])
    expect(apply(early, register(1), register(1, 2, "wiped")).directories).toEqual(["d1", ""])
  })
})

describe("nodes", () => {
  it("that are fenced are in no in-sync set, also when a report is late (rule 30)", () => {
    const { image, delta } = replay(three, fence(2), three.offset)
    expect(image.topic("t")!.partitions[0]!.isr).toEqual([1, 3])
    expect(delta.partitionsChanged.map(({ partition }) => partition)).toEqual([0])
    expect(apply(image, op({ isr: [1, 2, 3] })).isr).toEqual([1, 3])
    expect(apply(image, fence(2, false), op({ isr: [1, 2, 3] })).isr).toEqual([1, 2, 3])
  })

  it("register once an incarnation: again from the same directory is the same process, from another one is not (rule 20)", () => {
    const again = replayAll([register(1)], three)
    expect(again.brokers.get(1)!.registeredAt).toBe(three.brokers.get(1)!.registeredAt)
    expect(replay(three, register(1, 1, "other"), three.offset).result).toMatchObject({
      errorCode: ErrorCode.DUPLICATE_BROKER_REGISTRATION
    })
    expect(replayAll([register(1, 2)], three).brokers.get(1)!.registeredAt).toBe(three.offset + 1)
  })

  it("are not forgotten while they hold replicas: an old copy of the disk would come back unseen (rule 18)", () => {
    const gone: Command = { _tag: "UnregisterNode", nodeId: 2 }
    expect(replay(three, gone, three.offset).result).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST })
    expect(applies(replayAll([op({ replicas: [1, 3] })], three), gone)).toBe(true)
    expect(applies(three, { _tag: "UnregisterNode", nodeId: 4 })).toBe(true)
  })
})

describe("whatever comes", () => {
  it("leaders are counted, sets are sets, and everything survives a snapshot", () => {
    fc.assert(
      fc.property(commands, (list) => {
        let image = replayAll([register(1, 1, "dirA"), register(2, 1, "dirB")])
        for (const command of list) {
          const before = image
          image = replay(image, command, image.offset).image
          for (const topic of image.topics()) {
            for (const partition of topic.partitions) {
              const was = before.topicById(topic.topicId)?.partitions[partition.partition]
              check(image, partition, was)
            }
          }
        }
        expect(encodeSnapshot(decodeSnapshot(encodeSnapshot(image)))).toEqual(encodeSnapshot(image))
      })
    )
  })
})

const check = (image: MetadataImage, partition: PartitionImage, was: PartitionImage | undefined): void => {
  const counted = countedReplicas(partition).map(({ node }) => node)
  expect(partition.directories.length).toBe(partition.replicas.length)
  expect(partition.leader === -1 || counted.includes(partition.leader)).toBe(true)
  expect(new Set(partition.replicas).size).toBe(partition.replicas.length)
  expect(partition.removing.every((node) => counted.includes(node))).toBe(true)
  if (was === undefined || was === partition) return
  expect(partition.isr.every((node) => counted.includes(node))).toBe(true)
  const before = countedReplicas(was).map(({ node }) => node)
  const changed = [...counted, ...before].filter((node) => !counted.includes(node) || !before.includes(node))
  expect(changed.length).toBe(partition.configVersion - was.configVersion)
  expect(changed.length).toBeLessThanOrEqual(1)
  if (partition.leaderEpoch === was.leaderEpoch) expect(partition.leader).toBe(was.leader)
  else {
    expect(partition.leaderEpoch).toBeGreaterThan(was.leaderEpoch)
    expect(partition.electedAt).toBe(image.offset)
    const leader = image.brokers.get(partition.leader)
    expect(partition.leader === -1 || leader?.directoryId === leaderReplica(partition)!.directoryId).toBe(true)
    if (leader !== undefined) expect(partition.electedAt).toBeGreaterThan(leader.registeredAt)
  }
}
