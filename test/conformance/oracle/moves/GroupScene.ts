/**
 * One classic group and its members, whose joins and syncs are interleaved so that what each of them is answered is certain.
 *
 * A join that has to wait is followed by a look at the group until it is seen to wait; the joins that end the wait may then
 * arrive in any order. Each member has a connection of its own, because a waiting request holds up what is behind it.
 */

import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { JoinGroupApi, type JoinGroupResponse } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { LeaveGroupApi } from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { DescribeGroupsApi } from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { ConsumerProtocolSubscription } from "@chronik-effect/core/protocol/records/ConsumerProtocol.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import type { Asked } from "../Run.ts"
import type { Topic, World } from "../World.ts"

export interface Member {
  readonly on: string
  readonly instanceId: string | null
  readonly clientId: string
  id: string
  protocols: ReadonlyArray<{ readonly name: string; readonly metadata: Uint8Array }>
}

/** Long enough to outlive a scene, whatever else the machine does. */
const SESSION_MS = 120_000
const REBALANCE_MS = 60_000
const MEMBER_ID_REQUIRED = 79

const subscription = (topics: ReadonlyArray<string>): Uint8Array => {
  const writer = new Writer()
  writer.int16(0)
  codecOf(ConsumerProtocolSubscription, 0).encode(writer, { topics, userData: null })
  return writer.finishBytes()
}

type JoinAsked = Asked<JoinGroupResponse>

export class GroupScene {
  readonly world: World
  readonly groupId: string
  readonly topic: Topic
  members: Array<Member> = []
  generation = -1
  leader = ""
  protocol: string | null = null
  /** The brokers have come apart: nothing that follows would say anything new. */
  apart = false
  #made = 0
  /**
   * The same for all: in a tie of votes Kafka takes what its hash map happens to hold first.
   */
  readonly #preference: ReadonlyArray<string>

