/**
 * What one applied command changed, for those who act on changes: partitions start and stop from it, listeners learn of
 * leaders. Topics are given as they are after the change (deleted ones as they were before it).
 */
import type { TopicImage } from "./MetadataImage.ts"

export interface MetadataDelta {
  readonly topicsCreated: ReadonlyArray<TopicImage>
  readonly topicsDeleted: ReadonlyArray<TopicImage>
  /** `from`: the first new partition. */
  readonly partitionsAdded: ReadonlyArray<{ readonly topic: TopicImage; readonly from: number }>
  /** Leader, epoch, replicas or in-sync set moved. */
  readonly partitionsChanged: ReadonlyArray<{ readonly topic: TopicImage; readonly partition: number }>
  readonly topicConfigsChanged: ReadonlyArray<TopicImage>
  readonly brokersChanged: boolean
  /** Some broker's, or those of all brokers: what topics and groups inherit may be different now. */
  readonly brokerConfigsChanged: boolean
  /** Ids of the groups whose configs changed; the groups need not exist. */
  readonly groupConfigsChanged: ReadonlyArray<string>
  readonly clientQuotasChanged: boolean
}

export const EMPTY_DELTA: MetadataDelta = {
  topicsCreated: [],
  topicsDeleted: [],
  partitionsAdded: [],
  partitionsChanged: [],
  topicConfigsChanged: [],
  brokersChanged: false,
  brokerConfigsChanged: false,
  groupConfigsChanged: [],
  clientQuotasChanged: false
}
