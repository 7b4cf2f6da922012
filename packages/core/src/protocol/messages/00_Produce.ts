/**
 * Produce: a producer appends record batches, one batch per partition.
 *
 * - 3 transactional id; record format 2 only (KIP-98). Older versions carry older record formats and are not decoded.
 * - 5 the answer tells the log start offset (KIP-107).
 * - 7 zstd may be used (KIP-110).
 * - 8 the answer names single bad records and a message (KIP-467).
 * - 9 flexible.
 * - 10 the answer names the new leader in tagged fields (KIP-951).
 * - 11 TRANSACTION_ABORTABLE may be answered (KIP-890).
 * - 12 a transactional produce enrols its partition by itself (KIP-890, transactions of version 2).
 * - 13 topics by id instead of name (KIP-516): exactly one of `name` and `topicId` is on the wire.
 *
 * `records` may be null on the wire; the handler refuses that with INVALID_RECORD. With acks 0 there is no answer.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, records, string, struct, type TypeOf, uuid } from "../Descriptor.ts"

export const ProduceRequest = message(
  "ProduceRequest",
  { versions: "3-13", flexible: "9+" },
  {
    transactionalId: string("3+", { nullable: true, default: null }),
    acks: int16("0+"),
    timeoutMs: int32("0+"),
    topicData: array("0+", {
      name: string("0-12", { ignorable: true, mapKey: true }),
      topicId: uuid("13+", { ignorable: true, mapKey: true }),
      partitionData: array("0+", {
        index: int32("0+"),
        records: records("0+", { nullable: true })
      })
    })
  }
)
export type ProduceRequest = TypeOf<typeof ProduceRequest>

export const ProduceResponse = message(
  "ProduceResponse",
  { versions: "3-13", flexible: "9+" },
  {
    responses: array("0+", {
      name: string("0-12", { ignorable: true, mapKey: true }),
      topicId: uuid("13+", { ignorable: true, mapKey: true }),
      partitionResponses: array("0+", {
        index: int32("0+"),
        errorCode: int16("0+"),
        baseOffset: int64("0+"),
        logAppendTimeMs: int64("2+", { default: -1, ignorable: true }),
        logStartOffset: int64("5+", { default: -1, ignorable: true }),
        recordErrors: array(
          "8+",
          {
            batchIndex: int32("8+"),
            batchIndexErrorMessage: string("8+", { nullable: true, default: null })
          },
          { ignorable: true }
        ),
        errorMessage: string("8+", { nullable: true, default: null, ignorable: true }),
        currentLeader: struct(
          "10+",
          {
            leaderId: int32("10+", { default: -1 }),
            leaderEpoch: int32("10+", { default: -1 })
          },
          { tag: 0 }
        )
      })
    }),
    throttleTimeMs: int32("1+", { ignorable: true }),
    nodeEndpoints: array(
      "10+",
      {
        nodeId: int32("10+", { mapKey: true }),
        host: string("10+"),
        port: int32("10+"),
        rack: string("10+", { nullable: true, default: null })
      },
      { tag: 0 }
    )
  }
)
export type ProduceResponse = TypeOf<typeof ProduceResponse>

// librdkafka before 2.11.1 silently stops compressing when the minimum is above 0 (KAFKA-18659), so versions 0-2 are
// advertised although nothing below 3 is decoded: they need the older record formats.
export const ProduceApi = makeApi(0, "Produce", ProduceRequest, ProduceResponse, { minVersion: 0 })
