/**
 * SyncGroup (key 14), classic protocol: the leader brings the assignment, everybody takes its share. The answer waits until
 * the assignment is committed.
 *
 * Versions: 1 throttle time; 3 group instance id (KIP-345); 4 flexible; 5 protocol type and name, which are then mandatory
 * and must be the group's (KIP-559).
 */
import { type SyncCommand, syncError } from "@chronik-effect/core/group/Commands.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  SyncGroupApi,
  type SyncGroupRequest,
  type SyncGroupResponse
} from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import type { Handler } from "./Handler.ts"

const PROTOCOL_MANDATORY_FROM = 5

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const handler: Handler<SyncGroupRequest, SyncGroupResponse> = {
    api: SyncGroupApi,
    handle: (request, { apiVersion }) => {
      const named = request.protocolType !== null && request.protocolName !== null
      const answer =
        apiVersion >= PROTOCOL_MANDATORY_FROM && !named
          ? Effect.succeed(syncError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL))
          : groups.ask(commandOf(request))
      return Effect.map(answer, ({ _tag, ...result }) => ({ throttleTimeMs: 0, ...result }))
    }
  }
  return handler
})

/** Made in the socket's callback: it copies what would otherwise be views of the frame. */
const commandOf = (request: SyncGroupRequest): SyncCommand => ({
  _tag: "Sync",
  groupId: request.groupId,
  generationId: request.generationId,
  memberId: request.memberId,
  groupInstanceId: request.groupInstanceId,
  protocolType: request.protocolType,
  protocolName: request.protocolName,
  assignments: request.assignments.map(({ memberId, assignment }) => ({
    memberId,
    assignment: new Uint8Array(assignment)
  }))
})
