/**
 * DescribeGroups (key 15): state and members of classic groups.
 *
 * Versions: 1 throttle time; 3 authorized operations; 4 group instance ids; 5 flexible; 6 GROUP_ID_NOT_FOUND for a group that
 * is not there (KIP-1043), or is one of the consumer protocol, which ConsumerGroupDescribe describes. Before, such a group is
 * answered as one in state Dead without an error.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeGroupsApi,
  type DescribeGroupsRequest,
  type DescribeGroupsResponse
} from "@chronik-effect/core/protocol/messages/15_DescribeGroups.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import { OPERATIONS_NOT_ASKED } from "../metadata/ClusterView.ts"
import type { Handler } from "./Handler.ts"

const NOT_FOUND_FROM = 6
/** `AclOperation` bits of groups: read, delete, describe, describe configs, alter configs. Everybody may do everything. */
export const GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11)

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const handler: Handler<DescribeGroupsRequest, DescribeGroupsResponse> = {
    api: DescribeGroupsApi,
    handle: (request, { apiVersion }) => {
      const authorizedOperations = request.includeAuthorizedOperations ? GROUP_OPERATIONS : OPERATIONS_NOT_ASKED
      const describe = (groupId: string) =>
        Effect.map(groups.describe(groupId), ({ errorCode, value }) => {
          if (value === undefined) return { ...nothing(groupId), errorCode }
          if (!("missing" in value)) return { errorCode, authorizedOperations, ...value }
          const dead = { ...nothing(groupId), groupState: "Dead", authorizedOperations }
          if (apiVersion < NOT_FOUND_FROM) return { ...dead, errorCode }
          return {
            ...dead,
            errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
            errorMessage: value.missing,
            authorizedOperations: OPERATIONS_NOT_ASKED
          }
        })
      return Effect.map(Effect.forEach(request.groups, describe), (answers) => ({ throttleTimeMs: 0, groups: answers }))
    }
  }
  return handler
})

const nothing = (groupId: string) => ({ groupId, groupState: "", protocolType: "", protocolData: "", members: [] })
