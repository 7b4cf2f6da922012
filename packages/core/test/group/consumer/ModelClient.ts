/**
 * Clients of the model: consumers that speak either protocol as real ones do. They own what they were last told, give up at
 * once what they must, and lose everything when they are told that they are no members any more.
 */
import type { GroupCommand, GroupResult, JoinedMember } from "../../../src/group/Commands.ts"
import type { TopicPartitions } from "../../../src/group/consumer/PartitionSets.ts"
import { ErrorCode } from "../../../src/model/ErrorCode.ts"
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription
} from "../../../src/protocol/records/ConsumerProtocol.ts"
import { decodeVersionedLenient, encodeVersioned } from "../../../src/protocol/records/CoordinatorRecord.ts"
import { nameOf } from "./FakeTopics.ts"

export interface Subscription {
  readonly names: ReadonlyArray<string> | null
  readonly regex: string | null
}

export type TopicOf = (name: string) => { readonly topicId: string; readonly partitions: number } | undefined

export const GROUP = "g"
export const REBALANCE_MS = 30_000
export const CLASSIC_SESSION_MS = 10_000

/** "topicId/partition". */
export type Owned = ReadonlySet<string>

const NOTHING: Owned = new Set()

export const keysOf = (topics: ReadonlyArray<TopicPartitions>): Owned =>
  new Set(topics.flatMap(({ topicId, partitions }) => partitions.map((partition) => `${topicId}/${partition}`)))

const listed = (owned: Owned): ReadonlyArray<TopicPartitions> => {
  const topics = new Map<string, Array<number>>()
  for (const key of owned) {
    const [topicId = "", partition = ""] = key.split("/")
    const partitions = topics.get(topicId)
    if (partitions === undefined) topics.set(topicId, [Number(partition)])
    else partitions.push(Number(partition))
  }
  return Array.from(topics, ([topicId, partitions]) => ({ topicId, partitions }))
}

export interface ModelClient {
  readonly name: string
  readonly instance: string | null
  owned: Owned
  /** Its one request under way, or -1. */
  ticket: number
  askedAt: number
  /** When it asked what the broker last answered without an error. */
  heardAt: number
  /** It has a place in the group, as far as it knows. */
  readonly joined: boolean
  subscription: Subscription
  readonly next: (uuid: string) => GroupCommand
  readonly leave: (forAWhile: boolean) => GroupCommand
  readonly answered: (result: GroupResult, topicOf: TopicOf) => void
  /** The answer never came. */
  readonly lost: () => void
  /** The process is gone, and another one begins. */
  readonly restart: (process: number) => void
}

export class ConsumerClient implements ModelClient {
  readonly name: string
  readonly instance: string | null
  owned: Owned = NOTHING
  ticket = -1
  askedAt = -1
  heardAt = -1
  subscription: Subscription
  #memberId: string
  #epoch = 0
  /** Everything is said again: it joins, or does not know what was heard. */
  #full = true
  #subscriptionSaid: Subscription | undefined
  #ownedSaid: Owned | undefined
  /** A process that was told that another one has its instance id gives up. */
  #fenced = false

  constructor(name: string, instance: string | null, subscription: Subscription) {
    this.name = name
    this.instance = instance
    this.subscription = subscription
    this.#memberId = `${name}.0`
  }

  get joined(): boolean {
    return this.#epoch > 0
  }
  get fenced(): boolean {
    return this.#fenced
  }

  next(uuid: string): GroupCommand {
    const said = this.#subscriptionSaid
    const subscribes = this.#full || said !== this.subscription
    const command = {
      _tag: "ConsumerHeartbeat",
      ...this.#identity(uuid),
      memberEpoch: this.#epoch,
      rebalanceTimeoutMs: this.#full ? REBALANCE_MS : -1,
      subscribedTopicNames: subscribes ? (this.subscription.names ?? []) : null,
      subscribedTopicRegex: subscribes ? (this.subscription.regex ?? "") : null,
      topicPartitions: this.#full || this.#ownedSaid !== this.owned ? listed(this.owned) : null
    } as const
    this.#subscriptionSaid = this.subscription
    this.#ownedSaid = this.owned
    this.#full = false
    return command
  }

