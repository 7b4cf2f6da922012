/**
 * DescribeDelegationToken: tokens of some owners; null = all (KIP-48).
 *
 * - 2 flexible; 3 who asked for the token (KIP-373).
 */
import { makeApi } from "../Api.ts"
import { array, bytes, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeDelegationTokenRequest = message(
  "DescribeDelegationTokenRequest",
  { versions: "1-3", flexible: "2+" },
  {
    owners: array(
      "0+",
      {
        principalType: string("0+"),
        principalName: string("0+")
      },
      { nullable: true }
    )
  }
)
export type DescribeDelegationTokenRequest = TypeOf<typeof DescribeDelegationTokenRequest>

export const DescribeDelegationTokenResponse = message(
  "DescribeDelegationTokenResponse",
  { versions: "1-3", flexible: "2+" },
  {
    errorCode: int16("0+"),
    tokens: array("0+", {
      principalType: string("0+"),
      principalName: string("0+"),
      tokenRequesterPrincipalType: string("3+"),
      tokenRequesterPrincipalName: string("3+"),
      issueTimestamp: int64("0+"),
      expiryTimestamp: int64("0+"),
      maxTimestamp: int64("0+"),
      tokenId: string("0+"),
      hmac: bytes("0+"),
      renewers: array("0+", {
        principalType: string("0+"),
        principalName: string("0+")
      })
    }),
    throttleTimeMs: int32("0+")
  }
)
export type DescribeDelegationTokenResponse = TypeOf<typeof DescribeDelegationTokenResponse>

export const DescribeDelegationTokenApi = makeApi(
  41,
  "DescribeDelegationToken",
  DescribeDelegationTokenRequest,
  DescribeDelegationTokenResponse
)
