import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { CreateTopic } from "../../src/metadata/Command.ts"
import { decodeCommand, encodeCommand, MetadataFormatError, pack } from "../../src/metadata/CommandCodec.ts"
import { emptyImage } from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"
import { decodeSnapshot, encodeSnapshot } from "../../src/metadata/Snapshot.ts"
import { command, commands, replayAll, topicIdOf } from "./Arbitrary.ts"

describe("snapshots", () => {
  it("decode to the image that was encoded: same bytes, same view", () => {
    fc.assert(
      fc.property(commands, (list) => {
        const image = replayAll(list)
        const bytes = encodeSnapshot(image)
        const again = decodeSnapshot(bytes)
        expect(encodeSnapshot(again)).toEqual(bytes)
        expect([...again.topics()].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
          [...image.topics()].sort((a, b) => (a.name < b.name ? -1 : 1))
        )
        expect(again.brokers).toEqual(image.brokers)
        expect(new Map(again.groupConfigs)).toEqual(new Map(image.groupConfigs))
        expect(new Map(again.clientMetrics)).toEqual(new Map(image.clientMetrics))
        expect(new Map(again.clientQuotas)).toEqual(new Map(image.clientQuotas))
        expect(again.nextStream).toBe(image.nextStream)
        for (const topic of image.topics()) expect(again.topicById(topic.topicId)).toEqual(topic)
      })
    )
  })

  it("stand for the log before them: a replay from a snapshot anywhere ends in the same bytes", () => {
    fc.assert(
      fc.property(commands, commands, (before, after) => {
        const whole = replayAll(after, replayAll(before))
        const fromSnapshot = replayAll(after, decodeSnapshot(encodeSnapshot(replayAll(before))))
        expect(encodeSnapshot(fromSnapshot)).toEqual(encodeSnapshot(whole))
      })
    )
  })

  it("replay of the encoded log gives the state of the applied one (R19)", () => {
    fc.assert(
      fc.property(commands, (list) => {
        const logged = list.map(encodeCommand).map((bytes) => decodeCommand(bytes))
        expect(encodeSnapshot(replayAll(logged))).toEqual(encodeSnapshot(replayAll(list)))
      })
    )
  })

  it("of version 1 say nothing of directories: replicas lie where their nodes are registered", () => {
    const partition = [1, [1, 2], [1], 1, 3, 0, [], [], 7]
    const broker = [1, 4, "d", [], null, false, 5]
    const image = decodeSnapshot(
      pack([1, "c", 9, 2, 0, [broker], [], [], [["t", topicIdOf(0), false, [], [partition]]], []])
    )
    expect(image.topic("t")!.partitions[0]).toMatchObject({ directories: ["d", ""], unclean: false, target: [] })
    expect(image.topic("t")!.partitions[0]).toMatchObject({ leaderEpoch: 3, electedAt: 7 })
  })

  it("of version 2 hold no configs of groups, no subscriptions and no quotas", () => {
    const image = decodeSnapshot(pack([2, "c", 9, 2, 0, [], [["", [["log.retention.ms", "5"]]]], [], [], []]))
    expect(image.brokerConfigs.get("")).toEqual(new Map([["log.retention.ms", "5"]]))
    expect([[...image.groupConfigs], [...image.clientMetrics], [...image.clientQuotas]]).toEqual([[], [], []])
  })

  // The format on disk. A change here breaks every data directory: add a version instead.
  it("of version 3 are pinned", () => {
    const image = replayAll([
      {
        _tag: "AlterConfigs",
        resourceType: 32,
        resource: "g",
        changes: [{ name: "a", op: 0, value: "b" }]
      },
      { _tag: "AlterConfigs", resourceType: 16, resource: "m", changes: [{ name: "c", op: 0, value: "d" }] },
      {
        _tag: "AlterClientQuotas",
        entity: [
          ["client-id", null],
          ["user", "u"]
        ],
        changes: [{ key: "k", value: 0.5 }]
      }
    ])
    expect(Buffer.from(encodeSnapshot(image)).toString("hex")).toBe(
      "9d03a7636c757374657203010090909090909192a1679192a161a1629192a16d9192a163a16491929292a9636c69656e742d6964c092a475736572a1759192a16bcb3fe0000000000000"
    )
  })

  it("are refused when damaged or of another version", () => {
    const bytes = encodeSnapshot(emptyImage("c"))
    expect(() => decodeSnapshot(bytes.slice(0, 5))).toThrow(MetadataFormatError)
    expect(() => decodeSnapshot(pack([4, "c"]))).toThrow(/version 4/)
    expect(() => decodeSnapshot(pack([0, "c"]))).toThrow(/version 0/)
    expect(() => decodeSnapshot(pack(["x"]))).toThrow(MetadataFormatError)
  })
})