  leave(forAWhile: boolean): GroupCommand {
    const memberEpoch = forAWhile && this.instance !== null ? -2 : -1
    this.#epoch = 0
    this.#full = true
    this.owned = NOTHING
    return {
      _tag: "ConsumerHeartbeat",
      ...this.#identity(""),
      memberEpoch,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      topicPartitions: null
    }
  }

  answered(result: GroupResult): void {
    if (result._tag !== "ConsumerHeartbeat" || result.memberEpoch < 0) return
    if (result.errorCode === ErrorCode.NONE) {
      this.#epoch = result.memberEpoch
      if (result.assignment !== null) this.owned = keysOf(result.assignment)
      return
    }
    if (result.errorCode === ErrorCode.FENCED_INSTANCE_ID) this.#fenced = true
    this.lost()
    const known = [ErrorCode.NOT_COORDINATOR, ErrorCode.UNRELEASED_INSTANCE_ID] as ReadonlyArray<ErrorCode>
    if (known.includes(result.errorCode)) return
    this.#epoch = 0
    this.owned = NOTHING
  }

  lost(): void {
    this.#full = true
  }

  restart(process: number): void {
    this.#memberId = `${this.name}.${process}`
    this.#epoch = 0
    this.#full = true
    this.#fenced = false
    this.owned = NOTHING
    this.ticket = -1
  }

  #identity(uuid: string) {
    return {
      groupId: GROUP,
      memberId: this.#memberId,
      instanceId: this.instance,
      rackId: null,
      serverAssignor: null,
      clientId: this.name,
      clientHost: "/127.0.0.1",
      requireMemberId: true,
      uuid
    }
  }
}

export class ClassicClient implements ModelClient {
  readonly name: string
  readonly instance: string | null
  /** Keeps what it owns while it joins again (KIP-429); otherwise it gives up everything first. */
  readonly cooperative: boolean
  owned: Owned = NOTHING
  ticket = -1
  askedAt = -1
  heardAt = -1
  subscription: Subscription
  #memberId = ""
  #generation = -1
  #next: "join" | "sync" | "beat" = "join"
  #members: ReadonlyArray<JoinedMember> = []

  constructor(name: string, instance: string | null, subscription: Subscription, cooperative: boolean) {
    this.name = name
    this.instance = instance
    this.subscription = subscription
    this.cooperative = cooperative
  }

  get joined(): boolean {
    return this.#next === "beat"
  }

