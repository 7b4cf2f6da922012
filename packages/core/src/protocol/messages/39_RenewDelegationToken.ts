/**
 * RenewDelegationToken: a token lives longer (KIP-48).
 *
 * - 2 flexible.
 */
import { makeApi } from "../Api.ts"
import { bytes, int16, int32, int64, message, type TypeOf } from "../Descriptor.ts"

export const RenewDelegationTokenRequest = message(
  "RenewDelegationTokenRequest",
  { versions: "1-2", flexible: "2+" },
  {
    hmac: bytes("0+"),
    renewPeriodMs: int64("0+")
  }
)
export type RenewDelegationTokenRequest = TypeOf<typeof RenewDelegationTokenRequest>

export const RenewDelegationTokenResponse = message(
  "RenewDelegationTokenResponse",
  { versions: "1-2", flexible: "2+" },
  {
    errorCode: int16("0+"),
    expiryTimestampMs: int64("0+"),
    throttleTimeMs: int32("0+")
  }
)
export type RenewDelegationTokenResponse = TypeOf<typeof RenewDelegationTokenResponse>

export const RenewDelegationTokenApi = makeApi(
  39,
  "RenewDelegationToken",
  RenewDelegationTokenRequest,
  RenewDelegationTokenResponse
)
