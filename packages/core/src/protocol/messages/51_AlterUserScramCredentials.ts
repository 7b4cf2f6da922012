/**
 * AlterUserScramCredentials: add, replace or remove SCRAM credentials (KIP-554). Salted on the client: the password
 * itself is never sent.
 */
import { makeApi } from "../Api.ts"
import { array, bytes, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const AlterUserScramCredentialsRequest = message(
  "AlterUserScramCredentialsRequest",
  { versions: "0", flexible: "0+" },
  {
    deletions: array("0+", {
      name: string("0+"),
      mechanism: int8("0+")
    }),
    upsertions: array("0+", {
      name: string("0+"),
      mechanism: int8("0+"),
      iterations: int32("0+"),
      salt: bytes("0+"),
      saltedPassword: bytes("0+")
    })
  }
)
export type AlterUserScramCredentialsRequest = TypeOf<typeof AlterUserScramCredentialsRequest>

export const AlterUserScramCredentialsResponse = message(
  "AlterUserScramCredentialsResponse",
  { versions: "0", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      user: string("0+"),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true })
    })
  }
)
export type AlterUserScramCredentialsResponse = TypeOf<typeof AlterUserScramCredentialsResponse>

export const AlterUserScramCredentialsApi = makeApi(
  51,
  "AlterUserScramCredentials",
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse
)
