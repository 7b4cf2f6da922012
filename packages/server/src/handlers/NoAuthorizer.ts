/**
 * What the three ACL APIs answer while there is no authorizer: SECURITY_DISABLED, as Kafka does. That code means "there is
 * nothing to administer here", so tools that look for ACLs go on.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"

export const NO_AUTHORIZER = {
  errorCode: ErrorCode.SECURITY_DISABLED,
  errorMessage: "This broker has no authorizer, so it has no ACLs: everybody may do everything."
}

const UNKNOWN = 0

/** The code 0 of an enumeration says "unknown": Kafka ends the connection of who sends it, and takes codes it does not know. */
export const refuseUnknown = (...codes: ReadonlyArray<number>): void => {
  if (codes.includes(UNKNOWN)) throw new ProtocolError("an ACL has the code 0 (unknown) where a value is needed")
}
