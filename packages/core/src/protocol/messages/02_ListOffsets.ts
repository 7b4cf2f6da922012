/**
 * ListOffsets: the offset at a timestamp, or at one of the special timestamps.
 *
 * - -1 latest, -2 earliest; 7 adds -3, the record with the largest timestamp (KIP-734); 8 adds -4, the earliest local
 *   one (KIP-405); 9 adds -5, the last tiered one (KIP-1005); 11 adds -6, the earliest that waits for upload
 *   (KIP-1023).
 * - 2 isolation level; 4 leader epochs (KIP-320); 5 may answer OFFSET_NOT_AVAILABLE; 6 flexible.
 * - 10 a timeout for look-ups in remote storage (KIP-1075).
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const ListOffsetsRequest = message(
  "ListOffsetsRequest",
  { versions: "1-11", flexible: "6+" },
  {
    replicaId: int32("0+"),
    isolationLevel: int8("2+"),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        currentLeaderEpoch: int32("4+", { default: -1, ignorable: true }),
        timestamp: int64("0+")
      })
    }),
    timeoutMs: int32("10+", { ignorable: true })
  }
)
export type ListOffsetsRequest = TypeOf<typeof ListOffsetsRequest>

export const ListOffsetsResponse = message(
  "ListOffsetsResponse",
  { versions: "1-11", flexible: "6+" },
  {
    throttleTimeMs: int32("2+", { ignorable: true }),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        timestamp: int64("1+", { default: -1 }),
        offset: int64("1+", { default: -1 }),
        leaderEpoch: int32("4+", { default: -1 })
      })
    })
  }
)
export type ListOffsetsResponse = TypeOf<typeof ListOffsetsResponse>

export const ListOffsetsApi = makeApi(2, "ListOffsets", ListOffsetsRequest, ListOffsetsResponse)
