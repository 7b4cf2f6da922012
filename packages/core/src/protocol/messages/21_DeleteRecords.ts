/**
 * DeleteRecords: move the log start of partitions forward (KIP-107). Offset -1 means the high watermark.
 *
 * - 2 flexible. A low watermark of -1 stands beside an error.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const DeleteRecordsRequest = message(
  "DeleteRecordsRequest",
  { versions: "0-2", flexible: "2+" },
  {
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        offset: int64("0+")
      })
    }),
    timeoutMs: int32("0+")
  }
)
export type DeleteRecordsRequest = TypeOf<typeof DeleteRecordsRequest>

export const DeleteRecordsResponse = message(
  "DeleteRecordsResponse",
  { versions: "0-2", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+", { mapKey: true }),
        lowWatermark: int64("0+"),
        errorCode: int16("0+")
      })
    })
  }
)
export type DeleteRecordsResponse = TypeOf<typeof DeleteRecordsResponse>

export const DeleteRecordsApi = makeApi(21, "DeleteRecords", DeleteRecordsRequest, DeleteRecordsResponse)
