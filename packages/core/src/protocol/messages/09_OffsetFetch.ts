/**
 * OffsetFetch: the committed offsets of one group (until 7) or several (from 8).
 *
 * - 2 null topics = all of the group, and an error code for the whole group; 5 leader epochs (KIP-320); 6 flexible.
 * - 7 `requireStable`: offsets in an open transaction are answered by UNSTABLE_OFFSET_COMMIT (KIP-447).
 * - 8 `groups` in place of `groupId` and `topics` (KIP-709).
 * - 9 member id and epoch, checked for groups of the new protocol (KIP-848); 10 topics by id instead of name.
 *
 * Offset -1 with no error is the answer for a partition without a commit.
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, int64, message, string, type TypeOf, uuid } from "../Descriptor.ts"

export const OffsetFetchRequest = message(
  "OffsetFetchRequest",
  { versions: "1-10", flexible: "6+" },
  {
    groupId: string("0-7"),
    topics: array(
      "0-7",
      {
        name: string("0-7"),
        partitionIndexes: array("0-7", "int32")
      },
      { nullable: "2-7" }
    ),
    groups: array("8+", {
      groupId: string("8+"),
      memberId: string("9+", { nullable: true, default: null, ignorable: true }),
      memberEpoch: int32("9+", { default: -1, ignorable: true }),
      topics: array(
        "8+",
        {
          name: string("8-9", { ignorable: true }),
          topicId: uuid("10+", { ignorable: true }),
          partitionIndexes: array("8+", "int32")
        },
        { nullable: true }
      )
    }),
    requireStable: bool("7+")
  }
)
export type OffsetFetchRequest = TypeOf<typeof OffsetFetchRequest>

export const OffsetFetchResponse = message(
  "OffsetFetchResponse",
  { versions: "1-10", flexible: "6+" },
  {
    throttleTimeMs: int32("3+", { ignorable: true }),
    topics: array("0-7", {
      name: string("0-7"),
      partitions: array("0-7", {
        partitionIndex: int32("0-7"),
        committedOffset: int64("0-7"),
        committedLeaderEpoch: int32("5-7", { default: -1, ignorable: true }),
        metadata: string("0-7", { nullable: true }),
        errorCode: int16("0-7")
      })
    }),
    errorCode: int16("2-7", { ignorable: true }),
    groups: array("8+", {
      groupId: string("8+"),
      topics: array("8+", {
        name: string("8-9", { ignorable: true }),
        topicId: uuid("10+", { ignorable: true }),
        partitions: array("8+", {
          partitionIndex: int32("8+"),
          committedOffset: int64("8+"),
          committedLeaderEpoch: int32("8+", { default: -1, ignorable: true }),
          metadata: string("8+", { nullable: true }),
          errorCode: int16("8+")
        })
      }),
      errorCode: int16("8+")
    })
  }
)
export type OffsetFetchResponse = TypeOf<typeof OffsetFetchResponse>

export const OffsetFetchApi = makeApi(9, "OffsetFetch", OffsetFetchRequest, OffsetFetchResponse)
