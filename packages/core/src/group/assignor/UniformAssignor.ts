/**
 * `uniform`: everybody has as many partitions as everybody else, as far as subscriptions allow, and keeps what it had.
 *
 * 1. Each member keeps of its last target what it still subscribes to.
 * 2. What nobody has goes to the subscriber with the fewest partitions; topics with few subscribers first, since they have
 *    least choice.
 * 3. While a topic has an owner with at least two partitions more than one of its subscribers, one partition moves.
 *
 * In the end no topic has an owner with two partitions more than a subscriber of that topic; with equal subscriptions
 * that is perfect balance. A move lowers the sum of the squares of all loads, so the moves end. First to give are those with
 * more than anybody's fair share, who must give in any case: with equal subscriptions no partition moves in vain. One a
 * topic moves in turn, so that a new member gets something of each topic.
 */
import type { Partitions } from "../consumer/ConsumerRecord.ts"
import { type Assignor, type AssignorInput, type AssignorMember, inOrder, topicsInOrder } from "./Assignor.ts"

interface Load {
  readonly member: AssignorMember
  /** topicId → partitions, in no order. */
  readonly partitions: Map<string, Array<number>>
  total: number
}

interface Topic {
  readonly topicId: string
  readonly subscribers: ReadonlyArray<Load>
  readonly free: ReadonlyArray<number>
}

export const uniformAssignor: Assignor = (input) => {
  const loads = inOrder(input.members).map((member): Load => ({ member, partitions: new Map(), total: 0 }))
  const topics = keep(input, loads)
  for (const topic of [...topics].sort((a, b) => a.subscribers.length - b.subscribers.length)) handOut(topic)
  const fair = loads.reduce((sum, { total }) => sum + total, 0) / loads.length
  for (const enough of [Math.ceil(fair), Math.floor(fair), 0]) level(topics, enough)
  return new Map(loads.map((load) => [load.member.memberId, inTopicOrder(load, topics)]))
}

/** Gives every member what it keeps; the topics with the partitions that nobody keeps. */
const keep = ({ topics }: AssignorInput, loads: ReadonlyArray<Load>): ReadonlyArray<Topic> =>
  topicsInOrder(topics).map(({ topicId, partitions }) => {
    const subscribers = loads.filter(({ member }) => member.topicIds.has(topicId))
    const taken = new Set<number>()
    for (const load of subscribers) {
      for (const partition of load.member.last.get(topicId) ?? []) {
        if (partition >= partitions || taken.has(partition)) continue
        taken.add(partition)
        give(load, topicId, partition)
      }
    }
    const free: Array<number> = []
    for (let partition = 0; partition < partitions; partition++) if (!taken.has(partition)) free.push(partition)
    return { topicId, subscribers, free }
  })

const handOut = ({ topicId, subscribers, free }: Topic): void => {
  for (const partition of free) {
    let least = subscribers[0]
    if (least === undefined) return
    for (const load of subscribers) if (load.total < least.total) least = load
    give(least, topicId, partition)
  }
}

/** Whoever has not more than `enough` gives nothing. */
const level = (topics: ReadonlyArray<Topic>, enough: number): void => {
  for (let moved = true; moved; ) {
    moved = false
    for (const topic of topics) moved = moveOne(topic, enough) || moved
  }
}

/** From the subscriber that has most, of those that own something of the topic, to the one that has least. */
const moveOne = ({ topicId, subscribers }: Topic, enough: number): boolean => {
  let most: Load | undefined
  let least: Load | undefined
  for (const load of subscribers) {
    if (least === undefined || load.total < least.total) least = load
    if (load.partitions.has(topicId) && (most === undefined || load.total > most.total)) most = load
  }
  if (most === undefined || least === undefined || most.total <= enough || most.total < least.total + 2) return false
  const partitions = most.partitions.get(topicId)!
  const partition = partitions.pop()!
  if (partitions.length === 0) most.partitions.delete(topicId)
  most.total--
  give(least, topicId, partition)
  return true
}

const give = (load: Load, topicId: string, partition: number): void => {
  const partitions = load.partitions.get(topicId)
  if (partitions === undefined) load.partitions.set(topicId, [partition])
  else partitions.push(partition)
  load.total++
}

const inTopicOrder = (load: Load, topics: ReadonlyArray<Topic>): Partitions => {
  const ordered = new Map<string, ReadonlyArray<number>>()
  if (load.partitions.size === 0) return ordered
  for (const { topicId } of topics) {
    const partitions = load.partitions.get(topicId)
    if (partitions !== undefined)
      ordered.set(
        topicId,
        partitions.sort((a, b) => a - b)
      )
  }
  return ordered
}
