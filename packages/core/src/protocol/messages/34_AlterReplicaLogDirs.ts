/**
 * AlterReplicaLogDirs: move replicas between the disks of a broker (KIP-113).
 *
 * - 2 flexible.
 */
import { makeApi } from "../Api.ts"
import { array, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const AlterReplicaLogDirsRequest = message(
  "AlterReplicaLogDirsRequest",
  { versions: "1-2", flexible: "2+" },
  {
    dirs: array("0+", {
      path: string("0+", { mapKey: true }),
      topics: array("0+", {
        name: string("0+", { mapKey: true }),
        partitions: array("0+", "int32")
      })
    })
  }
)
export type AlterReplicaLogDirsRequest = TypeOf<typeof AlterReplicaLogDirsRequest>

export const AlterReplicaLogDirsResponse = message(
  "AlterReplicaLogDirsResponse",
  { versions: "1-2", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+")
      })
    })
  }
)
export type AlterReplicaLogDirsResponse = TypeOf<typeof AlterReplicaLogDirsResponse>

export const AlterReplicaLogDirsApi = makeApi(
  34,
  "AlterReplicaLogDirs",
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse
)
