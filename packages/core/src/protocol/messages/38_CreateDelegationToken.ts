/**
 * CreateDelegationToken: a token that stands for its owner (KIP-48).
 *
 * - 2 flexible; 3 a token for someone else, and who asked for it (KIP-373).
 */
import { makeApi } from "../Api.ts"
import { array, bytes, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const CreateDelegationTokenRequest = message(
  "CreateDelegationTokenRequest",
  { versions: "1-3", flexible: "2+" },
  {
    ownerPrincipalType: string("3+", { nullable: true }),
    ownerPrincipalName: string("3+", { nullable: true }),
    renewers: array("0+", {
      principalType: string("0+"),
      principalName: string("0+")
    }),
    maxLifetimeMs: int64("0+")
  }
)
export type CreateDelegationTokenRequest = TypeOf<typeof CreateDelegationTokenRequest>

export const CreateDelegationTokenResponse = message(
  "CreateDelegationTokenResponse",
  { versions: "1-3", flexible: "2+" },
  {
    errorCode: int16("0+"),
    principalType: string("0+"),
    principalName: string("0+"),
    tokenRequesterPrincipalType: string("3+"),
    tokenRequesterPrincipalName: string("3+"),
    issueTimestampMs: int64("0+"),
    expiryTimestampMs: int64("0+"),
    maxTimestampMs: int64("0+"),
    tokenId: string("0+"),
    hmac: bytes("0+"),
    throttleTimeMs: int32("0+")
  }
)
export type CreateDelegationTokenResponse = TypeOf<typeof CreateDelegationTokenResponse>

export const CreateDelegationTokenApi = makeApi(
  38,
  "CreateDelegationToken",
  CreateDelegationTokenRequest,
  CreateDelegationTokenResponse
)
