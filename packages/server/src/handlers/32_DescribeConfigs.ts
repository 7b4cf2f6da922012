/**
 * DescribeConfigs (key 32): the configuration of topics, brokers, groups and client metrics subscriptions, every known key with
 * its value, source and synonyms; and the level of this node's log.
 *
 * Versions: 1 sources and synonyms; 3 types and documentation; 4 flexible. Resource types: 2 topic, 4 broker ("" = what was
 * set for all brokers), 8 a broker's loggers, 16 client metrics, 32 group.
 *
 * Traps: `configurationKeys` null or empty asks for all; unknown keys are left out, not refused; a list without the defaults
 * breaks tools that compare it with what they want. A resource that is named twice is answered twice.
 */
import { shown } from "@chronik-effect/core/config/ConfigDefinition.ts"
import { ConfigResource } from "@chronik-effect/core/metadata/Command.ts"
import { topicNameProblem } from "@chronik-effect/core/metadata/Decide.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeConfigsApi,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse
} from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { Effect, HashMap, Option } from "effect"
import { LogLevels } from "../config/LogLevels.ts"
import { NodeConfig } from "../config/NodeConfig.ts"
import { tooManyResources } from "../metadata/ConfigChanges.ts"
import {
  brokerEntries,
  type ConfigEntry,
  clientMetricsEntries,
  clusterDefaultEntries,
  groupEntries,
  topicEntries
} from "../metadata/ConfigEntries.ts"
import { loggerEntries } from "../metadata/LoggerConfigs.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

type Resource = DescribeConfigsRequest["resources"][number]
type ResourceAnswer = DescribeConfigsResponse["results"][number]
type Described =
  | { readonly entries: ReadonlyArray<ConfigEntry> }
  | { readonly errorCode: ErrorCode; readonly message: string }

const BROKER_LOGGER = 8

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const levels = yield* LogLevels
  const { nodeId } = yield* NodeConfig

  const describe = ({ resourceType, resourceName: name }: Resource): Described => {
    switch (resourceType) {
      case ConfigResource.TOPIC:
        return describeTopic(store, name)
      case ConfigResource.BROKER:
        if (name === "") return { entries: clusterDefaultEntries(store.brokerConfig()) }
        return (
          otherNode(name, nodeId, `expected ${nodeId} or empty string,`) ?? {
            entries: brokerEntries(store.brokerConfig())
          }
        )
      case BROKER_LOGGER:
        if (name === "") return invalid("Broker id must not be empty")
        return otherNode(name, nodeId, `expected ${nodeId}`) ?? { entries: loggerEntries(levels) }
      case ConfigResource.CLIENT_METRICS:
        if (name === "") return invalid("Client metrics subscription name must not be empty")
        return {
          entries: clientMetricsEntries(Option.getOrUndefined(HashMap.get(store.image().clientMetrics, name)))
        }
      case ConfigResource.GROUP:
        return name === ""
          ? invalid("Group name must not be empty")
          : { entries: groupEntries(store.image().groupConfig(name), store.brokerConfig()) }
      default:
        return invalid(`Unsupported resource type: ${resourceType}`)
    }
  }

  const handler: Handler<DescribeConfigsRequest, DescribeConfigsResponse> = {
    api: DescribeConfigsApi,
    handle: (request) =>
      Effect.sync(() => ({
        throttleTimeMs: 0,
        results:
          tooManyResources(request.resources)?.map((refused) => ({ ...refused, configs: [] })) ??
          request.resources.map((resource) => answerOf(resource, describe(resource), request))
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

/** What is answered for a node that is not this one. */
const otherNode = (name: string, nodeId: number, expected: string): Described | undefined => {
  if (!/^[+-]?\d{1,10}$/.test(name)) return invalid(`Broker id must be an integer, but it is: ${shown(name)}`)
  return Number(name) === nodeId ? undefined : invalid(`Unexpected broker id, ${expected} but received ${name}`)
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
    errorMessage: "",
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
