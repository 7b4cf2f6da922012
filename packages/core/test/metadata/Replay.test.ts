import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AssertionError } from "../../src/base/Assert.ts"
import type { Command, PartitionOp } from "../../src/metadata/Command.ts"
import { emptyImage, type MetadataImage } from "../../src/metadata/MetadataImage.ts"
import { COMMAND_ID_WINDOW, replay } from "../../src/metadata/Replay.ts"
import { decodeSnapshot, encodeSnapshot } from "../../src/metadata/Snapshot.ts"
import { ErrorCode } from "../../src/model/ErrorCode.ts"
import { commands, replayAll, topicIdOf } from "./Arbitrary.ts"

const register = (nodeId: number, incarnation = 1): Command => ({
  _tag: "RegisterNode",
  nodeId,
  incarnation,
  directoryId: `dir${nodeId}`,
  endpoints: [{ listener: "PLAINTEXT", host: "h", port: 9000 + nodeId, securityProtocol: "PLAINTEXT" }],
  rack: null
})
const create = (name: string, id: number, partitions = 1): Command => ({
  _tag: "CreateTopic",
  name,
  topicId: topicIdOf(id),
  internal: false,
  partitions: Array.from({ length: partitions }, () => ({ replicas: [1, 2], isr: [1, 2], leader: 1 })),
  configs: [["retention.ms", "5"]]
})
const apply = (image: MetadataImage, command: Command) => replay(image, command, image.offset)
const op = (change: Partial<PartitionOp>): Command => ({
  _tag: "PartitionOps",
  ops: [
    {
      topicId: topicIdOf(0),
      partition: 0,
      expectedEpoch: 0,
      expectedConfigVersion: 0,
      election: null,
      isr: null,
      replicas: null,
      adding: null,
      removing: null,
      ...change
    }
  ]
})

const to = (leader: number, leaderEpoch: number, directoryId = `dir${leader}`) => ({
  leader,
  leaderEpoch,
  unclean: false,
  directoryId
})

