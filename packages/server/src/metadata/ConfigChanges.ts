/**
 * Changing the configuration of many resources in one request, for both APIs that do: AlterConfigs and
 * IncrementalAlterConfigs. Each resource is decided and committed by itself; what may be asked of it is `core`'s to judge.
 *
 * A resource that is named twice is changed by neither and answered for each time, before all others.
 */
import type { AlterConfigs } from "@chronik-effect/core/metadata/Command.ts"
import type { Decision, Refusal } from "@chronik-effect/core/metadata/Decide.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Effect, Result } from "effect"
import type { MetadataStore } from "./MetadataStore.ts"
import { refusalOf } from "./TopicCreation.ts"

/** Most resources of one request about configs: those of all topics of a large cluster. */
export const RESOURCES_MAX = 10_000

/** Proposals of one request that are on their way at once; the metadata log has room for those of many requests. */
const PROPOSALS_AT_ONCE = 1_000

export interface ConfigResourceName {
  readonly resourceType: number
  readonly resourceName: string
}

export interface ResourceAnswer extends ConfigResourceName {
  readonly errorCode: number
  readonly errorMessage: string | null
}

type Store = MetadataStore["Service"]

/** Decides and, unless it is only to be validated, commits the change of each resource; null where there is none to commit. */
export const alterEach = <R extends ConfigResourceName>(
  store: Store,
  resources: ReadonlyArray<R>,
  validateOnly: boolean,
  decide: (resource: R) => Decision<AlterConfigs | null>
): Effect.Effect<ReadonlyArray<ResourceAnswer>> => {
  const { unique, twice } = byOccurrence(resources)
  return Effect.forEach(
    unique,
    (resource) =>
      Effect.suspend(() => {
        const decision = decide(resource)
        if (Result.isFailure(decision)) return Effect.succeed(refused(resource, decision.failure))
        // A change of nothing is not worth an entry of the log.
        const command = decision.success
        if (validateOnly || command === null || command.changes.length === 0) return Effect.succeed(changed(resource))
        return commit(store, resource, command)
      }),
    { concurrency: PROPOSALS_AT_ONCE }
  ).pipe(Effect.map((answers) => [...twice.map((resource) => refused(resource, TWICE)), ...answers]))
}

const commit = (store: Store, resource: ConfigResourceName, command: AlterConfigs): Effect.Effect<ResourceAnswer> =>
  store.propose(command).pipe(
    Effect.map((result) => (result._tag === "Rejected" ? refused(resource, result) : changed(resource))),
    Effect.catchTag("MetadataError", (error) => Effect.succeed(refused(resource, refusalOf(error))))
  )

/**
 * The answer to a request that names more resources than one may, or undefined. Only the first says why: the answer must not
 * grow beyond the request.
 */
export const tooManyResources = (
  resources: ReadonlyArray<ConfigResourceName>
): ReadonlyArray<ResourceAnswer> | undefined =>
  resources.length <= RESOURCES_MAX
    ? undefined
    : resources.map(({ resourceType, resourceName }, i) => ({
        resourceType,
        resourceName,
        errorCode: ErrorCode.INVALID_REQUEST,
        errorMessage:
          i === 0
            ? `A request may name at most ${RESOURCES_MAX} resources, this one names ${resources.length}: split it.`
            : null
      }))

const TWICE: Refusal = { errorCode: ErrorCode.INVALID_REQUEST, message: "Each resource must appear at most once." }

const byOccurrence = <R extends ConfigResourceName>(
  resources: ReadonlyArray<R>
): { readonly unique: ReadonlyArray<R>; readonly twice: ReadonlyArray<R> } => {
  const keyOf = ({ resourceType, resourceName }: R) => `${resourceType} ${resourceName}`
  const times = new Map<string, number>()
  for (const resource of resources) times.set(keyOf(resource), (times.get(keyOf(resource)) ?? 0) + 1)
  return {
    unique: resources.filter((resource) => times.get(keyOf(resource)) === 1),
    twice: resources.filter((resource) => times.get(keyOf(resource)) !== 1)
  }
}

const changed = ({ resourceType, resourceName }: ConfigResourceName): ResourceAnswer => ({
  resourceType,
  resourceName,
  errorCode: ErrorCode.NONE,
  errorMessage: null
})

export const refused = (
  { resourceType, resourceName }: ConfigResourceName,
  { errorCode, message }: Refusal
): ResourceAnswer => ({ resourceType, resourceName, errorCode, errorMessage: message })
