/**
 * Groups of the consumer protocol that are asked for what cannot be: each error code of ConsumerGroupHeartbeat and
 * ConsumerGroupDescribe, and the member that behaves keeps what it has.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { HeartbeatApi } from "@chronik-effect/core/protocol/messages/12_Heartbeat.ts"
import { LeaveGroupApi } from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import type { ConsumerGroupHeartbeatRequest } from "@chronik-effect/core/protocol/messages/68_ConsumerGroupHeartbeat.ts"
import { ConsumerGroupDescribeApi } from "@chronik-effect/core/protocol/messages/69_ConsumerGroupDescribe.ts"
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest"
import { ConsumerClient } from "./ConsumerClient.ts"
import { findCoordinator, GroupClient } from "./GroupClient.ts"
import { expectNothingLeft, type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { createTopic, type Topic, utf8 } from "./Requests.ts"

let node: OpenNode
let peer: Peer
let topic: Topic
let good: ConsumerClient
let names = 0

beforeAll(async () => {
  node = await openNode({
    "group.consumer.max.size": "3",
    "group.consumer.min.assignment.interval.ms": "0",
    "group.consumer.assignment.interval.ms": "0"
  })
  peer = await Peer.connect(node.port)
  await findCoordinator(peer)
  topic = await createTopic(peer, "t", {}, 4)
})
/** A member that owns everything; whatever is asked of its group must not change that. */
beforeEach(async () => {
  good = await ConsumerClient.open(node.port, `group-${++names}`, "good", ["t"])
  await good.join()
  await expectOwnsAll()
  return async () => {
    await expectOwnsAll()
    await good.beat({ memberEpoch: -1, topicPartitions: null })
    good[Symbol.dispose]()
    await expectNothingLeft(node, 1)
  }
})
afterAll(async () => {
  peer[Symbol.dispose]()
  await node[Symbol.asyncDispose]()
})

const expectOwnsAll = () =>
  vi.waitFor(
    async () => {
      expect((await good.beat()).errorCode).toBe(ErrorCode.NONE)
      expect(good.partitions).toEqual(["t-0", "t-1", "t-2", "t-3"])
    },
    { timeout: 10_000, interval: 5 }
  )

/** A client of the same group with a socket of its own. */
const other = async (memberId: string, use: (client: ConsumerClient) => Promise<void>): Promise<void> => {
  using client = await ConsumerClient.open(node.port, good.groupId, memberId, ["t"])
  await use(client)
}

