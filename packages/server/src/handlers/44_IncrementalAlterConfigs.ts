/**
 * IncrementalAlterConfigs (key 44): single keys of a topic or broker set, removed, or changed as lists. All changes of one
 * resource apply, or none.
 *
 * Versions: 1 flexible. Operations: 0 SET, 1 DELETE, 2 APPEND, 3 SUBTRACT (lists only).
 *
 * Traps: a resource given twice, a key given twice, a SET of null and a broker key that is fixed at the start are
 * INVALID_REQUEST; APPEND never adds what is there already; `validateOnly` changes nothing.
 */
import type { AlterConfigs } from "@chronik-effect/core/metadata/Command.ts"
import { decideAlterConfigs } from "@chronik-effect/core/metadata/DecideConfigs.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  IncrementalAlterConfigsApi,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse
} from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { Effect, Result } from "effect"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import { refusalOf } from "../metadata/TopicCreation.ts"
import type { Handler } from "./Handler.ts"

type Resource = IncrementalAlterConfigsRequest["resources"][number]
type ResourceAnswer = IncrementalAlterConfigsResponse["responses"][number]

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore

  const apply = (resource: Resource, command: AlterConfigs): Effect.Effect<ResourceAnswer> =>
    store.propose(command).pipe(
      Effect.map((result) =>
        result._tag === "Rejected"
          ? answer(resource, result)
          : answer(resource, { errorCode: ErrorCode.NONE, message: null })
      ),
      Effect.catchTag("MetadataError", (error) => Effect.succeed(answer(resource, refusalOf(error))))
    )

  const alter = (resource: Resource, validateOnly: boolean): Effect.Effect<ResourceAnswer> =>
    Effect.suspend(() => {
      const decision = decideAlterConfigs(
        {
          resourceType: resource.resourceType,
          resourceName: resource.resourceName,
          changes: resource.configs.map(({ name, configOperation, value }) => ({ name, op: configOperation, value }))
        },
        store.image(),
        store.brokerConfig()
      )
      if (Result.isFailure(decision)) return Effect.succeed(answer(resource, decision.failure))
      return validateOnly
        ? Effect.succeed(answer(resource, { errorCode: ErrorCode.NONE, message: null }))
        : apply(resource, decision.success)
    })

  const handler: Handler<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse> = {
    api: IncrementalAlterConfigsApi,
    handle: (request) => {
      const { unique, twice } = byOccurrence(request.resources)
      return Effect.forEach(unique, (resource) => alter(resource, request.validateOnly), {
        concurrency: "unbounded"
      }).pipe(
        Effect.map((responses) => ({
          throttleTimeMs: 0,
          responses: [...twice.map((resource) => answer(resource, DUPLICATE)), ...responses]
        }))
      )
    }
  }
  return handler
})

const DUPLICATE = { errorCode: ErrorCode.INVALID_REQUEST, message: "Each resource must appear at most once." }

const byOccurrence = (
  resources: ReadonlyArray<Resource>
): { readonly unique: ReadonlyArray<Resource>; readonly twice: ReadonlyArray<Resource> } => {
  const groups = new Map<string, Array<Resource>>()
  for (const resource of resources) {
    const key = `${resource.resourceType} ${resource.resourceName}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [resource])
    else group.push(resource)
  }
  const firsts = [...groups.values()]
  return {
    unique: firsts.filter((group) => group.length === 1).map((group) => group[0]!),
    twice: firsts.filter((group) => group.length > 1).map((group) => group[0]!)
  }
}

const answer = (
  resource: Resource,
  outcome: { readonly errorCode: number; readonly message: string | null }
): ResourceAnswer => ({
  errorCode: outcome.errorCode,
  errorMessage: outcome.message,
  resourceType: resource.resourceType,
  resourceName: resource.resourceName
})
