/**
 * Differences in groups.
 */
import { asks, type Rule } from "../Rule.ts"

const byExpression = (text: unknown): boolean => typeof text === "string" && text.includes("expression")

export const groupRules: ReadonlyArray<Rule> = [
  {
    api: "ConsumerGroupHeartbeat",
    path: /^(memberEpoch|assignment(\.|$))/,
    what: "the first answer to a subscription by regular expression: ours may hold the assignment, Kafka's never does",
    when: (_, request) => typeof request.subscribedTopicRegex === "string" && request.memberEpoch === 0,
    reason:
      "Kafka looks the expression up behind the answer and a later heartbeat brings the assignment; ours need not wait."
  },
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
  }
]
