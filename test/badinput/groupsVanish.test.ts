/**
 * Clients that vanish, each in another state of its group, with the socket closed and no word said: whoever is left is a
 * stable group again in time, nothing keeps waiting, and a group of which nobody is left can be deleted.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { JoinGroupApi } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { ConsumerClient } from "./ConsumerClient.ts"
import { findCoordinator, GroupClient, stableGroup } from "./GroupClient.ts"
import { expectNothingLeft, type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { createTopic, utf8 } from "./Requests.ts"

/** Of those that vanish; those that stay have a minute. */
const SHORT = { sessionTimeoutMs: 500, rebalanceTimeoutMs: 1_000 }
const IN_TIME = { timeout: 30_000, interval: 20 }

let node: OpenNode
let peer: Peer
let names = 0

beforeAll(async () => {
  node = await openNode({
    "group.min.session.timeout.ms": "100",
    "group.consumer.min.session.timeout.ms": "500",
    "group.consumer.session.timeout.ms": "1500",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "200",
    "group.consumer.min.assignment.interval.ms": "0",
    "group.consumer.assignment.interval.ms": "0"
  })
  peer = await Peer.connect(node.port)
  await findCoordinator(peer)
  await createTopic(peer, "t", {}, 4)
})
afterAll(async () => {
  peer[Symbol.dispose]()
  await node[Symbol.asyncDispose]()
})

const fresh = () => `group-${++names}`

/** The survivor does what a client does, until it is the only member of a stable generation. */
const expectAlone = async (survivor: GroupClient): Promise<void> => {
  await vi.waitFor(async () => {
    const beat = await survivor.heartbeat()
    if (beat !== ErrorCode.NONE) {
      const joined = await survivor.join()
      expect(joined.errorCode).toBe(ErrorCode.NONE)
      await survivor.sync({ [survivor.memberId]: utf8("all") })
    }
    const { groupState, members } = await survivor.describe()
    expect([groupState, members.map(({ memberId }) => memberId)]).toEqual(["Stable", [survivor.memberId]])
  }, IN_TIME)
  expect(await survivor.commit("t", [{ partition: 0, offset: 1 }])).toEqual([ErrorCode.NONE])
  survivor[Symbol.dispose]()
  await expectNothingLeft(node, 1)
}

const expectDeletable = async (groupId: string): Promise<void> => {
  const remove = async () => (await peer.call(DeleteGroupsApi, 2, { groupsNames: [groupId] })).results[0]!.errorCode
  const gone: ReadonlyArray<ErrorCode> = [ErrorCode.NONE, ErrorCode.GROUP_ID_NOT_FOUND]
  await vi.waitFor(async () => expect(gone).toContain(await remove()), IN_TIME)
  await expectNothingLeft(node, 1)
}

/** A survivor that is its group's leader, and one that is about to vanish, both in one stable generation. */
const pair = async () => {
  const groupId = fresh()
  const [survivor, doomed] = (await stableGroup(node.port, groupId, 2, [{}, SHORT])) as [GroupClient, GroupClient]
  return { groupId, survivor, doomed }
}

