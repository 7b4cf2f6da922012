/**
 * LeaveGroup (key 13), classic protocol.
 *
 * Versions: 0-2 one member, whose error is the answer's; 3 many members, each with its own error, a static one also by its
 * instance id alone (KIP-345); 4 flexible; 5 reason (KIP-800), which is not kept.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  LeaveGroupApi,
  type LeaveGroupRequest,
  type LeaveGroupResponse
} from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import type { Handler } from "./Handler.ts"

const MANY_FROM = 3

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const handler: Handler<LeaveGroupRequest, LeaveGroupResponse> = {
    api: LeaveGroupApi,
    handle: ({ groupId, memberId, members: many }, { apiVersion }) => {
      const members = apiVersion < MANY_FROM ? [{ memberId, groupInstanceId: null }] : many
      return Effect.map(groups.ask({ _tag: "Leave", groupId, members }), (result) => {
        if (apiVersion >= MANY_FROM) return { throttleTimeMs: 0, errorCode: result.errorCode, members: result.members }
        const own = result.members[0]?.errorCode ?? ErrorCode.NONE
        return { throttleTimeMs: 0, errorCode: result.errorCode === ErrorCode.NONE ? own : result.errorCode }
      })
    }
  }
  return handler
})
