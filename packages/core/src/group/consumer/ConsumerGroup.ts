/**
 * The durable state of one group of the consumer protocol (KIP-848), and what can be counted from it.
 *
 * ```
 *   members' subscriptions ──change──▶ epoch ──assignor──▶ target epoch, targets ──heartbeats──▶ current assignments
 * ```
 * The state is the sum of its records: `apply` takes one, and answers with the record that takes it back. Nothing else
 * changes it. What to write is decided by the modules beside this one; timers are kept by `Timers.ts`. Members are ordered
 * by their arrival, which makes every answer's order deterministic.
 *
 * A group that has no record is Dead; that state has no object.
 */
import type {
  ConsumerRecord,
  CurrentAssignment,
  EpochPartitions,
  MemberMetadata,
  Partitions,
  ResolvedRegex
} from "./ConsumerRecord.ts"
import { MemberState, NO_PARTITIONS } from "./ConsumerRecord.ts"

export type ConsumerGroupState = "Empty" | "Assigning" | "Reconciling" | "Stable"

export class ConsumerGroup {
  readonly type = "consumer"
  readonly groupId: string
  /** Rises with each change of subscriptions or of subscribed topics; undefined: no record says it. */
  #epoch: number | undefined
  #metadataHash = 0
  #targetEpoch: number | undefined
  #targetTimestamp = 0
  readonly #members = new Map<string, MemberMetadata>()
  readonly #targets = new Map<string, Partitions>()
  readonly #currents = new Map<string, CurrentAssignment>()
  readonly #regexes = new Map<string, ResolvedRegex>()
  /** instanceId → memberId. Invariant: each value is a key of `members`. */
  readonly #staticMembers = new Map<string, string>()
  /** Topic name → members that name it; regular expressions likewise. */
  readonly #subscribers = new Map<string, number>()
  readonly #regexSubscribers = new Map<string, number>()
  /** topicId → partition → members that have it or have yet to give it up. One, unless records were lost. */
  readonly #owners = new Map<string, Map<number, number>>()
  #classicMembers = 0
  /** The state of the topics against which subscriptions were last looked at; not durable, nor is what follows. */
  topicsSeen = -1
  /** When regular expressions that could not be looked at then are due. */
  regexesDueAt = Number.POSITIVE_INFINITY

  constructor(groupId: string) {
    this.groupId = groupId
  }

  get epoch(): number {
    return this.#epoch ?? 0
  }
  get metadataHash(): number {
    return this.#metadataHash
  }
  get targetEpoch(): number {
    return this.#targetEpoch ?? 0
  }
  /** 0: nobody knows. */
  get targetTimestamp(): number {
    return this.#targetTimestamp
  }
  get members(): ReadonlyMap<string, MemberMetadata> {
    return this.#members
  }
  get targets(): ReadonlyMap<string, Partitions> {
    return this.#targets
  }
  get currents(): ReadonlyMap<string, CurrentAssignment> {
    return this.#currents
  }
  get regexes(): ReadonlyMap<string, ResolvedRegex> {
    return this.#regexes
  }
  get staticMembers(): ReadonlyMap<string, string> {
    return this.#staticMembers
  }
  get subscribedNames(): ReadonlyMap<string, number> {
    return this.#subscribers
  }
  get subscribedRegexes(): ReadonlyMap<string, number> {
    return this.#regexSubscribers
  }
  get classicMembers(): number {
    return this.#classicMembers
  }

  /** Whether the log holds anything of this group. */
  get isPersisted(): boolean {
    return (
      this.#epoch !== undefined ||
      this.#targetEpoch !== undefined ||
      this.#members.size > 0 ||
      this.#targets.size > 0 ||
      this.#currents.size > 0 ||
      this.#regexes.size > 0
    )
  }

