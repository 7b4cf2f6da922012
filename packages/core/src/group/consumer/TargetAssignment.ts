/**
 * The target of a group: computed by the assignor that most members prefer, at most once an interval, and written as the
 * difference from the last one.
 */
import type { AssignorMember, AssignorTopic } from "../assignor/Assignor.ts"
import type { GroupTurn } from "../classic/Rebalance.ts"
import { type ConsumerContext, write } from "./ConsumerContext.ts"
import { ASSIGNORS, type AssignorName, type ConsumerEnvironment, type TopicsView } from "./ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import { samePartitions } from "./PartitionSets.ts"

/** Brings the target to the group's epoch, if it is behind and the last computation was long enough ago. */
export const refreshTarget = (context: ConsumerContext, turn: GroupTurn, group: ConsumerGroup): void => {
  if (group.epoch <= group.targetEpoch || !isDue(context, turn, group)) return
  const { groupId } = group
  const target = computeTarget(context, group)
  for (const [memberId, value] of target) {
    const last = group.targets.get(memberId)
    if (last !== undefined && samePartitions(last, value)) continue
    write(context, turn, { _tag: "ConsumerGroupTargetAssignmentMember", groupId, memberId, value })
  }
  write(context, turn, {
    _tag: "ConsumerGroupTargetAssignmentMetadata",
    groupId,
    value: { assignmentEpoch: group.epoch, assignmentTimestamp: turn.now }
  })
}

/** A clock that went back must not keep a group without an assignment. */
const isDue = (context: ConsumerContext, turn: GroupTurn, group: ConsumerGroup): boolean => {
  const age = turn.now - group.targetTimestamp
  return (
    group.targetTimestamp === 0 || age < 0 || age >= context.environment.settingsOf(group.groupId).assignmentIntervalMs
  )
}

const computeTarget = (context: ConsumerContext, group: ConsumerGroup) => {
  const topics = context.environment.topics()
  const subscribed = new Map<string, AssignorTopic>()
  const resolved = new Map<string, ReadonlySet<string>>()
  const members: Array<AssignorMember> = []
  for (const [memberId, member] of group.members) {
    // Members mostly subscribe to the same, and a set is as large as their subscription.
    const key = JSON.stringify([member.subscribedTopicRegex ?? "", member.subscribedTopicNames])
    let topicIds = resolved.get(key)
    if (topicIds === undefined) {
      topicIds = existing(topics, group.topicsOf(member), subscribed)
      resolved.set(key, topicIds)
    }
    members.push({ memberId, instanceId: member.instanceId, topicIds, last: group.targetOf(memberId) })
  }
  return ASSIGNORS[preferredAssignor(context.environment, group)]({ members, topics: subscribed })
}

const existing = (
  topics: TopicsView,
  names: Iterable<string>,
  subscribed: Map<string, AssignorTopic>
): ReadonlySet<string> => {
  const topicIds = new Set<string>()
  for (const name of names) {
    const topic = topics.topic(name)
    if (topic === undefined) continue
    topicIds.add(topic.topicId)
    subscribed.set(topic.topicId, topic)
  }
  return topicIds
}

/** The one that most members ask for, of those that ask; among equals the broker's order decides. */
export const preferredAssignor = ({ assignors }: ConsumerEnvironment, group: ConsumerGroup): AssignorName => {
  const votes = new Map<string, number>()
  for (const { serverAssignor } of group.members.values()) {
    if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1)
  }
  let winner = assignors[0] ?? "uniform"
  for (const name of assignors) if ((votes.get(name) ?? 0) > (votes.get(winner) ?? 0)) winner = name
  return winner
}
