/**
 * What one configuration key is: its name, type, default, limits and documentation.
 *
 * Values are kept as the text that a client sent (Kafka's own rule: DescribeConfigs gives back text) and parsed where they
 * are used. It deliberately holds no values and reads no file or environment: that is `server/config`.
 */
import { utf8Bytes } from "../base/Bytes.ts"

export type ConfigType = "boolean" | "string" | "int" | "short" | "long" | "double" | "list" | "class" | "password"

/** `ConfigType` of DescribeConfigs (v3+). */
export const CONFIG_TYPE_ID: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9
}

/** Whether IncrementalAlterConfigs may change a broker key while the node runs; topic keys always may. */
export type Mutability = "read-only" | "per-broker" | "cluster-wide"

export interface Synonym {
  readonly name: string
  /** The synonym's number times this is a number of the main key: 3,600,000 for `log.retention.hours`. */
  readonly factor: number
}

export interface ConfigDefinition {
  readonly name: string
  readonly type: ConfigType
  /** `null`: unset, another key of the synonym list decides. */
  readonly default: string | null
  readonly documentation: string
  readonly mutability: Mutability
  /** Broker keys that stand in for this one, by precedence. */
  readonly synonyms: ReadonlyArray<Synonym>
  readonly min?: bigint | number
  readonly max?: bigint | number
  /** The only values allowed; for lists, of each element. */
  readonly values?: ReadonlyArray<string>
  /** A further rule: the sentence fragment that says what is wrong, or undefined. */
  readonly check?: (text: string) => string | undefined
}

export const LONG_MAX = "9223372036854775807"
const INTEGER_LIMITS = {
  short: [-32768n, 32767n],
  int: [-2147483648n, 2147483647n],
  long: [-9223372036854775808n, 9223372036854775807n]
} as const

/** Longest value of a key in bytes of UTF-8. A list grows by APPEND, and a longer text does not fit the answer that shows it. */
export const VALUE_BYTES_MAX = 32_767

export const isTooLong = (text: string): boolean =>
  text.length > VALUE_BYTES_MAX || (text.length > VALUE_BYTES_MAX / 3 && utf8Bytes(text).length > VALUE_BYTES_MAX)

/** A client's text as it may stand in a message: not long, and without characters that a terminal would act on. */
export const shown = (text: string): string => {
  const head = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text
  return head.replace(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)
}
const SHOWN_LENGTH_MAX = 249

/**
 * Why `text` is not a legal value of the key, in Kafka's words, for the client; undefined when it is legal.
 *
 * **Gotchas** an unset value (`null`) is the caller's matter: for SET it is an INVALID_REQUEST, not an INVALID_CONFIG.
 */
export const invalidReason = (definition: ConfigDefinition, text: string): string | undefined => {
  if (isTooLong(text)) {
    return `Invalid value ${shown(text)} for configuration ${definition.name}: Value has more than ${VALUE_BYTES_MAX} bytes`
  }
  const problem = typeProblem(definition, text.trim()) ?? definition.check?.(text.trim())
  return problem === undefined
    ? undefined
    : `Invalid value ${shown(text)} for configuration ${definition.name}: ${problem}`
}

const typeProblem = (definition: ConfigDefinition, text: string): string | undefined => {
  switch (definition.type) {
    case "boolean":
      return /^(true|false)$/i.test(text) ? undefined : "Expected value to be either true or false"
    case "short":
    case "int":
    case "long":
      return integerProblem(definition, text, INTEGER_LIMITS[definition.type])
    case "double":
      return doubleProblem(definition, text)
    case "list":
      return listProblem(definition, text)
    default:
      return definition.values !== undefined && !definition.values.includes(text)
        ? `String must be one of: ${definition.values.join(", ")}`
        : undefined
  }
}

const integerProblem = (
  definition: ConfigDefinition,
  text: string,
  limits: readonly [bigint, bigint]
): string | undefined => {
  if (!/^[+-]?\d{1,20}$/.test(text)) return `Not a number of type ${definition.type.toUpperCase()}`
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text)
  if (value < limits[0] || value > limits[1]) return `Not a number of type ${definition.type.toUpperCase()}`
  if (definition.min !== undefined && value < definition.min) return `Value must be at least ${definition.min}`
  if (definition.max !== undefined && value > definition.max) return `Value must be no more than ${definition.max}`
  return undefined
}

const doubleProblem = (definition: ConfigDefinition, text: string): string | undefined => {
  // Not what JavaScript alone would take for one, such as 0x10.
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text)) return "Not a number of type DOUBLE"
  const value = Number(text)
  if (definition.min !== undefined && value < Number(definition.min)) return `Value must be at least ${definition.min}`
  if (definition.max !== undefined && value > Number(definition.max))
    return `Value must be no more than ${definition.max}`
  return undefined
}

const listProblem = (definition: ConfigDefinition, text: string): string | undefined => {
  if (definition.values === undefined) return undefined
  const allowed = definition.values
  return listElements(text).every((element) => allowed.includes(element))
    ? undefined
    : `String must be one of: ${allowed.join(", ")}`
}

/** The elements of a list value: split at commas, trimmed, empty ones dropped. */
export const listElements = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((element) => element.trim())
    .filter((element) => element !== "")

/**
 * An integer value as a JS number.
 *
 * **Gotchas** what lies beyond 2^53 (Kafka's "for ever", 2^63-1) becomes `Number.MAX_SAFE_INTEGER`: still for ever.
 */
export const integerOf = (text: string): number => {
  const value = BigInt(text.trim().replace(/^\+/, ""))
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER
  if (value < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER
  return Number(value)
}

export const booleanOf = (text: string): boolean => text.trim().toLowerCase() === "true"

/** Options of the short constructors below. */
export interface DefinitionOptions {
  readonly min?: bigint | number
  readonly max?: bigint | number
  readonly values?: ReadonlyArray<string>
  readonly mutability?: Mutability
  readonly synonyms?: ReadonlyArray<string | readonly [name: string, factor: number]>
  readonly check?: (text: string) => string | undefined
}

/** One definition; `synonyms` given as bare names have the factor 1. */
export const define = (
  name: string,
  type: ConfigType,
  defaultValue: string | number | boolean | null,
  documentation: string,
  options: DefinitionOptions = {}
): ConfigDefinition => ({
  name,
  type,
  default: defaultValue === null ? null : String(defaultValue),
  documentation,
  mutability: options.mutability ?? "read-only",
  synonyms: (options.synonyms ?? []).map((synonym) =>
    typeof synonym === "string" ? { name: synonym, factor: 1 } : { name: synonym[0], factor: synonym[1] }
  ),
  ...(options.min === undefined ? {} : { min: options.min }),
  ...(options.max === undefined ? {} : { max: options.max }),
  ...(options.values === undefined ? {} : { values: options.values }),
  ...(options.check === undefined ? {} : { check: options.check })
})

/** Options of a broker key that may be changed while running, for one broker or for all. */
export const CLUSTER_WIDE = { mutability: "cluster-wide" } as const satisfies DefinitionOptions

/** Begins the documentation of a key that is accepted, kept and shown, and changes nothing. */
export const KEPT = "Kept for Kafka's tools; has no effect here. "

/** Definitions by name, in the order of their names: the order in which they are answered. */
export const definitionTable = (definitions: ReadonlyArray<ConfigDefinition>): ReadonlyMap<string, ConfigDefinition> =>
  new Map(
    [...definitions].sort((a, b) => (a.name < b.name ? -1 : 1)).map((definition) => [definition.name, definition])
  )
