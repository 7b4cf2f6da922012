/**
 * AddOffsetsToTxn: the offsets of a group join a transaction (KIP-98).
 *
 * - 2 PRODUCER_FENCED (KIP-588); 3 flexible; 4 TRANSACTION_ABORTABLE (KIP-890).
 */
import { makeApi } from "../Api.ts"
import { int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const AddOffsetsToTxnRequest = message(
  "AddOffsetsToTxnRequest",
  { versions: "0-4", flexible: "3+" },
  {
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    groupId: string("0+")
  }
)
export type AddOffsetsToTxnRequest = TypeOf<typeof AddOffsetsToTxnRequest>

export const AddOffsetsToTxnResponse = message(
  "AddOffsetsToTxnResponse",
  { versions: "0-4", flexible: "3+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+")
  }
)
export type AddOffsetsToTxnResponse = TypeOf<typeof AddOffsetsToTxnResponse>

export const AddOffsetsToTxnApi = makeApi(25, "AddOffsetsToTxn", AddOffsetsToTxnRequest, AddOffsetsToTxnResponse)
