/**
 * Differences in groups.
 */
import { asks, type Rule } from "../Rule.ts"

const byExpression = (text: unknown): boolean => typeof text === "string" && text.includes("expression")

export const groupRules: ReadonlyArray<Rule> = [
  {
    api: "ConsumerGroupDescribe",
    path: /^groups\.(groupEpoch|assignmentEpoch|groupState|members\.memberEpoch|members\.assignment\.topicPartitions\[\])$/,
    what: "epochs and the state of a group with a subscription by regular expression",
    when: (_, request) => (request.groupIds as ReadonlyArray<unknown>).some(byExpression),
    reason: "They count the steps above. The target assignment is compared."
  },
  {
    api: "OffsetFetch",
    path: "groups.errorCode",
    what: "a member epoch without a member id: ours UNKNOWN_MEMBER_ID, Kafka UNKNOWN_SERVER_ERROR",
    when: ({ kafka }, request) =>
      kafka === -1 && asks(request, ({ memberId, memberEpoch }) => memberId === null && Number(memberEpoch) >= 0),
    reason: "Kafka's is an exception on the id that is not there."
  },
  {
    api: "OffsetDelete",
    path: "topics.partitions.errorCode",
    what: "offsets of a classic group while a member joins: ours GROUP_SUBSCRIBED_TO_TOPIC for what it subscribes to, or may subscribe to where that cannot be read; Kafka looks at the last generation only",
    when: ({ kafka, ours }) => kafka === 0 && ours === 86,
    reason: "The new member would begin at the reset policy a moment later."
  }
]
