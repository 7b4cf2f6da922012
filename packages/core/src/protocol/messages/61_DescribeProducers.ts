/**
 * DescribeProducers: the producers that a partition remembers (KIP-664).
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeProducersRequest = message(
  "DescribeProducersRequest",
  { versions: "0", flexible: "0+" },
  {
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitionIndexes: array("0+", "int32")
    })
  }
)
export type DescribeProducersRequest = TypeOf<typeof DescribeProducersRequest>

export const DescribeProducersResponse = message(
  "DescribeProducersResponse",
  { versions: "0", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: true, default: null }),
        activeProducers: array("0+", {
          producerId: int64("0+"),
          producerEpoch: int32("0+"),
          lastSequence: int32("0+", { default: -1 }),
          lastTimestamp: int64("0+", { default: -1 }),
          coordinatorEpoch: int32("0+"),
          currentTxnStartOffset: int64("0+", { default: -1 })
        })
      })
    })
  }
)
export type DescribeProducersResponse = TypeOf<typeof DescribeProducersResponse>

export const DescribeProducersApi = makeApi(
  61,
  "DescribeProducers",
  DescribeProducersRequest,
  DescribeProducersResponse
)
