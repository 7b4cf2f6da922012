/**
 * The language in which wire messages are described: a table of fields, each with the versions it exists in.
 *
 * ```ts
 * const Example = message("Example", { versions: "0-3", flexible: "2+" }, {
 *   name: string("0+"),
 *   topicId: uuid("1+", { ignorable: true }),
 *   partitions: array("0+", { index: int32("0+") }),
 *   leader: struct("3+", { id: int32("3+", { default: -1 }) }, { tag: 0 })
 * })
 * type Example = TypeOf<typeof Example>
 * ```
 *
 * Both the TypeScript type and the codec derive from it. The order of the fields is their order on the wire. One type
 * covers all versions of a message: a field that its version lacks holds its default after decoding, and may be given
 * on encoding only if it holds the default or is `ignorable`.
 *
 * Defaults when none is given: 0, false, "", the zero uuid, no bytes, no elements, and null for nullable records. This
 * module knows nothing of bytes: see Plan.ts for what a version makes of a table.
 */
import { assert } from "../base/Assert.ts"
import type { RecordSlices } from "./RecordSlices.ts"

export type PrimitiveKind =
  | "bool"
  | "int8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "float64"
  | "string"
  | "uuid"
  | "bytes"
  | "records"

/** int64 is a number; only values beyond 2^53 are a bigint at run time, behind the same type. */
interface PrimitiveTypes {
  bool: boolean
  int8: number
  int16: number
  uint16: number
  int32: number
  uint32: number
  int64: number
  float64: number
  string: string
  uuid: string
  bytes: Uint8Array
  records: Uint8Array
}

/** Inclusive; `last` is `OPEN` for "and later", and `last < first` is the empty range. */
export interface VersionRange {
  readonly first: number
  readonly last: number
}

export const OPEN = 32767
export const NO_VERSIONS: VersionRange = { first: 0, last: -1 }

export const includes = (range: VersionRange, version: number): boolean =>
  version >= range.first && version <= range.last

/** "3", "0-12", "9+" or "none". */
export const versionRange = (text: string): VersionRange => {
  if (text === "none") return NO_VERSIONS
  const parts = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text)
  assert(parts !== null, `"${text}" is not a range of versions`)
  const first = Number(parts[1])
  return { first, last: parts[2] === "+" ? OPEN : parts[3] === undefined ? first : Number(parts[3]) }
}

export type FieldType =
  | { readonly kind: PrimitiveKind }
  | { readonly kind: "array"; readonly element: FieldType }
  | { readonly kind: "struct"; readonly fields: Fields }

export type DefaultValue = null | boolean | number | bigint | string

export interface FieldOptions {
  /** Versions in which null may stand on the wire; `true` = all of the field's. */
  readonly nullable?: true | string
  readonly default?: DefaultValue
  readonly tag?: number
  /** Versions in which the field is a tagged one; without it all of the field's, if it has a tag. */
  readonly tagged?: string
  /** Dropped without an error when a version lacks the field. */
  readonly ignorable?: true
  /** Part of the key under which elements of the array are looked up; of no effect on the wire. */
  readonly mapKey?: true
  /** "none" keeps the classic form of lengths in flexible versions. */
  readonly flexible?: "none"
}

declare const valueType: unique symbol

/** One row of a table; `A` is the type of the decoded value. */
export interface Field<out A> {
  readonly [valueType]?: () => A
  readonly type: FieldType
  readonly versions: VersionRange
  readonly nullable: VersionRange
  readonly tagged: VersionRange
  readonly tag: number
  readonly defaultValue: DefaultValue | undefined
  readonly ignorable: boolean
  readonly mapKey: boolean
  readonly classicLengths: boolean
}

export interface Fields {
  readonly [name: string]: Field<unknown>
}

export type ValueOf<F> = F extends { readonly [valueType]?: () => infer A } ? A : never
export type StructOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> }
type ElementOf<E extends PrimitiveKind | Fields> = E extends PrimitiveKind
  ? PrimitiveTypes[E]
  : E extends Fields
    ? StructOf<E>
    : never
type OrNull<O, A> = O extends { readonly nullable: true | string } ? A | null : A

/** What an encoder takes: absent fields stand for their defaults, at every depth; bytes may be in slices. */
export type Partially<A> = A extends Uint8Array
  ? A | RecordSlices
  : A extends string | number | boolean | bigint | null | undefined
    ? A
    : A extends ReadonlyArray<infer E>
      ? ReadonlyArray<Partially<E>>
      : { readonly [K in keyof A]?: Partially<A[K]> | undefined }

type NotNullable = Omit<FieldOptions, "nullable">
type NoOptions = Record<never, never>

const field = <A>(type: FieldType, versionsText: string, options: FieldOptions = {}): Field<A> => {
  const versions = versionRange(versionsText)
  const { nullable, tag, tagged } = options
  return {
    type,
    versions,
    nullable: nullable === undefined ? NO_VERSIONS : nullable === true ? versions : versionRange(nullable),
    tagged: tag === undefined ? NO_VERSIONS : tagged === undefined ? versions : versionRange(tagged),
    tag: tag ?? -1,
    defaultValue: options.default,
    ignorable: options.ignorable === true,
    mapKey: options.mapKey === true,
    classicLengths: options.flexible === "none"
  }
}

const scalar =
  <K extends PrimitiveKind>(kind: K) =>
  (versions: string, options?: NotNullable): Field<PrimitiveTypes[K]> =>
    field({ kind }, versions, options)

const sized =
  <K extends PrimitiveKind>(kind: K) =>
  <const O extends FieldOptions = NoOptions>(versions: string, options?: O): Field<OrNull<O, PrimitiveTypes[K]>> =>
    field({ kind }, versions, options)

export const bool = scalar("bool")
export const int8 = scalar("int8")
export const int16 = scalar("int16")
export const uint16 = scalar("uint16")
export const int32 = scalar("int32")
export const uint32 = scalar("uint32")
export const int64 = scalar("int64")
export const float64 = scalar("float64")
export const uuid = scalar("uuid")
export const string = sized("string")
export const bytes = sized("bytes")
export const records = sized("records")

/** `element` is the name of a primitive type, or the table of a struct. */
export const array = <E extends PrimitiveKind | Fields, const O extends FieldOptions = NoOptions>(
  versions: string,
  element: E,
  options?: O
): Field<OrNull<O, ReadonlyArray<ElementOf<E>>>> => {
  const type: FieldType =
    typeof element === "string" ? { kind: element } : { kind: "struct", fields: element as Fields }
  return field({ kind: "array", element: type }, versions, options)
}

export const struct = <F extends Fields, const O extends FieldOptions = NoOptions>(
  versions: string,
  fields: F,
  options?: O
): Field<OrNull<O, StructOf<F>>> => field({ kind: "struct", fields }, versions, options)

/** The largest int64: Kafka's "no limit" and "unknown" in places where -1 has another meaning. */
export const INT64_MAX = 9223372036854775807n

/** A message in all its versions. Values of this type are constants of the program: codecs are cached by identity. */
export interface Message<out A> {
  readonly [valueType]?: () => A
  readonly name: string
  /** Versions with a codec. */
  readonly versions: VersionRange
  /** Versions with compact lengths and tag sections. */
  readonly flexible: VersionRange
  readonly fields: Fields
}

/** The TypeScript type of a message. */
export type TypeOf<M> = ValueOf<M>

export const message = <F extends Fields>(
  name: string,
  options: { readonly versions: string; readonly flexible: string },
  fields: F
): Message<StructOf<F>> => ({
  name,
  versions: versionRange(options.versions),
  flexible: versionRange(options.flexible),
  fields
})
