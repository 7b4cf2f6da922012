/**
 * Groups that are asked for what cannot be: each error code of the classic protocol and of committed offsets, and nothing
 * else disturbed by it.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { JoinGroupApi, type JoinGroupRequest } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { HeartbeatApi } from "@chronik-effect/core/protocol/messages/12_Heartbeat.ts"
import { LeaveGroupApi } from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { DescribeGroupsApi } from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { ListGroupsApi } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { OffsetDeleteApi } from "@chronik-effect/core/protocol/messages/47_OffsetDelete.ts"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { findCoordinator, GroupClient, stableGroup } from "./GroupClient.ts"
import { expectNothingLeft, type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { createTopic, deleteTopic, type Topic, utf8 } from "./Requests.ts"

let node: OpenNode
let peer: Peer
let topic: Topic
let open: Array<Disposable> = []
let names = 0

beforeAll(async () => {
  node = await openNode({ "group.max.size": "3" })
  peer = await Peer.connect(node.port)
  await findCoordinator(peer)
  topic = await createTopic(peer, "t", {}, 4)
})
beforeEach(() => {
  open = []
})
afterEach(async () => {
  for (const one of open) one[Symbol.dispose]()
  await expectNothingLeft(node, 1)
})
afterAll(async () => {
  peer[Symbol.dispose]()
  await node[Symbol.asyncDispose]()
})

const fresh = () => `group-${++names}`
const client = async (groupId = fresh()): Promise<GroupClient> => {
  const one = await GroupClient.open(node.port, groupId)
  open.push(one)
  return one
}
const stable = async (count: number, groupId = fresh()): Promise<ReadonlyArray<GroupClient>> => {
  const clients = await stableGroup(node.port, groupId, count)
  open.push(...clients)
  return clients
}
/** The group is what it was: its members still heartbeat in its generation. */
const expectUndisturbed = async (clients: ReadonlyArray<GroupClient>): Promise<void> => {
  for (const one of clients) expect(await one.heartbeat()).toBe(ErrorCode.NONE)
  expect((await clients[0]!.describe()).groupState).toBe("Stable")
}

describe("FindCoordinator", () => {
  test.each([1, 2, 3, -1, 127])("keys of type %i have no coordinator here", async (keyType) => {
    const { coordinators } = await peer.call(FindCoordinatorApi, 6, { keyType, coordinatorKeys: ["a", "b"] })
    for (const found of coordinators) {
      expect(found).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST, nodeId: -1, host: "", port: -1 })
    }
    expect(coordinators.map(({ key }) => key)).toEqual(["a", "b"])
    expect((await peer.call(FindCoordinatorApi, 2, { keyType, key: "a" })).errorCode).toBe(ErrorCode.INVALID_REQUEST)
  })

  test("many keys at once, also the empty one and none at all", async () => {
    const keys = ["", "a", "x".repeat(30_000)]
    const { coordinators } = await peer.call(FindCoordinatorApi, 4, { keyType: 0, coordinatorKeys: keys })
    expect(coordinators.map(({ key, errorCode }) => [key, errorCode])).toEqual(keys.map((key) => [key, 0]))
    expect((await peer.call(FindCoordinatorApi, 4, { keyType: 0, coordinatorKeys: [] })).coordinators).toEqual([])
  })
})

