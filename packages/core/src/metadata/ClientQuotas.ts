/**
 * Client quotas: what is kept for an entity, and which of them is in force for a client.
 *
 * Limits are only kept and looked up here. Measuring rates, deciding throttle times and judging requests that change quotas
 * is `server`'s.
 */
import { HashMap, Option } from "effect"
import type { MetadataImage } from "./MetadataImage.ts"

export type QuotaEntityType = "user" | "client-id" | "ip"

/**
 * What a quota is for, in Kafka's words.
 *
 * **Shape** sorted by type, no type twice: `user`, `client-id`, both, or `ip` alone. A null name is the default of its type:
 * everybody for whom nothing closer is set.
 */
export type QuotaEntity = ReadonlyArray<readonly [type: QuotaEntityType, name: string | null]>

/** The keys that quotas have, with Kafka's type of each (its limits are the decision's matter). */
export const QUOTA_KEYS = {
  producer_byte_rate: "long",
  consumer_byte_rate: "long",
  request_percentage: "double",
  controller_mutation_rate: "double",
  connection_creation_rate: "int"
} as const
export type QuotaKey = keyof typeof QUOTA_KEYS

export interface ClientQuota {
  readonly entity: QuotaEntity
  /** By key; never empty. */
  readonly values: ReadonlyMap<string, number>
}

/** One text for each entity: equal entities, equal texts. Sorts in the order in which quotas are shown. */
export const entityKey = (entity: QuotaEntity): string => JSON.stringify(entity)

/** The entity in its canonical order of types. */
export const sortedEntity = (entity: QuotaEntity): QuotaEntity => [...entity].sort(([a], [b]) => (a < b ? -1 : 1))

/** Who is asking. Names that are not known are "": they match the defaults only. */
export interface QuotaClient {
  readonly user: string
  readonly clientId: string
  readonly ip: string
}

export interface QuotaInForce {
  readonly value: number
  /** The entity that set it, with null names where it is a default. */
  readonly entity: QuotaEntity
  /**
   * Whose use counts together against the limit: the types of `entity` with the client's own names.
   *
   * **Gotchas** a default is a limit for each one apart, not for all together.
   */
  readonly bucket: string
}

type Names = (client: QuotaClient) => QuotaEntity

const ORDER: ReadonlyArray<Names> = [
  ({ user, clientId }) => pair(user, clientId),
  ({ user }) => pair(user, null),
  ({ user }) => [["user", user]],
  ({ clientId }) => pair(null, clientId),
  () => pair(null, null),
  () => [["user", null]],
  ({ clientId }) => [["client-id", clientId]],
  () => [["client-id", null]]
]
const IP_ORDER: ReadonlyArray<Names> = [({ ip }) => [["ip", ip]], () => [["ip", null]]]

const pair = (user: string | null, clientId: string | null): QuotaEntity => [
  ["client-id", clientId],
  ["user", user]
]

/**
 * The quota in force for a client, or undefined where it has no limit.
 *
 * Closest first, for each key on its own: user and client id, user and default client id, user; default user and client id,
 * both defaults, default user; client id, default client id. `connection_creation_rate` goes by address: ip, default ip.
 */
export const quotaOf = (image: MetadataImage, client: QuotaClient, key: QuotaKey): QuotaInForce | undefined => {
  const quotas = image.clientQuotas
  if (HashMap.isEmpty(quotas)) return undefined
  for (const names of key === "connection_creation_rate" ? IP_ORDER : ORDER) {
    const entity = names(client)
    const value = Option.getOrUndefined(HashMap.get(quotas, entityKey(entity)))?.values.get(key)
    if (value !== undefined) return { value, entity, bucket: entityKey(entity.map(named(client))) }
  }
  return undefined
}

const named =
  (client: QuotaClient) =>
  ([type]: QuotaEntity[number]): QuotaEntity[number] => [type, nameOf(client, type)]

const nameOf = (client: QuotaClient, type: QuotaEntityType): string => {
  switch (type) {
    case "user":
      return client.user
    case "client-id":
      return client.clientId
    case "ip":
      return client.ip
  }
}
