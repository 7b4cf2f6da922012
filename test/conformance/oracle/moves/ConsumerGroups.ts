/**
 * Groups of the new consumer protocol (KIP-848): members join, take over, give back, leave, and say wrong things.
 *
 * Both brokers assign inside the heartbeat that changes something, so every answer is certain, except which regular
 * expression matches what: that is looked up behind the answer, and waited for. Members make their own ids (version 1), so
 * that an assignor that sorts by them sees the same on both sides.
 */

import { uuidFromBytes } from "@chronik-effect/core/base/Uuid.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { JoinGroupApi } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { DescribeGroupsApi } from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { ListGroupsApi } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { OffsetDeleteApi } from "@chronik-effect/core/protocol/messages/47_OffsetDelete.ts"
import {
  ConsumerGroupHeartbeatApi,
  type ConsumerGroupHeartbeatResponse
} from "@chronik-effect/core/protocol/messages/68_ConsumerGroupHeartbeat.ts"
import { ConsumerGroupDescribeApi } from "@chronik-effect/core/protocol/messages/69_ConsumerGroupDescribe.ts"
import { type Move, move } from "../Move.ts"
import type { Topic, World } from "../World.ts"

type Owned = ReadonlyArray<{ readonly topicId: string; readonly partitions: ReadonlyArray<number> }>

interface Member {
  readonly id: string
  readonly instanceId: string | null
  epoch: number
  owned: Owned
}

const LEAVE = -1
const LEAVE_FOR_A_WHILE = -2

class Scene {
  readonly world: World
  readonly groupId: string
  readonly topics: ReadonlyArray<Topic>
  readonly assignor: string | null
  members: Array<Member> = []
  apart = false

  constructor(world: World, topics: ReadonlyArray<Topic>) {
    this.world = world
    this.groupId = world.freshName("c")
    this.topics = topics
    this.assignor = world.random.pick([null, "uniform", "range"])
  }

  names(): ReadonlyArray<string> {
    return this.topics.map(({ name }) => name)
  }

  joining(member: Member) {
    return {
      groupId: this.groupId,
      memberId: member.id,
      memberEpoch: 0,
      instanceId: member.instanceId,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: this.names(),
      serverAssignor: this.assignor,
      topicPartitions: []
    }
  }

  newcomer(): Member {
    const { random } = this.world
    const instanceId = random.chance(0.25) ? `instance-${random.below(1000)}` : null
    return { id: uuidFromBytes(random.bytes(16), 0), instanceId, epoch: 0, owned: [] }
  }

  async beat(request: object, from = 1): Promise<ConsumerGroupHeartbeatResponse | undefined> {
    const { answer, same } = await this.world.run.ask(ConsumerGroupHeartbeatApi, request, { from })
    this.apart ||= !same
    return answer
  }

  take(member: Member, answer: ConsumerGroupHeartbeatResponse | undefined): void {
    if (answer?.errorCode !== 0) {
      this.apart = true
      return
    }
    member.epoch = answer.memberEpoch
    if (answer.assignment !== null) member.owned = answer.assignment.topicPartitions
  }

  async join(): Promise<void> {
    const member = this.newcomer()
    if (member.instanceId !== null && this.members.some(({ instanceId }) => instanceId === member.instanceId)) return
    this.members.push(member)
    this.take(member, await this.beat(this.joining(member)))
  }

  /** What the member holds now, told to the broker. */
  async report(member: Member): Promise<void> {
    const { id: memberId, epoch: memberEpoch, owned: topicPartitions, instanceId } = member
    this.take(member, await this.beat({ groupId: this.groupId, memberId, memberEpoch, instanceId, topicPartitions }, 0))
  }

  /** Each reports until nothing moves any more: two rounds give back and take over. */
  async converge(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      for (const member of this.members) if (!this.apart) await this.report(member)
    }
  }

  async leave(member: Member, memberEpoch = LEAVE): Promise<void> {
    if (memberEpoch === LEAVE) this.members = this.members.filter((each) => each !== member)
    await this.beat({ groupId: this.groupId, memberId: member.id, memberEpoch, instanceId: member.instanceId })
  }

  /** With more than one left behind by the owner of the partition, either may get it. */
  leaver(): Member | undefined {
    const { random } = this.world
    if (this.members.length < 2) return undefined
    if (this.members.length === 2) return random.pick(this.members)
    return this.members.find(({ owned }) => owned.length === 0)
  }

  /** Those without the partition first: nobody takes it over. */
  async end(): Promise<void> {
    for (const member of this.members.toSorted((a, b) => a.owned.length - b.owned.length)) await this.leave(member)
  }
}