describe("classic members", () => {
  test("with an id that it never used", async () => {
    const survivor = await GroupClient.open(node.port, fresh())
    const doomed = await GroupClient.open(node.port, survivor.groupId)
    await survivor.join()
    await survivor.sync({ [survivor.memberId]: utf8("all") })
    expect((await doomed.joinOnce(SHORT)).errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED)
    doomed[Symbol.dispose]()
    await expectAlone(survivor)
  })

  test("stable", async () => {
    const { survivor, doomed } = await pair()
    doomed[Symbol.dispose]()
    await expectAlone(survivor)
  })

  test("while its join waits for the others", async () => {
    const survivor = await GroupClient.open(node.port, fresh())
    const doomed = await GroupClient.open(node.port, survivor.groupId)
    await survivor.join()
    await survivor.sync()
    await doomed.joinOnce(SHORT)
    doomed.peer.ask(JoinGroupApi, 9, doomed.joinRequest(SHORT))
    await survivor.awaitState("PreparingRebalance")
    doomed[Symbol.dispose]()
    await expectAlone(survivor)
  })

  test("called to a rebalance, and not coming", async () => {
    const { survivor, doomed } = await pair()
    survivor.peer.ask(JoinGroupApi, 9, survivor.joinRequest(SHORT))
    await doomed.awaitState("PreparingRebalance")
    doomed[Symbol.dispose]()
    await survivor.peer.frame()
    await expectAlone(survivor)
  })

  test("as the leader that owes the assignment", async () => {
    const groupId = fresh()
    const [doomed, survivor] = (await stableGroup(node.port, groupId, 2, [SHORT, SHORT])) as [GroupClient, GroupClient]
    const joins = [survivor.joinOnce({ ...SHORT, protocols: [{ name: "range", metadata: utf8("other") }] })]
    await vi.waitFor(async () => expect(await doomed.heartbeat()).toBe(ErrorCode.REBALANCE_IN_PROGRESS), IN_TIME)
    joins.push(doomed.joinOnce(SHORT))
    await Promise.all(joins)
    const waiting = survivor.sync()
    doomed[Symbol.dispose]()
    expect((await waiting).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
    await expectAlone(survivor)
  })

  test("as a follower whose sync waits", async () => {
    const { survivor, doomed } = await pair()
    await Promise.all([
      survivor.joinOnce(SHORT),
      vi
        .waitFor(async () => expect(await doomed.heartbeat()).toBe(ErrorCode.REBALANCE_IN_PROGRESS), IN_TIME)
        .then(() => doomed.joinOnce(SHORT))
    ])
    doomed.peer.ask(SyncGroupApi, 3, doomed.identity())
    await doomed.peer.flushed()
    doomed[Symbol.dispose]()
    await survivor.sync({ [survivor.memberId]: utf8("a"), [doomed.memberId]: utf8("b") })
    await expectAlone(survivor)
  })

  test("without reading what its commits are answered", async () => {
    const { survivor, doomed } = await pair()
    const partitions = [{ partitionIndex: 1, committedOffset: 7, committedMetadata: "" }]
    for (let i = 0; i < 200; i++) {
      doomed.peer.ask(OffsetCommitApi, 9, {
        groupId: doomed.groupId,
        memberId: doomed.memberId,
        generationIdOrMemberEpoch: doomed.generationId,
        topics: [{ name: "t", partitions }]
      })
    }
    await doomed.peer.flushed()
    doomed.peer.reset()
    await expectAlone(survivor)
  })

  test("all of them, in every state at once", async () => {
    const groups: Array<string> = []
    for (const state of ["pending", "joining", "joined", "syncing", "stable"]) {
      const groupId = fresh()
      groups.push(groupId)
      const doomed = await stableGroup(node.port, groupId, 2, [SHORT, SHORT])
      const other = await GroupClient.open(node.port, groupId)
      if (state !== "stable") await other.joinOnce(SHORT)
      if (state !== "stable" && state !== "pending") other.peer.ask(JoinGroupApi, 9, other.joinRequest(SHORT))
      if (state === "joined" || state === "syncing") {
        await doomed[0]!.awaitState("PreparingRebalance")
        await Promise.all(doomed.map((one) => one.joinOnce(SHORT)))
      }
      if (state === "syncing") for (const one of doomed) one.peer.ask(SyncGroupApi, 3, one.identity())
      for (const one of [...doomed, other]) await one.peer.flushed()
      for (const one of [...doomed, other]) one[Symbol.dispose]()
    }
    for (const groupId of groups) await expectDeletable(groupId)
  })
})

describe("members of the consumer protocol", () => {
  /** As a client does: who was silent for too long, on a busy machine, joins again. */
  const stay = async (client: ConsumerClient): Promise<void> => {
    const { errorCode } = await client.beat()
    if (errorCode === ErrorCode.NONE) return
    expect(errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    await client.join()
  }
  /** Heartbeats until every partition is the member's. */
  const expectOwnsAll = async (survivor: ConsumerClient): Promise<void> => {
    await vi.waitFor(async () => {
      await stay(survivor)
      expect(survivor.partitions).toEqual(["t-0", "t-1", "t-2", "t-3"])
    }, IN_TIME)
    survivor[Symbol.dispose]()
    await expectNothingLeft(node, 1)
  }
  const open = (groupId: string, memberId: string) => ConsumerClient.open(node.port, groupId, memberId, ["t"])

  test("that has just joined and owns nothing yet", async () => {
    const survivor = await open(fresh(), "survivor")
    const doomed = await open(survivor.groupId, "doomed")
    await survivor.join()
    await survivor.beat()
    await doomed.join()
    doomed[Symbol.dispose]()
    await expectOwnsAll(survivor)
  })

  test("that owns its share", async () => {
    const survivor = await open(fresh(), "survivor")
    const doomed = await open(survivor.groupId, "doomed")
    await survivor.join()
    await doomed.join()
    await vi.waitFor(async () => {
      await stay(survivor)
      await stay(doomed)
      expect([survivor.partitions.length, doomed.partitions.length]).toEqual([2, 2])
    }, IN_TIME)
    doomed.peer.reset()
    await expectOwnsAll(survivor)
  })

  test("that is asked to give up partitions and never does, while it heartbeats", async () => {
    const holder = await open(fresh(), "holder")
    const survivor = await open(holder.groupId, "survivor")
    await holder.join({ rebalanceTimeoutMs: 1_000 })
    await vi.waitFor(async () => {
      await stay(holder)
      expect(holder.partitions.length).toBe(4)
    }, IN_TIME)
    const all = holder.owned
    await survivor.join()
    // It says that it still owns everything, whatever it is told.
    const insist = async () => (await holder.beat({ topicPartitions: all })).errorCode
    await vi.waitFor(async () => {
      await insist()
      await stay(survivor)
      expect(survivor.partitions).toEqual(["t-0", "t-1", "t-2", "t-3"])
    }, IN_TIME)
    expect(await insist()).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    holder[Symbol.dispose]()
    await expectOwnsAll(survivor)
  })

  test("all of them: the group is empty and can be deleted", async () => {
    const groupId = fresh()
    for (let i = 0; i < 5; i++) {
      const doomed = await open(groupId, `m${i}`)
      await doomed.join()
      doomed.peer.reset()
    }
    await expectDeletable(groupId)
  })
})
