/**
 * Configs that cannot be, over a real socket: the code of each rule, nothing changed where one is broken, and bounds on what one
 * request may ask for.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { DescribeConfigsApi } from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { AlterConfigsApi } from "@chronik-effect/core/protocol/messages/33_AlterConfigs.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { DescribeClusterApi } from "@chronik-effect/core/protocol/messages/60_DescribeCluster.ts"
import { ListConfigResourcesApi } from "@chronik-effect/core/protocol/messages/74_ListConfigResources.ts"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { expectNothingLeft, type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { createTopic } from "./Requests.ts"

const [TOPIC, BROKER, LOGGER, METRICS, GROUP] = [2, 4, 8, 16, 32] as const

let node: OpenNode
let peer: Peer

beforeAll(async () => {
  node = await openNode()
  using first = await Peer.connect(node.port)
  await createTopic(first, "t", { "retention.ms": "7" })
})
beforeEach(async () => {
  peer?.[Symbol.dispose]()
  peer = await Peer.connect(node.port)
})
afterAll(async () => {
  peer[Symbol.dispose]()
  await expectNothingLeft(node, 0)
  await node[Symbol.asyncDispose]()
})

type Change = readonly [name: string, op: number, value: string | null]
const alter = async (resourceType: number, resourceName: string, ...changes: ReadonlyArray<Change>) => {
  const answer = await peer.call(IncrementalAlterConfigsApi, 1, {
    resources: [
      {
        resourceType,
        resourceName,
        configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value }))
      }
    ],
    validateOnly: false
  })
  return answer.responses[0]!
}

/** Everything that was set for a resource. */
const setOf = async (resourceType: number, resourceName: string) => {
  const answer = await peer.call(DescribeConfigsApi, 4, {
    resources: [{ resourceType, resourceName, configurationKeys: null }]
  })
  const own = { [TOPIC]: 1, [BROKER]: 3, [METRICS]: 7, [GROUP]: 8 }[resourceType]
  return answer.results[0]!.configs.filter((c) => c.configSource === own).map((c) => `${c.name}=${c.value}`)
}

type Case = readonly [what: string, code: number, type: number, name: string, first: Change, second?: Change]

const CASES: ReadonlyArray<Case> = [
  ["a value of the wrong type", ErrorCode.INVALID_CONFIG, TOPIC, "t", ["segment.bytes", 0, "many"]],
  ["a segment below 1 MiB", ErrorCode.INVALID_CONFIG, TOPIC, "t", ["segment.bytes", 0, "1048575"]],
  ["a policy that does not exist", ErrorCode.INVALID_CONFIG, TOPIC, "t", ["cleanup.policy", 0, "shrink"]],
  [
    "a least lag above the greatest",
    ErrorCode.INVALID_CONFIG,
    TOPIC,
    "t",
    ["min.compaction.lag.ms", 0, "10"],
    ["max.compaction.lag.ms", 0, "9"]
  ],
  ["a key that no topic has", ErrorCode.INVALID_CONFIG, TOPIC, "t", ["no.such", 0, "1"]],
  ["a key without a name", ErrorCode.INVALID_CONFIG, TOPIC, "t", ["", 0, "1"]],
  ["an APPEND to a number", ErrorCode.INVALID_CONFIG, TOPIC, "t", ["retention.ms", 2, "1"]],
  ["a SET of null", ErrorCode.INVALID_REQUEST, TOPIC, "t", ["retention.ms", 0, null]],
  ["an operation that does not exist", ErrorCode.INVALID_REQUEST, TOPIC, "t", ["retention.ms", 4, "1"]],
  ["a key twice", ErrorCode.INVALID_REQUEST, TOPIC, "t", ["retention.ms", 0, "1"], ["retention.ms", 1, null]],
  [
    "a good change beside a bad one",
    ErrorCode.INVALID_CONFIG,
    TOPIC,
    "t",
    ["segment.ms", 0, "5"],
    ["preallocate", 0, "?"]
  ],
  ["a topic that does not exist", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, TOPIC, "nope", ["retention.ms", 0, "1"]],
  ["a topic's name that cannot be", ErrorCode.INVALID_TOPIC_EXCEPTION, TOPIC, "a\u0000b", ["retention.ms", 0, "1"]],
  ["all topics at once", ErrorCode.INVALID_REQUEST, TOPIC, "", ["retention.ms", 0, "1"]],
  ["a broker's key that is fixed", ErrorCode.INVALID_REQUEST, BROKER, "", ["num.partitions", 0, "3"]],
  ["a broker's value of the wrong type", ErrorCode.INVALID_REQUEST, BROKER, "", ["log.retention.ms", 0, "x"]],
  ["a key of one broker for all", ErrorCode.INVALID_REQUEST, BROKER, "", ["sasl.enabled.mechanisms", 0, "PLAIN"]],
  ["a secret", ErrorCode.INVALID_REQUEST, BROKER, "1", ["ssl.keystore.password", 0, "secret"]],
  ["another broker", ErrorCode.INVALID_REQUEST, BROKER, "2", ["log.retention.ms", 0, "1"]],
  ["a broker that is no number", ErrorCode.INVALID_REQUEST, BROKER, "one", ["log.retention.ms", 0, "1"]],
  ["an APPEND to a broker's number", ErrorCode.INVALID_CONFIG, BROKER, "", ["log.retention.ms", 2, "1"]],
  ["a level that does not exist", ErrorCode.INVALID_CONFIG, LOGGER, "1", ["root", 0, "LOUD"]],
  ["a logger that does not exist", ErrorCode.INVALID_CONFIG, LOGGER, "1", ["org.other", 0, "INFO"]],
  ["the end of the root logger", ErrorCode.INVALID_REQUEST, LOGGER, "1", ["root", 1, null]],
  ["loggers of another broker", ErrorCode.INVALID_REQUEST, LOGGER, "2", ["root", 0, "INFO"]],
  ["an interval out of bounds", ErrorCode.INVALID_REQUEST, METRICS, "m", ["interval.ms", 0, "1"]],
  ["a selector that does not exist", ErrorCode.INVALID_CONFIG, METRICS, "m", ["match", 0, "planet=earth"]],
  ["an unknown key of client metrics", ErrorCode.INVALID_REQUEST, METRICS, "m", ["no.such", 0, "1"]],
  ["a subscription without a name", ErrorCode.INVALID_REQUEST, METRICS, "", ["interval.ms", 0, "1000"]],
  ["a session below the broker's least", ErrorCode.INVALID_CONFIG, GROUP, "g", ["consumer.session.timeout.ms", 0, "1"]],
  ["an unknown key of a group", ErrorCode.INVALID_CONFIG, GROUP, "g", ["no.such", 0, "1"]],
  ["a group without a name", ErrorCode.INVALID_REQUEST, GROUP, "", ["consumer.session.timeout.ms", 0, "50000"]],
  ["a resource of no type", ErrorCode.INVALID_REQUEST, 3, "t", ["retention.ms", 0, "1"]]
]