describe("JoinGroup", () => {
  const refused: ReadonlyArray<readonly [string, ErrorCode, Partially<JoinGroupRequest>]> = [
    ["an empty group id", ErrorCode.INVALID_GROUP_ID, { groupId: "" }],
    ["a session of less than 6 s", ErrorCode.INVALID_SESSION_TIMEOUT, { sessionTimeoutMs: 5_999 }],
    ["a session of more than 30 min", ErrorCode.INVALID_SESSION_TIMEOUT, { sessionTimeoutMs: 1_800_001 }],
    ["a negative session", ErrorCode.INVALID_SESSION_TIMEOUT, { sessionTimeoutMs: -1 }],
    ["no protocols", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, { protocols: [] }],
    ["no protocol type", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, { protocolType: "" }],
    [
      "more protocols than anybody has",
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
      { protocols: Array.from({ length: 129 }, (_, i) => ({ name: `p${i}`, metadata: utf8("") })) }
    ],
    ["a member that nobody knows", ErrorCode.UNKNOWN_MEMBER_ID, { memberId: "nobody" }],
    [
      "an instance that nobody knows with a member id",
      ErrorCode.UNKNOWN_MEMBER_ID,
      { memberId: "nobody", groupInstanceId: "i" }
    ]
  ]
  test.each(refused)("%s", async (_, errorCode, more) => {
    const one = await client()
    const answer = await one.joinOnce(more)
    expect(answer).toMatchObject({ errorCode, generationId: -1, members: [] })
    const { groups } = await peer.call(ListGroupsApi, 5, {})
    expect(groups.map(({ groupId }) => groupId)).not.toContain(one.groupId)
  })

  test("a stable group takes nobody who has no protocol in common with it", async () => {
    const clients = await stable(2)
    const other = await client(clients[0]!.groupId)
    const rr = [{ name: "roundrobin", metadata: utf8("m") }]
    for (const more of [{ protocols: rr }, { protocolType: "connect" }, { protocols: [] }]) {
      expect((await other.joinOnce(more)).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    }
    await expectUndisturbed(clients)
  })

  test("group.max.size, also of static members and of those with an id", async () => {
    const clients = await stable(3)
    const other = await client(clients[0]!.groupId)
    expect((await other.joinOnce()).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED)
    expect((await other.joinOnce({}, 3)).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED)
    expect((await other.joinOnce({ groupInstanceId: "i" })).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED)
    await expectUndisturbed(clients)
  })

  test("two processes under one instance id: the earlier one is fenced wherever it turns", async () => {
    const first = await client()
    first.groupInstanceId = "i"
    await first.join()
    await first.sync({ [first.memberId]: utf8("all") })
    const second = await client(first.groupId)
    second.groupInstanceId = "i"
    expect(await second.join()).toMatchObject({ errorCode: ErrorCode.NONE, skipAssignment: true })
    expect((await first.joinOnce()).errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID)
    expect((await first.sync()).errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID)
    expect(await first.heartbeat()).toBe(ErrorCode.FENCED_INSTANCE_ID)
    expect(await first.leave()).toBe(ErrorCode.FENCED_INSTANCE_ID)
    expect(await first.commit("t", [{ partition: 0, offset: 1 }])).toEqual([ErrorCode.FENCED_INSTANCE_ID])
    expect((await second.sync()).assignment).toEqual(Buffer.from("all"))
    await expectUndisturbed([second])
  })
})

describe("SyncGroup and Heartbeat", () => {
  test("strangers, old and future generations, other protocols", async () => {
    const clients = await stable(2)
    const [leader] = clients as [GroupClient]
    const g = leader.generationId
    const identities: ReadonlyArray<readonly [ErrorCode, object]> = [
      [ErrorCode.UNKNOWN_MEMBER_ID, { memberId: "stranger" }],
      [ErrorCode.UNKNOWN_MEMBER_ID, { memberId: "" }],
      [ErrorCode.UNKNOWN_MEMBER_ID, { groupInstanceId: "nobody" }],
      [ErrorCode.UNKNOWN_MEMBER_ID, { groupId: "no-such-group" }],
      [ErrorCode.INVALID_GROUP_ID, { groupId: "" }],
      [ErrorCode.ILLEGAL_GENERATION, { generationId: g - 1 }],
      [ErrorCode.ILLEGAL_GENERATION, { generationId: g + 1 }],
      [ErrorCode.ILLEGAL_GENERATION, { generationId: -1 }]
    ]
    for (const [errorCode, more] of identities) {
      expect(await leader.heartbeat(more), JSON.stringify(more)).toBe(errorCode)
      expect((await leader.sync({}, more)).errorCode, JSON.stringify(more)).toBe(errorCode)
    }
    for (const more of [{ protocolType: "connect" }, { protocolName: "other" }, { protocolName: null }]) {
      expect((await leader.sync({}, more)).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    }
    await expectUndisturbed(clients)
  })

  test("while a rebalance gathers its members", async () => {
    const [leader, follower] = (await stable(2)) as [GroupClient, GroupClient]
    const other = await GroupClient.open(node.port, leader.groupId)
    open.push(other)
    await other.joinOnce()
    const joining = other.joinOnce()
    await leader.awaitState("PreparingRebalance")
    expect(await leader.heartbeat()).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
    expect((await leader.sync()).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
    expect(await leader.commit("t", [{ partition: 0, offset: 1 }])).toEqual([ErrorCode.NONE])
    expect(await follower.leave()).toBe(ErrorCode.NONE)
    expect((await leader.joinOnce()).members.length).toBe(2)
    expect((await joining).errorCode).toBe(ErrorCode.NONE)
    expect(await leader.commit("t", [{ partition: 0, offset: 2 }])).toEqual([ErrorCode.REBALANCE_IN_PROGRESS])
    expect(await follower.heartbeat()).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    expect((await leader.committed()).get("t-0")).toBe(1)
  })

  test("a leader that sends a senseless assignment: strangers are left out, who is forgotten has nothing", async () => {
    const [leader, follower] = (await stable(2)) as [GroupClient, GroupClient]
    await Promise.all([leader.joinOnce(), follower.awaitState("PreparingRebalance").then(() => follower.joinOnce())])
    const waiting = follower.sync({ [leader.memberId]: utf8("a follower's word") })
    const huge = new Uint8Array(600_000).fill(7)
    const shares = { stranger: utf8("s"), "": utf8("e"), [leader.memberId]: huge }
    expect((await leader.sync(shares)).assignment).toEqual(Buffer.from(huge))
    expect(await waiting).toMatchObject({ errorCode: ErrorCode.NONE, assignment: Buffer.alloc(0) })
    expect((await leader.describe()).members.length).toBe(2)
    await expectUndisturbed([leader, follower])
  })

  test("an assignment that is larger than the log takes: both learn it, join again and go on", async () => {
    const [leader, follower] = (await stable(2)) as [GroupClient, GroupClient]
    await Promise.all([leader.joinOnce(), follower.awaitState("PreparingRebalance").then(() => follower.joinOnce())])
    const waiting = follower.sync()
    const shares = { [leader.memberId]: new Uint8Array(2_000_000) }
    expect((await leader.sync(shares)).errorCode).toBe(ErrorCode.UNKNOWN_SERVER_ERROR)
    expect((await waiting).errorCode).toBe(ErrorCode.UNKNOWN_SERVER_ERROR)
    expect(await follower.heartbeat()).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
    const again = await Promise.all([leader.joinOnce(), follower.joinOnce()])
    expect(again.map(({ errorCode }) => errorCode)).toEqual([0, 0])
    const synced = await Promise.all([leader.sync({ [leader.memberId]: utf8("all") }), follower.sync()])
    expect(synced.map(({ errorCode }) => errorCode)).toEqual([0, 0])
    await expectUndisturbed([leader, follower])
  })
})

describe("LeaveGroup", () => {
  test("each member by itself", async () => {
    const clients = await stable(3)
    const [leader, follower, last] = clients as [GroupClient, GroupClient, GroupClient]
    const answer = await peer.call(LeaveGroupApi, 5, {
      groupId: leader.groupId,
      members: [
        { memberId: follower.memberId },
        { memberId: "stranger" },
        { memberId: "", groupInstanceId: "nobody" },
        { memberId: leader.memberId, groupInstanceId: "nobody" },
        { memberId: follower.memberId }
      ]
    })
    expect(answer.errorCode).toBe(ErrorCode.NONE)
    const unknown = ErrorCode.UNKNOWN_MEMBER_ID
    expect(answer.members.map(({ errorCode }) => errorCode)).toEqual([0, unknown, unknown, unknown, unknown])
    expect(await last.heartbeat()).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
  })

  test("no such group, no group id", async () => {
    for (const version of [0, 1, 2]) {
      const answer = await peer.call(LeaveGroupApi, version, { groupId: "none", memberId: "m" })
      expect(answer.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
      expect((await peer.call(LeaveGroupApi, version, { groupId: "", memberId: "m" })).errorCode).toBe(
        ErrorCode.INVALID_GROUP_ID
      )
    }
    const answer = await peer.call(LeaveGroupApi, 5, { groupId: "none", members: [{ memberId: "m" }] })
    expect(answer.members[0]!.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    expect((await peer.call(LeaveGroupApi, 5, { groupId: "", members: [] })).errorCode).toBe(ErrorCode.INVALID_GROUP_ID)
  })
})

describe("OffsetCommit", () => {
  const one = [{ partition: 0, offset: 5 }]

  test("who may commit for a group with members", async () => {
    const clients = await stable(2)
    const [leader] = clients as [GroupClient]
    const g = leader.generationId
    const refused: ReadonlyArray<readonly [ErrorCode, object]> = [
      [ErrorCode.UNKNOWN_MEMBER_ID, { memberId: "stranger" }],
      [ErrorCode.UNKNOWN_MEMBER_ID, { memberId: "", generationIdOrMemberEpoch: -1 }],
      [ErrorCode.UNKNOWN_MEMBER_ID, { groupInstanceId: "nobody" }],
      [ErrorCode.ILLEGAL_GENERATION, { generationIdOrMemberEpoch: g - 1 }],
      [ErrorCode.ILLEGAL_GENERATION, { generationIdOrMemberEpoch: g + 1 }],
      [ErrorCode.ILLEGAL_GENERATION, { generationIdOrMemberEpoch: -1 }]
    ]
    for (const [errorCode, more] of refused) {
      expect(await leader.commit("t", one, more), JSON.stringify(more)).toEqual([errorCode])
    }
    expect((await leader.committed()).size).toBe(0)
    expect(await leader.commit("t", one)).toEqual([ErrorCode.NONE])
    await expectUndisturbed(clients)
  })

  test("a generation without a group", async () => {
    const simple = await client()
    const claiming = { generationIdOrMemberEpoch: 1, memberId: "m" }
    expect(await simple.commit("t", one, claiming, 8)).toEqual([ErrorCode.ILLEGAL_GENERATION])
    expect(await simple.commit("t", one, claiming, 9)).toEqual([ErrorCode.GROUP_ID_NOT_FOUND])
    const { groups } = await peer.call(ListGroupsApi, 5, {})
    expect(groups.map(({ groupId }) => groupId)).not.toContain(simple.groupId)
  })

  test("metadata: 4096 characters, not one more; the partitions beside it are committed", async () => {
    const simple = await client()
    const codes = await simple.commit("t", [
      { partition: 0, offset: 1, metadata: "x".repeat(4_097) },
      { partition: 1, offset: 2, metadata: "x".repeat(4_096) },
      { partition: 2, offset: 3, metadata: null }
    ])
    expect(codes).toEqual([ErrorCode.OFFSET_METADATA_TOO_LARGE, ErrorCode.NONE, ErrorCode.NONE])
    expect(await simple.committed()).toEqual(
      new Map([
        ["t-1", 2],
        ["t-2", 3]
      ])
    )
  })

  test("topics and partitions that are not there, by name and by id", async () => {
    const simple = await client()
    expect(await simple.commit("nowhere", one)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
    const partitions = [4, -1, 2_147_483_647].map((partition) => ({ partition, offset: 1 }))
    expect(await simple.commit("t", partitions)).toEqual(partitions.map(() => ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
    const answer = await peer.call(OffsetCommitApi, 10, {
      groupId: simple.groupId,
      topics: [
        { topicId: "AAAAAAAAAAAAAAAAAAAAAA", partitions: [{ partitionIndex: 0, committedOffset: 1 }] },
        { topicId: "CCCCCCCCCCCCCCCCCCCCCQ", partitions: [{ partitionIndex: 0, committedOffset: 1 }] },
        { topicId: topic.topicId, partitions: [{ partitionIndex: 9, committedOffset: 1 }] }
      ]
    })
    expect(answer.topics.map(({ partitions: [first] }) => first!.errorCode)).toEqual([
      ErrorCode.UNKNOWN_TOPIC_ID,
      ErrorCode.UNKNOWN_TOPIC_ID,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    ])
    expect((await simple.committed()).size).toBe(0)
  })

  test("more in one request than a batch takes", async () => {
    const simple = await client()
    const many = Array.from({ length: 300 }, () => ({ partition: 0, offset: 1, metadata: "x".repeat(4_096) }))
    expect(new Set(await simple.commit("t", many))).toEqual(new Set([ErrorCode.INVALID_COMMIT_OFFSET_SIZE]))
    expect((await simple.committed()).size).toBe(0)
  })

  test("offsets of a deleted topic are gone, and those of one that was made anew under its name are its own", async () => {
    const gone = await createTopic(peer, "gone")
    const simple = await client()
    expect(await simple.commit("gone", one)).toEqual([ErrorCode.NONE])
    await simple.commit("t", one)
    await deleteTopic(peer, gone)
    expect(await simple.commit("gone", one)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
    expect([...(await simple.committed()).keys()]).toEqual(["t-0"])
    const again = await createTopic(peer, "gone")
    expect([...(await simple.committed()).keys()]).toEqual(["t-0"])
    const byId = await peer.call(OffsetFetchApi, 10, {
      groups: [
        {
          groupId: simple.groupId,
          topics: [gone, again].map(({ topicId }) => ({ topicId, partitionIndexes: [0] }))
        }
      ]
    })
    expect(byId.groups[0]!.topics.map(({ partitions: [first] }) => [first!.errorCode, first!.committedOffset])).toEqual(
      [
        [ErrorCode.UNKNOWN_TOPIC_ID, -1],
        [ErrorCode.NONE, -1]
      ]
    )
  })
})

describe("reading and deleting", () => {
  test("OffsetFetch: many groups at once, and what was never committed is no error", async () => {
    const simple = await client()
    await simple.commit("t", [{ partition: 1, offset: 7 }])
    const asked = [{ name: "t", partitionIndexes: [1, 99, -1] }]
    const { groups } = await peer.call(OffsetFetchApi, 9, {
      groups: [
        { groupId: simple.groupId, topics: asked },
        { groupId: "none", topics: [{ name: "nowhere", partitionIndexes: [0] }] },
        { groupId: "", topics: null },
        { groupId: "none", topics: [] }
      ]
    })
    expect(groups.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0, 0])
    expect(groups[0]!.topics[0]!.partitions.map(({ committedOffset }) => committedOffset)).toEqual([7, -1, -1])
    expect(groups[1]!.topics[0]!.partitions).toMatchObject([{ committedOffset: -1, errorCode: 0, metadata: "" }])
    expect(groups.slice(2).map(({ topics }) => topics)).toEqual([[], []])
  })

  test("a group with members is not deleted, nor an offset that it needs", async () => {
    const clients = await stable(2)
    const [leader] = clients as [GroupClient]
    await leader.commit("t", [{ partition: 0, offset: 5 }])
    const groupsNames = [leader.groupId, "none", ""]
    const { results } = await peer.call(DeleteGroupsApi, 3, { groupsNames })
    expect(results.map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.NON_EMPTY_GROUP,
      ErrorCode.GROUP_ID_NOT_FOUND,
      ErrorCode.GROUP_ID_NOT_FOUND
    ])
    const remove = (groupId: string, ...partitions: ReadonlyArray<number>) =>
      peer.call(OffsetDeleteApi, 0, {
        groupId,
        topics: [{ name: "t", partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }]
      })
    // "m" is no subscription that could be read: it may be one to anything.
    expect((await remove(leader.groupId, 0, 77)).topics[0]!.partitions).toEqual([
      { partitionIndex: 77, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
      { partitionIndex: 0, errorCode: ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC }
    ])
    expect(await remove("none", 0)).toMatchObject({ errorCode: ErrorCode.GROUP_ID_NOT_FOUND, topics: [] })
    expect(await remove("", 0)).toMatchObject({ errorCode: ErrorCode.INVALID_GROUP_ID, topics: [] })
    const worker = await client()
    await worker.join({ protocolType: "connect" })
    expect(await remove(worker.groupId, 0)).toMatchObject({ errorCode: ErrorCode.NON_EMPTY_GROUP, topics: [] })
    expect((await leader.committed()).get("t-0")).toBe(5)
    await expectUndisturbed(clients)
  })

  test("DescribeGroups and ListGroups: what is not there, states and types that do not exist", async () => {
    const { groups } = await peer.call(DescribeGroupsApi, 6, { groups: ["none", ""] })
    expect(groups.map(({ errorCode, groupState }) => [errorCode, groupState])).toEqual([
      [ErrorCode.GROUP_ID_NOT_FOUND, "Dead"],
      [ErrorCode.GROUP_ID_NOT_FOUND, "Dead"]
    ])
    const old = await peer.call(DescribeGroupsApi, 5, { groups: ["none"] })
    expect(old.groups[0]).toMatchObject({ errorCode: ErrorCode.NONE, groupState: "Dead" })
    const clients = await stable(1)
    const list = (statesFilter: ReadonlyArray<string>, typesFilter: ReadonlyArray<string>) =>
      peer.call(ListGroupsApi, 5, { statesFilter: [...statesFilter], typesFilter: [...typesFilter] })
    expect((await list(["sTABLE", "nonsense"], ["CLASSIC"])).groups.map(({ groupId }) => groupId)).toContain(
      clients[0]!.groupId
    )
    expect(await list(["nonsense"], [])).toMatchObject({ errorCode: ErrorCode.NONE, groups: [] })
    expect(await list([], ["nonsense"])).toMatchObject({ errorCode: ErrorCode.NONE, groups: [] })
  })
})

describe("before the coordinator's topic exists", () => {
  test("every request about a group says that its coordinator is not here", async () => {
    const bare = await openNode()
    using bold = await GroupClient.open(bare.port, "g")
    await createTopic(bold.peer, "t")
    expect((await bold.joinOnce()).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
    bold.memberId = "m"
    expect((await bold.sync()).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
    expect(await bold.heartbeat()).toBe(ErrorCode.NOT_COORDINATOR)
    expect(await bold.leave()).toBe(ErrorCode.NOT_COORDINATOR)
    expect(await bold.commit("t", [{ partition: 0, offset: 1 }])).toEqual([ErrorCode.NOT_COORDINATOR])
    expect((await bold.describe()).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
    const fetched = await bold.peer.call(OffsetFetchApi, 8, { groups: [{ groupId: "g", topics: null }] })
    expect(fetched.groups[0]!.errorCode).toBe(ErrorCode.NOT_COORDINATOR)
    const deleted = await bold.peer.call(DeleteGroupsApi, 2, { groupsNames: ["g"] })
    expect(deleted.results[0]!.errorCode).toBe(ErrorCode.NOT_COORDINATOR)
    expect((await bold.peer.call(ListGroupsApi, 5, {})).groups).toEqual([])
    await bare[Symbol.asyncDispose]()
  })
})

describe("bodies that no client would send", () => {
  test("group ids and member ids of 32 KiB", async () => {
    const long = "g".repeat(32_000)
    const one = await client(long)
    await one.join()
    expect((await one.sync({ [one.memberId]: utf8("all") })).errorCode).toBe(ErrorCode.NONE)
    expect(await one.heartbeat({ memberId: "m".repeat(32_000) })).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    expect(await one.commit("t", [{ partition: 0, offset: 1 }])).toEqual([ErrorCode.NONE])
    expect(await one.leave()).toBe(ErrorCode.NONE)
    expect((await peer.call(DeleteGroupsApi, 2, { groupsNames: [long] })).results[0]!.errorCode).toBe(ErrorCode.NONE)
  })

  test("metadata of half a mebibyte is kept and given to the leader; what no record can hold is told", async () => {
    const [leader] = (await stable(1)) as [GroupClient]
    const metadata = new Uint8Array(500_000).fill(1)
    const answer = await leader.joinOnce({ protocols: [{ name: "range", metadata }] })
    expect(answer.members[0]!.metadata.length).toBe(500_000)
    expect((await leader.sync({ [leader.memberId]: utf8("all") })).errorCode).toBe(ErrorCode.NONE)
    const larger = new Uint8Array(3_000_000)
    expect((await leader.joinOnce({ protocols: [{ name: "range", metadata: larger }] })).errorCode).toBe(ErrorCode.NONE)
    expect((await leader.sync({ [leader.memberId]: utf8("all") })).errorCode).toBe(ErrorCode.UNKNOWN_SERVER_ERROR)
  })

  test("requests of one connection are answered in order, whatever waits", async () => {
    const [leader] = (await stable(1)) as [GroupClient]
    const other = await client(leader.groupId)
    await other.joinOnce()
    other.peer.ask(JoinGroupApi, 9, other.joinRequest())
    other.peer.ask(HeartbeatApi, 4, { groupId: "none", memberId: "m", generationId: 1 })
    other.peer.ask(SyncGroupApi, 3, { groupId: "none", memberId: "m", generationId: 1 })
    await leader.awaitState("PreparingRebalance")
    await leader.joinOnce()
    const lengths = [(await other.peer.frame()).length, (await other.peer.frame()).length]
    expect(lengths[0]).toBeGreaterThan(lengths[1]!)
    await other.peer.frame()
  })
})
