/**
 * ExpireDelegationToken: a token ends earlier; at once with a negative period (KIP-48).
 *
 * - 2 flexible.
 */
import { makeApi } from "../Api.ts"
import { bytes, int16, int32, int64, message, type TypeOf } from "../Descriptor.ts"

export const ExpireDelegationTokenRequest = message(
  "ExpireDelegationTokenRequest",
  { versions: "1-2", flexible: "2+" },
  {
    hmac: bytes("0+"),
    expiryTimePeriodMs: int64("0+")
  }
)
export type ExpireDelegationTokenRequest = TypeOf<typeof ExpireDelegationTokenRequest>

export const ExpireDelegationTokenResponse = message(
  "ExpireDelegationTokenResponse",
  { versions: "1-2", flexible: "2+" },
  {
    errorCode: int16("0+"),
    expiryTimestampMs: int64("0+"),
    throttleTimeMs: int32("0+")
  }
)
export type ExpireDelegationTokenResponse = TypeOf<typeof ExpireDelegationTokenResponse>

export const ExpireDelegationTokenApi = makeApi(
  40,
  "ExpireDelegationToken",
  ExpireDelegationTokenRequest,
  ExpireDelegationTokenResponse
)
