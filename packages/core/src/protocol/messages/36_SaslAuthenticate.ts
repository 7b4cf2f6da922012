/**
 * SaslAuthenticate: one step of the exchange of a SASL mechanism (KIP-152).
 *
 * - 1 lifetime of the session; when it is above 0 the client authenticates again before (KIP-368); 2 flexible.
 */
import { makeApi } from "../Api.ts"
import { bytes, int16, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const SaslAuthenticateRequest = message(
  "SaslAuthenticateRequest",
  { versions: "0-2", flexible: "2+" },
  {
    authBytes: bytes("0+")
  }
)
export type SaslAuthenticateRequest = TypeOf<typeof SaslAuthenticateRequest>

export const SaslAuthenticateResponse = message(
  "SaslAuthenticateResponse",
  { versions: "0-2", flexible: "2+" },
  {
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true }),
    authBytes: bytes("0+"),
    sessionLifetimeMs: int64("1+", { ignorable: true })
  }
)
export type SaslAuthenticateResponse = TypeOf<typeof SaslAuthenticateResponse>

export const SaslAuthenticateApi = makeApi(36, "SaslAuthenticate", SaslAuthenticateRequest, SaslAuthenticateResponse)
