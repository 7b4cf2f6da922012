/**
 * One group with members of both protocols: a classic group is upgraded by its first member of the consumer protocol, lives
 * mixed, and is downgraded when that one leaves, or becomes a group of the consumer protocol alone.
 *
 * In a mixed group everything is answered at once, so the script may ask in any order. There is one partition and at most two
 * members of each kind, so that it is certain who gets it.
 */
import { uuidFromBytes } from "@chronik-effect/core/base/Uuid.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { JoinGroupApi } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { HeartbeatApi } from "@chronik-effect/core/protocol/messages/12_Heartbeat.ts"
import { LeaveGroupApi } from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { DescribeGroupsApi } from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { ListGroupsApi } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { ConsumerGroupHeartbeatApi } from "@chronik-effect/core/protocol/messages/68_ConsumerGroupHeartbeat.ts"
import { ConsumerGroupDescribeApi } from "@chronik-effect/core/protocol/messages/69_ConsumerGroupDescribe.ts"
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription
} from "@chronik-effect/core/protocol/records/ConsumerProtocol.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import { type Move, move } from "../Move.ts"
import type { Topic, World } from "../World.ts"
import { singleTopic } from "./ConsumerGroups.ts"

interface Classic {
  readonly on: string
  readonly instanceId: string | null
  id: string
  generation: number
}

interface Modern {
  readonly id: string
  epoch: number
  owned: ReadonlyArray<{ readonly topicId: string; readonly partitions: ReadonlyArray<number> }>
}

const SESSION_MS = 120_000
const PROTOCOL = "range"
const LEAVE = -1

class MixedGroup {
  readonly world: World
  readonly topic: Topic
  readonly groupId: string
  readonly classics: Array<Classic> = []
  readonly moderns: Array<Modern> = []
  /** The brokers have come apart, or a member is told to begin anew: nothing that follows would be certain. */
  apart = false
  #made = 0

  constructor(world: World, topic: Topic) {
    this.world = world
    this.topic = topic
    this.groupId = world.freshName("mixed")
  }

