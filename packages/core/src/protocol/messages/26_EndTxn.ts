/**
 * EndTxn: commit or abort a transaction (KIP-98).
 *
 * - 2 PRODUCER_FENCED (KIP-588); 3 flexible; 4 TRANSACTION_ABORTABLE (KIP-890).
 * - 5 the end raises the epoch, and the answer carries the id and epoch to go on with (KIP-890, transactions of
 *   version 2).
 */
import { makeApi } from "../Api.ts"
import { bool, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const EndTxnRequest = message(
  "EndTxnRequest",
  { versions: "0-5", flexible: "3+" },
  {
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    committed: bool("0+")
  }
)
export type EndTxnRequest = TypeOf<typeof EndTxnRequest>

export const EndTxnResponse = message(
  "EndTxnResponse",
  { versions: "0-5", flexible: "3+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    producerId: int64("5+", { default: -1, ignorable: true }),
    producerEpoch: int16("5+", { default: -1, ignorable: true })
  }
)
export type EndTxnResponse = TypeOf<typeof EndTxnResponse>

export const EndTxnApi = makeApi(26, "EndTxn", EndTxnRequest, EndTxnResponse)
