/**
 * DescribeClientQuotas (key 48): the quotas whose entity matches a filter.
 *
 * Versions: 1 flexible. Each component of the filter names an entity type and how its name must match: 0 that name, 1 the
 * default, 2 whatever. `strict`: the entity has no type that the filter does not name; without it an empty filter matches
 * everything.
 *
 * Entries come sorted by entity, values by key.
 * @see KIP-546
 */
import type { ClientQuota } from "@chronik-effect/core/metadata/ClientQuotas.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  DescribeClientQuotasApi,
  type DescribeClientQuotasRequest,
  type DescribeClientQuotasResponse
} from "@chronik-effect/core/protocol/messages/48_DescribeClientQuotas.ts"
import { Effect, HashMap } from "effect"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import { isEntityType } from "./ClientQuotaEntities.ts"
import type { Handler } from "./Handler.ts"

type Component = DescribeClientQuotasRequest["components"][number]

const MatchType = { EXACT: 0, DEFAULT: 1, SPECIFIED: 2 } as const

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const handler: Handler<DescribeClientQuotasRequest, DescribeClientQuotasResponse> = {
    api: DescribeClientQuotasApi,
    handle: ({ components, strict }) =>
      Effect.sync(() => {
        const wrong = wrongFilter(components)
        if (wrong !== undefined) return { throttleTimeMs: 0, ...wrong, entries: null }
        const found = [...HashMap.entries(store.image().clientQuotas)]
          .filter(([, quota]) => matches(quota, components, strict))
          .sort(([a], [b]) => (a < b ? -1 : 1))
        // Kafka's message of a success is "", and null that of a failure to say anything.
        return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: "", entries: found.map(entryOf) }
      })
  }
  return handler
})

const wrongFilter = (
  components: ReadonlyArray<Component>
): { readonly errorCode: ErrorCode; readonly errorMessage: string } | undefined => {
  const invalid = (errorMessage: string) => ({ errorCode: ErrorCode.INVALID_REQUEST, errorMessage })
  const seen = new Set<string>()
  for (const { entityType, matchType, match } of components) {
    if (entityType === "") return invalid("A component of the filter has no entity type.")
    if (matchType < MatchType.EXACT || matchType > MatchType.SPECIFIED) {
      return invalid(`There is no match type ${matchType}: 0 is a name, 1 the default, 2 whatever.`)
    }
    if (matchType === MatchType.EXACT && match === null) return invalid("A match by name (type 0) needs the name.")
    if (matchType !== MatchType.EXACT && match !== null) return invalid(`Match type ${matchType} takes no name.`)
    if (seen.has(entityType)) return invalid(`The entity type ${entityType} is in the filter twice.`)
    seen.add(entityType)
    if (!isEntityType(entityType)) {
      return {
        errorCode: ErrorCode.UNSUPPORTED_VERSION,
        errorMessage: `The entity type '${entityType}' is not known: user, client-id and ip are.`
      }
    }
  }
  return seen.has("ip") && seen.size > 1 ? invalid("An ip is not combined with a user or a client-id.") : undefined
}

const matches = ({ entity }: ClientQuota, components: ReadonlyArray<Component>, strict: boolean): boolean => {
  for (const { entityType, matchType, match } of components) {
    const part = entity.find(([type]) => type === entityType)
    if (part === undefined) return false
    if (matchType === MatchType.EXACT && part[1] !== match) return false
    if (matchType === MatchType.DEFAULT && part[1] !== null) return false
  }
  return !strict || entity.length === components.length
}

const entryOf = ([, { entity, values }]: readonly [string, ClientQuota]) => ({
  entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
  values: [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key, value }))
})
