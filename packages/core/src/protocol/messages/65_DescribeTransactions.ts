/**
 * DescribeTransactions: state and partitions of transactions by transactional id (KIP-664).
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeTransactionsRequest = message(
  "DescribeTransactionsRequest",
  { versions: "0", flexible: "0+" },
  {
    transactionalIds: array("0+", "string")
  }
)
export type DescribeTransactionsRequest = TypeOf<typeof DescribeTransactionsRequest>

export const DescribeTransactionsResponse = message(
  "DescribeTransactionsResponse",
  { versions: "0", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    transactionStates: array("0+", {
      errorCode: int16("0+"),
      transactionalId: string("0+"),
      transactionState: string("0+"),
      transactionTimeoutMs: int32("0+"),
      transactionStartTimeMs: int64("0+"),
      producerId: int64("0+"),
      producerEpoch: int16("0+"),
      topics: array("0+", {
        topic: string("0+", { mapKey: true }),
        partitions: array("0+", "int32")
      })
    })
  }
)
export type DescribeTransactionsResponse = TypeOf<typeof DescribeTransactionsResponse>

export const DescribeTransactionsApi = makeApi(
  65,
  "DescribeTransactions",
  DescribeTransactionsRequest,
  DescribeTransactionsResponse
)