describe("ConsumerGroupHeartbeat", () => {
  const joins: ReadonlyArray<readonly [string, ErrorCode, Partially<ConsumerGroupHeartbeatRequest>]> = [
    ["without a member id", ErrorCode.INVALID_REQUEST, { memberId: "" }],
    ["without a group id", ErrorCode.INVALID_REQUEST, { groupId: "" }],
    ["an empty instance id", ErrorCode.INVALID_REQUEST, { instanceId: "" }],
    ["an empty rack", ErrorCode.INVALID_REQUEST, { rackId: "" }],
    ["no rebalance timeout", ErrorCode.INVALID_REQUEST, { rebalanceTimeoutMs: -1 }],
    ["partitions already at the join", ErrorCode.INVALID_REQUEST, { topicPartitions: null }],
    ["no subscription", ErrorCode.INVALID_REQUEST, { subscribedTopicNames: null }],
    ["an epoch that does not exist", ErrorCode.INVALID_REQUEST, { memberEpoch: -3 }],
    ["leaving for a while without an instance id", ErrorCode.INVALID_REQUEST, { memberEpoch: -2 }],
    ["a member id of 5,000 characters", ErrorCode.INVALID_REQUEST, { memberId: "m".repeat(5_000) }],
    ["a topic name of 250 characters", ErrorCode.INVALID_REQUEST, { subscribedTopicNames: ["t".repeat(250)] }],
    [
      "twenty thousand topics",
      ErrorCode.INVALID_REQUEST,
      { subscribedTopicNames: Array.from({ length: 20_000 }, (_, i) => `t${i}`) }
    ],
    ["an assignor that nobody has", ErrorCode.UNSUPPORTED_ASSIGNOR, { serverAssignor: "best" }],
    [
      "an expression that is none",
      ErrorCode.INVALID_REGULAR_EXPRESSION,
      { subscribedTopicNames: null, subscribedTopicRegex: "(?=x)" }
    ],
    [
      "an expression of 5,000 characters",
      ErrorCode.INVALID_REGULAR_EXPRESSION,
      { subscribedTopicNames: null, subscribedTopicRegex: "x".repeat(5_000) }
    ],
    ["a member that never joined", ErrorCode.UNKNOWN_MEMBER_ID, { memberEpoch: 3, topicPartitions: null }],
    ["a member that never joined leaves", ErrorCode.UNKNOWN_MEMBER_ID, { memberEpoch: -1 }],
    [
      "an instance that never joined leaves for a while",
      ErrorCode.UNKNOWN_MEMBER_ID,
      { memberEpoch: -2, instanceId: "i" }
    ],
    ["a group that is not there", ErrorCode.GROUP_ID_NOT_FOUND, { groupId: "none", memberEpoch: 3 }]
  ]
  test.each(joins)("%s", (_, errorCode, more) =>
    other("other", async (client) => {
      const answer = await client.join(more)
      expect(answer).toMatchObject({ errorCode, memberId: null, memberEpoch: 0, assignment: null })
      expect(answer.errorMessage ?? "").not.toBe("")
    })
  )

  test("epochs that are not the member's", async () => {
    const { epoch } = good
    const none = { topicPartitions: null }
    expect((await good.beat({ ...none, memberEpoch: epoch + 1 })).errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH)
    await good.join()
    await expectOwnsAll()
    const stale = { topicPartitions: [{ topicId: topic.topicId, partitions: [0, 1, 2, 3] }] }
    expect((await good.beat({ ...stale, memberEpoch: 1 })).errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH)
  })

  test("an instance id that a living member has, and the one that has lost it", async () => {
    const left = { memberEpoch: -1, topicPartitions: null }
    await other("first", async (first) => {
      await other("second", async (second) => {
        const instanceId = "i"
        expect((await first.join({ instanceId })).errorCode).toBe(ErrorCode.NONE)
        expect((await second.join({ instanceId })).errorCode).toBe(ErrorCode.UNRELEASED_INSTANCE_ID)
        await first.beat({ instanceId, memberEpoch: -2, topicPartitions: null })
        expect((await second.join({ instanceId })).errorCode).toBe(ErrorCode.NONE)
        const fenced = await first.beat({ instanceId, memberEpoch: 2, topicPartitions: null })
        expect(fenced.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID)
        expect((await second.beat({ ...left, instanceId })).errorCode).toBe(ErrorCode.NONE)
      })
    })
  })

  test("group.consumer.max.size", async () => {
    const left = { memberEpoch: -1, topicPartitions: null }
    await other("second", async (second) => {
      await other("third", async (third) => {
        expect((await second.join()).errorCode).toBe(ErrorCode.NONE)
        expect((await third.join()).errorCode).toBe(ErrorCode.NONE)
        await other("fourth", async (fourth) => {
          expect((await fourth.join()).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED)
        })
        for (const member of [second, third]) expect((await member.beat(left)).errorCode).toBe(ErrorCode.NONE)
      })
    })
  })

  test("a group of another kind with members", async () => {
    using worker = await GroupClient.open(node.port, `workers-${names}`)
    await worker.join({ protocolType: "connect" })
    await worker.sync({ [worker.memberId]: utf8("all") }, { protocolType: "connect" })
    await other("other", async (client) => {
      const answer = await client.join({ groupId: worker.groupId })
      expect(answer.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND)
    })
    expect(await worker.heartbeat()).toBe(ErrorCode.NONE)
    await worker.leave()
  })

  test("partitions that nobody gave it, and topics that do not exist", async () => {
    const claims = [
      { topicId: "CCCCCCCCCCCCCCCCCCCCCQ", partitions: [0] },
      { topicId: topic.topicId, partitions: [0, 1, 2, 3, 99, -1] }
    ]
    expect((await good.beat({ topicPartitions: claims })).errorCode).toBe(ErrorCode.NONE)
  })
})

describe("the classic protocol's requests about a group of the consumer protocol", () => {
  test("a member of one is none of the other", async () => {
    const { groupId, memberId, epoch } = good
    const identity = { groupId, memberId, generationId: epoch }
    const named = { protocolType: "consumer", protocolName: "range" }
    expect((await peer.call(HeartbeatApi, 4, identity)).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    expect((await peer.call(SyncGroupApi, 5, { ...identity, ...named })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    const left = await peer.call(LeaveGroupApi, 5, { groupId, members: [{ memberId: "stranger" }] })
    expect(left.members[0]!.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
  })

  test("a joining member without a consumer's subscription", async () => {
    using client = await GroupClient.open(node.port, good.groupId)
    const more = { protocols: [{ name: "range", metadata: utf8("no subscription") }] }
    expect((await client.joinOnce(more)).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    expect((await client.joinOnce({ protocolType: "connect" })).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    expect((await client.joinOnce({ protocols: [] })).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    expect((await client.joinOnce({ sessionTimeoutMs: 1 })).errorCode).toBe(ErrorCode.INVALID_SESSION_TIMEOUT)
  })
})

test("ConsumerGroupDescribe: what is not there, and no group id", async () => {
  const { groups } = await peer.call(ConsumerGroupDescribeApi, 1, { groupIds: ["none", "", good.groupId] })
  expect(groups.map(({ errorCode }) => errorCode)).toEqual([
    ErrorCode.GROUP_ID_NOT_FOUND,
    ErrorCode.INVALID_GROUP_ID,
    ErrorCode.NONE
  ])
})
