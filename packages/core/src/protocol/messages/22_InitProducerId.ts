/**
 * InitProducerId: a producer gets its id and epoch, and with a transactional id fences its predecessors (KIP-98).
 *
 * - 2 flexible; 3 a producer may come back with its id to have the epoch raised (KIP-360).
 * - 4 PRODUCER_FENCED (KIP-588) and 5 TRANSACTION_ABORTABLE (KIP-890) may be answered; 6 two-phase commit (KIP-939).
 */
import { makeApi } from "../Api.ts"
import { bool, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const InitProducerIdRequest = message(
  "InitProducerIdRequest",
  { versions: "0-6", flexible: "2+" },
  {
    transactionalId: string("0+", { nullable: true }),
    transactionTimeoutMs: int32("0+"),
    producerId: int64("3+", { default: -1 }),
    producerEpoch: int16("3+", { default: -1 }),
    enable2Pc: bool("6+"),
    keepPreparedTxn: bool("6+")
  }
)
export type InitProducerIdRequest = TypeOf<typeof InitProducerIdRequest>

export const InitProducerIdResponse = message(
  "InitProducerIdResponse",
  { versions: "0-6", flexible: "2+" },
  {
    throttleTimeMs: int32("0+", { ignorable: true }),
    errorCode: int16("0+"),
    producerId: int64("0+", { default: -1 }),
    producerEpoch: int16("0+"),
    ongoingTxnProducerId: int64("6+", { default: -1 }),
    ongoingTxnProducerEpoch: int16("6+", { default: -1 })
  }
)
export type InitProducerIdResponse = TypeOf<typeof InitProducerIdResponse>

// Version 6 (two-phase commit) is unstable in Kafka.
export const InitProducerIdApi = makeApi(22, "InitProducerId", InitProducerIdRequest, InitProducerIdResponse, {
  maxVersion: 5
})
