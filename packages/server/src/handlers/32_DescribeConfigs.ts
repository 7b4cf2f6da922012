/**
 * DescribeConfigs (key 32): the configuration of topics and brokers, every known key with its value, source and synonyms.
 *
 * Versions: 1 sources and synonyms; 3 types and documentation; 4 flexible. Resource types: 2 topic, 4 broker ("" = what was
 * set for all brokers), 8 a broker's loggers, 16 client metrics, 32 group.
 *
 * Traps: `configurationKeys` null or empty asks for all; unknown keys are left out, not refused; a list without the defaults
 * breaks tools that compare it with what they want.
 */
import { topicNameProblem } from "@chronik-effect/core/metadata/Decide.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeConfigsApi,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse
} from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { Effect } from "effect"
import { NodeConfig } from "../config/NodeConfig.ts"
import { brokerEntries, type ConfigEntry, clusterDefaultEntries, topicEntries } from "../metadata/ConfigEntries.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

type Resource = DescribeConfigsRequest["resources"][number]
type ResourceAnswer = DescribeConfigsResponse["results"][number]
type Described =
  | { readonly entries: ReadonlyArray<ConfigEntry> }
  | { readonly errorCode: ErrorCode; readonly message: string }

const TOPIC = 2
const BROKER = 4
const BROKER_LOGGER = 8
const CLIENT_METRICS = 16
const GROUP = 32

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const { nodeId } = yield* NodeConfig

  const describe = (resource: Resource): Described => {
    switch (resource.resourceType) {
      case TOPIC:
        return describeTopic(store, resource.resourceName)
      case BROKER:
        if (resource.resourceName === "") return { entries: clusterDefaultEntries(store.brokerConfig()) }
        return resource.resourceName === String(nodeId)
          ? { entries: brokerEntries(store.brokerConfig()) }
          : invalid(`Unexpected broker id, expected ${nodeId} or empty string, but received ${resource.resourceName}`)
      case BROKER_LOGGER:
        return resource.resourceName === String(nodeId)
          ? { entries: [] }
          : invalid(`Unexpected broker id, expected ${nodeId} but received ${resource.resourceName}`)
      case CLIENT_METRICS:
      case GROUP:
        return resource.resourceName === "" ? invalid("The name of the resource must not be empty.") : { entries: [] }
      default:
        return invalid(`Unsupported resource type: ${resource.resourceType}`)
    }
  }

  const handler: Handler<DescribeConfigsRequest, DescribeConfigsResponse> = {
    api: DescribeConfigsApi,
    handle: (request) =>
      Effect.sync(() => ({
        throttleTimeMs: 0,
        results: request.resources.map((resource) => answerOf(resource, describe(resource), request))
      }))
  }
  return handler
})

const describeTopic = (store: MetadataStore["Service"], name: string): Described => {
  const problem = topicNameProblem(name)
  if (problem !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, message: problem }
  const topic = store.image().topic(name)
  return topic === undefined
    ? { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message: `The topic '${name}' does not exist.` }
    : { entries: topicEntries(topic.configs, store.brokerConfig()) }
}

const invalid = (message: string): Described => ({ errorCode: ErrorCode.INVALID_REQUEST, message })

const answerOf = (resource: Resource, described: Described, request: DescribeConfigsRequest): ResourceAnswer => {
  const { resourceType, resourceName, configurationKeys } = resource
  if (!("entries" in described)) {
    return { errorCode: described.errorCode, errorMessage: described.message, resourceType, resourceName, configs: [] }
  }
  const wanted =
    configurationKeys === null || configurationKeys.length === 0 ? undefined : new Set<string>(configurationKeys)
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    resourceType,
    resourceName,
    configs: described.entries
      .filter((entry) => wanted === undefined || wanted.has(entry.name))
      .map((entry) => ({
        ...entry,
        synonyms: request.includeSynonyms ? entry.synonyms : [],
        documentation: request.includeDocumentation ? entry.documentation : null
      }))
  }
}
