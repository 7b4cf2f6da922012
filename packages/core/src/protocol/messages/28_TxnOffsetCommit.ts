/**
 * TxnOffsetCommit: offsets of a group that become visible with the end of a transaction (KIP-98).
 *
 * - 2 leader epochs (KIP-320); 3 flexible, member and generation are checked (KIP-447); 4 TRANSACTION_ABORTABLE
 *   (KIP-890).
 * - 5 joins the transaction by itself (KIP-890, transactions of version 2); 6 topics by id instead of name (KIP-1319).
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, string, type TypeOf, uuid } from "../Descriptor.ts"

export const TxnOffsetCommitRequest = message(
  "TxnOffsetCommitRequest",
  { versions: "0-6", flexible: "3+" },
  {
    transactionalId: string("0+"),
    groupId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    generationIdOrMemberEpoch: int32("3+", { default: -1 }),
    memberId: string("3+"),
    groupInstanceId: string("3+", { nullable: true, default: null }),
    topics: array("0+", {
      name: string("0-5", { ignorable: true }),
      topicId: uuid("6+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        committedOffset: int64("0+"),
        committedLeaderEpoch: int32("2+", { default: -1, ignorable: true }),
        committedMetadata: string("0+", { nullable: true })
      })
    })
  }
)
export type TxnOffsetCommitRequest = TypeOf<typeof TxnOffsetCommitRequest>

export const TxnOffsetCommitResponse = message(
  "TxnOffsetCommitResponse",
  { versions: "0-6", flexible: "3+" },
  {
    throttleTimeMs: int32("0+"),
    topics: array("0+", {
      name: string("0-5", { ignorable: true }),
      topicId: uuid("6+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+")
      })
    })
  }
)
export type TxnOffsetCommitResponse = TypeOf<typeof TxnOffsetCommitResponse>

export const TxnOffsetCommitApi = makeApi(28, "TxnOffsetCommit", TxnOffsetCommitRequest, TxnOffsetCommitResponse)
