/**
 * `range`: each topic is cut into as many contiguous ranges as it has subscribers, the first ones longer by one.
 *
 * Members stand in the same order for every topic, so topics with the same number of partitions and the same subscribers
 * are co-partitioned: partition n of each goes to the same member. Nothing is sticky beyond that order.
 */
import { type Assignor, inOrder, subscribersOf, topicsInOrder } from "./Assignor.ts"

export const rangeAssignor: Assignor = ({ members, topics }) => {
  const ordered = inOrder(members)
  const assignment = new Map(ordered.map(({ memberId }) => [memberId, new Map<string, ReadonlyArray<number>>()]))
  const subscribersOfTopic = subscribersOf(ordered, ({ topicIds }) => topicIds)
  for (const { topicId, partitions } of topicsInOrder(topics)) {
    const subscribers = subscribersOfTopic(topicId)
    const share = Math.floor(partitions / subscribers.length)
    const longer = partitions % subscribers.length
    let first = 0
    for (const [i, { memberId }] of subscribers.entries()) {
      const size = share + (i < longer ? 1 : 0)
      if (size === 0) break
      assignment.get(memberId)!.set(
        topicId,
        Array.from({ length: size }, (_, offset) => first + offset)
      )
      first += size
    }
  }
  return assignment
}
