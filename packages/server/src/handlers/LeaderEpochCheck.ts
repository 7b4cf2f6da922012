/**
 * The leader epoch that a client believes in, against the one in force (KIP-320). -1: the client does not say.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"

export const leaderEpochError = (asked: number, current: number): ErrorCode => {
  if (asked === -1 || asked === current) return ErrorCode.NONE
  return asked < current ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH
}
