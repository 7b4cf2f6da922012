/**
 * OffsetCommit: a group stores how far it has read.
 *
 * - 2-4 carry a retention time, -1 = the broker's; 5 removed it (KIP-211).
 * - 6 leader epoch of the committed record (KIP-320); 7 static membership (KIP-345); 8 flexible.
 * - 9 groups of the new protocol (KIP-848): `generationIdOrMemberEpoch` is the member epoch, STALE_MEMBER_EPOCH may be
 *   answered.
 * - 10 topics by id instead of name (KIP-848).
 *
 * Generation -1 with an empty member id is a commit without membership: allowed while the group is empty.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, string, type TypeOf, uuid } from "../Descriptor.ts"

export const OffsetCommitRequest = message(
  "OffsetCommitRequest",
  { versions: "2-10", flexible: "8+" },
  {
    groupId: string("0+"),
    generationIdOrMemberEpoch: int32("1+", { default: -1, ignorable: true }),
    memberId: string("1+", { ignorable: true }),
    groupInstanceId: string("7+", { nullable: true, default: null }),
    retentionTimeMs: int64("2-4", { default: -1, ignorable: true }),
    topics: array("0+", {
      name: string("0-9", { ignorable: true }),
      topicId: uuid("10+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        committedOffset: int64("0+"),
        committedLeaderEpoch: int32("6+", { default: -1, ignorable: true }),
        committedMetadata: string("0+", { nullable: true })
      })
    })
  }
)
export type OffsetCommitRequest = TypeOf<typeof OffsetCommitRequest>

export const OffsetCommitResponse = message(
  "OffsetCommitResponse",
  { versions: "2-10", flexible: "8+" },
  {
    throttleTimeMs: int32("3+", { ignorable: true }),
    topics: array("0+", {
      name: string("0-9", { ignorable: true }),
      topicId: uuid("10+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+")
      })
    })
  }
)
export type OffsetCommitResponse = TypeOf<typeof OffsetCommitResponse>

export const OffsetCommitApi = makeApi(8, "OffsetCommit", OffsetCommitRequest, OffsetCommitResponse)
