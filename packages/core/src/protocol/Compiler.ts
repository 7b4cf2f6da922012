/**
 * Turns a plan into two functions of straight-line code by `new Function`: no question about versions, nullability or
 * forms of lengths is left for run time, and structs and arrays are inlined as nested blocks and loops.
 *
 * Only names and constants of our own descriptors enter the source text (`Plan.ts` asserts that names are plain), never
 * a byte of the peer. Every struct is one object literal with all fields of the message in declared order, so that
 * values of all versions share one hidden class.
 */
import { type Codec, rejectAbsent, rejectNull } from "./Codec.ts"
import { isDefault, type PlanField, type PlanStruct, type PlanType } from "./Plan.ts"
import type { Reader } from "./Reader.ts"
import type { Writer } from "./Writer.ts"

/** Source text under construction, with names that are unique in it and the plan fields that it refers to. */
class Source {
  private readonly lines: Array<string> = []
  private names = 0
  readonly fields: Array<PlanField> = []

  add(line: string): void {
    this.lines.push(line)
  }

  name(prefix: string): string {
    return `${prefix}${this.names++}`
  }

  /** Index of a plan field in the constants that are handed to the generated code. */
  refer(field: PlanField): number {
    return this.fields.push(field) - 1
  }

  toString(): string {
    return this.lines.join("\n")
  }
}

type ArrayType = PlanType & { readonly kind: "array" }

const literal = (constant: null | boolean | number | bigint | string): string =>
  typeof constant === "bigint" ? `${constant}n` : JSON.stringify(constant)

const defaultText = (field: PlanField): string => {
  const { constant } = field.defaultValue
  if (constant !== undefined) return literal(constant)
  if (field.type.kind === "array") return "[]"
  if (field.type.kind === "struct") return structText(field.type.struct, defaultText)
  return "new Uint8Array(0)"
}

const structText = (struct: PlanStruct, valueText: (field: PlanField) => string): string =>
  `{ ${struct.fields.map((field) => `${field.name}: ${valueText(field)}`).join(", ")} }`

const methodName = (compact: boolean, nullable: boolean, base: string): string => {
  const words = `${compact ? "Compact" : ""}${nullable ? "Nullable" : ""}${base}`
  return words[0]!.toLowerCase() + words.slice(1)
}

const sizedBase = { string: "String", bytes: "ByteString", records: "ByteString" } as const

/** Expression that reads a value without statements of its own. */
const readExpression = (type: PlanType, compact: boolean, nullable: boolean): string => {
  switch (type.kind) {
    case "string":
    case "bytes":
    case "records":
      return `r.${methodName(compact, nullable, sizedBase[type.kind])}()`
    default:
      return `r.${type.kind}()`
  }
}

/** Adds statements that set the declared variable `target`. */
const emitRead = (source: Source, type: PlanType, compact: boolean, nullable: boolean, target: string): void => {
  if (type.kind === "struct") emitReadStruct(source, type.struct, target)
  else if (type.kind === "array") emitReadArray(source, type, compact, nullable, target)
  else source.add(`${target} = ${readExpression(type, compact, nullable)}`)
}

const emitReadArray = (source: Source, type: ArrayType, compact: boolean, nullable: boolean, target: string): void => {
  const count = source.name("n")
  source.add(`let ${count} = r.${methodName(compact, nullable, "ArrayLength")}(${type.elementBytesMin})`)
  if (nullable) source.add(`if (${count} < 0) ${target} = null; else {`)
  source.add(`${target} = []`)
  const { element } = type
  if (element.kind === "struct" || element.kind === "array") {
    const each = source.name("e")
    source.add(`while (${count}-- > 0) { let ${each}`)
    emitRead(source, element, compact, false, each)
    source.add(`${target}.push(${each}) }`)
  } else source.add(`while (${count}-- > 0) ${target}.push(${readExpression(element, compact, false)})`)
  if (nullable) source.add("}")
}

const emitReadField = (source: Source, field: PlanField, target: string): void => {
  const presence = field.type.kind === "struct" && field.nullable
  if (presence) {
    source.add(`if (!r.${field.tag >= 0 ? "taggedStructPresent" : "structPresent"}()) ${target} = null; else {`)
  }
  emitRead(source, field.type, field.compact, field.nullable, target)
  if (presence) source.add("}")
}

const emitReadTags = (source: Source, struct: PlanStruct, targets: ReadonlyMap<PlanField, string>): void => {
  if (struct.tagged.length === 0) {
    source.add("r.skipTags()")
    return
  }
  const [count, tag, end] = [source.name("c"), source.name("t"), source.name("z")]
  source.add(`let ${count} = r.unsignedVarint()`)
  source.add(`while (${count}-- > 0) { const ${tag} = r.unsignedVarint(), ${end} = r.tagEnd(); switch (${tag}) {`)
  for (const field of struct.tagged) {
    source.add(`case ${field.tag}: {`)
    emitReadField(source, field, targets.get(field)!)
    source.add(`r.closeTag(${tag}, ${end}); break }`)
  }
  source.add(`default: r.pos = ${end} } }`)
}

