/**
 * JoinGroup (key 11), classic protocol. The answer waits until the group has gathered its members.
 *
 * Versions: 1 rebalance timeout (before: the session timeout); 2 throttle time; 4 MEMBER_ID_REQUIRED (KIP-394); 5 group
 * instance id (KIP-345); 6 flexible; 7 protocol type in the answer, protocol name may be null (KIP-559); 8 reason (KIP-800),
 * which is not kept; 9 the leader may be told to skip the assignment (KIP-814).
 */

import type { JoinCommand } from "@chronik-effect/core/group/Commands.ts"
import {
  JoinGroupApi,
  type JoinGroupRequest,
  type JoinGroupResponse
} from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import type { Handler, RequestContext } from "./Handler.ts"

const REBALANCE_TIMEOUT_FROM = 1
const MEMBER_ID_REQUIRED_FROM = 4
const PROTOCOL_NAME_NULLABLE_FROM = 7
const SKIP_ASSIGNMENT_FROM = 9

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const handler: Handler<JoinGroupRequest, JoinGroupResponse> = {
    api: JoinGroupApi,
    // The command is made at once, in the socket's callback: it copies what would otherwise be views of the frame.
    handle: (request, context) =>
      Effect.map(
        groups.ask(commandOf(request, context, groups.uuid(), groups.kafkaUuid())),
        ({ _tag, protocolName, ...result }) => ({
          throttleTimeMs: 0,
          ...result,
          protocolName: context.apiVersion < PROTOCOL_NAME_NULLABLE_FROM ? (protocolName ?? "") : protocolName
        })
      )
  }
  return handler
})

const commandOf = (
  request: JoinGroupRequest,
  { apiVersion, clientId, clientHost }: RequestContext,
  uuid: string,
  kafkaUuid: string
): JoinCommand => ({
  _tag: "Join",
  groupId: request.groupId,
  memberId: request.memberId,
  groupInstanceId: request.groupInstanceId,
  clientId: clientId ?? "",
  clientHost,
  sessionTimeoutMs: request.sessionTimeoutMs,
  rebalanceTimeoutMs: apiVersion < REBALANCE_TIMEOUT_FROM ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
  protocolType: request.protocolType,
  protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: new Uint8Array(metadata) })),
  requireKnownMemberId: apiVersion >= MEMBER_ID_REQUIRED_FROM,
  supportsSkippingAssignment: apiVersion >= SKIP_ASSIGNMENT_FROM,
  uuid,
  kafkaUuid
})
