/**
 * Which client quotas may be set: entities, keys and values, as Kafka judges them.
 *
 * Differences, on purpose: an address is a literal, since nobody resolves names here; a value is a finite number.
 */
import {
  QUOTA_KEYS,
  type QuotaEntity,
  type QuotaEntityType,
  type QuotaKey,
  sortedEntity
} from "@chronik-effect/core/metadata/ClientQuotas.ts"
import type { QuotaChange } from "@chronik-effect/core/metadata/Command.ts"

export interface AskedEntity {
  readonly entityType: string
  readonly entityName: string | null
}

export interface AskedChange {
  readonly key: string
  readonly value: number
  readonly remove: boolean
}

const INT_MAX = 2 ** 31 - 1
const LONG_END = 2 ** 63
/** Kafka takes what is this close to a whole number for one. */
const FRACTION_MAX = 1e-6

export const isEntityType = (type: string): type is QuotaEntityType =>
  type === "user" || type === "client-id" || type === "ip"

/** The entity, or what is wrong with it. Of a type that is named twice the last one counts. */
export const entityOf = (asked: ReadonlyArray<AskedEntity>): QuotaEntity | string => {
  if (asked.length === 0) return "A quota needs an entity: a user, a client-id, both, or an ip."
  const parts = new Map<QuotaEntityType, string | null>()
  for (const { entityType, entityName } of asked) {
    if (!isEntityType(entityType)) return `The entity type '${entityType}' is not known: user, client-id and ip are.`
    if (entityName === "") return `An empty name of a ${entityType} is not possible; null is the default.`
    parts.set(entityType, entityName)
  }
  const ip = parts.get("ip")
  if (ip !== undefined) {
    if (parts.size > 1) return "An ip is not combined with a user or a client-id."
    if (ip !== null && !isAddress(ip)) return `'${ip}' is not an IP address.`
  }
  return sortedEntity([...parts])
}

/** Changes as the metadata log takes them, or what is wrong with one. Keys that are removed need not exist. */
export const changesOf = (
  entity: QuotaEntity,
  asked: ReadonlyArray<AskedChange>
): ReadonlyArray<QuotaChange> | string => {
  const changes: Array<QuotaChange> = []
  for (const { key, value, remove } of asked) {
    const wrong = remove ? undefined : wrongValue(entity, key, value)
    if (wrong !== undefined) return wrong
    changes.push({ key, value: remove ? null : value })
  }
  return changes
}

const wrongValue = (entity: QuotaEntity, key: string, value: number): string | undefined => {
  const byAddress = entity[0]?.[0] === "ip"
  if (!isQuotaKey(key) || byAddress !== (key === "connection_creation_rate")) {
    return `The entity has no quota '${key}'.`
  }
  if (!(value > 0)) return `The quota ${key} must be greater than 0.`
  if (!Number.isFinite(value)) return `The quota ${key} must be a finite number.`
  const type = QUOTA_KEYS[key]
  if (type === "double") return undefined
  if (type === "int" ? value > INT_MAX : value >= LONG_END)
    return `The value of ${key} is too large for its type, ${type}.`
  return Math.abs(value - Math.round(value)) > FRACTION_MAX ? `The value of ${key} must be a whole number.` : undefined
}

const isQuotaKey = (key: string): key is QuotaKey => Object.hasOwn(QUOTA_KEYS, key)

const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
const IPV4 = new RegExp(`^${OCTET}(\\.${OCTET}){3}$`)
const GROUP = /^[0-9a-f]{1,4}$/i

/** Dotted decimals, or groups of hexadecimal digits with at most one gap. */
const isAddress = (text: string): boolean => IPV4.test(text) || isIpv6(text)

const isIpv6 = (text: string): boolean => {
  const halves = text.split("::")
  if (halves.length > 2) return false
  let groups = 0
  for (const [i, half] of halves.entries()) {
    const parts = half === "" ? [] : half.split(":")
    for (const [j, part] of parts.entries()) {
      const last = i === halves.length - 1 && j === parts.length - 1
      if (GROUP.test(part)) groups++
      else if (last && IPV4.test(part)) groups += 2
      else return false
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8
}
