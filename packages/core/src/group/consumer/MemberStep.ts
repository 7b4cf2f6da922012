/**
 * One step of one member towards its target, written if it changes anything. `Reconcile.ts` says what the step is.
 */
import { assert } from "../../base/Assert.ts"
import type { GroupTurn } from "../classic/Rebalance.ts"
import { type ConsumerContext, currentOf, write } from "./ConsumerContext.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import { type CurrentAssignment, MemberState } from "./ConsumerRecord.ts"
import { sameEpochs, type TopicPartitions } from "./PartitionSets.ts"
import { reconcile } from "./Reconcile.ts"

/** One step of the member towards its target. */
export const step = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  memberId: string,
  owned: ReadonlyArray<TopicPartitions> | null,
  subscriptionChanged: boolean
): void => {
  if (!subscriptionChanged && group.isReconciled(memberId)) return
  const { groupId } = group
  const current = currentOf(group, memberId)
  const member = group.members.get(memberId)!
  const topics = context.environment.topics()
  const subscribed = new Set<string>()
  for (const name of group.topicsOf(member)) {
    const topic = topics.topic(name)
    if (topic !== undefined) subscribed.add(topic.topicId)
  }
  const next = reconcile({
    current,
    targetEpoch: group.targetEpoch,
    target: group.targetOf(memberId),
    owned,
    subscriptionChanged,
    isSubscribed: (topicId) => subscribed.has(topicId),
    isHeldByOthers: (topicId, partition) => group.isHeldByOthers(topicId, partition, current)
  })
  assert(next !== undefined, "a member in a state that is unknown here is refused before")
  if (group.currents.has(memberId) && sameCurrent(current, next)) return
  write(context, turn, { _tag: "ConsumerGroupCurrentMemberAssignment", groupId, memberId, value: next })
  if (member.classic === null && next.state === MemberState.UNREVOKED_PARTITIONS) {
    context.timers.start("Rebalance", groupId, memberId, turn.now + member.rebalanceTimeoutMs)
  } else context.timers.stop("Rebalance", groupId, memberId)
}

const sameCurrent = (a: CurrentAssignment, b: CurrentAssignment): boolean =>
  a.memberEpoch === b.memberEpoch &&
  a.previousMemberEpoch === b.previousMemberEpoch &&
  a.state === b.state &&
  sameEpochs(a.assigned, b.assigned) &&
  sameEpochs(a.pendingRevocation, b.pendingRevocation)
