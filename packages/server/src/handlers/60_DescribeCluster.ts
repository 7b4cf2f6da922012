/**
 * DescribeCluster (key 60): the cluster's id and its brokers, for admin clients.
 *
 * Versions: flexible from 0; 1 endpoint type (1 brokers, 2 controllers); 2 fenced brokers on request.
 *
 * Traps: controllers are not told on the Kafka listener (MISMATCHED_ENDPOINT_TYPE); authorized operations only when asked for.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeClusterApi,
  type DescribeClusterRequest,
  type DescribeClusterResponse
} from "@chronik-effect/core/protocol/messages/60_DescribeCluster.ts"
import { Effect } from "effect"
import { NodeConfig } from "../config/NodeConfig.ts"
import {
  allBrokerViews,
  CLUSTER_OPERATIONS,
  controllerId,
  liveBrokerViews,
  OPERATIONS_NOT_ASKED
} from "../metadata/ClusterView.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

const BROKERS = 1
const CONTROLLERS = 2

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const { nodeId } = yield* NodeConfig

  const handler: Handler<DescribeClusterRequest, DescribeClusterResponse> = {
    api: DescribeClusterApi,
    handle: (request) =>
      Effect.sync(() => {
        const image = store.image()
        if (request.endpointType !== BROKERS) return refused(request.endpointType)
        const live = liveBrokerViews(image)
        const shown = request.includeFencedBrokers ? allBrokerViews(image) : live
        return {
          throttleTimeMs: 0,
          errorCode: ErrorCode.NONE,
          errorMessage: null,
          endpointType: BROKERS,
          clusterId: image.clusterId,
          controllerId: controllerId(nodeId, live),
          brokers: shown.map(({ nodeId, endpoint, rack, fenced }) => ({
            brokerId: nodeId,
            host: endpoint.host,
            port: endpoint.port,
            rack,
            isFenced: fenced
          })),
          clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
            ? CLUSTER_OPERATIONS
            : OPERATIONS_NOT_ASKED
        }
      })
  }
  return handler
})

const refused = (endpointType: number): DescribeClusterResponse => ({
  throttleTimeMs: 0,
  errorCode: endpointType === CONTROLLERS ? ErrorCode.MISMATCHED_ENDPOINT_TYPE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
  errorMessage:
    endpointType === CONTROLLERS
      ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
      : `Unsupported endpoint type ${endpointType}`,
  endpointType: BROKERS,
  clusterId: "",
  controllerId: -1,
  brokers: [],
  clusterAuthorizedOperations: OPERATIONS_NOT_ASKED
})
