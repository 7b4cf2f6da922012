/**
 * A member of a classic group as the tests of this folder need it: every request by itself, in whatever order, with whatever
 * identity. It remembers what it was told, as clients do.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { OffsetCommitApi, type OffsetCommitRequest } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import {
  JoinGroupApi,
  type JoinGroupRequest,
  type JoinGroupResponse
} from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { HeartbeatApi, type HeartbeatRequest } from "@chronik-effect/core/protocol/messages/12_Heartbeat.ts"
import { LeaveGroupApi } from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import {
  SyncGroupApi,
  type SyncGroupRequest,
  type SyncGroupResponse
} from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import {
  DescribeGroupsApi,
  type DescribeGroupsResponse
} from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { expect, vi } from "vitest"
import { Peer } from "./Peer.ts"
import { utf8 } from "./Requests.ts"

/** Asks for the coordinator once, which makes its topic. */
export const findCoordinator = async (peer: Peer): Promise<void> => {
  const found = await peer.call(FindCoordinatorApi, 3, { key: "any", keyType: 0 })
  expect(found.errorCode).toBe(ErrorCode.NONE)
}

export class GroupClient implements Disposable {
  readonly peer: Peer
  readonly groupId: string
  memberId = ""
  generationId = -1
  groupInstanceId: string | null = null

  constructor(peer: Peer, groupId: string) {
    this.peer = peer
    this.groupId = groupId
  }

  static async open(port: number, groupId: string): Promise<GroupClient> {
    return new GroupClient(await Peer.connect(port), groupId)
  }

  joinRequest(more: Partially<JoinGroupRequest> = {}): Partially<JoinGroupRequest> {
    return {
      groupId: this.groupId,
      memberId: this.memberId,
      groupInstanceId: this.groupInstanceId,
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: utf8("m") }],
      ...more
    }
  }

  /** One JoinGroup, whatever it is answered. */
  async joinOnce(more: Partially<JoinGroupRequest> = {}, version = 9): Promise<JoinGroupResponse> {
    const answer = await this.peer.call(JoinGroupApi, version, this.joinRequest(more))
    const { errorCode, memberId, generationId } = answer
    if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.MEMBER_ID_REQUIRED) this.memberId = memberId
    if (errorCode === ErrorCode.NONE) this.generationId = generationId
    return answer
  }

  /** Joins as a client does, twice if it has to. */
  async join(more: Partially<JoinGroupRequest> = {}): Promise<JoinGroupResponse> {
    const answer = await this.joinOnce(more)
    return answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED ? this.joinOnce(more) : answer
  }

  sync(shares: Readonly<Record<string, Uint8Array>> = {}, more: Partially<SyncGroupRequest> = {}) {
    const assignments = Object.entries(shares).map(([memberId, assignment]) => ({ memberId, assignment }))
    return this.peer.call(SyncGroupApi, 5, {
      ...this.identity(),
      protocolType: "consumer",
      protocolName: "range",
      assignments,
      ...more
    }) as Promise<SyncGroupResponse>
  }

  identity() {
    const { groupId, memberId, generationId, groupInstanceId } = this
    return { groupId, memberId, generationId, groupInstanceId }
  }

  async heartbeat(more: Partially<HeartbeatRequest> = {}): Promise<ErrorCode> {
    return (await this.peer.call(HeartbeatApi, 4, { ...this.identity(), ...more })).errorCode as ErrorCode
  }

  async leave(): Promise<ErrorCode> {
    const { memberId, groupInstanceId } = this
    const answer = await this.peer.call(LeaveGroupApi, 5, {
      groupId: this.groupId,
      members: [{ memberId, groupInstanceId }]
    })
    return (answer.errorCode === ErrorCode.NONE ? answer.members[0]!.errorCode : answer.errorCode) as ErrorCode
  }

  /** The code of each partition. */
  async commit(
    topic: string,
    offsets: ReadonlyArray<{ readonly partition: number; readonly offset: number; readonly metadata?: string | null }>,
    more: Partially<OffsetCommitRequest> = {},
    version = 9
  ): Promise<ReadonlyArray<ErrorCode>> {
    const { groupId, memberId, generationId, groupInstanceId } = this
    const answer = await this.peer.call(OffsetCommitApi, version, {
      groupId,
      memberId,
      generationIdOrMemberEpoch: generationId,
      groupInstanceId,
      topics: [
        {
          name: topic,
          partitions: offsets.map(({ partition, offset, metadata }) => ({
            partitionIndex: partition,
            committedOffset: offset,
            committedMetadata: metadata === undefined ? "" : metadata
          }))
        }
      ],
      ...more
    })
    return answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode as ErrorCode))
  }

  /** `topic-partition` → offset of everything that the group has committed. */
  async committed(): Promise<ReadonlyMap<string, number>> {
    const answer = await this.peer.call(OffsetFetchApi, 7, { groupId: this.groupId, topics: null })
    expect(answer.errorCode).toBe(ErrorCode.NONE)
    return new Map(
      answer.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, committedOffset }) => [`${name}-${partitionIndex}`, committedOffset] as const)
      )
    )
  }

  async describe(): Promise<DescribeGroupsResponse["groups"][number]> {
    return (await this.peer.call(DescribeGroupsApi, 5, { groups: [this.groupId] })).groups[0]!
  }

  async awaitState(state: string, timeoutMs = 10_000): Promise<void> {
    const now = async () => expect((await this.describe()).groupState).toBe(state)
    await vi.waitFor(now, { timeout: timeoutMs, interval: 10 })
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]()
  }
}

/** Members that are one stable generation, the first one its leader; `more`: what each of them joins with. */
export const stableGroup = async (
  port: number,
  groupId: string,
  count: number,
  more: ReadonlyArray<Partially<JoinGroupRequest>> = []
): Promise<Array<GroupClient>> => {
  const clients: Array<GroupClient> = []
  for (let i = 0; i < count; i++) clients.push(await GroupClient.open(port, groupId))
  const [leader, ...followers] = clients as [GroupClient, ...Array<GroupClient>]
  await leader.join(more[0])
  for (const [i, follower] of followers.entries()) await follower.joinOnce(more[i + 1])
  const joins = followers.map((follower, i) => follower.joinOnce(more[i + 1]))
  if (joins.length > 0) {
    await vi.waitFor(async () => expect((await leader.describe()).members.length).toBe(count), { interval: 5 })
    await Promise.all([leader.joinOnce(more[0]), ...joins])
  }
  const shares = Object.fromEntries(clients.map((client, i) => [client.memberId, utf8(`share ${i}`)]))
  const synced = await Promise.all(clients.map((client) => client.sync(client === leader ? shares : {})))
  expect(synced.map(({ errorCode }) => errorCode)).toEqual(clients.map(() => ErrorCode.NONE))
  return clients
}
