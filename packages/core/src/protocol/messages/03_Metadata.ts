/**
 * Metadata: brokers, topics, partitions and their leaders.
 *
 * - An empty list of topics means all of them in version 0; from 1 on null means all and an empty list means none.
 * - 1 racks, controller, internal topics; 2 cluster id; 5 offline replicas; 7 leader epochs (KIP-320).
 * - 4 the client says whether a missing topic may be created.
 * - 8 authorized operations (KIP-430); those of the cluster left again with 11, because DescribeCluster has them
 *   (KIP-700).
 * - 9 flexible; 10 topic ids in the answer and 12 in the request (KIP-516).
 * - 13 an error code for the whole answer, to send clients back to their bootstrap servers (KIP-1102).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int16, int32, message, string, type TypeOf, uuid } from "../Descriptor.ts"

export const MetadataRequest = message(
  "MetadataRequest",
  { versions: "0-13", flexible: "9+" },
  {
    topics: array(
      "0+",
      {
        topicId: uuid("10+", { ignorable: true }),
        name: string("0+", { nullable: "10+" })
      },
      { nullable: "1+" }
    ),
    allowAutoTopicCreation: bool("4+", { default: true }),
    includeClusterAuthorizedOperations: bool("8-10"),
    includeTopicAuthorizedOperations: bool("8+")
  }
)
export type MetadataRequest = TypeOf<typeof MetadataRequest>

export const MetadataResponse = message(
  "MetadataResponse",
  { versions: "0-13", flexible: "9+" },
  {
    throttleTimeMs: int32("3+", { ignorable: true }),
    brokers: array("0+", {
      nodeId: int32("0+", { mapKey: true }),
      host: string("0+"),
      port: int32("0+"),
      rack: string("1+", { nullable: true, default: null, ignorable: true })
    }),
    clusterId: string("2+", { nullable: true, default: null, ignorable: true }),
    controllerId: int32("1+", { default: -1, ignorable: true }),
    topics: array("0+", {
      errorCode: int16("0+"),
      name: string("0+", { nullable: "12+", mapKey: true }),
      topicId: uuid("10+", { ignorable: true }),
      isInternal: bool("1+", { ignorable: true }),
      partitions: array("0+", {
        errorCode: int16("0+"),
        partitionIndex: int32("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("7+", { default: -1, ignorable: true }),
        replicaNodes: array("0+", "int32"),
        isrNodes: array("0+", "int32"),
        offlineReplicas: array("5+", "int32", { ignorable: true })
      }),
      topicAuthorizedOperations: int32("8+", { default: -2147483648 })
    }),
    clusterAuthorizedOperations: int32("8-10", { default: -2147483648 }),
    errorCode: int16("13+", { ignorable: true })
  }
)
export type MetadataResponse = TypeOf<typeof MetadataResponse>

export const MetadataApi = makeApi(3, "Metadata", MetadataRequest, MetadataResponse)