  get state(): ConsumerGroupState {
    if (this.#members.size === 0) return "Empty"
    if (this.epoch > this.targetEpoch) return "Assigning"
    for (const memberId of this.#members.keys()) if (!this.isReconciled(memberId)) return "Reconciling"
    return "Stable"
  }

  isReconciled(memberId: string): boolean {
    const current = this.#currents.get(memberId)
    return current?.state === MemberState.STABLE && current.memberEpoch === this.targetEpoch
  }

  targetOf(memberId: string): Partitions {
    return this.#targets.get(memberId) ?? NO_PARTITIONS
  }

  /** Whether somebody else than `current` has the partition or has yet to give it up. */
  isHeldByOthers(topicId: string, partition: number, current: CurrentAssignment): boolean {
    const owners = this.#owners.get(topicId)?.get(partition) ?? 0
    const own =
      (current.assigned.get(topicId)?.has(partition) ? 1 : 0) +
      (current.pendingRevocation.get(topicId)?.has(partition) ? 1 : 0)
    return owners > own
  }

  /** The topics that a member subscribes to, by name or by regular expression, whether they exist or not. */
  *topicsOf(member: MemberMetadata): IterableIterator<string> {
    yield* member.subscribedTopicNames
    const regex = member.subscribedTopicRegex
    if (regex === null || regex === "") return
    const names = new Set(member.subscribedTopicNames)
    for (const topic of this.#regexes.get(regex)?.topics ?? []) if (!names.has(topic)) yield topic
  }

  /** The topics that any member subscribes to. */
  subscribedTopics(): ReadonlySet<string> {
    const topics = new Set(this.#subscribers.keys())
    for (const regex of this.#regexSubscribers.keys()) {
      for (const topic of this.#regexes.get(regex)?.topics ?? []) topics.add(topic)
    }
    return topics
  }

  /** Takes one record; the answer undoes it. */
  apply(record: ConsumerRecord): ConsumerRecord {
    switch (record._tag) {
      case "ConsumerGroupMetadata": {
        const before = this.#epoch === undefined ? null : { epoch: this.#epoch, metadataHash: this.#metadataHash }
        this.#epoch = record.value?.epoch
        this.#metadataHash = record.value?.metadataHash ?? 0
        return { ...record, value: before }
      }
      case "ConsumerGroupTargetAssignmentMetadata": {
        const assignmentEpoch = this.#targetEpoch
        const before =
          assignmentEpoch === undefined ? null : { assignmentEpoch, assignmentTimestamp: this.#targetTimestamp }
        this.#targetEpoch = record.value?.assignmentEpoch
        this.#targetTimestamp = record.value?.assignmentTimestamp ?? 0
        return { ...record, value: before }
      }
      case "ConsumerGroupMemberMetadata":
        return { ...record, value: this.#setMember(record.memberId, record.value) }
      case "ConsumerGroupTargetAssignmentMember":
        return { ...record, value: replace(this.#targets, record.memberId, record.value) }
      case "ConsumerGroupCurrentMemberAssignment": {
        const before = replace(this.#currents, record.memberId, record.value)
        this.#own(before, -1)
        this.#own(record.value, 1)
        return { ...record, value: before }
      }
      case "ConsumerGroupRegularExpression":
        return { ...record, value: replace(this.#regexes, record.regularExpression, record.value) }
    }
  }

  #setMember(memberId: string, value: MemberMetadata | null): MemberMetadata | null {
    const before = replace(this.#members, memberId, value)
    if (before !== null) {
      this.#subscribe(before, -1)
      const { instanceId } = before
      if (instanceId !== null && this.#staticMembers.get(instanceId) === memberId)
        this.#staticMembers.delete(instanceId)
    }
    if (value !== null) {
      this.#subscribe(value, 1)
      if (value.instanceId !== null) this.#staticMembers.set(value.instanceId, memberId)
    }
    return before
  }

  #subscribe(member: MemberMetadata, by: number): void {
    for (const topic of member.subscribedTopicNames) count(this.#subscribers, topic, by)
    const regex = member.subscribedTopicRegex
    if (regex !== null && regex !== "") count(this.#regexSubscribers, regex, by)
    if (member.classic !== null) this.#classicMembers += by
  }

  #own(current: CurrentAssignment | null, by: number): void {
    if (current === null) return
    this.#ownAll(current.assigned, by)
    this.#ownAll(current.pendingRevocation, by)
  }

  #ownAll(partitions: EpochPartitions, by: number): void {
    for (const [topicId, epochs] of partitions) {
      let owners = this.#owners.get(topicId)
      if (owners === undefined) {
        owners = new Map()
        this.#owners.set(topicId, owners)
      }
      for (const partition of epochs.keys()) count(owners, partition, by)
      if (owners.size === 0) this.#owners.delete(topicId)
    }
  }
}

const replace = <Key, Value>(map: Map<Key, Value>, key: Key, value: Value | null): Value | null => {
  const before = map.get(key) ?? null
  if (value === null) map.delete(key)
  else map.set(key, value)
  return before
}

const count = <Key>(counts: Map<Key, number>, key: Key, by: number): void => {
  const now = (counts.get(key) ?? 0) + by
  if (now === 0) counts.delete(key)
  else counts.set(key, now)
}