describe("replay", () => {
  it("makes a topic with all of its partitions by one command, and tells it by name and id", () => {
    const { image, delta, result } = apply(emptyImage("c"), create("t", 0, 3))
    const topic = image.topic("t")!
    expect(result).toEqual({ _tag: "Applied" })
    expect(delta.topicsCreated).toEqual([topic])
    expect(image.topicById(topicIdOf(0))).toBe(topic)
    expect(topic.partitions.map((p) => [p.partition, p.stream, p.leaderEpoch, p.electedAt])).toEqual([
      [0, 1, 0, 1],
      [1, 2, 0, 1],
      [2, 3, 0, 1]
    ])
    expect([image.offset, image.nextStream, image.topicCount]).toEqual([1, 4, 1])
  })

  it("refuses what was overtaken by another command, and changes nothing but the offset", () => {
    const image = replayAll([create("a.b", 0)])
    const cases: ReadonlyArray<readonly [Command, number]> = [
      [create("a.b", 1), ErrorCode.TOPIC_ALREADY_EXISTS],
      [create("a_b", 1), ErrorCode.INVALID_TOPIC_EXCEPTION],
      [create("other", 0), ErrorCode.TOPIC_ALREADY_EXISTS],
      [{ _tag: "DeleteTopic", topicId: topicIdOf(3) }, ErrorCode.UNKNOWN_TOPIC_ID],
      [{ _tag: "CreatePartitions", topicId: topicIdOf(0), from: 2, partitions: [] }, ErrorCode.INVALID_PARTITIONS],
      [
        { _tag: "CreatePartitions", topicId: topicIdOf(3), from: 1, partitions: [] },
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      ],
      [
        { _tag: "AlterConfigs", resourceType: 2, resource: topicIdOf(3), changes: [] },
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      ],
      [{ _tag: "UnregisterNode", nodeId: 9 }, ErrorCode.BROKER_ID_NOT_REGISTERED],
      [{ _tag: "FenceNode", nodeId: 9, incarnation: 1, fenced: true }, ErrorCode.STALE_BROKER_EPOCH]
    ]
    for (const [command, errorCode] of cases) {
      const next = apply(image, command)
      expect(next.result, command._tag).toMatchObject({ _tag: "Rejected", errorCode })
      expect(encodeSnapshot(next.image.with({ offset: image.offset })), command._tag).toEqual(encodeSnapshot(image))
    }
  })

  it("lets a deleted name be used again, under another id and other streams", () => {
    const image = replayAll([create("t", 0), { _tag: "DeleteTopic", topicId: topicIdOf(0) }, create("t", 1)])
    expect(image.topic("t")).toMatchObject({ topicId: topicIdOf(1), partitions: [{ stream: 2 }] })
    expect(image.topicById(topicIdOf(0))).toBe(undefined)
  })

  it("lets a name be used that collided with a deleted one", () => {
    const image = replayAll([create("a.b", 0), { _tag: "DeleteTopic", topicId: topicIdOf(0) }])
    expect(image.collidingTopic("a_b")).toBe(undefined)
    expect(apply(image, create("a_b", 1)).result).toEqual({ _tag: "Applied" })
  })

  it("takes a registration of a newer incarnation, refuses an older one (restored disk)", () => {
    const image = replayAll([register(1, 5), register(1, 6)])
    expect(image.brokers.get(1)).toMatchObject({ incarnation: 6, registeredAt: 2, fenced: false })
    expect(apply(image, register(1, 5)).result).toMatchObject({ errorCode: ErrorCode.DUPLICATE_BROKER_REGISTRATION })
  })

  it("applies a partition change only at the expected epoch and config version", () => {
    const image = replayAll([register(1), register(2), create("t", 0)])
    const elected = apply(image, op({ election: to(2, 3), isr: [2] }))
    expect(elected.image.topic("t")!.partitions[0]).toMatchObject({
      leader: 2,
      leaderEpoch: 3,
      isr: [2],
      electedAt: 4,
      unclean: false,
      configVersion: 0
    })
    expect(elected.delta.partitionsChanged.map((change) => change.partition)).toEqual([0])
    const refused = { _tag: "PartitionsChanged", refused: [[topicIdOf(0), 0]] }
    expect(apply(elected.image, op({ isr: [1] })).result).toEqual(refused)
    expect(apply(image, op({ expectedConfigVersion: 1 })).result).toEqual(refused)
    // Neither an epoch that does not rise, nor a leader outside of the replica set.
    expect(apply(image, op({ election: to(2, 0) })).result).toEqual(refused)
    expect(apply(image, op({ election: to(9, 1) })).result).toEqual(refused)
  })

  it("raises the config version with each change of the counted replicas and each learner that comes, not with one that goes", () => {
    const image = replayAll([create("t", 0)])
    const learner = apply(image, op({ replicas: [1, 2, 3], adding: [3] })).image
    expect(learner.topic("t")!.partitions[0]!.configVersion).toBe(1)
    const gone = apply(learner, op({ replicas: [1, 2], adding: [], expectedConfigVersion: 1 })).image
    expect(gone.topic("t")!.partitions[0]).toMatchObject({ configVersion: 1, replicas: [1, 2] })
    const counted = apply(learner, op({ adding: [], expectedConfigVersion: 1 })).image
    expect(counted.topic("t")!.partitions[0]).toMatchObject({ configVersion: 2, replicas: [1, 2, 3], adding: [] })
  })

  it("sets, removes, appends to and subtracts from configs", () => {
    const change = (name: string, op: 0 | 1 | 2 | 3, value: string | null): Command => ({
      _tag: "AlterConfigs",
      resourceType: 2,
      resource: topicIdOf(0),
      changes: [{ name, op, value }]
    })
    const configs = (...list: ReadonlyArray<Command>) =>
      Object.fromEntries(replayAll([create("t", 0), ...list]).topic("t")!.configs)
    expect(configs(change("retention.ms", 1, null))).toEqual({})
    expect(
      configs(change("cleanup.policy", 2, "compact"), change("cleanup.policy", 2, "compact,delete"))
    ).toMatchObject({
      "cleanup.policy": "compact,delete"
    })
    expect(
      configs(change("cleanup.policy", 0, "compact,delete"), change("cleanup.policy", 3, "compact"))
    ).toMatchObject({
      "cleanup.policy": "delete"
    })
  })

  it("hands out each producer id once", () => {
    const allocate: Command = { _tag: "AllocateProducerIds", nodeId: 1, count: 1000 }
    const first = apply(emptyImage("c"), allocate)
    expect(first.result).toEqual({ _tag: "ProducerIds", first: 0, count: 1000 })
    expect(apply(first.image, allocate).result).toEqual({ _tag: "ProducerIds", first: 1000, count: 1000 })
  })

  it("never applies an entry twice", () => {
    const image = replayAll([create("t", 0)])
    expect(() => replay(image, create("u", 1), 0)).toThrow(AssertionError)
  })

  it("leaves the image before it untouched", () => {
    fc.assert(
      fc.property(commands, commands, (before, after) => {
        const image = replayAll(before)
        const bytes = encodeSnapshot(image)
        replayAll(after, image)
        expect(encodeSnapshot(image)).toEqual(bytes)
      })
    )
  })

  it("keeps names, ids and streams consistent, whatever comes", () => {
    fc.assert(
      fc.property(commands, (list) => {
        const image = replayAll(list)
        const streams = [...image.topics()].flatMap((topic) => topic.partitions.map((p) => p.stream))
        expect(new Set(streams).size).toBe(streams.length)
        expect(streams.every((stream) => stream > 0 && stream < image.nextStream)).toBe(true)
        for (const topic of image.topics()) {
          expect(image.topicById(topic.topicId)).toBe(topic)
          expect(image.collidingTopic(topic.name)).toBe(undefined)
          for (const [i, partition] of topic.partitions.entries()) {
            expect(partition.partition).toBe(i)
            expect(partition.electedAt).toBeLessThanOrEqual(image.offset)
          }
        }
        expect(image.topicCount).toBe([...image.topics()].length)
        expect(image.offset).toBe(list.length)
      })
    )
  })
})

