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
 *
 * Among equals whoever stands first in the members' order is taken. With equal subscriptions the work is proportional to the
 * partitions and members, not to their product: a topic's givers are looked for among its owners only, and `Subscribers`
 * remembers where it found the last taker.
 */
import type { Partitions } from "../consumer/ConsumerRecord.ts"
import {
  type Assignor,
  type AssignorInput,
  type AssignorMember,
  inOrder,
  subscribersOf,
  topicsInOrder
} from "./Assignor.ts"

interface Load {
  readonly member: AssignorMember
  /** Its place in the members' order. */
  readonly place: number
  total: number
}

interface Topic {
  readonly topicId: string
  readonly partitions: number
  readonly subscribers: Subscribers
  /** Owner → its partitions, in no order; none is empty. */
  readonly owned: Map<Load, Array<number>>
}

export const uniformAssignor: Assignor = (input) => {
  const loads = inOrder(input.members).map((member, place): Load => ({ member, place, total: 0 }))
  const topics = topicsOf(input, loads)
  const free = keep(topics, loads)
  const byChoice = [...topics].sort((a, b) => a.subscribers.loads.length - b.subscribers.loads.length)
  for (const topic of byChoice) handOut(topic, free.get(topic)!)
  const fair = loads.reduce((sum, { total }) => sum + total, 0) / loads.length
  level(topics, [Math.ceil(fair), Math.floor(fair), 0])
  return assignment(topics, loads)
}

/** Those who subscribe to the same topics, and which of them has least. */
class Subscribers {
  readonly loads: ReadonlyArray<Load>
  /** Nobody has less than `#fewest`, and nobody before `#at` has as little: true after `#moves` moves. */
  #fewest = 0
  #at = 0
  #moves = 0

  constructor(loads: ReadonlyArray<Load>) {
    this.loads = loads
  }

  /** `moves`: how many partitions moved so far, and made somebody's load less. */
  least(moves: number): Load {
    if (moves !== this.#moves) {
      this.#at = this.loads.length
      this.#moves = moves
    }
    while (this.loads[this.#at]?.total !== this.#fewest) {
      if (this.#at < this.loads.length) this.#at++
      else {
        this.#fewest = this.loads.reduce((least, { total }) => Math.min(least, total), Number.POSITIVE_INFINITY)
        this.#at = 0
      }
    }
    return this.loads[this.#at]!
  }

  /** One moved among these: who gave has still more than who took, so that least is who was least. */
  movedHere(moves: number): void {
    this.#moves = moves
  }
}

const topicsOf = ({ topics }: AssignorInput, loads: ReadonlyArray<Load>): ReadonlyArray<Topic> => {
  const subscribersOfTopic = subscribersOf(loads, ({ member }) => member.topicIds)
  const shared = new Map<ReadonlyArray<Load>, Subscribers>()
  return topicsInOrder(topics).map(({ topicId, partitions }) => {
    const who = subscribersOfTopic(topicId)
    let subscribers = shared.get(who)
    if (subscribers === undefined) {
      subscribers = new Subscribers(who)
      shared.set(who, subscribers)
    }
    return { topicId, partitions, subscribers, owned: new Map() }
  })
}

/** Gives every member what it keeps; by topic the partitions that nobody keeps. */
const keep = (topics: ReadonlyArray<Topic>, loads: ReadonlyArray<Load>): ReadonlyMap<Topic, ReadonlyArray<number>> => {
  const byId = new Map(topics.map((topic) => [topic.topicId, topic]))
  const taken = new Map(topics.map((topic) => [topic, new Set<number>()]))
  for (const load of loads) {
    for (const [topicId, partitions] of load.member.last) {
      const topic = byId.get(topicId)
      if (topic === undefined || !load.member.topicIds.has(topicId)) continue
      const gone = taken.get(topic)!
      for (const partition of partitions) {
        if (partition >= topic.partitions || gone.has(partition)) continue
        gone.add(partition)
        give(load, topic, partition)
      }
    }
  }
  return new Map(
    Array.from(taken, ([topic, gone]) => {
      const free: Array<number> = []
      for (let partition = 0; partition < topic.partitions; partition++) if (!gone.has(partition)) free.push(partition)
      return [topic, free]
    })
  )
}

const handOut = (topic: Topic, free: ReadonlyArray<number>): void => {
  if (topic.subscribers.loads.length === 0) return
  for (const partition of free) give(topic.subscribers.least(0), topic, partition)
}

/** Until nothing can move, first from those with more than each of `enoughs` in turn. */
const level = (topics: ReadonlyArray<Topic>, enoughs: ReadonlyArray<number>): void => {
  let moves = 0
  for (const enough of enoughs) {
    for (let before = -1; before !== moves; ) {
      before = moves
      for (const topic of topics) {
        if (!moveOne(topic, enough, moves)) continue
        moves++
        topic.subscribers.movedHere(moves)
      }
    }
  }
}

/** From the subscriber that has most, of those that own something of the topic, to the one that has least. */
const moveOne = (topic: Topic, enough: number, moves: number): boolean => {
  let most: Load | undefined
  for (const load of topic.owned.keys()) {
    if (most === undefined || load.total > most.total || (load.total === most.total && load.place < most.place)) {
      most = load
    }
  }
  if (most === undefined || most.total <= enough) return false
  const least = topic.subscribers.least(moves)
  if (most.total < least.total + 2) return false
  const partitions = topic.owned.get(most)!
  const partition = partitions.pop()!
  if (partitions.length === 0) topic.owned.delete(most)
  most.total--
  give(least, topic, partition)
  return true
}

const give = (load: Load, topic: Topic, partition: number): void => {
  const partitions = topic.owned.get(load)
  if (partitions === undefined) topic.owned.set(load, [partition])
  else partitions.push(partition)
  load.total++
}

const assignment = (topics: ReadonlyArray<Topic>, loads: ReadonlyArray<Load>): ReadonlyMap<string, Partitions> => {
  const shares = new Map(loads.map((load) => [load, new Map<string, ReadonlyArray<number>>()]))
  for (const { topicId, owned } of topics) {
    for (const [load, partitions] of owned) {
      shares.get(load)!.set(
        topicId,
        partitions.sort((a, b) => a - b)
      )
    }
  }
  return new Map(Array.from(shares, ([{ member }, share]) => [member.memberId, share]))
}