const emitReadStruct = (source: Source, struct: PlanStruct, target: string): void => {
  const targets = new Map<PlanField, string>()
  for (const field of struct.fields) {
    if (!field.present) continue
    const local = source.name("v")
    targets.set(field, local)
    if (field.tag >= 0) source.add(`let ${local} = ${defaultText(field)}`)
    else {
      source.add(`let ${local}`)
      emitReadField(source, field, local)
    }
  }
  if (struct.flexible) emitReadTags(source, struct, targets)
  source.add(`${target} = ${structText(struct, (field) => targets.get(field) ?? defaultText(field))}`)
}

/** Condition under which `value` is not the field's default. */
const differsText = (source: Source, field: PlanField, value: string): string => {
  const { constant } = field.defaultValue
  const differs =
    constant !== undefined
      ? `${value} !== ${literal(constant)}`
      : `!isDefault(fields[${source.refer(field)}], ${value})`
  return `${value} !== undefined && ${differs}`
}

const emitWrite = (source: Source, type: PlanType, compact: boolean, nullable: boolean, value: string): void => {
  switch (type.kind) {
    case "struct":
      emitWriteStruct(source, type.struct, value)
      break
    case "array":
      emitWriteArray(source, type, compact, nullable, value)
      break
    case "string":
    case "bytes":
      source.add(`w.${methodName(compact, nullable, sizedBase[type.kind])}(${value})`)
      break
    case "records":
      source.add(`w.${methodName(compact, nullable, "Records")}(${value})`)
      break
    default:
      source.add(`w.${type.kind}(${value})`)
  }
}

const emitWriteArray = (source: Source, type: ArrayType, compact: boolean, nullable: boolean, value: string): void => {
  const [count, index, each] = [source.name("n"), source.name("i"), source.name("e")]
  const length = methodName(compact, false, "ArrayLength")
  if (nullable) source.add(`if (${value} === null) w.${length}(-1); else {`)
  source.add(`const ${count} = ${value}.length; w.${length}(${count})`)
  source.add(`for (let ${index} = 0; ${index} < ${count}; ${index}++) { const ${each} = ${value}[${index}]`)
  emitWrite(source, type.element, compact, false, each)
  source.add(nullable ? "} }" : "}")
}

/** `value` is a declared variable that holds neither undefined nor, unless it is allowed, null. */
const emitWriteField = (source: Source, field: PlanField, value: string): void => {
  const presence = field.type.kind === "struct" && field.nullable
  if (presence) {
    const method = field.tag >= 0 ? "taggedStructPresence" : "structPresence"
    source.add(`w.${method}(${value} !== null); if (${value} !== null) {`)
  }
  emitWrite(source, field.type, field.compact, field.nullable, value)
  if (presence) source.add("}")
}

const rejectsNull = (field: PlanField): boolean =>
  !field.nullable && ["string", "bytes", "records", "array", "struct"].includes(field.type.kind)

const emitWriteTags = (source: Source, struct: PlanStruct, value: string): void => {
  if (struct.tagged.length === 0) {
    source.add("w.unsignedVarint(0)")
    return
  }
  const entries = struct.tagged.map((field) => ({ field, local: source.name("v"), given: source.name("g") }))
  for (const { field, local, given } of entries) {
    source.add(`let ${local} = ${value}.${field.name}; const ${given} = ${differsText(source, field, local)}`)
  }
  source.add(`w.unsignedVarint(${entries.map(({ given }) => `(${given} ? 1 : 0)`).join(" + ")})`)
  for (const { field, local, given } of entries) {
    source.add(`if (${given}) {`)
    if (rejectsNull(field)) source.add(`if (${local} === null) rejectNull(${JSON.stringify(field.path)})`)
    const mark = source.name("m")
    source.add(`const ${mark} = w.openTag(${field.tag})`)
    emitWriteField(source, field, local)
    source.add(`w.closeTag(${mark}) }`)
  }
}

const emitWriteStruct = (source: Source, struct: PlanStruct, value: string): void => {
  for (const field of struct.fields) {
    if (field.present ? field.tag >= 0 : field.ignorable) continue
    const local = source.name("v")
    source.add(`let ${local} = ${value}.${field.name}`)
    if (!field.present) {
      source.add(`if (${differsText(source, field, local)}) rejectAbsent(${JSON.stringify(field.path)})`)
      continue
    }
    source.add(`if (${local} === undefined) ${local} = ${defaultText(field)}`)
    if (rejectsNull(field)) source.add(`if (${local} === null) rejectNull(${JSON.stringify(field.path)})`)
    emitWriteField(source, field, local)
  }
  if (struct.flexible) emitWriteTags(source, struct, value)
}

export const compiledCodec = <A>(plan: PlanStruct): Codec<A> => {
  const read = new Source()
  emitReadStruct(read, plan, "value")
  const write = new Source()
  emitWriteStruct(write, plan, "value")
  const decode = new Function("r", `"use strict"\nlet value\n${read}\nreturn value`) as (reader: Reader) => A
  const makeEncode = new Function(
    "fields",
    "isDefault",
    "rejectAbsent",
    "rejectNull",
    `"use strict"\nreturn function encode(w, value) {\n${write}\n}`
  ) as (...constants: ReadonlyArray<unknown>) => (writer: Writer, value: unknown) => void
  return { decode, encode: makeEncode(write.fields, isDefault, rejectAbsent, rejectNull) }
}

/** False where code generation from strings is switched off (`--disallow-code-generation-from-strings`). */
export const canCompile: boolean = (() => {
  try {
    return new Function("return true")() === true
  } catch (error) {
    if (error instanceof EvalError) return false
    throw error
  }
})()
