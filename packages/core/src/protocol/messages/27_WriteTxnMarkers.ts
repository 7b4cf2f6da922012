/**
 * WriteTxnMarkers: a transaction coordinator ends a transaction in the partitions that took part. Also the tool against
 * hanging transactions.
 *
 * - 1 flexible; 2 which version of the transaction protocol the marker belongs to (KIP-1228).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const WriteTxnMarkersRequest = message(
  "WriteTxnMarkersRequest",
  { versions: "1-2", flexible: "1+" },
  {
    markers: array("0+", {
      producerId: int64("0+"),
      producerEpoch: int16("0+"),
      transactionResult: bool("0+"),
      topics: array("0+", {
        name: string("0+"),
        partitionIndexes: array("0+", "int32")
      }),
      coordinatorEpoch: int32("0+"),
      transactionVersion: int8("2+", { ignorable: true })
    })
  }
)
export type WriteTxnMarkersRequest = TypeOf<typeof WriteTxnMarkersRequest>

export const WriteTxnMarkersResponse = message(
  "WriteTxnMarkersResponse",
  { versions: "1-2", flexible: "1+" },
  {
    markers: array("0+", {
      producerId: int64("0+"),
      topics: array("0+", {
        name: string("0+"),
        partitions: array("0+", {
          partitionIndex: int32("0+"),
          errorCode: int16("0+")
        })
      })
    })
  }
)
export type WriteTxnMarkersResponse = TypeOf<typeof WriteTxnMarkersResponse>

export const WriteTxnMarkersApi = makeApi(27, "WriteTxnMarkers", WriteTxnMarkersRequest, WriteTxnMarkersResponse)