/** Wrong in one thing; none of them changes the group. */
const wrongBeat = async (scene: Scene): Promise<void> => {
  const { random } = scene.world
  const member = random.pick(scene.members)
  const right = {
    groupId: scene.groupId,
    memberId: member.id,
    memberEpoch: member.epoch,
    instanceId: member.instanceId
  }
  const stranger = { ...scene.joining(scene.newcomer()), instanceId: null }
  await scene.beat(
    random.pick<object>([
      { ...right, memberEpoch: member.epoch + 1 },
      { ...right, memberEpoch: member.epoch + 100 },
      { ...right, memberEpoch: -3 },
      { ...right, memberEpoch: -5 },
      { ...right, memberId: "nobody" },
      { ...right, memberId: "" },
      { ...right, groupId: "" },
      { ...right, groupId: "unknown-group" },
      { ...right, instanceId: "" },
      { ...right, instanceId: "no-such-instance" },
      { ...right, rackId: "" },
      { ...right, serverAssignor: "no-such-assignor" },
      { ...stranger, subscribedTopicNames: null },
      { ...stranger, rebalanceTimeoutMs: -1 },
      { ...stranger, topicPartitions: null },
      { ...stranger, serverAssignor: "" },
      { ...stranger, memberEpoch: 7 },
      { ...stranger, memberEpoch: LEAVE },
      { ...stranger, memberEpoch: LEAVE_FOR_A_WHILE },
      { ...stranger, instanceId: member.instanceId ?? "" },
      { ...stranger, subscribedTopicNames: null, subscribedTopicRegex: "(" },
      { ...right, subscribedTopicRegex: "[a-" }
    ])
  )
}

const commit = async (scene: Scene): Promise<void> => {
  const { random, run } = scene.world
  const member = random.pick(scene.members)
  const topic = random.pick(scene.topics)
  const partitions = [{ partitionIndex: 0, committedOffset: random.below(9), committedMetadata: "m" }]
  await run.ask(
    OffsetCommitApi,
    {
      groupId: scene.groupId,
      generationIdOrMemberEpoch: random.pick([member.epoch, member.epoch, member.epoch + 1, member.epoch - 1, -1]),
      memberId: random.pick([member.id, member.id, "nobody", ""]),
      groupInstanceId: random.chance(0.8) ? null : member.instanceId,
      topics: [{ name: topic.name, topicId: topic.id, partitions }]
    },
    { from: 7 }
  )
}

const fetchOffsets = async (scene: Scene): Promise<void> => {
  const { random, run } = scene.world
  const member = random.pick(scene.members)
  const topics = [{ name: scene.topics[0]!.name, topicId: scene.topics[0]!.id, partitionIndexes: [0, 1] }]
  const group = {
    groupId: scene.groupId,
    memberId: random.pick([member.id, member.id, null, "nobody", ""]),
    memberEpoch: random.pick([member.epoch, member.epoch, member.epoch + 1, -1]),
    topics: random.chance(0.4) ? null : topics
  }
  await run.ask(OffsetFetchApi, { groupId: scene.groupId, topics, groups: [group] }, { from: 8 })
}

const look = async (scene: Scene): Promise<void> => {
  const { random, run } = scene.world
  const { groupId } = scene
  switch (random.below(5)) {
    case 0:
      await run.ask(DescribeGroupsApi, { groups: [groupId] })
      break
    case 1:
      await run.ask(ListGroupsApi, { typesFilter: random.pick([[], ["consumer"], ["classic"]]) }, { from: 5 })
      break
    default:
      await run.ask(ConsumerGroupDescribeApi, {
        groupIds: random.pick([[groupId], [groupId], [groupId, "unknown-group"], [""], []]),
        includeAuthorizedOperations: random.chance(0.3)
      })
  }
}

const wrongDelete = async (scene: Scene): Promise<void> => {
  const { random, run } = scene.world
  if (random.chance(0.5)) {
    await run.ask(DeleteGroupsApi, { groupsNames: [scene.groupId] })
    return
  }
  const topics = [{ name: scene.topics[0]!.name, partitions: [{ partitionIndex: 0 }] }]
  await run.ask(OffsetDeleteApi, { groupId: scene.groupId, topics })
}

