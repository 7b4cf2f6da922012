/**
 * Configuration from the outside: of topics, brokers and groups, described and changed key by key.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeConfigsApi,
  type DescribeConfigsResponse
} from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import * as Effect from "effect/Effect"
import { brokerError, type ClientError, notRetriable } from "./ClientError.ts"
import type { Connection } from "./Connection.ts"
import type { KafkaClient } from "./KafkaClient.ts"

/** Kafka's numbers of the resources that have configs. */
export const RESOURCE_TYPES = { topic: 2, broker: 4, group: 32 } as const
export type ResourceKind = keyof typeof RESOURCE_TYPES

export interface ConfigResource {
  readonly kind: ResourceKind
  /** Of a broker its id, or "" for the defaults of all brokers. */
  readonly name: string
}

export type DescribedConfig = DescribeConfigsResponse["results"][number]["configs"][number]

export type ConfigChange =
  | { readonly _tag: "Set"; readonly name: string; readonly value: string }
  | { readonly _tag: "Unset"; readonly name: string }

const SET = 0
const DELETE = 1

const called = ({ kind, name }: ConfigResource): string =>
  kind === "broker" && name === "" ? "The configs of all brokers" : `The configs of ${kind} ${name}`

/** Asks again for what passes; a topic that is not there is no such thing here. */
const refusal = (code: number, resource: ConfigResource, detail: string | null | undefined): ClientError => {
  const error = brokerError(code, called(resource), detail)
  return code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? notRetriable(error) : error
}

/** What a broker is configured with is its own to say and to change. */
const where = <A>(
  client: KafkaClient,
  resource: ConfigResource,
  call: (connection: Connection) => Effect.Effect<A, ClientError>
): Effect.Effect<A, ClientError> =>
  resource.kind === "broker" && resource.name !== ""
    ? client.atBroker(Number(resource.name), call)
    : client.atController(call)

/** Every config of the resource that the broker knows, by name. */
export const describeConfigs = (
  client: KafkaClient,
  resource: ConfigResource
): Effect.Effect<ReadonlyArray<DescribedConfig>, ClientError> =>
  where(client, resource, (connection) =>
    Effect.gen(function* () {
      const asked = {
        resourceType: RESOURCE_TYPES[resource.kind],
        resourceName: resource.name,
        configurationKeys: null
      }
      const answer = yield* connection.request(DescribeConfigsApi, {
        resources: [asked],
        includeSynonyms: true,
        includeDocumentation: true
      })
      const result = answer.results[0]
      const code = result?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (result === undefined || code !== ErrorCode.NONE) return yield* refusal(code, resource, result?.errorMessage)
      return [...result.configs].sort((a, b) => (a.name < b.name ? -1 : 1))
    })
  )

/** All changes apply, or none. */
export const alterConfigs = (
  client: KafkaClient,
  resource: ConfigResource,
  changes: ReadonlyArray<ConfigChange>
): Effect.Effect<void, ClientError> =>
  where(client, resource, (connection) =>
    Effect.gen(function* () {
      const configs = changes.map((change) =>
        change._tag === "Set"
          ? { name: change.name, configOperation: SET, value: change.value }
          : { name: change.name, configOperation: DELETE, value: null }
      )
      const answer = yield* connection.request(IncrementalAlterConfigsApi, {
        resources: [{ resourceType: RESOURCE_TYPES[resource.kind], resourceName: resource.name, configs }]
      })
      const result = answer.responses[0]
      const code = result?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      if (code !== ErrorCode.NONE) return yield* refusal(code, resource, result?.errorMessage)
    })
  )
