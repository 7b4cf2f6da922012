/**
 * OffsetDelete: forget committed offsets of a group for topics that it does not subscribe to (KIP-496). Never flexible.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const OffsetDeleteRequest = message(
  "OffsetDeleteRequest",
  { versions: "0", flexible: "none" },
  {
    groupId: string("0+"),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+")
      })
    })
  }
)
export type OffsetDeleteRequest = TypeOf<typeof OffsetDeleteRequest>

export const OffsetDeleteResponse = message(
  "OffsetDeleteResponse",
  { versions: "0", flexible: "none" },
  {
    errorCode: int16("0+"),
    throttleTimeMs: int32("0+", { ignorable: true }),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+", { mapKey: true }),
        errorCode: int16("0+")
      })
    })
  }
)
export type OffsetDeleteResponse = TypeOf<typeof OffsetDeleteResponse>

export const OffsetDeleteApi = makeApi(47, "OffsetDelete", OffsetDeleteRequest, OffsetDeleteResponse)
