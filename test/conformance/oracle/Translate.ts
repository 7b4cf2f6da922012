/**
 * A request in Kafka's ids becomes the same request in ours.
 */
import { type Fields, type FieldType, includes, type Message } from "@chronik-effect/core/protocol/Descriptor.ts"
import { translateBatch } from "./Batches.ts"
import { meaningOf } from "./Fields.ts"
import type { Symbols } from "./Symbols.ts"

type Value = Readonly<Record<string, unknown>>

export const translated = (
  symbols: Symbols,
  api: string,
  message: Message<unknown>,
  version: number,
  value: Value
): Value => {
  const fieldsOf = (fields: Fields, given: Value): Value =>
    Object.fromEntries(
      Object.entries(given).map(([name, each]) => {
        const field = fields[name]
        if (field === undefined || !includes(field.versions, version)) return [name, each]
        return [name, one(field.type, name, each)]
      })
    )
  const one = (type: FieldType, name: string, each: unknown): unknown => {
    if (each === null || each === undefined) return each
    if (type.kind === "array") return (each as ReadonlyArray<unknown>).map((item) => one(type.element, name, item))
    if (type.kind === "struct") return fieldsOf(type.fields, each as Value)
    if (type.kind === "records") return translateBatch(symbols, each as Uint8Array)
    const meaning = meaningOf(api, name, name, type.kind)
    return typeof meaning === "object" ? symbols.toOurs(meaning.id, each) : each
  }
  return fieldsOf(message.fields, value)
}
