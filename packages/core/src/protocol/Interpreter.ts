/**
 * Codec that walks the plan for every value: slow, short and plain.
 *
 * It is the reference against which compiled codecs are tested, and what runs where code generation is forbidden.
 */
import { type Codec, rejectAbsent, rejectNull } from "./Codec.ts"
import { isDefault, makeDefault, type PlanField, type PlanStruct, type PlanType } from "./Plan.ts"
import type { Reader } from "./Reader.ts"
import type { RecordSlices } from "./RecordSlices.ts"
import type { Writer } from "./Writer.ts"

type Struct = Record<string, unknown>

const readSized = (reader: Reader, text: boolean, compact: boolean, nullable: boolean): unknown => {
  if (text) {
    if (compact) return nullable ? reader.compactNullableString() : reader.compactString()
    return nullable ? reader.nullableString() : reader.string()
  }
  if (compact) return nullable ? reader.compactNullableByteString() : reader.compactByteString()
  return nullable ? reader.nullableByteString() : reader.byteString()
}

const readArray = (
  reader: Reader,
  type: PlanType & { kind: "array" },
  compact: boolean,
  nullable: boolean
): Array<unknown> | null => {
  const least = type.elementBytesMin
  const count = compact
    ? nullable
      ? reader.compactNullableArrayLength(least)
      : reader.compactArrayLength(least)
    : nullable
      ? reader.nullableArrayLength(least)
      : reader.arrayLength(least)
  if (count < 0) return null
  const values: Array<unknown> = []
  for (let i = 0; i < count; i++) values.push(readValue(reader, type.element, compact, false))
  return values
}

const readValue = (reader: Reader, type: PlanType, compact: boolean, nullable: boolean): unknown => {
  switch (type.kind) {
    case "struct":
      return readStruct(reader, type.struct)
    case "array":
      return readArray(reader, type, compact, nullable)
    case "string":
      return readSized(reader, true, compact, nullable)
    case "bytes":
    case "records":
      return readSized(reader, false, compact, nullable)
    default:
      return reader[type.kind]()
  }
}

const readField = (reader: Reader, field: PlanField): unknown => {
  if (field.type.kind === "struct" && field.nullable) {
    const present = field.tag >= 0 ? reader.taggedStructPresent() : reader.structPresent()
    if (!present) return null
  }
  return readValue(reader, field.type, field.compact, field.nullable)
}

const readStruct = (reader: Reader, struct: PlanStruct): Struct => {
  const value: Struct = {}
  for (const field of struct.fields) {
    value[field.name] = field.present && field.tag < 0 ? readField(reader, field) : makeDefault(field)
  }
  if (!struct.flexible) return value
  let count = reader.unsignedVarint()
  while (count-- > 0) {
    const tag = reader.unsignedVarint()
    const end = reader.tagEnd()
    const field = struct.tagged.find((candidate) => candidate.tag === tag)
    if (field === undefined) reader.pos = end
    else {
      value[field.name] = readField(reader, field)
      reader.closeTag(tag, end)
    }
  }
  return value
}

const writeSized = (writer: Writer, kind: "string" | "bytes" | "records", compact: boolean, value: unknown): void => {
  if (kind === "string") {
    if (compact) writer.compactNullableString(value as string | null)
    else writer.nullableString(value as string | null)
  } else if (kind === "records") {
    if (compact) writer.compactNullableRecords(value as Uint8Array | RecordSlices | null)
    else writer.nullableRecords(value as Uint8Array | RecordSlices | null)
  } else if (compact) writer.compactNullableByteString(value as Uint8Array | RecordSlices | null)
  else writer.nullableByteString(value as Uint8Array | RecordSlices | null)
}

const writeArray = (
  writer: Writer,
  type: PlanType & { kind: "array" },
  compact: boolean,
  values: ReadonlyArray<unknown> | null
): void => {
  const count = values === null ? -1 : values.length
  if (compact) writer.compactArrayLength(count)
  else writer.arrayLength(count)
  if (values !== null) for (const value of values) writeValue(writer, type.element, compact, value)
}

const writeValue = (writer: Writer, type: PlanType, compact: boolean, value: unknown): void => {
  switch (type.kind) {
    case "struct":
      writeStruct(writer, type.struct, value as Struct)
      break
    case "array":
      writeArray(writer, type, compact, value as ReadonlyArray<unknown> | null)
      break
    case "string":
    case "bytes":
    case "records":
      writeSized(writer, type.kind, compact, value)
      break
    default: {
      const write: (fixed: never) => void = writer[type.kind]
      write.call(writer, value as never)
    }
  }
}

const writeField = (writer: Writer, field: PlanField, given: unknown): void => {
  const value = given === undefined ? makeDefault(field) : given
  if (value === null && !field.nullable) rejectNull(field.path)
  if (field.type.kind === "struct" && field.nullable) {
    if (field.tag >= 0) writer.taggedStructPresence(value !== null)
    else writer.structPresence(value !== null)
    if (value === null) return
  }
  writeValue(writer, field.type, field.compact, value)
}

const writeStruct = (writer: Writer, struct: PlanStruct, value: Struct): void => {
  for (const field of struct.fields) {
    const given = value[field.name]
    if (!field.present) {
      if (!field.ignorable && !isDefault(field, given)) rejectAbsent(field.path)
    } else if (field.tag < 0) writeField(writer, field, given)
  }
  if (!struct.flexible) return
  const tagged = struct.tagged.filter((field) => !isDefault(field, value[field.name]))
  writer.unsignedVarint(tagged.length)
  for (const field of tagged) {
    const mark = writer.openTag(field.tag)
    writeField(writer, field, value[field.name])
    writer.closeTag(mark)
  }
}

export const interpretedCodec = <A>(plan: PlanStruct): Codec<A> => ({
  decode: (reader) => readStruct(reader, plan) as A,
  encode: (writer, value) => writeStruct(writer, plan, value as Struct)
})
