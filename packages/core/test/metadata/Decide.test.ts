import { Result } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BrokerConfig } from "../../src/config/BrokerConfig.ts"
import type { Command } from "../../src/metadata/Command.ts"
import {
  decideCreatePartitions,
  decideCreateTopic,
  decideElectionsAfterRestart,
  type TopicRequest,
  topicNameProblem
} from "../../src/metadata/Decide.ts"
import { decideAlterConfigs } from "../../src/metadata/DecideConfigs.ts"
import type { MetadataImage } from "../../src/metadata/MetadataImage.ts"
import { place, placeReplacement } from "../../src/metadata/Placement.ts"
import { replay } from "../../src/metadata/Replay.ts"
import { ErrorCode } from "../../src/model/ErrorCode.ts"
import { replayAll, topicIdOf } from "./Arbitrary.ts"

const broker = new BrokerConfig("standalone", new Map([["node.id", "1"]]))
const register = (nodeId: number, rack: string | null = null): Command => ({
  _tag: "RegisterNode",
  nodeId,
  incarnation: 1,
  directoryId: "d",
  endpoints: [{ listener: "PLAINTEXT", host: "h", port: 9092, securityProtocol: "PLAINTEXT" }],
  rack
})
const one = replayAll([register(1)])
const three = replayAll([register(1), register(2), register(3)])

const decide = (request: Partial<TopicRequest>, image: MetadataImage = one) =>
  decideCreateTopic(
    {
      name: "t",
      topicId: topicIdOf(0),
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [],
      ...request
    },
    { image, broker, start: image.nextStream - 1 }
  )
const code = (request: Partial<TopicRequest>, image?: MetadataImage) => {
  const decision = decide(request, image)
  return Result.isFailure(decision) ? decision.failure.errorCode : ErrorCode.NONE
}
const assigned = (...replicas: ReadonlyArray<ReadonlyArray<number>>): Partial<TopicRequest> => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: replicas.map((set, partition) => ({ partition, replicas: set }))
})

describe("placement", () => {
  const brokers = (...ids: ReadonlyArray<number>) => ids.map((nodeId) => ({ nodeId, rack: null }))

  it("is round-robin: three partitions on three nodes (R8)", () => {
    expect(place(brokers(2, 1, 3), 3, 3, 0)).toEqual([
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2]
    ])
  })

  it("uses one broker of each rack before a second of any", () => {
    const racked = [1, 2, 3, 4, 5, 6].map((nodeId) => ({ nodeId, rack: nodeId <= 3 ? "a" : nodeId <= 5 ? "b" : "c" }))
    for (const replicas of place(racked, 12, 3, 0)) {
      expect(new Set(replicas.map((id) => racked[id - 1]!.rack)).size, String(replicas)).toBe(3)
    }
  })

  it("replaces a replica in a rack that the others lack, if there is one", () => {
    const racked = [1, 2, 3, 4, 5].map((nodeId) => ({ nodeId, rack: nodeId <= 2 ? "a" : nodeId <= 4 ? "b" : "c" }))
    const beside = (...ids: ReadonlyArray<number>) => racked.filter((one) => ids.includes(one.nodeId))
    expect([0, 1, 2, 3, 4].map((start) => placeReplacement(racked, beside(1, 3), start))).toEqual([5, 5, 5, 5, 5])
    expect(placeReplacement(racked.slice(0, 4), beside(1, 3), 0)).toBe(2)
    expect([0, 1, 2].map((start) => placeReplacement(brokers(1, 2, 3), brokers(1), start))).toEqual([2, 2, 3])
    expect(placeReplacement(brokers(1, 2), brokers(1, 2), 0)).toBe(undefined)
  })

  it("gives distinct live replicas and spreads leaders evenly", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ nodeId: fc.nat(50), rack: fc.option(fc.constantFrom("a", "b"), { nil: null }) }), {
          selector: (b) => b.nodeId,
          minLength: 1,
          maxLength: 9
        }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(100),
        fc.integer({ min: 1, max: 9 }),
        (list, count, start, factor) => {
          const sets = place(list, count, Math.min(factor, list.length), start)
          const led = new Map<number, number>()
          for (const set of sets) {
            expect(new Set(set).size).toBe(Math.min(factor, list.length))
            expect(set.every((id) => list.some((b) => b.nodeId === id))).toBe(true)
            led.set(set[0]!, (led.get(set[0]!) ?? 0) + 1)
          }
          expect(Math.max(...led.values()) - Math.floor(count / list.length)).toBeLessThanOrEqual(1)
        }
      )
    )
  })
})