describe("a change that breaks a rule", () => {
  for (const [what, code, type, name, first, second] of CASES) {
    test(what, async () => {
      const answer = await alter(type, name, first, ...(second === undefined ? [] : [second]))
      expect(answer.errorCode).toBe(code)
      expect(answer.errorMessage).toBeTruthy()
      expect(await setOf(TOPIC, "t")).toEqual(["retention.ms=7"])
      expect(await setOf(BROKER, "")).toEqual([])
      expect(await setOf(METRICS, "m")).toEqual([])
      expect(await setOf(GROUP, "g")).toEqual([])
    })
  }
})

describe("a request that asks for too much", () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ resourceType: TOPIC, resourceName: `nope${n}`, configs: [] }))

  test("10,000 resources are judged one by one; one more and none is", async () => {
    for (const api of [AlterConfigsApi, IncrementalAlterConfigsApi]) {
      const most = await peer.call(api, 1, { resources: many(10_000), validateOnly: false })
      expect(new Set(most.responses.map((r) => r.errorCode))).toEqual(new Set([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]))
      const over = await peer.call(api, 1, { resources: many(10_001), validateOnly: false })
      expect(over.responses).toHaveLength(10_001)
      expect(new Set(over.responses.map((r) => r.errorCode))).toEqual(new Set([ErrorCode.INVALID_REQUEST]))
    }
    const described = await peer.call(DescribeConfigsApi, 4, {
      resources: many(10_001).map((one) => ({ ...one, configurationKeys: null }))
    })
    expect(new Set(described.results.map((r) => r.errorCode))).toEqual(new Set([ErrorCode.INVALID_REQUEST]))
  })

  test("more than 1,000 keys of one resource change nothing", async () => {
    const keys = Array.from({ length: 1_001 }, (_, n): Change => [`plugin.${n}`, 0, "x"])
    expect((await alter(BROKER, "", ...keys)).errorCode).toBe(ErrorCode.INVALID_REQUEST)
    expect(await setOf(BROKER, "")).toEqual([])
  })

  test("a list that grows by APPEND ends where it can still be shown", async () => {
    await createTopic(peer, "grows")
    const name = "follower.replication.throttled.replicas"
    const append = (from: number) =>
      alter(TOPIC, "grows", [name, 2, Array.from({ length: 3_500 }, (_, n) => `${from + n}:1`).join(",")])
    expect((await append(1_000)).errorCode).toBe(ErrorCode.NONE)
    const refused = await append(5_000)
    expect(refused.errorCode).toBe(ErrorCode.INVALID_CONFIG)
    expect(refused.errorMessage!.length).toBeLessThan(1_000)
    expect((await setOf(TOPIC, "grows"))[0]!.length).toBeGreaterThan(20_000)
  })

  test("control characters come back harmless", async () => {
    const harmless = (text: string | null) => expect(/\p{Cc}/u.test(text ?? "\n")).toBe(false)
    harmless((await alter(TOPIC, "t", ["compression.type", 0, "\u001b[2Jzip\u0000\n"])).errorMessage)
    harmless((await alter(TOPIC, "t", ["a\u0007", 0, "1"])).errorMessage)
    harmless((await alter(BROKER, "1\u0007", ["a", 0, "1"])).errorMessage)
    harmless((await alter(LOGGER, "1", ["root\u0007", 0, "INFO"])).errorMessage)
  })
})

test("ListConfigResources of a type that does not exist lists nothing", async () => {
  const answer = await peer.call(ListConfigResourcesApi, 1, { resourceTypes: [TOPIC, 77] })
  expect(answer).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] })
})

test("DescribeCluster of controllers, or of what does not exist, is told what it asked", async () => {
  for (const [endpointType, code] of [
    [2, ErrorCode.MISMATCHED_ENDPOINT_TYPE],
    [7, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE]
  ] as const) {
    const answer = await peer.call(DescribeClusterApi, 1, { endpointType })
    expect(answer).toMatchObject({ errorCode: code, brokers: [] })
  }
})
