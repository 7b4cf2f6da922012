/**
 * ConsumerGroupDescribe (key 69): state, members and assignments of groups of the consumer protocol (KIP-848).
 *
 * Versions: 1 type of each member, classic or consumer (KIP-1099). A group of another protocol is answered GROUP_ID_NOT_FOUND
 * with a message that says so: clients then ask DescribeGroups.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  ConsumerGroupDescribeApi,
  type ConsumerGroupDescribeRequest,
  type ConsumerGroupDescribeResponse
} from "@chronik-effect/core/protocol/messages/69_ConsumerGroupDescribe.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import { OPERATIONS_NOT_ASKED } from "../metadata/ClusterView.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import { GROUP_OPERATIONS } from "./15_DescribeGroups.ts"
import { servesConsumerGroups } from "./68_ConsumerGroupHeartbeat.ts"
import type { Handler } from "./Handler.ts"

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const metadata = yield* MetadataStore

  const describe = (groupId: string, operations: number) => {
    if (!servesConsumerGroups(metadata)) {
      return Effect.succeed(refused(groupId, ErrorCode.UNSUPPORTED_VERSION, "The consumer protocol is turned off."))
    }
    if (groupId === "") return Effect.succeed(refused(groupId, ErrorCode.INVALID_GROUP_ID, null))
    return Effect.map(groups.describeConsumer(groupId), ({ errorCode, value }) => {
      if (value === undefined) return refused(groupId, errorCode, null)
      const members = value.members.map(({ assignment, targetAssignment, ...member }) => ({
        ...member,
        assignment: { topicPartitions: assignment },
        targetAssignment: { topicPartitions: targetAssignment }
      }))
      const authorizedOperations = value.errorCode === ErrorCode.NONE ? operations : OPERATIONS_NOT_ASKED
      return { ...value, members, authorizedOperations }
    })
  }

  const handler: Handler<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse> = {
    api: ConsumerGroupDescribeApi,
    handle: ({ groupIds, includeAuthorizedOperations }) => {
      const operations = includeAuthorizedOperations ? GROUP_OPERATIONS : OPERATIONS_NOT_ASKED
      return Effect.map(
        Effect.forEach(groupIds, (groupId) => describe(groupId, operations)),
        (answers) => ({ throttleTimeMs: 0, groups: answers })
      )
    }
  }
  return handler
})

const refused = (groupId: string, errorCode: ErrorCode, errorMessage: string | null) => ({
  errorCode,
  errorMessage,
  groupId,
  groupState: "",
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: "",
  members: [],
  authorizedOperations: OPERATIONS_NOT_ASKED
})
