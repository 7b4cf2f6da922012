/**
 * Our descriptors against Kafka's own definitions, field by field and version by version.
 *
 * Skipped where the definitions are not at hand.
 */
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import {
  type Field,
  type Fields,
  type FieldType,
  includes,
  type Message,
  versionRange
} from "@chronik-effect/core/protocol/Descriptor.ts"
import { describe, expect, test } from "vitest"
import { allMessages, versionsOf } from "../../packages/core/test/protocol/allMessages.ts"
import {
  definitionsFolder,
  haveDefinitions,
  type KafkaField,
  type KafkaMessage,
  kafkaApis,
  kafkaMessages,
  structFields
} from "./kafkaDefinitions.ts"

const primitives = new Set("bool int8 int16 uint16 int32 uint32 int64 float64 string uuid bytes records".split(" "))

/** What a version makes of one field, as a line of text: both sides are brought to this form and compared. */
interface Row {
  readonly path: string
  readonly type: string
  readonly present: boolean
  readonly nullable: boolean
  readonly tag: number | undefined
  readonly compact: boolean
  readonly ignorable: boolean
  readonly mapKey: boolean
  readonly defaultValue: string
}

const line = (row: Row): string =>
  row.present
    ? `${row.path}: ${row.type}${row.nullable ? " nullable" : ""}${row.tag === undefined ? "" : ` tag ${row.tag}`}` +
      `${row.compact ? " compact" : ""}${row.ignorable ? " ignorable" : ""}${row.mapKey ? " key" : ""} = ${row.defaultValue}`
    : `${row.path}: absent${row.ignorable ? " ignorable" : ""} = ${row.defaultValue}`

const implicitDefault = (type: string): string => {
  if (type === "bool") return "false"
  if (type === "records") return "null"
  return primitives.has(type) && !["string", "bytes", "uuid"].includes(type) ? "0" : "empty"
}

const kafkaDefault = (field: KafkaField): string => {
  // Kafka's generator reads a JSON null as "no default given", unlike the text "null".
  if (field.default === undefined || field.default === null || field.default === "") return implicitDefault(field.type)
  const text = String(field.default).toLowerCase()
  if (text === "null" || field.type === "string" || field.type === "bool") return text
  return field.type === "float64" ? String(Number(text)) : BigInt(text).toString()
}

const isTrue = (value: unknown): boolean => String(value).toLowerCase() === "true"

const kafkaRows = (
  message: KafkaMessage,
  fields: ReadonlyArray<KafkaField>,
  version: number,
  path: string
): Array<string> =>
  fields.flatMap((field) => {
    const flexible = includes(versionRange(message.flexibleVersions ?? "none"), version)
    const name = `${path}${field.name[0]!.toLowerCase()}${field.name.slice(1)}`
    const element = field.type.replace("[]", "")
    const isStruct = !primitives.has(element)
    const tagged = includes(versionRange(field.taggedVersions ?? "none"), version)
    const row = line({
      path: name,
      type: `${field.type.startsWith("[]") ? "[]" : ""}${isStruct ? "struct" : element}`,
      present: includes(versionRange(field.versions ?? field.taggedVersions ?? "none"), version),
      nullable: includes(versionRange(field.nullableVersions ?? "none"), version),
      tag: tagged ? field.tag : undefined,
      compact: flexible && field.flexibleVersions !== "none",
      ignorable: isTrue(field.ignorable),
      mapKey: isTrue(field.mapKey),
      defaultValue: kafkaDefault(field)
    })
    return [row, ...(isStruct ? kafkaRows(message, structFields(message, field), version, `${name}.`) : [])]
  })

const typeText = (type: FieldType): string => (type.kind === "array" ? `[]${typeText(type.element)}` : type.kind)

const structOf = (type: FieldType): Fields | undefined =>
  type.kind === "array" ? structOf(type.element) : type.kind === "struct" ? type.fields : undefined

const ourDefault = ({ defaultValue, type }: Field<unknown>): string =>
  defaultValue === undefined ? implicitDefault(typeText(type)) : String(defaultValue)

const ourRows = (message: Message<unknown>, fields: Fields, version: number, path: string): Array<string> =>
  Object.entries(fields).flatMap(([key, field]) => {
    const name = `${path}${key}`
    const nested = structOf(field.type)
    const row = line({
      path: name,
      type: typeText(field.type),
      present: includes(field.versions, version),
      nullable: includes(field.nullable, version),
      tag: includes(field.tagged, version) ? field.tag : undefined,
      compact: includes(message.flexible, version) && !field.classicLengths,
      ignorable: field.ignorable,
      mapKey: field.mapKey,
      defaultValue: ourDefault(field)
    })
    return [row, ...(nested === undefined ? [] : ourRows(message, nested, version, `${name}.`))]
  })

const reason = haveDefinitions ? "" : ` (skipped: Kafka's definitions are not in ${definitionsFolder})`

describe.skipIf(!haveDefinitions)(`descriptors agree with Kafka's definitions${reason}`, () => {
  const definitions = haveDefinitions ? kafkaMessages() : new Map<string, KafkaMessage>()

  test.each(allMessages.map((message) => ({ name: message.name, message })))("$name", ({ message }) => {
    const definition = definitions.get(message.name)
    expect(definition, `Kafka has no message ${message.name}`).toBeDefined()
    expect(message.versions).toEqual(versionRange(definition!.validVersions))
    expect(message.flexible).toEqual(versionRange(definition!.flexibleVersions ?? "none"))
    for (const version of versionsOf(message)) {
      expect(ourRows(message, message.fields, version, "")).toEqual(
        kafkaRows(definition!, definition!.fields, version, "")
      )
    }
  })
})

describe.skipIf(!haveDefinitions)(`the table of APIs agrees with Kafka's${reason}`, () => {
  const kafka = haveDefinitions ? kafkaApis() : []

  test.each([...apis.values()].map((api) => ({ name: api.name, api })))("$name", ({ api }) => {
    const definition = kafka.find(({ key }) => key === api.key)!
    const valid = versionRange(definition.versions["trunk-4.5-SNAPSHOT"]!)
    expect(api.name).toBe(definition.name)
    // Produce is the one API that is advertised below what it decodes.
    expect(api.minVersion).toBe(api.name === "Produce" ? 0 : valid.first)
    expect(api.maxVersion).toBe(definition.latestVersionUnstable ? valid.last - 1 : valid.last)
    expect(api.serves(valid.first)).toBe(true)
    expect(api.serves(valid.first - 1)).toBe(false)
    expect(api.serves(api.maxVersion + 1)).toBe(false)
    const flexible =
      definition.flexibleVersions === "none" ? undefined : versionRange(definition.flexibleVersions).first
    expect(api.flexibleFrom).toBe(flexible)
  })
})