describe("command ids", () => {
  const allocate = (commandId: string | null): Command => ({
    _tag: "AllocateProducerIds",
    commandId,
    nodeId: 1,
    count: 10
  })

  it("make a repeated command answer what its first application answered, and change nothing (rule 29)", () => {
    const first = apply(emptyImage("c"), allocate("n1-1-7"))
    const again = apply(first.image, allocate("n1-1-7"))
    expect(again.result).toEqual(first.result)
    expect(again.image.nextProducerId).toBe(10)
    expect(apply(first.image, allocate(null)).image.nextProducerId).toBe(20)
  })

  it("are forgotten after a snapshot as they are without one", () => {
    const ids = Array.from({ length: 30 }, (_, n) => `n${n}`)
    const image = replayAll(ids.map(allocate))
    const restored = decodeSnapshot(encodeSnapshot(image))
    const index = COMMAND_ID_WINDOW + 14
    const [a, b] = [image, restored].map((from) => replay(from, allocate("last"), index).image)
    expect(ids.filter((id) => a!.appliedCommand(id) !== undefined)).toEqual(ids.slice(15))
    expect(encodeSnapshot(b!)).toEqual(encodeSnapshot(a!))
  })

  it("are forgotten by log position only", () => {
    const image = replayAll([allocate("old")])
    const near = replay(image, allocate("near"), COMMAND_ID_WINDOW - 1).image
    expect(near.appliedCommand("old")).toBeDefined()
    const far = replay(near, allocate("far"), COMMAND_ID_WINDOW + 10).image
    expect(far.appliedCommand("old")).toBe(undefined)
    expect(far.appliedCommand("near")).toBeDefined()
    expect(far.appliedCommand("far")).toBeDefined()
  })
})
