/**
 * CreatePartitions: raise the number of partitions of topics (KIP-195). `count` is the new total.
 *
 * - 2 flexible; 3 THROTTLING_QUOTA_EXCEEDED may be answered (KIP-599).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const CreatePartitionsRequest = message(
  "CreatePartitionsRequest",
  { versions: "0-3", flexible: "2+" },
  {
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      count: int32("0+"),
      assignments: array(
        "0+",
        {
          brokerIds: array("0+", "int32")
        },
        { nullable: true }
      )
    }),
    timeoutMs: int32("0+"),
    validateOnly: bool("0+")
  }
)
export type CreatePartitionsRequest = TypeOf<typeof CreatePartitionsRequest>

export const CreatePartitionsResponse = message(
  "CreatePartitionsResponse",
  { versions: "0-3", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      name: string("0+"),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true, default: null })
    })
  }
)
export type CreatePartitionsResponse = TypeOf<typeof CreatePartitionsResponse>

export const CreatePartitionsApi = makeApi(37, "CreatePartitions", CreatePartitionsRequest, CreatePartitionsResponse)
