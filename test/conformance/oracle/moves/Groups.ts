/**
 * Classic groups: joins, syncs, leaves and returns in chosen orders, and in each state requests that are right, wrong and late.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { JoinGroupApi } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { HeartbeatApi } from "@chronik-effect/core/protocol/messages/12_Heartbeat.ts"
import { LeaveGroupApi } from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { DescribeGroupsApi } from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { ListGroupsApi } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { OffsetDeleteApi } from "@chronik-effect/core/protocol/messages/47_OffsetDelete.ts"
import { type Move, move } from "../Move.ts"
import type { World } from "../World.ts"
import { GroupScene, type Member } from "./GroupScene.ts"

/** Who asks, as a request says it: mostly right, else one thing of it wrong. */
const identity = (scene: GroupScene, rightShare: number) => {
  const { random } = scene.world
  const member: Member | undefined = scene.members.length === 0 ? undefined : random.pick(scene.members)
  const right = {
    groupId: scene.groupId,
    generationId: scene.generation,
    memberId: member?.id ?? "",
    groupInstanceId: member?.instanceId ?? null
  }
  if (random.chance(rightShare)) return right
  return random.pick([
    { ...right, generationId: right.generationId + 1 },
    { ...right, generationId: right.generationId - 1 },
    { ...right, generationId: -1 },
    { ...right, memberId: "nobody" },
    { ...right, memberId: "" },
    { ...right, groupId: "unknown-group" },
    { ...right, groupId: "" },
    { ...right, groupInstanceId: "no-such-instance" },
    { ...right, memberId: "nobody", groupInstanceId: member?.instanceId ?? "no-such-instance" }
  ])
}

const fromFor = (asked: { readonly groupInstanceId: string | null }, first: number) => ({
  from: asked.groupInstanceId === null ? 0 : first
})

const heartbeat = async (scene: GroupScene): Promise<void> => {
  const asked = identity(scene, 0.6)
  await scene.world.run.ask(HeartbeatApi, asked, fromFor(asked, 3))
}

/** Only what is refused: a right one may have to wait for the leader's. */
const wrongSync = async (scene: GroupScene): Promise<void> => {
  const { random, run } = scene.world
  const asked = identity(scene, 0)
  const wrong = {
    ...asked,
    generationId: asked.generationId === scene.generation ? scene.generation + 5 : asked.generationId
  }
  const protocolName = random.pick([scene.protocol, "no-such-protocol", null])
  await run.ask(
    SyncGroupApi,
    { ...wrong, protocolType: random.pick(["consumer", "connect", null]), protocolName },
    fromFor(wrong, 3)
  )
}

const wrongLeave = async (scene: GroupScene): Promise<void> => {
  const { random, run } = scene.world
  const who = random.pick([
    { memberId: "nobody", groupInstanceId: null },
    { memberId: "", groupInstanceId: null },
    { memberId: "", groupInstanceId: "no-such-instance" },
    {
      memberId: "nobody",
      groupInstanceId: scene.members.find(({ instanceId }) => instanceId !== null)?.instanceId ?? "none"
    }
  ])
  const members = random.chance(0.2) ? [who, { memberId: "nobody either", groupInstanceId: null }] : [who]
  const groupId = random.pick([scene.groupId, scene.groupId, "unknown-group", ""])
  await run.ask(
    LeaveGroupApi,
    { groupId, memberId: who.memberId, members: random.chance(0.05) ? [] : members },
    fromFor(who, 3)
  )
}

/** Each is refused at once. */
const wrongJoin = async (scene: GroupScene): Promise<void> => {
  const { random, run } = scene.world
  const base = { ...scene.requestOf(scene.newcomer()), memberId: "", groupInstanceId: null }
  const taken = scene.members.find(({ instanceId }) => instanceId !== null)?.instanceId
  const asked = random.pick([
    { ...base, sessionTimeoutMs: random.pick([5999, 0, -1, 1_800_001]) },
    { ...base, groupId: "" },
    { ...base, memberId: "nobody" },
    { ...base, groupId: "unknown-group", memberId: "nobody" },
    { ...base, protocols: [] },
    { ...base, protocolType: "" },
    ...(scene.members.length === 0
      ? []
      : [
          { ...base, protocolType: "connect" },
          { ...base, protocols: [{ name: "no-such-protocol", metadata: new Uint8Array(0) }] }
        ]),
    ...(taken === undefined || taken === null ? [] : [{ ...base, memberId: "nobody", groupInstanceId: taken }])
  ])
  await run.ask(JoinGroupApi, asked, fromFor(asked, 5))
}

const commit = async (scene: GroupScene): Promise<void> => {
  const { random, run } = scene.world
  const asked = identity(scene, 0.6)
  await commitAs(
    scene.world,
    asked.groupId,
    {
      generationIdOrMemberEpoch: asked.generationId,
      memberId: asked.memberId,
      groupInstanceId: asked.groupInstanceId
    },
    true
  )
  if (random.chance(0.3)) await run.ask(ListGroupsApi, {})
}

