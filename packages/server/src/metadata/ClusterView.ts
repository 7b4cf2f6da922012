/**
 * Brokers and partitions of an image as clients are told of them.
 *
 * A broker without a published address does not exist for clients: it is never named, nor is a partition it leads said to have
 * a leader. Fenced brokers are likewise left out, and replicas on them count as offline.
 */
import type {
  BrokerImage,
  EndpointImage,
  MetadataImage,
  PartitionImage
} from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"

/** `AclOperation` bits that the resource type has; without an authorizer everybody may do everything. */
export const TOPIC_OPERATIONS = bits(3, 4, 5, 6, 7, 8, 10, 11)
export const CLUSTER_OPERATIONS = bits(5, 7, 8, 9, 10, 11, 12)
/** The client did not ask. */
export const OPERATIONS_NOT_ASKED = -2147483648

function bits(...operations: ReadonlyArray<number>): number {
  return operations.reduce((sum, operation) => sum | (1 << operation), 0)
}

export interface BrokerView {
  readonly nodeId: number
  readonly endpoint: EndpointImage
  readonly rack: string | null
  readonly fenced: boolean
}

const viewOf = (broker: BrokerImage): ReadonlyArray<BrokerView> => {
  const endpoint = broker.endpoints[0]
  return endpoint === undefined ? [] : [{ nodeId: broker.nodeId, endpoint, rack: broker.rack, fenced: broker.fenced }]
}

/** Brokers that clients may be sent to, by id. */
export const liveBrokerViews = (image: MetadataImage): ReadonlyArray<BrokerView> => image.liveBrokers().flatMap(viewOf)

/** Also the fenced ones. */
export const allBrokerViews = (image: MetadataImage): ReadonlyArray<BrokerView> =>
  [...image.brokers.values()].sort((a, b) => a.nodeId - b.nodeId).flatMap(viewOf)

export const nodeIds = (brokers: ReadonlyArray<BrokerView>): ReadonlySet<number> =>
  new Set(brokers.map((broker) => broker.nodeId))

/** The fields that Metadata and DescribeTopicPartitions share. */
export interface PartitionView {
  readonly errorCode: number
  readonly partitionIndex: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicaNodes: ReadonlyArray<number>
  readonly isrNodes: ReadonlyArray<number>
  readonly offlineReplicas: ReadonlyArray<number>
}

export const partitionView = (partition: PartitionImage, live: ReadonlySet<number>): PartitionView => {
  const led = live.has(partition.leader)
  return {
    errorCode: led ? ErrorCode.NONE : ErrorCode.LEADER_NOT_AVAILABLE,
    partitionIndex: partition.partition,
    leaderId: led ? partition.leader : -1,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes: partition.replicas,
    isrNodes: partition.isr,
    offlineReplicas: partition.replicas.filter((node) => !live.has(node))
  }
}

/** The node that clients are told to send admin requests to: this one, since every node takes them. */
export const controllerId = (nodeId: number, brokers: ReadonlyArray<BrokerView>): number =>
  brokers.some((broker) => broker.nodeId === nodeId) ? nodeId : (brokers[0]?.nodeId ?? -1)
