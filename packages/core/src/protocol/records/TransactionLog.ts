/**
 * The state of a transaction in `__transaction_state`.
 *
 * - Key type 0. Value 1 is flexible; its tagged fields belong to transactions of version 2 (KIP-890).
 *
 * A null value is a forgotten transactional id.
 */
import { array, int8, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const TransactionLogKey = message(
  "TransactionLogKey",
  { versions: "0", flexible: "none" },
  {
    transactionalId: string("0")
  }
)
export type TransactionLogKey = TypeOf<typeof TransactionLogKey>

export const TransactionLogValue = message(
  "TransactionLogValue",
  { versions: "0-1", flexible: "1+" },
  {
    producerId: int64("0+"),
    previousProducerId: int64("1+", { default: -1, tag: 0 }),
    nextProducerId: int64("1+", { default: -1, tag: 1 }),
    producerEpoch: int16("0+"),
    nextProducerEpoch: int16("1+", { default: -1, tag: 3 }),
    transactionTimeoutMs: int32("0+"),
    transactionStatus: int8("0+"),
    transactionPartitions: array(
      "0+",
      {
        topic: string("0+"),
        partitionIds: array("0+", "int32")
      },
      { nullable: true }
    ),
    transactionLastUpdateTimestampMs: int64("0+"),
    transactionStartTimestampMs: int64("0+"),
    clientTransactionVersion: int16("1+", { tag: 2 })
  }
)
export type TransactionLogValue = TypeOf<typeof TransactionLogValue>
