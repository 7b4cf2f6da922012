/** Random values of any message in any version, and what their decoded form must be. */
import {
  type Field,
  type Fields,
  type FieldType,
  includes,
  type Message,
  type PrimitiveKind
} from "@chronik-effect/core/protocol/Descriptor.ts"
import { makeDefaultStruct, planOf } from "@chronik-effect/core/protocol/Plan.ts"
import fc from "fast-check"

type Value = Record<string, unknown>

const text = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: "grapheme-ascii", minLength: 60, maxLength: 140 }),
  fc.string({ unit: "binary", minLength: 60, maxLength: 90 })
)
const uuidText = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => Buffer.from(b).toString("base64url"))
const int64 = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -2, max: 2 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter((n) => !Number.isSafeInteger(Number(n)))
)
const octets = fc.uint8Array({ maxLength: 40 })

const primitives: Record<PrimitiveKind, fc.Arbitrary<unknown>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  uint16: fc.integer({ min: 0, max: 65535 }),
  int32: fc.integer(),
  uint32: fc.integer({ min: 0, max: 0xffffffff }),
  int64,
  float64: fc.double(),
  string: text,
  uuid: uuidText,
  bytes: octets,
  records: octets
}

const ofType = (type: FieldType, version: number, flexible: boolean): fc.Arbitrary<unknown> => {
  if (type.kind === "struct") return ofFields(type.fields, version, flexible)
  if (type.kind === "array") return fc.array(ofType(type.element, version, flexible), { maxLength: 3 })
  return primitives[type.kind]
}

const ofField = (field: Field<unknown>, version: number, flexible: boolean): fc.Arbitrary<unknown> => {
  const value = ofType(field.type, version, flexible)
  return includes(field.nullable, version) ? fc.option(value, { nil: null, freq: 4 }) : value
}

/** Values for the fields of this version only; the others are left out. */
const ofFields = (fields: Fields, version: number, flexible: boolean): fc.Arbitrary<Value> =>
  fc.record(
    Object.fromEntries(
      Object.entries(fields)
        .filter(([, field]) => includes(field.versions, version))
        .map(([name, field]) => [name, ofField(field, version, flexible)])
    ),
    { requiredKeys: [] }
  )

export const valueArbitrary = (message: Message<unknown>, version: number): fc.Arbitrary<Value> =>
  ofFields(message.fields, version, includes(message.flexible, version))

/** The value with every left-out field at its default, and bytes in a form that compares by content. */
export const completed = (message: Message<unknown>, version: number, value: unknown): unknown =>
  complete({ kind: "struct", fields: message.fields }, makeDefaultStruct(planOf(message, version)), value, version)

const complete = (type: FieldType, initial: unknown, value: unknown, version: number): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  if (value === null) return null
  if (type.kind === "array")
    return (value as Array<unknown>).map((each) => complete(type.element, undefined, each, version))
  if (type.kind !== "struct") return value
  const given = value as Value
  const defaults = (initial ?? {}) as Value
  return Object.fromEntries(
    Object.entries(type.fields).map(([name, field]) => {
      const preset = name in defaults ? defaults[name] : presetOf(field, version)
      return [name, complete(field.type, preset, given[name] === undefined ? preset : given[name], version)]
    })
  )
}

/** Defaults inside array elements, which a message's own default never shows. */
const presetOf = (field: Field<unknown>, version: number): unknown => {
  if (field.defaultValue !== undefined) return field.defaultValue
  switch (field.type.kind) {
    case "array":
      return []
    case "struct":
      return {}
    case "bytes":
      return new Uint8Array(0)
    case "records":
      return includes(field.nullable, version) ? null : new Uint8Array(0)
    case "bool":
      return false
    case "string":
      return ""
    case "uuid":
      return "AAAAAAAAAAAAAAAAAAAAAA"
    default:
      return 0
  }
}
