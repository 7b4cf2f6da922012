/**
 * ListTransactions: the transactions that this broker coordinates (KIP-664).
 *
 * - 1 only those that last longer than a time, -1 = all (KIP-994); 2 only those whose id matches a pattern (KIP-1152).
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const ListTransactionsRequest = message(
  "ListTransactionsRequest",
  { versions: "0-2", flexible: "0+" },
  {
    stateFilters: array("0+", "string"),
    producerIdFilters: array("0+", "int64"),
    durationFilter: int64("1+", { default: -1 }),
    transactionalIdPattern: string("2+", { nullable: true, default: null })
  }
)
export type ListTransactionsRequest = TypeOf<typeof ListTransactionsRequest>

export const ListTransactionsResponse = message(
  "ListTransactionsResponse",
  { versions: "0-2", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    unknownStateFilters: array("0+", "string"),
    transactionStates: array("0+", {
      transactionalId: string("0+"),
      producerId: int64("0+"),
      transactionState: string("0+")
    })
  }
)
export type ListTransactionsResponse = TypeOf<typeof ListTransactionsResponse>

export const ListTransactionsApi = makeApi(66, "ListTransactions", ListTransactionsRequest, ListTransactionsResponse)
