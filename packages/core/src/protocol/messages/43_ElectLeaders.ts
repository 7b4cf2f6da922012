/**
 * ElectLeaders: let the preferred replica, or any, lead (KIP-183). Null partitions = all.
 *
 * - 1 election type and a top-level error (KIP-460); 2 flexible.
 */
import { makeApi } from "../Api.ts"
import { array, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const ElectLeadersRequest = message(
  "ElectLeadersRequest",
  { versions: "0-2", flexible: "2+" },
  {
    electionType: int8("1+"),
    topicPartitions: array(
      "0+",
      {
        topic: string("0+", { mapKey: true }),
        partitions: array("0+", "int32")
      },
      { nullable: true }
    ),
    timeoutMs: int32("0+", { default: 60000 })
  }
)
export type ElectLeadersRequest = TypeOf<typeof ElectLeadersRequest>

export const ElectLeadersResponse = message(
  "ElectLeadersResponse",
  { versions: "0-2", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("1+"),
    replicaElectionResults: array("0+", {
      topic: string("0+"),
      partitionResult: array("0+", {
        partitionId: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: true })
      })
    })
  }
)
export type ElectLeadersResponse = TypeOf<typeof ElectLeadersResponse>

export const ElectLeadersApi = makeApi(43, "ElectLeaders", ElectLeadersRequest, ElectLeadersResponse)
