/**
 * What a server-side assignor is asked and what it answers (KIP-848).
 *
 * An assignor is a pure function: the same members with the same subscriptions and the same last target get the same
 * target, in whatever order they come. It is told only of topics that exist, and gives each partition that anybody
 * subscribes to, to exactly one of its subscribers.
 */
import type { Partitions } from "../consumer/ConsumerRecord.ts"

export interface AssignorMember {
  readonly memberId: string
  readonly instanceId: string | null
  /** Ids of the topics that it subscribes to; each is a key of the input's `topics`. Who subscribes to the same shares a set. */
  readonly topicIds: ReadonlySet<string>
  /** What the last target gave it. */
  readonly last: Partitions
}

export interface AssignorTopic {
  readonly topicId: string
  readonly name: string
  readonly partitions: number
}

export interface AssignorInput {
  readonly members: ReadonlyArray<AssignorMember>
  readonly topics: ReadonlyMap<string, AssignorTopic>
}

/** memberId → what it shall have; every member is a key. */
export type Assignment = ReadonlyMap<string, Partitions>

export type Assignor = (input: AssignorInput) => Assignment

/**
 * Static members first, by instance id: one that comes back under another member id keeps its place. Then the others, by
 * member id. Kafka's range assignor has this order too.
 */
export const inOrder = (members: ReadonlyArray<AssignorMember>): ReadonlyArray<AssignorMember> =>
  [...members].sort((a, b) => {
    if ((a.instanceId === null) !== (b.instanceId === null)) return a.instanceId === null ? 1 : -1
    return compare(a.instanceId ?? a.memberId, b.instanceId ?? b.memberId) || compare(a.memberId, b.memberId)
  })

export const topicsInOrder = (topics: ReadonlyMap<string, AssignorTopic>): ReadonlyArray<AssignorTopic> =>
  [...topics.values()].sort((a, b) => compare(a.name, b.name) || compare(a.topicId, b.topicId))

/**
 * The subscribers of a topic, in the order of `all`. Members mostly share one set of topics: topics with the same subscribers
 * get the same array, which is made once.
 */
export const subscribersOf = <A>(
  all: ReadonlyArray<A>,
  topicIdsOf: (one: A) => ReadonlySet<string>
): ((topicId: string) => ReadonlyArray<A>) => {
  const subscriptions = [...new Set(all.map(topicIdsOf))]
  const made = new Map<string, ReadonlyArray<A>>()
  return (topicId) => {
    let key = ""
    for (const [i, topicIds] of subscriptions.entries()) if (topicIds.has(topicId)) key += `${i} `
    let subscribers = made.get(key)
    if (subscribers === undefined) {
      const who = new Set(subscriptions.filter((topicIds) => topicIds.has(topicId)))
      subscribers = all.filter((one) => who.has(topicIdsOf(one)))
      made.set(key, subscribers)
    }
    return subscribers
  }
}

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
