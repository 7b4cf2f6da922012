/**
 * What one version makes of a message: the flat plan from which codecs are built.
 *
 * All questions about versions are answered here, once per (message, version): which fields stand on the wire, which of
 * them may be null, which are tagged, which form their lengths have. The interpreter walks a plan, the compiler turns
 * it into straight-line code; both must do the same.
 */
import { assert } from "../base/Assert.ts"
import { ZERO_UUID } from "../base/Uuid.ts"
import { type Field, type Fields, type FieldType, includes, type Message, type PrimitiveKind } from "./Descriptor.ts"

export type PlanType =
  | { readonly kind: PrimitiveKind }
  | { readonly kind: "array"; readonly element: PlanType; readonly elementBytesMin: number }
  | { readonly kind: "struct"; readonly struct: PlanStruct }

/** A constant, or "empty" for a fresh empty array, no bytes, or a struct of defaults. */
export type PlanDefault =
  | { readonly constant: null | boolean | number | bigint | string }
  | { readonly constant?: never; readonly empty: true }

export interface PlanField {
  readonly name: string
  /** Full name for messages, such as `FetchRequest.topics.topic`. */
  readonly path: string
  readonly type: PlanType
  /** On the wire of this version, tagged or not. */
  readonly present: boolean
  readonly nullable: boolean
  readonly compact: boolean
  /** -1 unless the field is a tagged one in this version. */
  readonly tag: number
  readonly ignorable: boolean
  readonly defaultValue: PlanDefault
}

export interface PlanStruct {
  /** All fields in declared order, those that this version lacks too. */
  readonly fields: ReadonlyArray<PlanField>
  /** Those in the tag section, by ascending tag. */
  readonly tagged: ReadonlyArray<PlanField>
  /** Ends with a tag section. */
  readonly flexible: boolean
  readonly bytesMin: number
}

const EMPTY: PlanDefault = { empty: true }

const defaultOf = (field: Field<unknown>, nullable: boolean): PlanDefault => {
  if (field.defaultValue !== undefined) return { constant: field.defaultValue }
  switch (field.type.kind) {
    case "array":
    case "struct":
    case "bytes":
      return EMPTY
    case "records":
      return nullable ? { constant: null } : EMPTY
    case "bool":
      return { constant: false }
    case "string":
      return { constant: "" }
    case "uuid":
      return { constant: ZERO_UUID }
    default:
      return { constant: 0 }
  }
}

const fixedBytes: Partial<Record<PrimitiveKind, number>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16
}

const bytesMin = (type: PlanType, compact: boolean, nullable: boolean): number => {
  if (type.kind === "struct") return nullable ? 1 : type.struct.bytesMin
  const fixed = type.kind === "array" ? undefined : fixedBytes[type.kind]
  if (fixed !== undefined) return fixed
  return compact ? 1 : type.kind === "string" ? 2 : 4
}

const resolveType = (type: FieldType, version: number, flexible: boolean, compact: boolean, path: string): PlanType => {
  if (type.kind === "struct") return { kind: "struct", struct: resolveStruct(type.fields, version, flexible, path) }
  if (type.kind !== "array") return { kind: type.kind }
  const element = resolveType(type.element, version, flexible, compact, path)
  return { kind: "array", element, elementBytesMin: bytesMin(element, compact, false) }
}

const resolveStruct = (fields: Fields, version: number, flexible: boolean, path: string): PlanStruct => {
  const resolved = Object.entries(fields).map(([name, field]): PlanField => {
    const compact = flexible && !field.classicLengths
    const fieldPath = `${path}.${name}`
    assert(/^[a-z][A-Za-z0-9]*$/.test(name), `${fieldPath} must be a plain camelCase name: it becomes code`)
    const tagged = flexible && includes(field.tagged, version)
    const nullable = includes(field.nullable, version)
    return {
      name,
      path: fieldPath,
      type: resolveType(field.type, version, flexible, compact, fieldPath),
      present: includes(field.versions, version),
      nullable,
      compact,
      tag: tagged ? field.tag : -1,
      ignorable: field.ignorable,
      defaultValue: defaultOf(field, nullable)
    }
  })
  const present = resolved.filter((field) => field.present)
  const tagged = present.filter((field) => field.tag >= 0).sort((a, b) => a.tag - b.tag)
  const untagged = present.filter((field) => field.tag < 0)
  const least = untagged.reduce((sum, field) => sum + bytesMin(field.type, field.compact, field.nullable), 0)
  return { fields: resolved, tagged, flexible, bytesMin: least + (flexible ? 1 : 0) }
}

export const planOf = (message: Message<unknown>, version: number): PlanStruct => {
  assert(includes(message.versions, version), `${message.name} has no version ${version}`)
  return resolveStruct(message.fields, version, includes(message.flexible, version), message.name)
}

/** Whether a value, absent included, is the field's default at every depth. */
export const isDefault = (field: PlanField, value: unknown): boolean => {
  if (value === undefined) return true
  const { constant } = field.defaultValue
  if (constant !== undefined) return value === constant
  if (value === null) return false
  if (field.type.kind === "struct") return isDefaultStruct(field.type.struct, value as Record<string, unknown>)
  return (value as ArrayLike<unknown>).length === 0
}

const isDefaultStruct = (struct: PlanStruct, value: Record<string, unknown>): boolean =>
  struct.fields.every((field) => isDefault(field, value[field.name]))

/** A fresh default value of the field. */
export const makeDefault = (field: PlanField): unknown => {
  const { constant } = field.defaultValue
  if (constant !== undefined) return constant
  if (field.type.kind === "array") return []
  if (field.type.kind === "struct") return makeDefaultStruct(field.type.struct)
  return new Uint8Array(0)
}

export const makeDefaultStruct = (struct: PlanStruct): Record<string, unknown> =>
  Object.fromEntries(struct.fields.map((field) => [field.name, makeDefault(field)]))