interface Committer {
  readonly generationIdOrMemberEpoch?: number
  readonly memberId?: string
  readonly groupInstanceId?: string | null
}

/** `known`: the group is there. A refused commit to one that is not makes an empty group in Kafka, and none in ours. */
const commitAs = async (world: World, groupId: string, committer: Committer, known: boolean): Promise<void> => {
  const { random, run } = world
  const long = known ? ["x".repeat(4096), "x".repeat(4097), "ä".repeat(2100)] : []
  const named = await world.named()
  const index = world.partitionIndex(named.topic)
  const partition = {
    partitionIndex: index,
    committedOffset: random.pick([0, 1, 5, -1, -2, 2 ** 40]),
    committedLeaderEpoch: random.pick([-1, -1, 0, 3]),
    committedMetadata: random.pick(["", "m", null, ...long])
  }
  const partitions = random.chance(0.15) ? [partition, { ...partition, partitionIndex: 0 }] : [partition]
  await run.ask(
    OffsetCommitApi,
    {
      groupId,
      ...committer,
      retentionTimeMs: random.pick([-1, -1, 0, 1_000_000]),
      topics: [{ name: named.name, topicId: named.id, partitions }]
    },
    { from: (committer.groupInstanceId ?? null) === null ? 0 : 7 }
  )
}

/** Nothing in it is wrong: the group is there afterwards. */
const commitFirst = async (world: World, groupId: string): Promise<void> => {
  const topic = await world.topic()
  const partitions = [{ partitionIndex: 0, committedOffset: world.random.below(9), committedMetadata: "first" }]
  await world.run.ask(OffsetCommitApi, { groupId, topics: [{ name: topic.name, topicId: topic.id, partitions }] })
}

const fetchOffsets = async (world: World, groupId: string, scene?: GroupScene): Promise<void> => {
  const { random, run } = world
  const named = await world.named()
  const partitionIndexes = [0, ...(random.chance(0.5) ? [1, 7, -1] : [])]
  const all = random.chance(0.4)
  const who = scene === undefined || random.chance(0.5) ? undefined : identity(scene, 0.5)
  const group = (id: string) => ({
    groupId: id,
    memberId: who?.memberId ?? null,
    memberEpoch: who?.generationId ?? -1,
    topics: all ? null : [{ name: named.name, topicId: named.id, partitionIndexes }]
  })
  await run.ask(
    OffsetFetchApi,
    {
      groupId,
      topics: all ? null : [{ name: named.name, partitionIndexes }],
      groups: random.chance(0.2) ? [group(groupId), group("unknown-group")] : [group(groupId)],
      requireStable: random.chance(0.3)
    },
    { from: all ? 2 : 0 }
  )
}

const describe = async (world: World, groupId: string): Promise<void> => {
  const { random, run } = world
  const groups = random.pick([[groupId], [groupId], [groupId, "unknown-group"], ["unknown-group"], [""], []])
  await run.ask(DescribeGroupsApi, { groups, includeAuthorizedOperations: random.chance(0.3) })
}

const STATES = ["Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Dead", "stable", "Nonsense", ""]
const TYPES = ["classic", "consumer", "Classic", "share", "nonsense", ""]

const list = async (world: World): Promise<void> => {
  const { random, run } = world
  const some = (values: ReadonlyArray<string>) => (random.chance(0.5) ? [] : [random.pick(values)])
  await run.ask(ListGroupsApi, { statesFilter: some(STATES), typesFilter: some(TYPES) })
}

const deleteOffsets = async (world: World, groupId: string): Promise<void> => {
  const { random, run } = world
  const named = await world.named()
  const asked = random.pick([groupId, groupId, groupId, "unknown-group", ""])
  const partitions = [{ partitionIndex: world.partitionIndex(named.topic) }]
  await run.ask(OffsetDeleteApi, { groupId: asked, topics: [{ name: named.name, partitions }] })
}

const wrongDelete = async (scene: GroupScene): Promise<void> => {
  const { random, run } = scene.world
  // A group without members would go.
  if (scene.members.length === 0) return
  const groupsNames = random.pick([[scene.groupId], [scene.groupId, "unknown-group"], ["unknown-group"], [""]])
  await run.ask(DeleteGroupsApi, { groupsNames })
}

const findCoordinator = async (world: World): Promise<void> => {
  const { random, run } = world
  const key = random.pick(["any group", "", "ä", "unknown-group"])
  await run.ask(FindCoordinatorApi, {
    key,
    keyType: random.pick([0, 0, 0, 0, 3, -1]),
    coordinatorKeys: random.pick([[key], [key, "another"], []])
  })
}

