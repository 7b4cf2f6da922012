/**
 * Many groups, and groups of many: all of them are served, everything that they hold goes with them.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { decodeResponse } from "@chronik-effect/core/protocol/Frame.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { JoinGroupApi } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { ListGroupsApi } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { afterAll, beforeAll, expect, test } from "vitest"
import { ConsumerClient } from "./ConsumerClient.ts"
import { findCoordinator, GroupClient } from "./GroupClient.ts"
import { expectNothingLeft, type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { createTopic, utf8 } from "./Requests.ts"

const GROUPS = 10_000
const MEMBERS = 500
/** Requests that one connection has under way. */
const PIPELINE = 100

let node: OpenNode
let peer: Peer

beforeAll(async () => {
  node = await openNode({
    "group.consumer.min.assignment.interval.ms": "0",
    "group.consumer.assignment.interval.ms": "0",
    "group.consumer.max.session.timeout.ms": "300000",
    "group.consumer.session.timeout.ms": "300000"
  })
  peer = await Peer.connect(node.port)
  await findCoordinator(peer)
  await createTopic(peer, "t", {}, 1)
  await createTopic(peer, "wide", {}, MEMBERS)
})
afterAll(async () => {
  peer[Symbol.dispose]()
  await node[Symbol.asyncDispose]()
})

const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

test("ten thousand groups commit, are listed and are deleted", async () => {
  const commit = (i: number) =>
    peer.ask(OffsetCommitApi, 8, {
      groupId: `many-${i}`,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: i, committedMetadata: "" }] }]
    })
  for (let from = 0; from < GROUPS; from += PIPELINE) {
    for (let i = from; i < from + PIPELINE; i++) commit(i)
    for (let i = from; i < from + PIPELINE; i++) {
      const frame = await peer.frame()
      const { value } = decodeResponse(OffsetCommitApi, 8, frame, 0, frame.length)
      expect(value.topics[0]!.partitions[0]!.errorCode).toBe(ErrorCode.NONE)
    }
  }
  const listed = await peer.call(ListGroupsApi, 5, {})
  expect(listed.groups.length).toBe(GROUPS)
  const groups = range(GROUPS).map((i) => ({ groupId: `many-${i}`, topics: null }))
  const fetched = await peer.call(OffsetFetchApi, 8, { groups })
  expect(fetched.groups.map(({ topics }) => topics[0]!.partitions[0]!.committedOffset)).toEqual(range(GROUPS))
  const groupsNames = groups.map(({ groupId }) => groupId)
  const { results } = await peer.call(DeleteGroupsApi, 2, { groupsNames })
  expect(new Set(results.map(({ errorCode }) => errorCode))).toEqual(new Set([ErrorCode.NONE]))
  expect((await peer.call(ListGroupsApi, 5, {})).groups).toEqual([])
  await expectNothingLeft(node, 1)
})

test("five hundred classic members rebalance, and every one has its share", async () => {
  const clients = await Promise.all(range(MEMBERS).map(() => GroupClient.open(node.port, "crowd")))
  const [leader] = clients as [GroupClient]
  const patient = { rebalanceTimeoutMs: 120_000, sessionTimeoutMs: 120_000 }
  await leader.join(patient)
  await Promise.all(clients.slice(1).map((client) => client.joinOnce(patient)))
  // Everybody but the leader waits; its own join completes the phase.
  for (const client of clients.slice(1)) client.peer.ask(JoinGroupApi, 9, client.joinRequest(patient))
  const admin = new GroupClient(peer, "crowd")
  await expect.poll(async () => (await admin.describe()).members.length, { timeout: 60_000 }).toBe(MEMBERS)
  const joined = await leader.joinOnce(patient)
  expect(joined.members.length).toBe(MEMBERS)
  for (const client of clients.slice(1)) {
    const frame = await client.peer.frame()
    const { value } = decodeResponse(JoinGroupApi, 9, frame, 0, frame.length)
    expect([value.errorCode, value.generationId, value.leader]).toEqual([0, joined.generationId, leader.memberId])
    client.generationId = value.generationId
  }
  for (const client of clients.slice(1)) client.peer.ask(SyncGroupApi, 3, client.identity())
  const shares = Object.fromEntries(clients.map(({ memberId }, i) => [memberId, utf8(String(i))]))
  expect((await leader.sync(shares)).assignment).toEqual(Buffer.from("0"))
  for (const [i, client] of clients.slice(1).entries()) {
    const frame = await client.peer.frame()
    const { value } = decodeResponse(SyncGroupApi, 3, frame, 0, frame.length)
    expect([value.errorCode, Buffer.from(value.assignment).toString()]).toEqual([0, String(i + 1)])
  }
  expect((await admin.describe()).groupState).toBe("Stable")
  await Promise.all(clients.map((client) => client.leave()))
  expect((await admin.describe()).members).toEqual([])
  for (const client of clients) client[Symbol.dispose]()
  await expectNothingLeft(node, 1)
})

test("five hundred members of the consumer protocol have one partition each", async () => {
  const clients: Array<ConsumerClient> = []
  for (const i of range(MEMBERS)) clients.push(await ConsumerClient.open(node.port, "modern", `m${i}`, ["wide"]))
  for (const client of clients) expect((await client.join()).errorCode).toBe(ErrorCode.NONE)
  const round = async () => {
    for (const client of clients) expect((await client.beat()).errorCode).toBe(ErrorCode.NONE)
    return clients.filter(({ partitions }) => partitions.length === 1).length
  }
  await expect.poll(round, { timeout: 60_000 }).toBe(MEMBERS)
  expect(new Set(clients.flatMap(({ partitions }) => partitions)).size).toBe(MEMBERS)
  await Promise.all(clients.map((client) => client.beat({ memberEpoch: -1, topicPartitions: null })))
  const { results } = await peer.call(DeleteGroupsApi, 2, { groupsNames: ["modern"] })
  expect(results[0]!.errorCode).toBe(ErrorCode.NONE)
  for (const client of clients) client[Symbol.dispose]()
  await expectNothingLeft(node, 1)
})
