/**
 * Heartbeat: a member of a classic group is alive.
 *
 * - 3 static membership (KIP-345); 4 flexible. REBALANCE_IN_PROGRESS tells the member to join again.
 */
import { makeApi } from "../Api.ts"
import { int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const HeartbeatRequest = message(
  "HeartbeatRequest",
  { versions: "0-4", flexible: "4+" },
  {
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    groupInstanceId: string("3+", { nullable: true, default: null })
  }
)
export type HeartbeatRequest = TypeOf<typeof HeartbeatRequest>

export const HeartbeatResponse = message(
  "HeartbeatResponse",
  { versions: "0-4", flexible: "4+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+")
  }
)
export type HeartbeatResponse = TypeOf<typeof HeartbeatResponse>

export const HeartbeatApi = makeApi(12, "Heartbeat", HeartbeatRequest, HeartbeatResponse)