const poke = async (scene: GroupScene): Promise<void> => {
  const { world } = scene
  const { random } = world
  const pokes: ReadonlyArray<() => Promise<void>> = [
    () => heartbeat(scene),
    () => heartbeat(scene),
    () => wrongSync(scene),
    () => wrongLeave(scene),
    () => wrongJoin(scene),
    () => commit(scene),
    () => commit(scene),
    () => fetchOffsets(world, scene.groupId, scene),
    () => describe(world, scene.groupId),
    () => list(world),
    () => deleteOffsets(world, scene.groupId),
    () => wrongDelete(scene)
  ]
  for (let left = random.below(4); left > 0 && !scene.apart; left--) await random.pick(pokes)()
}

/** A static member comes back under its instance id and gets a new member id; the old one is fenced. */
const comeBack = async (scene: GroupScene): Promise<void> => {
  const { random, run } = scene.world
  const member = scene.members.find(({ instanceId }) => instanceId !== null)
  if (member === undefined || scene.members.length > 1) return
  const old = member.id
  const request = { ...scene.requestOf(member), memberId: "" }
  const { answer, same } = await run.ask(JoinGroupApi, request, { on: member.on, clientId: member.clientId, from: 5 })
  if (!same || answer?.errorCode !== 0) {
    scene.apart ||= !same
    return
  }
  member.id = answer.memberId
  scene.generation = answer.generationId
  scene.leader = answer.leader
  const late = {
    groupId: scene.groupId,
    generationId: scene.generation,
    memberId: old,
    groupInstanceId: member.instanceId
  }
  await run.ask(HeartbeatApi, late, { from: 3 })
  if (random.chance(0.5)) await describe(scene.world, scene.groupId)
}

const live = async (world: World): Promise<void> => {
  const { random } = world
  const scene = new GroupScene(world, await world.topic())
  await heartbeat(scene)
  if (random.chance(0.2)) await wrongSync(scene)
  await scene.join([scene.newcomer()], async () => {})
  for (let left = random.between(1, 5); left > 0 && !scene.apart; left--) {
    await poke(scene)
    // Ours keeps nothing of a group that never got as far as this.
    if (scene.generation === 1 || random.chance(0.9)) await scene.sync()
    await poke(scene)
    if (random.chance(0.3)) await comeBack(scene)
    if (scene.apart) break
    const { members } = scene
    if (members.length > 1 && random.chance(0.4)) {
      await scene.leave(random.pick(scene.leavers()))
      await poke(scene)
      await scene.rejoin()
    } else if (members.length < 4) {
      const count = random.between(1, 2)
      await scene.join(
        Array.from({ length: count }, () => scene.newcomer()),
        () => poke(scene)
      )
    }
  }
  await scene.end()
  if (!scene.apart) await afterwards(world, scene.groupId)
}

/** The group is empty: its offsets are there until somebody deletes them. */
const afterwards = async (world: World, groupId: string): Promise<void> => {
  const { random, run } = world
  await fetchOffsets(world, groupId)
  await describe(world, groupId)
  if (random.chance(0.5)) await commitAs(world, groupId, {}, true)
  if (random.chance(0.5)) await deleteOffsets(world, groupId)
  await run.ask(DeleteGroupsApi, { groupsNames: random.chance(0.2) ? [groupId, groupId] : [groupId] })
  await describe(world, groupId)
}

/** Offsets of a group that never has a member. */
const simple = async (world: World): Promise<void> => {
  const { random } = world
  const groupId = world.freshName("simple")
  await commitFirst(world, groupId)
  for (let left = random.between(0, 3); left > 0; left--) {
    const wrong = random.chance(0.25)
    const committer = wrong ? { generationIdOrMemberEpoch: random.pick([0, 5]), memberId: "nobody" } : {}
    await commitAs(world, groupId, committer, true)
    await fetchOffsets(world, groupId)
  }
  await list(world)
  await afterwards(world, groupId)
}

const fetchById = async (world: World): Promise<void> => {
  const topic = await world.topic()
  const groups = [{ groupId: "unknown-group", topics: [{ topicId: ZERO_UUID, partitionIndexes: [0] }] }]
  const known = [{ groupId: "unknown-group", topics: [{ topicId: topic.id, partitionIndexes: [0, 1] }] }]
  await world.run.ask(OffsetFetchApi, { groups: world.random.pick([groups, known, []]) }, { from: 8 })
}

const classic = [JoinGroupApi, SyncGroupApi, HeartbeatApi, LeaveGroupApi, DescribeGroupsApi, ListGroupsApi]
const offsets = [OffsetCommitApi, OffsetFetchApi, OffsetDeleteApi, DeleteGroupsApi]

export const groupMoves: ReadonlyArray<Move> = [
  move("a classic group lives", [...classic, ...offsets], 5, live),
  move("offsets of a simple group", [...offsets, ListGroupsApi, DescribeGroupsApi], 5, simple),
  move("find coordinator", [FindCoordinatorApi], 5, findCoordinator),
  move("fetch offsets by id", [OffsetFetchApi], 2, fetchById),
  move("list groups", [ListGroupsApi], 2, list)
]
