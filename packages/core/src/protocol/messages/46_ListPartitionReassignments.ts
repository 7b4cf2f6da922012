/**
 * ListPartitionReassignments: the reassignments that are under way (KIP-455). Null topics = all.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const ListPartitionReassignmentsRequest = message(
  "ListPartitionReassignmentsRequest",
  { versions: "0", flexible: "0+" },
  {
    timeoutMs: int32("0+", { default: 60000 }),
    topics: array(
      "0+",
      {
        name: string("0+"),
        partitionIndexes: array("0+", "int32")
      },
      { nullable: true, default: null }
    )
  }
)
export type ListPartitionReassignmentsRequest = TypeOf<typeof ListPartitionReassignmentsRequest>

export const ListPartitionReassignmentsResponse = message(
  "ListPartitionReassignmentsResponse",
  { versions: "0", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true }),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        replicas: array("0+", "int32"),
        addingReplicas: array("0+", "int32"),
        removingReplicas: array("0+", "int32")
      })
    })
  }
)
export type ListPartitionReassignmentsResponse = TypeOf<typeof ListPartitionReassignmentsResponse>

export const ListPartitionReassignmentsApi = makeApi(
  46,
  "ListPartitionReassignments",
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse
)
