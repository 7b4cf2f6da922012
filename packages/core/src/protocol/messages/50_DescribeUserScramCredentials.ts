/**
 * DescribeUserScramCredentials: which SCRAM mechanisms a user has, never the secrets (KIP-554). Null or no users = all.
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeUserScramCredentialsRequest = message(
  "DescribeUserScramCredentialsRequest",
  { versions: "0", flexible: "0+" },
  {
    users: array(
      "0+",
      {
        name: string("0+")
      },
      { nullable: true }
    )
  }
)
export type DescribeUserScramCredentialsRequest = TypeOf<typeof DescribeUserScramCredentialsRequest>

export const DescribeUserScramCredentialsResponse = message(
  "DescribeUserScramCredentialsResponse",
  { versions: "0", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true }),
    results: array("0+", {
      user: string("0+"),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true }),
      credentialInfos: array("0+", {
        mechanism: int8("0+"),
        iterations: int32("0+")
      })
    })
  }
)
export type DescribeUserScramCredentialsResponse = TypeOf<typeof DescribeUserScramCredentialsResponse>

export const DescribeUserScramCredentialsApi = makeApi(
  50,
  "DescribeUserScramCredentials",
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse
)
