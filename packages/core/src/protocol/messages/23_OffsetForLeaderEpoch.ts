/**
 * OffsetForLeaderEpoch: where a leader epoch ended in the log (KIP-101), for truncation and for validating positions.
 *
 * - 2 the leader epoch that the client believes in (KIP-320); 3 replica id, -2 for a client; 4 flexible.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const OffsetForLeaderEpochRequest = message(
  "OffsetForLeaderEpochRequest",
  { versions: "2-4", flexible: "4+" },
  {
    replicaId: int32("3+", { default: -2, ignorable: true }),
    topics: array("0+", {
      topic: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partition: int32("0+"),
        currentLeaderEpoch: int32("2+", { default: -1, ignorable: true }),
        leaderEpoch: int32("0+")
      })
    })
  }
)
export type OffsetForLeaderEpochRequest = TypeOf<typeof OffsetForLeaderEpochRequest>

export const OffsetForLeaderEpochResponse = message(
  "OffsetForLeaderEpochResponse",
  { versions: "2-4", flexible: "4+" },
  {
    throttleTimeMs: int32("2+", { ignorable: true }),
    topics: array("0+", {
      topic: string("0+", { mapKey: true }),
      partitions: array("0+", {
        errorCode: int16("0+"),
        partition: int32("0+"),
        leaderEpoch: int32("1+", { default: -1, ignorable: true }),
        endOffset: int64("0+", { default: -1 })
      })
    })
  }
)
export type OffsetForLeaderEpochResponse = TypeOf<typeof OffsetForLeaderEpochResponse>

export const OffsetForLeaderEpochApi = makeApi(
  23,
  "OffsetForLeaderEpoch",
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse
)