  constructor(world: World, topic: Topic) {
    this.world = world
    this.groupId = world.freshName("g")
    this.topic = topic
    this.#preference = world.random.pick([
      ["range", "roundrobin"],
      ["roundrobin", "range"]
    ])
  }

  newcomer(): Member {
    const { random } = this.world
    const number = ++this.#made
    const metadata = random.chance(0.85) ? subscription([this.topic.name]) : random.bytes(3)
    const names = random.chance(0.4) ? this.#preference : this.#preference.slice(0, 1)
    return {
      on: `member ${number}`,
      instanceId: random.chance(0.25) ? `instance-${number}` : null,
      clientId: random.pick(["oracle", "", "a client"]),
      id: "",
      protocols: names.map((name) => ({ name, metadata }))
    }
  }

  requestOf(member: Member) {
    return {
      groupId: this.groupId,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      memberId: member.id,
      groupInstanceId: member.instanceId,
      protocolType: "consumer",
      protocols: member.protocols,
      reason: "the script says so"
    }
  }

  /** Newcomers and all who are there go through a rebalance; `during` is called while it waits. */
  async join(newcomers: ReadonlyArray<Member>, during: () => Promise<void>): Promise<void> {
    const there = [...this.members]
    const open: Array<{ readonly member: Member; readonly finish: () => Promise<JoinAsked> }> = []
    for (const member of newcomers) {
      if (this.apart || !(await this.knock(member))) return
      const begun = await this.begin(member)
      this.members.push(member)
      // The first member of an empty group waits for nobody: the next one finds it there.
      if (this.members.length === 1) {
        this.take(member, await begun.finish())
        there.push(member)
        continue
      }
      open.push({ member, finish: begun.finish })
      await this.untilWaiting(there.length + open.length)
    }
    if (open.length === 0) return
    await this.finishJoins(there, open, during)
  }

  /** All who are there join again after one has left. */
  async rejoin(): Promise<void> {
    await this.finishJoins([...this.members], [], async () => {})
  }

  private async finishJoins(
    there: ReadonlyArray<Member>,
    open: Array<{ readonly member: Member; readonly finish: () => Promise<JoinAsked> }>,
    during: () => Promise<void>
  ): Promise<void> {
    await during()
    for (const member of there) open.push({ member, finish: (await this.begin(member)).finish })
    for (const { member, finish } of open) this.take(member, await finish())
  }

  /** From version 4 on a dynamic member is first told its id. Whether it may join. */
  private async knock(member: Member): Promise<boolean> {
    const { random, run } = this.world
    if (member.instanceId !== null || random.chance(0.3)) return true
    const { answer, same } = await run.ask(JoinGroupApi, this.requestOf(member), {
      on: member.on,
      clientId: member.clientId,
      from: 4
    })
    this.apart ||= !same
    if (answer?.errorCode !== MEMBER_ID_REQUIRED) return false
    member.id = answer.memberId
    return true
  }

  /** A dynamic member without an id gets in at once only before version 4. */
  private begin(member: Member) {
    const bounds = member.instanceId !== null ? { from: 5 } : member.id === "" ? { to: 3 } : {}
    const options = { on: member.on, clientId: member.clientId, ...bounds }
    return this.world.run.begin(JoinGroupApi, this.requestOf(member), options)
  }

  private take(member: Member, { answer, same }: JoinAsked): void {
    this.apart ||= !same || answer?.errorCode !== 0
    if (answer?.errorCode !== 0) return
    member.id = answer.memberId
    this.generation = answer.generationId
    this.leader = answer.leader
    this.protocol = answer.protocolName
  }

  async untilWaiting(members: number): Promise<void> {
    const settled = await this.world.run.settle(
      `${this.groupId} waits with ${members} members`,
      DescribeGroupsApi,
      { groups: [this.groupId] },
      ({ groups }) => groups[0]?.groupState === "PreparingRebalance" && groups[0].members.length === members,
      5
    )
    this.apart ||= !settled
  }

  /** Everybody syncs; the leader's assignment may leave some out. */
  async sync(): Promise<void> {
    const { random, run } = this.world
    const leader = this.members.find(({ id }) => id === this.leader)
    const followers = this.members.filter((member) => member !== leader)
    const named = random.chance(0.8) ? this.members : this.members.slice(1)
    const assignments = named.map(({ id }) => ({ memberId: id, assignment: random.bytes(random.below(6)) }))
    if (random.chance(0.1)) assignments.push({ memberId: "nobody", assignment: random.bytes(2) })
    const open = []
    for (const member of [...followers, ...(leader === undefined ? [] : [leader])]) {
      const request = {
        groupId: this.groupId,
        generationId: this.generation,
        memberId: member.id,
        groupInstanceId: member.instanceId,
        protocolType: "consumer",
        protocolName: this.protocol,
        assignments: member === leader ? assignments : []
      }
      const from = member.instanceId === null ? 0 : 3
      open.push(await run.begin(SyncGroupApi, request, { on: member.on, clientId: member.clientId, from }))
    }
    for (const { finish } of open) {
      const { answer, same } = await finish()
      this.apart ||= !same || answer?.errorCode !== 0
    }
  }

  async leave(member: Member): Promise<void> {
    this.members = this.members.filter((each) => each !== member)
    // A static member is named by its instance, with or without its id.
    const memberId = member.instanceId !== null && this.world.random.chance(0.5) ? "" : member.id
    const { same } = await this.world.run.ask(
      LeaveGroupApi,
      { groupId: this.groupId, memberId, members: [{ memberId, groupInstanceId: member.instanceId }] },
      { on: member.on, clientId: member.clientId, from: member.instanceId === null ? 0 : 3 }
    )
    this.apart ||= !same
  }

  /**
   * Who may leave so that it is certain who leads after that: with more than one left behind by the leader, Kafka takes
   * whom its hash map happens to hold first.
   */
  leavers(): ReadonlyArray<Member> {
    return this.members.length > 2 ? this.members.filter(({ id }) => id !== this.leader) : this.members
  }

  async end(): Promise<void> {
    for (const member of [...this.members]) await this.leave(member)
  }
}
