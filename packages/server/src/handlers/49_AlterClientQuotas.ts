/**
 * AlterClientQuotas (key 49): set or remove quotas. All changes of one entity apply, or none.
 *
 * Versions: 1 flexible. `validateOnly` judges and changes nothing.
 *
 * Traps: of an entity that is named twice the first entry applies, and its answer says that there was another one; a key
 * that is named twice within an entry changes nothing. Removing what is not there, of any name, is no error.
 * @see KIP-546, KIP-599 (controller_mutation_rate), KIP-612 (connection_creation_rate)
 */
import { entityKey, type QuotaEntity } from "@chronik-effect/core/metadata/ClientQuotas.ts"
import type { QuotaChange } from "@chronik-effect/core/metadata/Command.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  AlterClientQuotasApi,
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse
} from "@chronik-effect/core/protocol/messages/49_AlterClientQuotas.ts"
import { Effect } from "effect"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import { refusalOf } from "../metadata/TopicCreation.ts"
import { type AskedEntity, changesOf, entityOf } from "./ClientQuotaEntities.ts"
import type { Handler } from "./Handler.ts"

type Entry = AlterClientQuotasRequest["entries"][number]
type EntryAnswer = AlterClientQuotasResponse["entries"][number]

/** One answer: an entry, or the first of several that name one entity. */
interface Judged {
  readonly entity: ReadonlyArray<AskedEntity>
  readonly apply: { readonly entity: QuotaEntity; readonly changes: ReadonlyArray<QuotaChange> } | undefined
  errorMessage: string | null
}

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore

  const apply = (judged: Judged): Effect.Effect<EntryAnswer> => {
    if (judged.apply === undefined || judged.apply.changes.length === 0) return Effect.succeed(answer(judged))
    return store.propose({ _tag: "AlterClientQuotas", ...judged.apply }).pipe(
      Effect.map((result) => (result._tag === "Rejected" ? { ...answer(judged), ...refused(result) } : answer(judged))),
      Effect.catchTag("MetadataError", (error) => Effect.succeed({ ...answer(judged), ...refused(refusalOf(error)) }))
    )
  }

  const handler: Handler<AlterClientQuotasRequest, AlterClientQuotasResponse> = {
    api: AlterClientQuotasApi,
    handle: ({ entries, validateOnly }) =>
      Effect.suspend(() => {
        const judged = judgeAll(entries)
        return Effect.forEach(judged, (one) => (validateOnly ? Effect.succeed(answer(one)) : apply(one)), {
          concurrency: "unbounded"
        })
      }).pipe(Effect.map((answers) => ({ throttleTimeMs: 0, entries: answers })))
  }
  return handler
})

const judgeAll = (entries: ReadonlyArray<Entry>): ReadonlyArray<Judged> => {
  const judged: Array<Judged> = []
  const byEntity = new Map<string, Judged>()
  for (const { entity, ops } of entries) {
    const named = entityOf(entity)
    if (typeof named === "string") {
      judged.push({ entity, apply: undefined, errorMessage: named })
      continue
    }
    const before = byEntity.get(entityKey(named))
    if (before !== undefined) {
      before.errorMessage = "The request names this entity twice; what comes after the first entry was left out."
      continue
    }
    const keys = new Set(ops.map(({ key }) => key))
    const changes = keys.size < ops.length ? "The entry names a key twice." : changesOf(named, ops)
    const one: Judged = {
      entity: named.map(([entityType, entityName]) => ({ entityType, entityName })),
      apply: typeof changes === "string" ? undefined : { entity: named, changes },
      errorMessage: typeof changes === "string" ? changes : null
    }
    byEntity.set(entityKey(named), one)
    judged.push(one)
  }
  return judged
}

const refused = (refusal: { readonly errorCode: number; readonly message: string }) => ({
  errorCode: refusal.errorCode,
  errorMessage: refusal.message
})

const answer = ({ entity, errorMessage }: Judged): EntryAnswer => ({
  errorCode: errorMessage === null ? ErrorCode.NONE : ErrorCode.INVALID_REQUEST,
  errorMessage,
  entity: entity.map(({ entityType, entityName }) => ({ entityType, entityName }))
})
