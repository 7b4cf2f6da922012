/**
 * The codec compilers under load: every message that Kafka defines, those that this broker does not speak and the
 * generator's own test messages too, is turned into a descriptor here and must survive the round trip in both codecs.
 *
 * Skipped where the definitions are not at hand.
 */
import { compiledCodec } from "@chronik-effect/core/protocol/Compiler.ts"
import {
  type Field,
  type Fields,
  type FieldType,
  type Message,
  message as makeMessage,
  type PrimitiveKind,
  versionRange
} from "@chronik-effect/core/protocol/Descriptor.ts"
import { interpretedCodec } from "@chronik-effect/core/protocol/Interpreter.ts"
import { planOf } from "@chronik-effect/core/protocol/Plan.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { versionsOf } from "../../packages/core/test/protocol/allMessages.ts"
import { completed, valueArbitrary } from "../../packages/core/test/protocol/MessageArbitrary.ts"
import {
  definitionsFolder,
  everyKafkaMessage,
  haveDefinitions,
  type KafkaField,
  type KafkaMessage,
  structFields
} from "./kafkaDefinitions.ts"

const primitive = /^(bool|int8|int16|uint16|int32|uint32|int64|float64|string|uuid|bytes|records)$/

const typeOf = (definition: KafkaMessage, field: KafkaField, type: string): FieldType => {
  if (type.startsWith("[]")) return { kind: "array", element: typeOf(definition, field, type.slice(2)) }
  if (primitive.test(type)) return { kind: type as PrimitiveKind }
  return { kind: "struct", fields: fieldsOf(definition, structFields(definition, field)) }
}

const defaultOf = (field: KafkaField): Field<unknown>["defaultValue"] => {
  if (field.default === undefined || field.default === null || field.default === "") return undefined
  const text = String(field.default)
  if (text === "null") return null
  if (field.type === "string" || field.type === "uuid") return text
  if (field.type === "bool") return text.toLowerCase() === "true"
  const value = field.type === "float64" ? Number(text) : BigInt(text)
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

const fieldsOf = (definition: KafkaMessage, fields: ReadonlyArray<KafkaField>): Fields =>
  Object.fromEntries(
    fields.map((field): [string, Field<unknown>] => [
      `${field.name[0]!.toLowerCase()}${field.name.slice(1)}`,
      {
        type: typeOf(definition, field, field.type),
        versions: versionRange(field.versions ?? field.taggedVersions ?? "none"),
        nullable: versionRange(field.nullableVersions ?? "none"),
        tagged: versionRange(field.taggedVersions ?? "none"),
        tag: field.tag ?? -1,
        defaultValue: defaultOf(field),
        ignorable: String(field.ignorable) === "true",
        mapKey: false,
        classicLengths: field.flexibleVersions === "none"
      }
    ])
  )

const messageOf = (definition: KafkaMessage): Message<unknown> =>
  makeMessage(
    definition.name,
    { versions: definition.validVersions, flexible: definition.flexibleVersions ?? "none" },
    fieldsOf(definition, definition.fields)
  )

const live = haveDefinitions ? everyKafkaMessage().filter(({ validVersions }) => validVersions !== "none") : []
const reason = haveDefinitions ? "" : ` (skipped: Kafka's definitions are not in ${definitionsFolder})`
const writer = new Writer()

describe.skipIf(!haveDefinitions)(`every definition of Kafka compiles and survives the round trip${reason}`, () => {
  test.each(live.map((definition) => ({ name: definition.name, definition })))("$name", ({ definition }) => {
    const message = messageOf(definition)
    for (const version of versionsOf(message)) {
      const plan = planOf(message, version)
      const compiled = compiledCodec<unknown>(plan)
      const interpreted = interpretedCodec<unknown>(plan)
      fc.assert(
        fc.property(valueArbitrary(message, version), (value) => {
          compiled.encode(writer.reset(), value)
          const bytes = writer.finishBytes()
          interpreted.encode(writer, value)
          expect(Buffer.from(writer.finishBytes()).equals(bytes)).toBe(true)
          const expected = completed(message, version, value)
          expect(completed(message, version, compiled.decode(new Reader(bytes)))).toStrictEqual(expected)
          expect(completed(message, version, interpreted.decode(new Reader(bytes)))).toStrictEqual(expected)
        }),
        { numRuns: 5 }
      )
    }
  })
})
