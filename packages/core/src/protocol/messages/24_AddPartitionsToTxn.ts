/**
 * AddPartitionsToTxn: partitions join a transaction before they are written to (KIP-98).
 *
 * - 0-3 one transaction, sent by producers: the `v3And...` fields. 2 PRODUCER_FENCED; 3 flexible.
 * - 4 several transactions, and asking without adding (`verifyOnly`), meant for brokers (KIP-890); 5
 *   TRANSACTION_ABORTABLE.
 *
 * @platformatic/kafka sends 4 and 5 as a client.
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

const addPartitionsToTxnTopic = {
  name: string("0+", { mapKey: true }),
  partitions: array("0+", "int32")
}

export const AddPartitionsToTxnRequest = message(
  "AddPartitionsToTxnRequest",
  { versions: "0-5", flexible: "3+" },
  {
    transactions: array("4+", {
      transactionalId: string("4+", { mapKey: true }),
      producerId: int64("4+"),
      producerEpoch: int16("4+"),
      verifyOnly: bool("4+"),
      topics: array("4+", addPartitionsToTxnTopic)
    }),
    v3AndBelowTransactionalId: string("0-3"),
    v3AndBelowProducerId: int64("0-3"),
    v3AndBelowProducerEpoch: int16("0-3"),
    v3AndBelowTopics: array("0-3", addPartitionsToTxnTopic)
  }
)
export type AddPartitionsToTxnRequest = TypeOf<typeof AddPartitionsToTxnRequest>

const addPartitionsToTxnPartitionResult = {
  partitionIndex: int32("0+", { mapKey: true }),
  partitionErrorCode: int16("0+")
}

const addPartitionsToTxnTopicResult = {
  name: string("0+", { mapKey: true }),
  resultsByPartition: array("0+", addPartitionsToTxnPartitionResult)
}

export const AddPartitionsToTxnResponse = message(
  "AddPartitionsToTxnResponse",
  { versions: "0-5", flexible: "3+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("4+", { ignorable: true }),
    resultsByTransaction: array("4+", {
      transactionalId: string("4+", { mapKey: true }),
      topicResults: array("4+", addPartitionsToTxnTopicResult)
    }),
    resultsByTopicV3AndBelow: array("0-3", addPartitionsToTxnTopicResult)
  }
)
export type AddPartitionsToTxnResponse = TypeOf<typeof AddPartitionsToTxnResponse>

export const AddPartitionsToTxnApi = makeApi(
  24,
  "AddPartitionsToTxn",
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse
)