  /** A static member comes in without an id in every version that knows it, any other before version 4 only. */
  async joinClassic(member: Classic): Promise<void> {
    const { run } = this.world
    const bounds = member.instanceId !== null ? { from: 5 } : member.id === "" ? { to: 3 } : {}
    const { answer, same } = await run.ask(
      JoinGroupApi,
      {
        groupId: this.groupId,
        sessionTimeoutMs: SESSION_MS,
        rebalanceTimeoutMs: SESSION_MS,
        memberId: member.id,
        groupInstanceId: member.instanceId,
        protocolType: "consumer",
        protocols: [{ name: PROTOCOL, metadata: this.#subscription() }],
        reason: "the script says so"
      },
      { on: member.on, ...bounds }
    )
    this.apart ||= !same || answer?.errorCode !== 0
    if (answer === undefined) return
    member.id = answer.memberId
    member.generation = answer.generationId
  }

  async newClassic(): Promise<void> {
    const { random } = this.world
    const number = ++this.#made
    const instanceId = random.chance(0.3) ? `instance-${number}` : null
    const member: Classic = { on: `mixed ${number}`, instanceId, id: "", generation: -1 }
    await this.joinClassic(member)
    if (!this.apart) this.classics.push(member)
  }

  /** What a leader would send; in a mixed group the broker assigns and nobody reads it. */
  async sync(member: Classic): Promise<void> {
    const writer = new Writer()
    writer.int16(0)
    const assignedPartitions = [{ topic: this.topic.name, partitions: [0] }]
    codecOf(ConsumerProtocolAssignment, 0).encode(writer, { assignedPartitions, userData: null })
    const assignment = writer.finishBytes()
    const { same } = await this.world.run.ask(
      SyncGroupApi,
      {
        ...this.#who(member),
        generationId: member.generation,
        protocolType: "consumer",
        protocolName: PROTOCOL,
        assignments: [{ memberId: member.id, assignment }]
      },
      { on: member.on, from: 3 }
    )
    this.apart ||= !same
  }

  async beatClassic(member: Classic): Promise<void> {
    const { random, run } = this.world
    const { generation } = member
    const generationId = random.pick([generation, generation, generation, generation - 1, generation + 1, -1])
    const memberId = random.chance(0.9) ? member.id : "nobody"
    const { same } = await run.ask(HeartbeatApi, { ...this.#who(member), memberId, generationId }, { from: 3 })
    this.apart ||= !same
  }

  async leaveClassic(member: Classic): Promise<void> {
    const { groupId } = this
    const { id: memberId, instanceId: groupInstanceId } = member
    this.classics.splice(this.classics.indexOf(member), 1)
    const from = groupInstanceId === null ? 0 : 3
    const members = [{ memberId, groupInstanceId }]
    const { same } = await this.world.run.ask(LeaveGroupApi, { groupId, memberId, members }, { from })
    this.apart ||= !same
  }

  async newModern(): Promise<void> {
    const { random } = this.world
    const member: Modern = { id: uuidFromBytes(random.bytes(16), 0), epoch: 0, owned: [] }
    this.moderns.push(member)
    await this.beat(member, {
      rebalanceTimeoutMs: SESSION_MS,
      subscribedTopicNames: [this.topic.name],
      serverAssignor: random.pick([null, "uniform"]),
      topicPartitions: []
    })
  }

  async beat(member: Modern, more: object = { topicPartitions: member.owned }): Promise<void> {
    const { groupId } = this
    const { answer, same } = await this.world.run.ask(
      ConsumerGroupHeartbeatApi,
      { groupId, memberId: member.id, memberEpoch: member.epoch, ...more },
      { version: 1 }
    )
    this.apart ||= !same || answer?.errorCode !== 0
    if (answer?.errorCode !== 0) return
    member.epoch = answer.memberEpoch
    if (answer.assignment !== null) member.owned = answer.assignment.topicPartitions
  }

  async leaveModern(member: Modern): Promise<void> {
    this.moderns.splice(this.moderns.indexOf(member), 1)
    await this.beat(member, { memberEpoch: LEAVE })
  }

  async commit(): Promise<void> {
    const { random, run } = this.world
    const classic = random.chance(0.5) ? this.classics[0] : undefined
    const modern = this.moderns[0]
    const [memberId, epoch] =
      classic === undefined ? [modern?.id ?? "", modern?.epoch ?? -1] : [classic.id, classic.generation]
    const partitions = [{ partitionIndex: 0, committedOffset: random.below(9), committedMetadata: "m" }]
    const { same } = await run.ask(
      OffsetCommitApi,
      {
        groupId: this.groupId,
        generationIdOrMemberEpoch: random.pick([epoch, epoch, epoch - 1, epoch + 1, -1]),
        memberId,
        groupInstanceId: classic?.instanceId ?? null,
        topics: [{ name: this.topic.name, topicId: this.topic.id, partitions }]
      },
      { from: 7 }
    )
    this.apart ||= !same
  }

  async look(): Promise<void> {
    const { random, run } = this.world
    const { groupId } = this
    switch (random.below(4)) {
      case 0:
        await run.ask(DescribeGroupsApi, { groups: [groupId] })
        break
      case 1:
        await run.ask(ListGroupsApi, { typesFilter: random.pick([[], ["consumer"], ["classic"]]) }, { from: 5 })
        break
      case 2:
        await run.ask(OffsetFetchApi, { groups: [{ groupId, topics: null }] }, { from: 8 })
        break
      default:
        await run.ask(ConsumerGroupDescribeApi, { groupIds: [groupId] })
    }
  }

  #who({ id: memberId, instanceId: groupInstanceId }: Classic) {
    return { groupId: this.groupId, memberId, groupInstanceId }
  }

  #subscription(): Uint8Array {
    const writer = new Writer()
    writer.int16(0)
    codecOf(ConsumerProtocolSubscription, 0).encode(writer, { topics: [this.topic.name], userData: null })
    return writer.finishBytes()
  }
}

/** Anything that a mixed group may be asked. */
const something = async (group: MixedGroup): Promise<void> => {
  const { random } = group.world
  const classic = group.classics.length === 0 ? undefined : random.pick(group.classics)
  const modern = group.moderns.length === 0 ? undefined : random.pick(group.moderns)
  switch (random.below(9)) {
    case 0:
      if (classic !== undefined) return group.joinClassic(classic)
      break
    case 1:
    case 2:
      if (classic !== undefined) return group.sync(classic)
      break
    case 3:
    case 4:
      if (classic !== undefined) return group.beatClassic(classic)
      break
    case 5:
    case 6:
      if (modern !== undefined) return group.beat(modern)
      break
    case 7:
      return group.commit()
  }
  return group.look()
}

const some = async (group: MixedGroup, least: number): Promise<void> => {
  for (let left = group.world.random.between(least, least + 5); left > 0 && !group.apart; left--) await something(group)
}

/** All of them do what they are told, until nothing moves any more. */
const converge = async (group: MixedGroup): Promise<void> => {
  for (let round = 0; round < 3; round++) {
    for (const member of group.classics) {
      if (!group.apart) await group.joinClassic(member)
      if (!group.apart) await group.sync(member)
    }
    for (const member of group.moderns) if (!group.apart) await group.beat(member)
  }
}

const live = async (world: World): Promise<void> => {
  const { random, run } = world
  const topic = await singleTopic(world)
  await world.barrier()
  const group = new MixedGroup(world, topic)
  await group.newClassic()
  if (!group.apart) await group.sync(group.classics[0]!)
  if (!group.apart) await group.newModern()
  await some(group, 2)
  if (!group.apart && random.chance(0.5)) await group.newClassic()
  await some(group, 1)
  if (random.chance(0.7)) await converge(group)
  if (group.apart) return
  if (random.chance(0.5)) {
    // Only classic members are left: the group is theirs again.
    for (const member of [...group.moderns]) await group.leaveModern(member)
    const [first] = group.classics
    await group.look()
    if (!group.apart && first !== undefined) await group.beatClassic(first)
    await group.look()
  } else {
    for (const member of [...group.classics]) if (!group.apart) await group.leaveClassic(member)
    await some(group, 2)
  }
  for (const member of [...group.classics]) if (!group.apart) await group.leaveClassic(member)
  for (const member of [...group.moderns]) if (!group.apart) await group.leaveModern(member)
  if (group.apart) return
  await group.look()
  await run.ask(DeleteGroupsApi, { groupsNames: [group.groupId] })
}

const apis = [
  ConsumerGroupHeartbeatApi,
  ConsumerGroupDescribeApi,
  JoinGroupApi,
  SyncGroupApi,
  HeartbeatApi,
  LeaveGroupApi,
  OffsetCommitApi,
  DeleteGroupsApi
]

export const migrationMoves: ReadonlyArray<Move> = [move("a group migrates", apis, 4, live)]