describe("the image of many topics", () => {
  const creation = (n: number): CreateTopic => ({
    _tag: "CreateTopic",
    name: `topic-${n}`,
    topicId: `${String(n).padStart(20, "0")}AA`,
    internal: false,
    partitions: [{ replicas: [1], isr: [1], leader: 1 }],
    configs: []
  })
  /** Processor time of `images` images of that many topics: other processes of the machine do not count. */
  const cpuMs = (images: number, count: number): number => {
    const list = Array.from({ length: count }, (_, n) => creation(n))
    const started = process.cpuUsage()
    for (let i = 0; i < images; i++) expect(replayAll(list).topicCount).toBe(count)
    const { user, system } = process.cpuUsage(started)
    return (user + system) / 1_000
  }

  it("grows linearly to 10,000", () => {
    // The same number of topics in ten images and in one. Work that grew with the image would make the one ten times as dear.
    const best = (images: number, count: number) => Math.min(...Array.from({ length: 5 }, () => cpuMs(images, count)))
    const [many, one] = [best(10, 1_000), best(1, 10_000)]
    expect(one).toBeLessThan(many * 7)
  })

  it("never gives a stream number twice, also after deletions and a snapshot", () => {
    let image = replayAll([creation(1), creation(2), { _tag: "DeleteTopic", topicId: creation(2).topicId }])
    image = replay(decodeSnapshot(encodeSnapshot(image)), creation(3), image.offset).image
    expect([1, 3].map((n) => image.topic(`topic-${n}`)!.partitions[0]!.stream)).toEqual([1, 3])
  })
})

describe("command bytes", () => {
  it("decode to the command that was encoded", () => {
    fc.assert(
      fc.property(command, (one) => {
        const { commandId, ...rest } = decodeCommand(encodeCommand(one))
        expect({ ...rest, commandId: commandId ?? null }).toEqual(one)
      })
    )
  })

  it("are never misread when damaged", () => {
    fc.assert(
      fc.property(command, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, at, flip) => {
        const bytes = encodeCommand(one)
        bytes[at % bytes.length]! ^= flip
        try {
          decodeCommand(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MetadataFormatError)
        }
      })
    )
  })

  it("of a newer version or an unknown tag are refused with a sentence", () => {
    expect(() => decodeCommand(pack([4, 2, null]))).toThrow(/version 2 of the metadata command 4.*start the newer one/)
    expect(() => decodeCommand(pack([99, 1, null]))).toThrow(/the command 99/)
    expect(() => decodeCommand(pack([7, 1, null, []]))).toThrow(/version 1 of the metadata command 7.*no longer read/)
  })

  // The format on disk. A change here breaks every data directory: add a version instead.
  it.each([
    [
      {
        _tag: "RegisterNode",
        nodeId: 1,
        incarnation: 2,
        directoryId: "d",
        endpoints: [{ listener: "P", host: "h", port: 9092, securityProtocol: "P" }],
        rack: null
      },
      "980101c00102a1649194a150a168cd2384a150c0"
    ],
    [{ _tag: "FenceNode", nodeId: 1, incarnation: 2, fenced: true }, "960201c00102c3"],
    [{ _tag: "UnregisterNode", nodeId: 300 }, "940301c0cd012c"],
    [
      {
        _tag: "CreateTopic",
        commandId: "x",
        name: "t",
        topicId: topicIdOf(0),
        internal: false,
        partitions: [{ replicas: [1, 2], isr: [1], leader: 1 }],
        configs: [["a", "b"]]
      },
      "980401a178a174b6746f7069634141414141414141414141414141414141c291939201029101019192a161a162"
    ],
    [{ _tag: "DeleteTopic", topicId: topicIdOf(1) }, "940501c0b6746f7069634141414141414141414141414141414241"],
    [
      {
        _tag: "CreatePartitions",
        topicId: topicIdOf(1),
        from: 3,
        partitions: [{ replicas: [7], isr: [7], leader: 7 }]
      },
      "960601c0b6746f70696341414141414141414141414141414142410391939107910707"
    ],
    [
      {
        _tag: "PartitionOps",
        ops: [
          {
            topicId: topicIdOf(1),
            partition: 1,
            expectedEpoch: 2,
            expectedConfigVersion: 3,
            election: { leader: 4, leaderEpoch: 5, unclean: false, directoryId: "d" },
            isr: [4],
            replicas: null,
            adding: [9],
            removing: null,
            target: [4, 9],
            countedDirectory: "e"
          }
        ]
      },
      "940702c0919bb6746f7069634141414141414141414141414141414241010203940405c2a1649104c09109c0920409a165"
    ],
    [
      { _tag: "AlterConfigs", resourceType: 2, resource: topicIdOf(2), changes: [{ name: "a", op: 1, value: null }] },
      "960801c002b6746f70696341414141414141414141414141414143419193a16101c0"
    ],
    [
      { _tag: "AlterConfigs", resourceType: 32, resource: "g", changes: [{ name: "a", op: 0, value: "1" }] },
      "960802c020a1679193a16100a131"
    ],
    [
      {
        _tag: "AlterClientQuotas",
        entity: [
          ["client-id", "c"],
          ["user", null]
        ],
        changes: [
          { key: "k", value: 1.5 },
          { key: "l", value: null }
        ]
      },
      "950b01c09292a9636c69656e742d6964a16392a475736572c09292a16bcb3ff800000000000092a16cc0"
    ],
    [{ _tag: "AllocateProducerIds", nodeId: 1, count: 1000 }, "950901c001cd03e8"],
    [{ _tag: "SetFeature", name: "f", level: 1 }, "950a01c0a16601"]
  ] as const)("of %o are pinned", (one, golden) => {
    expect(Buffer.from(encodeCommand(one)).toString("hex")).toBe(golden)
  })
})
