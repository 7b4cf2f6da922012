/**
 * DeleteTopics: remove topics by name, or by id from version 6.
 *
 * - 4 flexible; 5 an error message and THROTTLING_QUOTA_EXCEEDED (KIP-599); 6 `topics` in place of `topicNames`
 *   (KIP-516).
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, type TypeOf, uuid } from "../Descriptor.ts"

export const DeleteTopicsRequest = message(
  "DeleteTopicsRequest",
  { versions: "1-6", flexible: "4+" },
  {
    topics: array("6+", {
      name: string("6+", { nullable: true, default: null }),
      topicId: uuid("6+")
    }),
    topicNames: array("0-5", "string", { ignorable: true }),
    timeoutMs: int32("0+")
  }
)
export type DeleteTopicsRequest = TypeOf<typeof DeleteTopicsRequest>

export const DeleteTopicsResponse = message(
  "DeleteTopicsResponse",
  { versions: "1-6", flexible: "4+" },
  {
    throttleTimeMs: int32("1+", { ignorable: true }),
    responses: array("0+", {
      name: string("0+", { nullable: "6+", mapKey: true }),
      topicId: uuid("6+", { ignorable: true }),
      errorCode: int16("0+"),
      errorMessage: string("5+", { nullable: true, default: null, ignorable: true })
    })
  }
)
export type DeleteTopicsResponse = TypeOf<typeof DeleteTopicsResponse>

export const DeleteTopicsApi = makeApi(20, "DeleteTopics", DeleteTopicsRequest, DeleteTopicsResponse)
