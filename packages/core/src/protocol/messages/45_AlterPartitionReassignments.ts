/**
 * AlterPartitionReassignments: give partitions other replicas (KIP-455). Null replicas cancel a reassignment.
 *
 * - 1 whether the replication factor may change with it (KIP-860).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const AlterPartitionReassignmentsRequest = message(
  "AlterPartitionReassignmentsRequest",
  { versions: "0-1", flexible: "0+" },
  {
    timeoutMs: int32("0+", { default: 60000 }),
    allowReplicationFactorChange: bool("1+", { default: true }),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        replicas: array("0+", "int32", { nullable: true, default: null })
      })
    })
  }
)
export type AlterPartitionReassignmentsRequest = TypeOf<typeof AlterPartitionReassignmentsRequest>

export const AlterPartitionReassignmentsResponse = message(
  "AlterPartitionReassignmentsResponse",
  { versions: "0-1", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    allowReplicationFactorChange: bool("1+", { default: true, ignorable: true }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true }),
    responses: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: true })
      })
    })
  }
)
export type AlterPartitionReassignmentsResponse = TypeOf<typeof AlterPartitionReassignmentsResponse>

export const AlterPartitionReassignmentsApi = makeApi(
  45,
  "AlterPartitionReassignments",
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse
)
