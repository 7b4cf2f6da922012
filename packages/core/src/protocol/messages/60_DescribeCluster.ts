/**
 * DescribeCluster: brokers, controller and cluster id (KIP-700).
 *
 * - 1 brokers (1) or controllers (2) (KIP-919); 2 fenced brokers on request (KIP-1073).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeClusterRequest = message(
  "DescribeClusterRequest",
  { versions: "0-2", flexible: "0+" },
  {
    includeClusterAuthorizedOperations: bool("0+"),
    endpointType: int8("1+", { default: 1 }),
    includeFencedBrokers: bool("2+")
  }
)
export type DescribeClusterRequest = TypeOf<typeof DescribeClusterRequest>

export const DescribeClusterResponse = message(
  "DescribeClusterResponse",
  { versions: "0-2", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true, default: null }),
    endpointType: int8("1+", { default: 1 }),
    clusterId: string("0+"),
    controllerId: int32("0+", { default: -1 }),
    brokers: array("0+", {
      brokerId: int32("0+", { mapKey: true }),
      host: string("0+"),
      port: int32("0+"),
      rack: string("0+", { nullable: true, default: null }),
      isFenced: bool("2+")
    }),
    clusterAuthorizedOperations: int32("0+", { default: -2147483648 })
  }
)
export type DescribeClusterResponse = TypeOf<typeof DescribeClusterResponse>

export const DescribeClusterApi = makeApi(60, "DescribeCluster", DescribeClusterRequest, DescribeClusterResponse)
