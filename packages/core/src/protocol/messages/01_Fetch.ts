/**
 * Fetch: consumers and followers read record batches.
 *
 * - 4 isolation level and aborted transactions (KIP-98); 5 log start offset (KIP-107).
 * - 7 fetch sessions (KIP-227); session id 0 in the answer means that there is none.
 * - 9 the leader epoch that the client believes in (KIP-320); 10 zstd (KIP-110).
 * - 11 rack of the client and a preferred replica to read from (KIP-392).
 * - 12 flexible; epoch of the last fetched record, diverging epoch and current leader as tagged fields (KIP-595).
 * - 13 topics by id instead of name (KIP-516); 14 tiered storage has an error code of its own (KIP-405).
 * - 15 `replicaState` replaces `replicaId` (KIP-903); 16 `nodeEndpoints` (KIP-951).
 * - 17 directory id of the follower (KIP-853); 18 high watermark of the follower (KIP-1166), int64 max when unknown.
 *
 * Without data `records` is empty in Kafka's answers, not null. `abortedTransactions` is null for read_uncommitted.
 */
import { makeApi } from "../Api.ts"
import {
  array,
  INT64_MAX,
  int8,
  int16,
  int32,
  int64,
  message,
  records,
  string,
  struct,
  type TypeOf,
  uuid
} from "../Descriptor.ts"

export const FetchRequest = message(
  "FetchRequest",
  { versions: "4-18", flexible: "12+" },
  {
    clusterId: string("12+", { nullable: true, default: null, tag: 0, ignorable: true }),
    replicaId: int32("0-14", { default: -1 }),
    replicaState: struct(
      "15+",
      {
        replicaId: int32("15+", { default: -1 }),
        replicaEpoch: int64("15+", { default: -1 })
      },
      { tag: 1 }
    ),
    maxWaitMs: int32("0+"),
    minBytes: int32("0+"),
    maxBytes: int32("3+", { default: 2147483647, ignorable: true }),
    isolationLevel: int8("4+", { ignorable: true }),
    sessionId: int32("7+", { ignorable: true }),
    sessionEpoch: int32("7+", { default: -1, ignorable: true }),
    topics: array("0+", {
      topic: string("0-12", { ignorable: true }),
      topicId: uuid("13+", { ignorable: true }),
      partitions: array("0+", {
        partition: int32("0+"),
        currentLeaderEpoch: int32("9+", { default: -1, ignorable: true }),
        fetchOffset: int64("0+"),
        lastFetchedEpoch: int32("12+", { default: -1 }),
        logStartOffset: int64("5+", { default: -1, ignorable: true }),
        partitionMaxBytes: int32("0+"),
        replicaDirectoryId: uuid("17+", { tag: 0, ignorable: true }),
        highWatermark: int64("18+", { default: INT64_MAX, tag: 1, ignorable: true })
      })
    }),
    forgottenTopicsData: array("7+", {
      topic: string("7-12", { ignorable: true }),
      topicId: uuid("13+", { ignorable: true }),
      partitions: array("7+", "int32")
    }),
    rackId: string("11+", { ignorable: true })
  }
)
export type FetchRequest = TypeOf<typeof FetchRequest>

export const FetchResponse = message(
  "FetchResponse",
  { versions: "4-18", flexible: "12+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("7+", { ignorable: true }),
    sessionId: int32("7+"),
    responses: array("0+", {
      topic: string("0-12", { ignorable: true }),
      topicId: uuid("13+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        highWatermark: int64("0+"),
        lastStableOffset: int64("4+", { default: -1, ignorable: true }),
        logStartOffset: int64("5+", { default: -1, ignorable: true }),
        divergingEpoch: struct(
          "12+",
          {
            epoch: int32("12+", { default: -1 }),
            endOffset: int64("12+", { default: -1 })
          },
          { tag: 0 }
        ),
        currentLeader: struct(
          "12+",
          {
            leaderId: int32("12+", { default: -1 }),
            leaderEpoch: int32("12+", { default: -1 })
          },
          { tag: 1 }
        ),
        snapshotId: struct(
          "12+",
          {
            endOffset: int64("0+", { default: -1 }),
            epoch: int32("0+", { default: -1 })
          },
          { tag: 2 }
        ),
        abortedTransactions: array(
          "4+",
          {
            producerId: int64("4+"),
            firstOffset: int64("4+")
          },
          { nullable: true, ignorable: true }
        ),
        preferredReadReplica: int32("11+", { default: -1 }),
        records: records("0+", { nullable: true })
      })
    }),
    nodeEndpoints: array(
      "16+",
      {
        nodeId: int32("16+", { mapKey: true }),
        host: string("16+"),
        port: int32("16+"),
        rack: string("16+", { nullable: true, default: null })
      },
      { tag: 0 }
    )
  }
)
export type FetchResponse = TypeOf<typeof FetchResponse>

export const FetchApi = makeApi(1, "Fetch", FetchRequest, FetchResponse)