  next(uuid: string): GroupCommand {
    const identity = { groupId: GROUP, memberId: this.#memberId, groupInstanceId: this.instance }
    switch (this.#next) {
      case "join": {
        if (!this.cooperative) this.owned = NOTHING
        const owned = listed(this.owned).map(({ topicId, partitions }) => ({
          topic: nameOf(topicId),
          partitions: [...partitions]
        }))
        const metadata = encodeVersioned(ConsumerProtocolSubscription, 1, {
          topics: [...(this.subscription.names ?? [])],
          userData: null,
          ownedPartitions: owned
        })
        return {
          _tag: "Join",
          ...identity,
          clientId: this.name,
          clientHost: "/127.0.0.1",
          sessionTimeoutMs: CLASSIC_SESSION_MS,
          rebalanceTimeoutMs: REBALANCE_MS,
          protocolType: "consumer",
          protocols: [{ name: "sticky", metadata }],
          requireKnownMemberId: true,
          supportsSkippingAssignment: true,
          uuid,
          kafkaUuid: uuid
        }
      }
      case "sync":
        return {
          _tag: "Sync",
          ...identity,
          generationId: this.#generation,
          protocolType: null,
          protocolName: null,
          assignments: this.#assignments
        }
      case "beat":
        return { _tag: "Heartbeat", ...identity, generationId: this.#generation }
    }
  }

  #assignments: ReadonlyArray<{ readonly memberId: string; readonly assignment: Uint8Array }> = []

  leave(): GroupCommand {
    const members = [{ memberId: this.#memberId, groupInstanceId: this.instance }]
    this.#next = "join"
    this.#memberId = ""
    this.owned = NOTHING
    return { _tag: "Leave", groupId: GROUP, members }
  }

  answered(result: GroupResult, topicOf: TopicOf): void {
    if (result._tag === "Join") this.#answeredJoin(result, topicOf)
    else if (result._tag === "Sync") {
      if (result.errorCode === ErrorCode.NONE) this.#take(result.assignment, topicOf)
      else this.#refused(result.errorCode)
    } else if (result._tag === "Heartbeat" && result.errorCode !== ErrorCode.NONE) this.#refused(result.errorCode)
  }

  #answeredJoin(result: GroupResult & { _tag: "Join" }, topicOf: TopicOf): void {
    if (result.errorCode === ErrorCode.NONE) {
      this.#memberId = result.memberId
      this.#generation = result.generationId
      this.#members = result.members
      this.#assignments = result.members.length === 0 ? [] : assign(this.#members, topicOf)
      this.#next = "sync"
    } else if (result.errorCode === ErrorCode.MEMBER_ID_REQUIRED) this.#memberId = result.memberId
    else this.#refused(result.errorCode)
  }

  #take(bytes: Uint8Array, topicOf: TopicOf): void {
    const before = this.owned
    const assigned =
      bytes.length === 0 ? [] : decodeVersionedLenient(ConsumerProtocolAssignment, bytes).assignedPartitions
    this.owned = keysOf(
      assigned.map(({ topic, partitions }) => ({ topicId: topicOf(topic)?.topicId ?? topic, partitions }))
    )
    const gaveUp = [...before].some((key) => !this.owned.has(key))
    this.#next = this.cooperative && gaveUp ? "join" : "beat"
  }

  #refused(errorCode: ErrorCode): void {
    this.#next = "join"
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS || errorCode === ErrorCode.NOT_COORDINATOR) return
    this.owned = NOTHING
    if (errorCode === ErrorCode.ILLEGAL_GENERATION) return
    this.#memberId = ""
  }

  lost(): void {
    this.#next = "join"
  }

  restart(): void {
    this.#memberId = ""
    this.#next = "join"
    this.owned = NOTHING
    this.ticket = -1
  }
}

/** A leader's assignment: round robin, but what somebody else still owns is given to nobody in this round. */
const assign = (members: ReadonlyArray<JoinedMember>, topicOf: TopicOf) => {
  const read = members.map(({ memberId, metadata }) => ({
    memberId,
    subscription: decodeVersionedLenient(ConsumerProtocolSubscription, metadata),
    shares: new Map<string, Array<number>>()
  }))
  const ordered = read.sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const topics = [...new Set(ordered.flatMap(({ subscription }) => subscription.topics))].sort()
  let turn = 0
  for (const topic of topics) {
    const subscribers = ordered.filter(({ subscription }) => subscription.topics.includes(topic))
    for (let partition = 0; partition < (topicOf(topic)?.partitions ?? 0); partition++) {
      const chosen = subscribers[turn++ % subscribers.length]!
      const owners = ordered.filter(({ subscription }) =>
        subscription.ownedPartitions.some((owned) => owned.topic === topic && owned.partitions.includes(partition))
      )
      if (owners.some((owner) => owner !== chosen)) continue
      const share = chosen.shares.get(topic)
      if (share === undefined) chosen.shares.set(topic, [partition])
      else share.push(partition)
    }
  }
  return ordered.map(({ memberId, shares }) => ({
    memberId,
    assignment: encodeVersioned(ConsumerProtocolAssignment, 1, {
      assignedPartitions: Array.from(shares, ([topic, partitions]) => ({ topic, partitions })),
      userData: null
    })
  }))
}
