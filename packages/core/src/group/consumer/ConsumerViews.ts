/**
 * What ConsumerGroupDescribe shows of a group. Nothing here changes anything.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import { currentOf } from "./ConsumerContext.ts"
import type { TopicsView } from "./ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"
import { listOwned, listPartitions, type TopicPartitions } from "./PartitionSets.ts"

export interface DescribedPartitions {
  readonly topicId: string
  readonly topicName: string
  readonly partitions: ReadonlyArray<number>
}

export interface ConsumerMemberDescription {
  readonly memberId: string
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly memberEpoch: number
  readonly clientId: string
  readonly clientHost: string
  readonly subscribedTopicNames: ReadonlyArray<string>
  readonly subscribedTopicRegex: string | null
  readonly assignment: ReadonlyArray<DescribedPartitions>
  readonly targetAssignment: ReadonlyArray<DescribedPartitions>
  /** 0 classic protocol, 1 consumer protocol. */
  readonly memberType: number
}

export interface ConsumerGroupDescription {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
  readonly groupId: string
  readonly groupState: string
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  readonly assignorName: string
  readonly members: ReadonlyArray<ConsumerMemberDescription>
}

export const describeConsumer = (
  group: ConsumerGroup,
  topics: TopicsView,
  assignorName: string
): ConsumerGroupDescription => ({
  errorCode: ErrorCode.NONE,
  errorMessage: null,
  groupId: group.groupId,
  groupState: group.state,
  groupEpoch: group.epoch,
  assignmentEpoch: group.targetEpoch,
  assignorName,
  members: Array.from(group.members, ([memberId, member]) => {
    const { memberEpoch, assigned } = currentOf(group, memberId)
    return {
      memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.subscribedTopicNames,
      subscribedTopicRegex: member.subscribedTopicRegex,
      assignment: named(listOwned(assigned), topics),
      targetAssignment: named(listPartitions(group.targetOf(memberId)), topics),
      memberType: member.classic === null ? 1 : 0
    }
  })
})

export const noConsumerGroup = (groupId: string, errorMessage: string): ConsumerGroupDescription => ({
  errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
  errorMessage,
  groupId,
  groupState: "",
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: "",
  members: []
})

/** Partitions of a topic that is gone are nobody's business any more. */
const named = (owned: ReadonlyArray<TopicPartitions>, topics: TopicsView): ReadonlyArray<DescribedPartitions> => {
  const described: Array<DescribedPartitions> = []
  for (const { topicId, partitions } of owned) {
    const topicName = topics.topicById(topicId)?.name
    if (topicName !== undefined) described.push({ topicId, topicName, partitions })
  }
  return described
}