describe("creating a topic", () => {
  it("carries partition, replicas, leader and in-sync set in one command (R7)", () => {
    const decision = decide({ numPartitions: 3, replicationFactor: 3 }, three)
    expect(Result.isSuccess(decision) && decision.success.partitions).toEqual([
      { replicas: [1, 2, 3], isr: [1, 2, 3], leader: 1 },
      { replicas: [2, 3, 1], isr: [2, 3, 1], leader: 2 },
      { replicas: [3, 1, 2], isr: [3, 1, 2], leader: 3 }
    ])
  })

  it("goes on round the ring with the next topic", () => {
    const first = decide({ replicationFactor: 1 }, three)
    if (Result.isFailure(first)) throw new Error(first.failure.message)
    const image = replay(three, first.success, three.offset).image
    const second = decide({ name: "u", topicId: topicIdOf(1) }, image)
    expect(Result.isSuccess(second) && second.success.partitions[0]!.leader).toBe(2)
  })

  it.each([
    ["0 partitions", { numPartitions: 0 }, ErrorCode.INVALID_PARTITIONS],
    ["-2 partitions", { numPartitions: -2 }, ErrorCode.INVALID_PARTITIONS],
    ["replication factor 0", { replicationFactor: 0 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    ["replication factor -2", { replicationFactor: -2 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    ["more replicas than brokers", { replicationFactor: 2 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    ["too many partitions", { numPartitions: 10_001 }, ErrorCode.POLICY_VIOLATION],
    ["an empty name", { name: "" }, ErrorCode.INVALID_TOPIC_EXCEPTION],
    ["a reserved name", { name: "__cluster_metadata" }, ErrorCode.INVALID_REQUEST],
    ["an unknown config", { configs: [{ name: "x", value: "1" }] }, ErrorCode.INVALID_CONFIG],
    ["a bad config", { configs: [{ name: "retention.ms", value: "x" }] }, ErrorCode.INVALID_CONFIG],
    ["a null config", { configs: [{ name: "retention.ms", value: null }] }, ErrorCode.INVALID_CONFIG],
    ["assignments beside a count", { ...assigned([1]), numPartitions: 1 }, ErrorCode.INVALID_REQUEST],
    ["assignments beside a factor", { ...assigned([1]), replicationFactor: 1 }, ErrorCode.INVALID_REQUEST],
    ["an unknown broker", assigned([9]), ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ["an empty replica set", assigned([]), ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ["a broker twice", assigned([1, 1]), ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    [
      "a gap in the partitions",
      { ...assigned([1]), assignments: [{ partition: 1, replicas: [1] }] },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT
    ],
    [
      "a partition twice",
      {
        ...assigned([1]),
        assignments: [
          { partition: 0, replicas: [1] },
          { partition: 0, replicas: [1] }
        ]
      },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT
    ]
  ] as const)("refuses %s", (_, request, errorCode) => {
    expect(code(request)).toBe(errorCode)
  })

  it("refuses unequal replica sets, and an assignment to fenced brokers only", () => {
    expect(code(assigned([1, 2], [3]), three)).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    const fenced = replayAll([register(1), { _tag: "FenceNode", nodeId: 1, incarnation: 1, fenced: true }])
    expect(code(assigned([1]), fenced)).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    expect(code({}, fenced)).toBe(ErrorCode.INVALID_REPLICATION_FACTOR)
  })

  it("refuses a name that exists, or collides with one", () => {
    const made = decide({ name: "a.b" })
    if (Result.isFailure(made)) throw new Error(made.failure.message)
    const image = replay(one, made.success, one.offset).image
    expect(code({ name: "a.b" }, image)).toBe(ErrorCode.TOPIC_ALREADY_EXISTS)
    expect(code({ name: "a_b" }, image)).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
  })

  it("takes the broker's defaults for -1", () => {
    const decision = decide({ numPartitions: -1, replicationFactor: -1 })
    expect(Result.isSuccess(decision) && decision.success.partitions).toEqual([{ replicas: [1], isr: [1], leader: 1 }])
  })

  it("marks Kafka's own topics as internal", () => {
    const decision = decide({ name: "__consumer_offsets" })
    expect(Result.isSuccess(decision) && decision.success.internal).toBe(true)
  })

  it("never decides what replay would refuse on the same image", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("a", "a.b", "a_b", "..", "ok-1", "é"),
        fc.integer({ min: -2, max: 5 }),
        fc.integer({ min: -2, max: 4 }),
        (name, numPartitions, replicationFactor) => {
          const decision = decide({ name, numPartitions, replicationFactor }, three)
          if (Result.isSuccess(decision)) {
            expect(replay(three, decision.success, three.offset).result).toEqual({ _tag: "Applied" })
          }
        }
      )
    )
  })

  it("knows Kafka's rule for names", () => {
    for (const name of ["a", "A.b_c-1", "x".repeat(249), "__consumer_offsets"])
      expect(topicNameProblem(name)).toBe(undefined)
    for (const name of ["", ".", "..", "x".repeat(250), "a b", "a/b", "ä", "a\n"]) {
      expect(topicNameProblem(name), name).toBeDefined()
    }
  })
})

describe("more partitions", () => {
  const made = decide({ numPartitions: 2, replicationFactor: 2 }, three)
  if (Result.isFailure(made)) throw new Error(made.failure.message)
  const image = replay(three, made.success, three.offset).image
  const topic = image.topic("t")!
  const more = (count: number, assignments: ReadonlyArray<ReadonlyArray<number>> | null = null) =>
    decideCreatePartitions({ topic, count, assignments }, { image, broker, start: 2 })
  const codeOf = (decision: ReturnType<typeof more>) =>
    Result.isFailure(decision) ? decision.failure.errorCode : ErrorCode.NONE

  it("keep the replication factor and go on round the ring", () => {
    const decision = more(4)
    expect(Result.isSuccess(decision) && decision.success).toEqual({
      _tag: "CreatePartitions",
      topicId: topic.topicId,
      from: 2,
      partitions: [
        { replicas: [3, 1], isr: [3, 1], leader: 3 },
        { replicas: [1, 2], isr: [1, 2], leader: 1 }
      ]
    })
  })

  it("are refused when they are none, fewer, or assigned wrongly", () => {
    expect(codeOf(more(2))).toBe(ErrorCode.INVALID_PARTITIONS)
    expect(codeOf(more(1))).toBe(ErrorCode.INVALID_PARTITIONS)
    expect(
      codeOf(
        more(3, [
          [1, 2],
          [2, 3]
        ])
      )
    ).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    expect(codeOf(more(3, [[1]]))).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    expect(codeOf(more(3, [[3, 2]]))).toBe(ErrorCode.NONE)
  })
})

describe("altering configs", () => {
  const made = decide({ configs: [{ name: "cleanup.policy", value: "compact" }] })
  if (Result.isFailure(made)) throw new Error(made.failure.message)
  const image = replay(one, made.success, one.offset).image
  const alter = (
    changes: ReadonlyArray<readonly [name: string, op: number, value: string | null]>,
    resourceType = 2,
    resourceName = "t"
  ) =>
    decideAlterConfigs(
      { resourceType, resourceName, changes: changes.map(([name, op, value]) => ({ name, op, value })) },
      image,
      broker
    )
  const codeOf = (decision: ReturnType<typeof alter>) =>
    Result.isFailure(decision) ? decision.failure.errorCode : ErrorCode.NONE
  const changesOf = (decision: ReturnType<typeof alter>) =>
    Result.isSuccess(decision) ? decision.success.changes : decision.failure

  it.each([
    [
      "a key twice",
      [
        ["retention.ms", 0, "1"],
        ["retention.ms", 1, null]
      ],
      ErrorCode.INVALID_REQUEST
    ],
    ["SET of null", [["retention.ms", 0, null]], ErrorCode.INVALID_REQUEST],
    ["an unknown operation", [["retention.ms", 7, "1"]], ErrorCode.INVALID_REQUEST],
    ["APPEND to what is no list", [["retention.ms", 2, "1"]], ErrorCode.INVALID_CONFIG],
    ["an unknown key", [["x.y", 0, "1"]], ErrorCode.INVALID_CONFIG],
    ["a bad value", [["segment.bytes", 0, "1"]], ErrorCode.INVALID_CONFIG],
    [
      "one bad change among good ones",
      [
        ["retention.ms", 0, "1"],
        ["segment.bytes", 0, "1"]
      ],
      ErrorCode.INVALID_CONFIG
    ],
    ["an APPEND that makes a bad list", [["cleanup.policy", 2, "shrink"]], ErrorCode.INVALID_CONFIG]
  ] as const)("refuses %s", (_, changes, errorCode) => {
    expect(codeOf(alter(changes))).toBe(errorCode)
  })

  it("refuses unknown topics, illegal names and unknown resource types", () => {
    expect(codeOf(alter([], 2, "nope"))).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    expect(codeOf(alter([], 2, "a b"))).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    expect(codeOf(alter([], 8, "1"))).toBe(ErrorCode.INVALID_REQUEST)
  })

  it("keeps APPEND where there is an override, and resolves it where the list is inherited", () => {
    expect(changesOf(alter([["cleanup.policy", 2, "delete"]]))).toEqual([
      { name: "cleanup.policy", op: 2, value: "delete" }
    ])
    expect(changesOf(alter([["leader.replication.throttled.replicas", 2, "0:1"]]))).toEqual([
      { name: "leader.replication.throttled.replicas", op: 0, value: "0:1" }
    ])
  })

  it("changes a broker's dynamic keys only, its own ones not for all brokers", () => {
    expect(codeOf(alter([["log.retention.ms", 0, "1"]], 4, "1"))).toBe(ErrorCode.NONE)
    expect(codeOf(alter([["log.retention.ms", 0, "1"]], 4, ""))).toBe(ErrorCode.NONE)
    expect(codeOf(alter([["node.id", 0, "2"]], 4, "1"))).toBe(ErrorCode.INVALID_REQUEST)
    expect(codeOf(alter([["sasl.enabled.mechanisms", 0, "PLAIN"]], 4, ""))).toBe(ErrorCode.INVALID_REQUEST)
    expect(codeOf(alter([["log.retention.ms", 0, "x"]], 4, "1"))).toBe(ErrorCode.INVALID_REQUEST)
    expect(codeOf(alter([["log.retention.ms", 0, "1"]], 4, "7"))).toBe(ErrorCode.INVALID_REQUEST)
  })
})

describe("elections after a restart", () => {
  it("give a new epoch to what was elected before the registration, once", () => {
    const made = decide({})
    if (Result.isFailure(made)) throw new Error(made.failure.message)
    let image = replay(one, made.success, one.offset).image
    expect(decideElectionsAfterRestart(image, 1)).toEqual([])
    image = replay(image, { ...register(1), incarnation: 2 } as Command, image.offset).image
    const elections = decideElectionsAfterRestart(image, 1)
    expect(elections.flatMap((command) => command.ops)).toHaveLength(1)
    image = replay(image, elections[0]!, image.offset).image
    expect(image.topic("t")!.partitions[0]).toMatchObject({ leader: 1, leaderEpoch: 1 })
    expect(decideElectionsAfterRestart(image, 1)).toEqual([])
  })
})