/** A classic member whose protocol is not that of consumers has no place in such a group. */
const classicJoin = async (scene: Scene): Promise<void> => {
  await scene.world.run.ask(
    JoinGroupApi,
    {
      groupId: scene.groupId,
      sessionTimeoutMs: 60_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: "connect",
      protocols: [{ name: "range", metadata: new Uint8Array(2) }]
    },
    { to: 3 }
  )
}

const poke = async (scene: Scene): Promise<void> => {
  const { random } = scene.world
  const pokes: ReadonlyArray<(scene: Scene) => Promise<void>> = [
    wrongBeat,
    wrongBeat,
    wrongBeat,
    commit,
    commit,
    fetchOffsets,
    look,
    look,
    wrongDelete,
    classicJoin
  ]
  for (let left = random.below(4); left > 0 && !scene.apart && scene.members.length > 0; left--) {
    await random.pick(pokes)(scene)
  }
}

/** A static member goes for a while and comes back under a new id. */
const comeBack = async (scene: Scene): Promise<void> => {
  const member = scene.members.find(({ instanceId }) => instanceId !== null)
  if (member === undefined) return
  await scene.leave(member, LEAVE_FOR_A_WHILE)
  await look(scene)
  const back: Member = { ...scene.newcomer(), instanceId: member.instanceId }
  scene.members = scene.members.map((each) => (each === member ? back : each))
  scene.take(back, await scene.beat(scene.joining(back)))
}

/** The topic of these groups: with one partition it is certain who gets what, whatever an assignor prefers. */
const single = new WeakMap<World, Topic>()

export const singleTopic = async (world: World): Promise<Topic> => {
  const known = single.get(world)
  if (known !== undefined && world.kept.includes(known)) return known
  const topic = await world.createTopic(1, {})
  world.topics = world.topics.filter((each) => each !== topic)
  world.kept.push(topic)
  single.set(world, topic)
  return topic
}

const live = async (world: World): Promise<void> => {
  const { random, run } = world
  const topic = await singleTopic(world)
  await world.barrier()
  const scene = new Scene(world, [topic])
  await scene.join()
  for (let left = random.between(1, 5); left > 0 && !scene.apart; left--) {
    await poke(scene)
    const choice = random.below(5)
    const leaver = scene.leaver()
    if (choice === 0 && leaver !== undefined) await scene.leave(leaver)
    else if (choice === 1) await comeBack(scene)
    else if (scene.members.length < 4) await scene.join()
    await poke(scene)
    await scene.converge()
    await look(scene)
  }
  await scene.end()
  if (scene.apart) return
  await run.ask(ConsumerGroupDescribeApi, { groupIds: [scene.groupId] })
  await run.ask(DeleteGroupsApi, { groupsNames: [scene.groupId] })
}

/** When an expression is looked up is each broker's business, and so are the epochs: only what comes of it is compared. */
const byExpression = async (world: World): Promise<void> => {
  const { run } = world
  const topic = await world.topic()
  await world.barrier()
  const groupId = world.freshName("expression")
  const memberId = uuidFromBytes(world.random.bytes(16), 0)
  const subscribedTopicRegex = world.random.pick([topic.name, `${topic.name}.*`, "no such topic .*"])
  const expected = subscribedTopicRegex.startsWith(topic.name)
  const joining = {
    groupId,
    memberId,
    memberEpoch: 0,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicRegex,
    topicPartitions: []
  }
  const epochs = new Map<object, number>()
  await run.settle(
    "the regular expression is resolved",
    ConsumerGroupHeartbeatApi,
    (side) => {
      const memberEpoch = epochs.get(side)
      return memberEpoch === undefined ? joining : { groupId, memberId, memberEpoch }
    },
    ({ errorCode, memberEpoch, assignment }, side) => {
      if (errorCode === 0) epochs.set(side, memberEpoch)
      return expected ? (assignment?.topicPartitions.length ?? 0) > 0 : errorCode === 0
    }
  )
  await run.ask(ConsumerGroupDescribeApi, { groupIds: [groupId] })
  await run.ask(ConsumerGroupHeartbeatApi, { groupId, memberId, memberEpoch: LEAVE }, { version: 1 })
  await run.ask(DeleteGroupsApi, { groupsNames: [groupId] })
}

const apis = [ConsumerGroupHeartbeatApi, ConsumerGroupDescribeApi, DeleteGroupsApi]

export const consumerGroupMoves: ReadonlyArray<Move> = [
  move("a consumer group lives", apis, 4, live),
  move("a subscription by regular expression", apis, 1, byExpression)
]
