/**
 * SaslHandshake: choose a SASL mechanism.
 *
 * - 0 raw SASL tokens follow without Kafka headers; 1 they travel in SaslAuthenticate (KIP-152).
 *
 * Never flexible: the client may not know the broker's versions yet (KAFKA-9577).
 */
import { makeApi } from "../Api.ts"
import { array, int16, message, string, type TypeOf } from "../Descriptor.ts"

export const SaslHandshakeRequest = message(
  "SaslHandshakeRequest",
  { versions: "0-1", flexible: "none" },
  {
    mechanism: string("0+")
  }
)
export type SaslHandshakeRequest = TypeOf<typeof SaslHandshakeRequest>

export const SaslHandshakeResponse = message(
  "SaslHandshakeResponse",
  { versions: "0-1", flexible: "none" },
  {
    errorCode: int16("0+"),
    mechanisms: array("0+", "string")
  }
)
export type SaslHandshakeResponse = TypeOf<typeof SaslHandshakeResponse>

export const SaslHandshakeApi = makeApi(17, "SaslHandshake", SaslHandshakeRequest, SaslHandshakeResponse)
