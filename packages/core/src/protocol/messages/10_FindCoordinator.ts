/**
 * FindCoordinator: which broker coordinates a group (key type 0), a transaction (1) or a share group (2).
 *
 * - 1 key type; 3 flexible; 4 several keys at once, each with its own error (KIP-699).
 * - 5 TRANSACTION_ABORTABLE may be answered (KIP-890); 6 share groups, whose key is "group:topicId:partition"
 *   (KIP-932).
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const FindCoordinatorRequest = message(
  "FindCoordinatorRequest",
  { versions: "0-6", flexible: "3+" },
  {
    key: string("0-3"),
    keyType: int8("1+"),
    coordinatorKeys: array("4+", "string")
  }
)
export type FindCoordinatorRequest = TypeOf<typeof FindCoordinatorRequest>

export const FindCoordinatorResponse = message(
  "FindCoordinatorResponse",
  { versions: "0-6", flexible: "3+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0-3"),
    errorMessage: string("1-3", { nullable: true, ignorable: true }),
    nodeId: int32("0-3"),
    host: string("0-3"),
    port: int32("0-3"),
    coordinators: array("4+", {
      key: string("4+"),
      nodeId: int32("4+"),
      host: string("4+"),
      port: int32("4+"),
      errorCode: int16("4+"),
      errorMessage: string("4+", { nullable: true, ignorable: true })
    })
  }
)
export type FindCoordinatorResponse = TypeOf<typeof FindCoordinatorResponse>

export const FindCoordinatorApi = makeApi(10, "FindCoordinator", FindCoordinatorRequest, FindCoordinatorResponse)
