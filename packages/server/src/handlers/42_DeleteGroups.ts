/**
 * DeleteGroups (key 42): forgets groups that have no members, with everything that they committed.
 *
 * Versions: 1 throttle time; 2 flexible; 3 error messages. A group that is named twice is deleted and answered once. Groups
 * are independent: one that is refused (NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND) does not stop the others.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DeleteGroupsApi,
  type DeleteGroupsRequest,
  type DeleteGroupsResponse
} from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import type { Handler } from "./Handler.ts"

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const deleteOne = (groupId: string) =>
    Effect.map(groups.ask({ _tag: "DeleteGroup", groupId }), ({ errorCode }) => ({
      groupId,
      errorCode,
      errorMessage: messageOf(groupId, errorCode)
    }))
  const handler: Handler<DeleteGroupsRequest, DeleteGroupsResponse> = {
    api: DeleteGroupsApi,
    handle: ({ groupsNames }) =>
      Effect.map(Effect.forEach(new Set(groupsNames), deleteOne, { concurrency: "unbounded" }), (results) => ({
        throttleTimeMs: 0,
        results
      }))
  }
  return handler
})

const messageOf = (groupId: string, errorCode: ErrorCode): string | null => {
  switch (errorCode) {
    case ErrorCode.NONE:
      return null
    case ErrorCode.NON_EMPTY_GROUP:
      return `Group ${groupId} has members: stop them before deleting the group.`
    case ErrorCode.GROUP_ID_NOT_FOUND:
      return `Group ${groupId} not found.`
    default:
      return `Group ${groupId} could not be deleted: its coordinator is not available, try again.`
  }
}
