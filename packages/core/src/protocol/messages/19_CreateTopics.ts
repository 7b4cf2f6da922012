/**
 * CreateTopics: make topics.
 *
 * - 4 partitions and replication factor may be -1, the broker's defaults (KIP-464).
 * - 5 flexible; the answer shows the new topic's configs (KIP-525).
 * - 6 THROTTLING_QUOTA_EXCEEDED may be answered (KIP-599); 7 the answer has topic ids (KIP-516).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, message, string, type TypeOf, uuid } from "../Descriptor.ts"

export const CreateTopicsRequest = message(
  "CreateTopicsRequest",
  { versions: "2-7", flexible: "5+" },
  {
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      numPartitions: int32("0+"),
      replicationFactor: int16("0+"),
      assignments: array("0+", {
        partitionIndex: int32("0+", { mapKey: true }),
        brokerIds: array("0+", "int32")
      }),
      configs: array("0+", {
        name: string("0+", { mapKey: true }),
        value: string("0+", { nullable: true })
      })
    }),
    timeoutMs: int32("0+", { default: 60000 }),
    validateOnly: bool("1+")
  }
)
export type CreateTopicsRequest = TypeOf<typeof CreateTopicsRequest>

export const CreateTopicsResponse = message(
  "CreateTopicsResponse",
  { versions: "2-7", flexible: "5+" },
  {
    throttleTimeMs: int32("2+", { ignorable: true }),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      topicId: uuid("7+", { ignorable: true }),
      errorCode: int16("0+"),
      errorMessage: string("1+", { nullable: true, ignorable: true }),
      topicConfigErrorCode: int16("5+", { tag: 0, ignorable: true }),
      numPartitions: int32("5+", { default: -1, ignorable: true }),
      replicationFactor: int16("5+", { default: -1, ignorable: true }),
      configs: array(
        "5+",
        {
          name: string("5+"),
          value: string("5+", { nullable: true }),
          readOnly: bool("5+"),
          configSource: int8("5+", { default: -1, ignorable: true }),
          isSensitive: bool("5+")
        },
        { nullable: true, ignorable: true }
      )
    })
  }
)
export type CreateTopicsResponse = TypeOf<typeof CreateTopicsResponse>

export const CreateTopicsApi = makeApi(19, "CreateTopics", CreateTopicsRequest, CreateTopicsResponse)
