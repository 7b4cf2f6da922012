/**
 * DescribeLogDirs: disks of a broker and the size of the replicas on them (KIP-113). Null topics = all.
 *
 * - 2 flexible; 3 an error code for the whole answer (KIP-784); 4 size and free space, -1 unknown (KIP-827); 5 cordoned
 *   disks (KIP-1066).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeLogDirsRequest = message(
  "DescribeLogDirsRequest",
  { versions: "1-5", flexible: "2+" },
  {
    topics: array(
      "0+",
      {
        topic: string("0+", { mapKey: true }),
        partitions: array("0+", "int32")
      },
      { nullable: true }
    )
  }
)
export type DescribeLogDirsRequest = TypeOf<typeof DescribeLogDirsRequest>

export const DescribeLogDirsResponse = message(
  "DescribeLogDirsResponse",
  { versions: "1-5", flexible: "2+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("3+", { ignorable: true }),
    results: array("0+", {
      errorCode: int16("0+"),
      logDir: string("0+"),
      topics: array("0+", {
        name: string("0+"),
        partitions: array("0+", {
          partitionIndex: int32("0+"),
          partitionSize: int64("0+"),
          offsetLag: int64("0+"),
          isFutureKey: bool("0+")
        })
      }),
      totalBytes: int64("4+", { default: -1, ignorable: true }),
      usableBytes: int64("4+", { default: -1, ignorable: true }),
      isCordoned: bool("5+", { ignorable: true })
    })
  }
)
export type DescribeLogDirsResponse = TypeOf<typeof DescribeLogDirsResponse>

export const DescribeLogDirsApi = makeApi(35, "DescribeLogDirs", DescribeLogDirsRequest, DescribeLogDirsResponse)
