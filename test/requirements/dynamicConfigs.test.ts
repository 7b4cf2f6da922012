/**
 * Configs that are changed while the node runs: what inherits from the broker follows at once, what has a value of its own does
 * not, and a restart keeps what was set.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { DescribeConfigsApi } from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import { startBroker } from "chronik-effect/testing"
import { expect, it } from "vitest"
import { type OpenNode, openNode } from "../badinput/OpenNode.ts"
import { Peer } from "../badinput/Peer.ts"
import { batchOf, createTopic, NOW, produce, type Topic } from "../badinput/Requests.ts"
import { temporaryDirectory } from "../support/BrokerProcess.ts"

const BROKER = 4

const alter = async (peer: Peer, resourceName: string, values: Readonly<Record<string, string | null>>) => {
  const answer = await peer.call(IncrementalAlterConfigsApi, 1, {
    resources: [
      {
        resourceType: BROKER,
        resourceName,
        configs: Object.entries(values).map(([name, value]) => ({
          name,
          configOperation: value === null ? 1 : 0,
          value
        }))
      }
    ],
    validateOnly: false
  })
  expect(answer.responses[0]).toMatchObject({ errorCode: 0, errorMessage: null })
}

const settingsOf = (node: OpenNode, topic: Topic) => node.partitions.find(topic.name, 0)!.settings

it("message.max.bytes, log.cleanup.policy and log.retention.ms of the broker reach the topics that inherit them", async () => {
  await using node = await openNode()
  using peer = await Peer.connect(node.port)
  const inherits = await createTopic(peer, "inherits")
  const own = await createTopic(peer, "own", {
    "max.message.bytes": "500000",
    "cleanup.policy": "delete",
    "retention.ms": "1000000"
  })
  const code = async (topic: Topic, records: Uint8Array) => (await produce(peer, topic, records)).errorCode
  const large = () => batchOf(["x".repeat(100_000)])
  const withoutKey = () => buildBatch([{ timestamp: NOW, value: Buffer.from("v") }])
  expect(await code(inherits, large())).toBe(ErrorCode.NONE)
  expect(await code(inherits, withoutKey())).toBe(ErrorCode.NONE)

  await alter(peer, "", {
    "message.max.bytes": "50000",
    "log.cleanup.policy": "compact",
    "log.retention.ms": "3600000"
  })
  expect(await code(inherits, large())).toBe(ErrorCode.MESSAGE_TOO_LARGE)
  expect(await code(inherits, withoutKey())).toBe(ErrorCode.INVALID_RECORD)
  expect(settingsOf(node, inherits).retentionMs).toBe(3_600_000)
  expect(await code(own, large())).toBe(ErrorCode.NONE)
  expect(await code(own, withoutKey())).toBe(ErrorCode.NONE)
  expect(settingsOf(node, own).retentionMs).toBe(1_000_000)

  // This broker's own value goes before that of all brokers.
  await alter(peer, "1", { "message.max.bytes": "200000" })
  expect(await code(inherits, large())).toBe(ErrorCode.NONE)

  await alter(peer, "1", { "message.max.bytes": null })
  await alter(peer, "", { "message.max.bytes": null, "log.cleanup.policy": null, "log.retention.ms": null })
  expect(await code(inherits, large())).toBe(ErrorCode.NONE)
  expect(await code(inherits, withoutKey())).toBe(ErrorCode.NONE)
  expect(settingsOf(node, inherits).retentionMs).toBe(7 * 24 * 3_600_000)
})

it("max.connections holds for the next connection", async () => {
  await using node = await openNode()
  using peer = await Peer.connect(node.port)
  await alter(peer, "", { "max.connections": "1" })
  using refused = await Peer.connect(node.port)
  await refused.closed
  await alter(peer, "", { "max.connections": "2" })
  using served = await Peer.connect(node.port)
  await alter(served, "", { "max.connections": null })
})

it("what was set is in force after a restart, for topics, brokers, groups and client metrics", async () => {
  const dataDir = temporaryDirectory()
  const described = async (port: number) => {
    using peer = await Peer.connect(port)
    const answer = await peer.call(DescribeConfigsApi, 4, {
      resources: [
        { resourceType: 2, resourceName: "t", configurationKeys: ["retention.ms", "max.message.bytes"] },
        { resourceType: BROKER, resourceName: "1", configurationKeys: ["message.max.bytes"] },
        { resourceType: 32, resourceName: "g", configurationKeys: ["consumer.session.timeout.ms"] },
        { resourceType: 16, resourceName: "m", configurationKeys: ["interval.ms"] }
      ],
      includeSynonyms: true
    })
    return answer.results.map((result) => result.configs)
  }
  let before: Awaited<ReturnType<typeof described>>
  {
    await using broker = await startBroker({ dataDir })
    using peer = await Peer.connect(broker.port)
    await createTopic(peer, "t", { "retention.ms": "5000" })
    await alter(peer, "", { "message.max.bytes": "70000" })
    const set = (resourceType: number, resourceName: string, name: string, value: string) => ({
      resourceType,
      resourceName,
      configs: [{ name, configOperation: 0, value }]
    })
    await peer.call(IncrementalAlterConfigsApi, 1, {
      resources: [set(32, "g", "consumer.session.timeout.ms", "50000"), set(16, "m", "interval.ms", "1000")],
      validateOnly: false
    })
    before = await described(broker.port)
    expect(before.map((configs) => configs.map((c) => c.value))).toEqual([
      ["70000", "5000"],
      ["70000"],
      ["50000"],
      ["1000"]
    ])
  }
  await using again = await startBroker({ dataDir })
  expect(await described(again.port)).toEqual(before)
  using peer = await Peer.connect(again.port)
  const { errorCode } = await produce(peer, { name: "t", topicId: "" }, batchOf(["x".repeat(80_000)]), { version: 9 })
  expect(errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE)
})
